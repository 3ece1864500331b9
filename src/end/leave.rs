//! How an end leaves, and who takes the name away.
//!
//! A leaving end first says how it ended and wakes the peer; the face does that. Then, under the
//! build lock, the last one out removes the name, and only then, still under the lock, its mapping
//! goes and the role with it: so of two ends that leave at once the second sees the first gone.
//!
//! The name stays if somebody may still want what is in the ring: bytes that no reader has read,
//! unless there was a reader and it left in good order. (It had its chance, as the reader of a FIFO
//! that closes it; a reader that was killed has not.)

use super::{
    End, Role,
    epoch::{EndReason, State, Word},
    fork::NOBODY,
    lock::BuildLock,
};
use crate::{sync::Ordering as SharedOrdering, wait::gate::Sleeper};
use std::{
    mem::ManuallyDrop,
    sync::{Weak, atomic::Ordering},
};

#[allow(unsafe_code)]
impl Drop for End {
    fn drop(&mut self) {
        if !self.is_own() {
            // Inherited by fork: the mapping was not, and its addresses may be in use for
            // something else by now. Only the descriptor is a copy of our own, and closes.
            return;
        }
        let lock = self.probe.reopen().ok().and_then(|object| BuildLock::take(object).ok());
        if let Some(lock) = &lock {
            self.remove_name_if_last(lock, false);
        }
        // SAFETY: dropped once, here; nobody can hold a pointer into it, for those who could
        // (the face, an aborter at work) hold the `Arc` that has just gone.
        unsafe { ManuallyDrop::drop(&mut self.mapping) };
        drop(lock);
    }
}

impl End {
    /// Removes the name if nobody is left who uses it. Whatever fails here leaves a name behind
    /// that the next to attach takes over; there is nobody to be told.
    fn remove_name_if_last(&self, lock: &BuildLock, aborted: bool) {
        if self.persistent {
            return;
        }
        let Ok(peer) = self.peer_word() else { return };
        // A peer that has said its last word is on its way out and will not need the name. (Were
        // it not counted as gone, two ends that are aborted at once would each wait for the other.)
        let peer_is_gone = peer.is_ended() || matches!(self.peer_holds_role(), Ok(false));
        if !peer_is_gone {
            return;
        }
        let control = self.control();
        let head = control.consumer.0.head.load(SharedOrdering::Acquire);
        let tail = control.producer.0.tail.load(SharedOrdering::Acquire);
        let consumer = match self.role {
            Role::Producer => Ok(peer),
            Role::Consumer => self.checked(Word::load(Role::Consumer.word(control))),
        };
        let reader_left = matches!(
            consumer.map(|word| word.state),
            Ok(State::Ended(EndReason::Finished | EndReason::Failed(_)))
        );
        if head == tail || reader_left || aborted {
            let _ = lock.object().remove_name();
        }
    }
}

/// Ends an end from another thread: what a signal handler's thread needs before it lets the signal
/// kill the process.
///
/// It keeps nothing alive: once the end is dropped, it does nothing.
#[derive(Clone, Debug)]
pub struct Aborter(Weak<End>);

impl Aborter {
    pub(crate) fn new(end: Weak<End>) -> Self {
        Self(end)
    }

    /// Ends the stream as if the end were dropped, wakes the peer, and, if no other end is
    /// attached, removes the ring's name even if there are bytes that nobody has read.
    ///
    /// The end itself stays where it is, and each operation on it fails from now on, also one that
    /// is waiting for the peer. A read(2) or write(2) that it is in the middle of is not
    /// interrupted. In a forked child of the process that made the end this does nothing.
    pub fn abort(&self) {
        let Some(end) = self.0.upgrade().filter(|end| end.is_own()) else { return };
        // Relaxed: the end's own thread finds it at its next operation or wake-up.
        end.usable.store(NOBODY, Ordering::Relaxed);
        let reason = match end.role {
            Role::Producer => EndReason::Dropped,
            // A reader that goes on purpose leaves in good order.
            Role::Consumer => EndReason::Finished,
        };
        end.say_ended(reason);
        end.role.own_gate(end.control()).semaphore.post_token();
        if let Some(lock) = end.probe.reopen().ok().and_then(|object| BuildLock::take(object).ok())
        {
            end.remove_name_if_last(&lock, true);
        }
    }
}
