//! How an end leaves, and who takes the name away.
//!
//! A leaving end first says how it ended and wakes the peer; the face does that. Then, under the
//! build lock, the last one out removes the name, and only then, still under the lock, its mapping
//! goes and the role with it: so of two ends that leave at once the second sees the first gone.
//!
//! The name stays if somebody may still want what is in the ring: bytes that no reader has read,
//! or, if the reader was killed before it was told how the stream ended, that; and as long as a
//! sender of many waits for its first reader. It does not stay if the reader left in good order: it
//! had its chance, as the reader of a FIFO that closes it.

use super::{
    End, Own, Role,
    epoch::{EndReason, State, Word},
    error::OpenErrorKind,
    fork::Process,
    lock::BuildLock,
};
use crate::{
    peer::{self, Lock},
    ring::cursor::Violation,
    segment::Object,
    sync::Ordering as SharedOrdering,
    wait::gate::Sleeper,
};
use std::{
    mem::ManuallyDrop,
    sync::{Arc, OnceLock, Weak},
};

#[allow(unsafe_code)]
impl Drop for End {
    fn drop(&mut self) {
        if !self.is_own() {
            // Inherited by fork: the mapping was not, and its addresses may be in use for
            // something else by now. Only the descriptor is a copy of our own, and closes.
            return;
        }
        let fresh = self.fresh_description();
        let object = fresh.as_ref().unwrap_or(&self.probe);
        let lock = BuildLock::take(object);
        match &lock {
            Ok(lock) if self.is_mapped() => self.remove_name_if_last(lock, false),
            // Without locks nobody comes to a System V ring any more. (Its user has to say that he
            // does not want it; whoever replaces it has.)
            Err(OpenErrorKind::Os(error))
                if error.is_removed()
                    && (!self.persistent || self.is_mapped() && self.is_replaced()) =>
            {
                let _ = object.remove_name();
            }
            _ => {}
        }
        // SAFETY: dropped once, here; nobody can hold a pointer into it, for those who could
        // (the face, an aborter at work) hold the `Arc` that has just gone.
        unsafe { ManuallyDrop::drop(&mut self.mapping) };
        drop(lock);
        // Whoever wanted to abort this end may let the process die now.
        let _ = self.left.set(());
    }
}

impl End {
    /// A description to take the build lock through, other than the one that forked children may
    /// have a copy of. Where none is to be had (no descriptor left, no /proc), that one must do.
    fn fresh_description(&self) -> Option<Object> {
        self.probe.reopen().ok()
    }

    /// Removes the name if nobody is left who uses it. Whatever fails here leaves a name behind
    /// that the next to attach takes over; there is nobody to be told.
    fn remove_name_if_last(&self, lock: &BuildLock<'_>, aborted: bool) {
        let replaced = self.is_replaced();
        if self.persistent && !replaced {
            return;
        }
        if !self.others().all(|other| self.is_gone(other)) {
            return;
        }
        let unwanted = match aborted {
            // Whoever replaced it was killed before he had taken its name away.
            _ if replaced => true,
            true => self.is_alone(),
            false => !self.is_wanted().unwrap_or(true),
        };
        if unwanted {
            let _ = lock.object().remove_name();
        }
    }

    /// The ends that there can be besides this one.
    fn others(&self) -> impl Iterator<Item = Own<'_>> {
        let single = (self.geometry.producers == 0 || self.role == Role::Producer)
            .then(|| Own::of_role(self.role.other(), self.control()));
        let seats = (0..self.geometry.producers as u8).filter(|seat| self.seat != Some(*seat));
        let seats = seats.map(|seat| Own::of_seat(self.seats(), seat));
        // A seat is taken under the build lock, too: nobody has one that has never been taken.
        single.into_iter().chain(seats.filter(|seat| seat.word.load(SharedOrdering::Relaxed) != 0))
    }

    /// Whether another end will not need the name: it has said its last word and is on its way out,
    /// or it died, or never was. (Were the first not counted as gone, two ends that are aborted at
    /// once would each wait for the other.)
    fn is_gone(&self, other: Own<'_>) -> bool {
        match Word::load(other.word) {
            Ok(word) if word.is_ended() => true,
            Ok(_) => matches!(peer::is_held(&self.probe, other.lock), Ok(false)),
            Err(_) => false,
        }
    }

    /// Whether there is nothing in the ring that others have finished: of one that was
    /// aborted nobody misses anything.
    fn is_alone(&self) -> bool {
        let Some(own) = self.seat else { return true };
        let told = self.control().life.0.acknowledged.load(SharedOrdering::Acquire);
        let many = self.many();
        let is_told = |other: Own<'_>| {
            u64::from(Word::epoch_of(other.word.load(SharedOrdering::Relaxed))) <= told
        };
        self.others().filter(|other| other.lock != Lock::Consumer).all(is_told)
            && self.ring_geometry().unreleased(many.ring).all(|(owner, _)| owner == own)
    }

    /// Whether another producer of many has finished and stays until a reader has come. (One that
    /// was aborted says that it was dropped.)
    fn somebody_waits(&self) -> bool {
        let finished = State::Ended(EndReason::Finished);
        self.others().filter(|other| other.lock != Lock::Consumer).any(|other| {
            matches!(Word::load(other.word), Ok(word) if word.state == finished)
                && matches!(peer::is_held(&self.probe, other.lock), Ok(true))
        })
    }

    /// Whether a reader to come has something to get from the ring: bytes, or an end to be told.
    fn is_wanted(&self) -> Result<bool, Violation> {
        let control = self.control();
        let acknowledged = control.life.0.acknowledged.load(SharedOrdering::Acquire);
        let consumer = Word::load(Role::Consumer.word(control))?;
        if self.geometry.producers > 0 {
            let told = acknowledged >= control.many.0.joined.load(SharedOrdering::Acquire);
            let mut claims = self.ring_geometry().unreleased(self.many().ring);
            return Ok(match consumer.state {
                State::None => claims.any(|(_, committed)| committed) || self.somebody_waits(),
                State::Open => !told || claims.any(|(_, committed)| committed),
                State::Ended(_) => false,
            });
        }
        let head = control.consumer.0.head.load(SharedOrdering::Acquire);
        let tail = control.producer.0.tail.load(SharedOrdering::Acquire);
        let producer = Word::load(Role::Producer.word(control))?;
        let told = acknowledged >= u64::from(producer.epoch);
        Ok(match consumer.state {
            // Of the last stream its bytes; or the end of the one before it.
            State::None => {
                let older_untold = acknowledged.saturating_add(1) < u64::from(producer.epoch);
                !told && (head != tail || older_untold)
            }
            State::Open => head != tail || !told,
            State::Ended(_) => false,
        })
    }
}

/// Ends an end from another thread: what a signal handler's thread needs before it lets the signal
/// kill the process.
///
/// It keeps nothing alive: once the end is dropped, it does nothing. (If the end is dropped while
/// [`abort`](Self::abort) is at work in another thread, its role is free when both are done.)
#[derive(Clone, Debug)]
pub struct Aborter {
    end: Weak<End>,
    process: Process,
    left: Arc<OnceLock<()>>,
}

impl Aborter {
    pub(crate) fn new(end: &Arc<End>) -> Self {
        Self { end: Arc::downgrade(end), process: end.process, left: Arc::clone(&end.left) }
    }

    /// Ends the stream as if the end were dropped, wakes the peer, and, if no other end is
    /// attached, removes the ring's name even if there are bytes that nobody has read.
    ///
    /// The end itself stays where it is, and each operation on it fails from now on, also one that
    /// is waiting for the peer. A read(2) or write(2) that it is in the middle of is not
    /// interrupted. In a forked child of the process that made the end this does nothing.
    ///
    /// If another thread is dropping the end, this waits until it has: the process may die
    /// afterwards without cutting the removal of the name short.
    pub fn abort(&self) {
        if self.process.running() != self.process.number() {
            return;
        }
        let Some(end) = self.end.upgrade() else {
            self.left.wait();
            return;
        };
        if !end.is_mapped() {
            return;
        }
        // The end's own thread finds it at its next operation or wake-up.
        end.mark.spoil();
        let reason = match end.role {
            Role::Producer => EndReason::Dropped,
            // A reader that goes on purpose leaves in good order.
            Role::Consumer => EndReason::Finished,
        };
        end.say_ended(reason);
        end.gate_at(end.own().gate).sleeper.post_token();
        let fresh = end.fresh_description();
        if let Ok(lock) = BuildLock::take(fresh.as_ref().unwrap_or(&end.probe)) {
            end.remove_name_if_last(&lock, true);
        }
    }
}
