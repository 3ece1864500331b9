//! What every producer does, whatever lies in the ring: wait for room, publish, come to an end.
//!
//! An anonymous ring is made without memory for its data: to get the pages of four mebibytes
//! takes 0.8 ms, and a first record needs one of them. Its producer gets them, whole [`PIECE`]s
//! ahead of what it writes: where memory ends there is no [room](Producer::set_backed), and that
//! is taken to be [somewhat](BEHIND) before its real end. So whatever was published has memory,
//! after one lap all of the ring, and who takes up the ring in its first lap begins at its tail:
//! nothing of this needs to be shared.

use super::{
    Aborter, Peer, Role,
    ahead::{LEAST, ask_ahead},
    attach::Attached,
    distance::Distance,
    epoch::{EndReason, State},
    error::OpenErrorKind,
    held::Held,
    stats::{Stats, Waited},
    stop::{Stop, WriteError},
    waiting::{Gone, Nap, Patience, Until},
};
use crate::{
    layout::{
        control::CONVERSES,
        identity::{self, Geometry},
    },
    ring::{
        cursor::{distance, whole},
        newest,
        spsc::Producer,
    },
    sync::Ordering,
    sys,
    wait::{fence::AsymmetricFence, gate::ANYTHING, reply, spin::eagerly},
};
use std::ptr::{self, NonNull};

/// Lines of the ring that are asked for before they are written, in a conversation.
const AHEAD: usize = 2;

/// Who needs room for so many bytes looks at the consumer's position at once, and keeps no distance
/// first: what its line costs is nothing beside such an item.
const LARGE: u64 = 16 << 10;

/// A producer's place at a ring.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) end: Held,
    ring: Producer,
    /// What all positions are multiples of.
    unit: u64,
    /// Where this end took up its work.
    start: u64,
    epoch: u32,
    waited: Waited,
    distance: Distance,
    /// What keeps an operation from being an ordinary one, if anything.
    special: u8,
    /// The same while no guard is out.
    usual: u8,
}

/// How far ahead of what is to be written a ring gets memory: 25 microseconds' work.
const PIECE: u64 = 128 << 10;

/// So far behind the position that is published with it may an item go on, whose alignment shifts
/// it, and what is read for its copy.
const BEHIND: u64 = *identity::ALIGN.end() as u64 + newest::BYTES;

/// In `special`: a guard for unpublished bytes is out,
const LENT: u8 = 1;

/// and other processes' barriers do not reach this one, so each publication needs one of its own.
const UNFENCED: u8 = 2;

impl Outbox {
    /// `unit` = what all positions are multiples of.
    pub(crate) fn new(attached: Attached, unit: u64) -> Result<Self, OpenErrorKind> {
        let Attached { end, start, epoch } = attached;
        start.check_unit(unit)?;
        let capacity = end.geometry().capacity as u64;
        let mut ring = Producer::new(start.tail, start.head, capacity)?;
        if end.grows && start.tail < capacity {
            ring.set_backed(start.tail);
        }
        let distance = Distance::new(end.geometry(), start.tail);
        let (waited, start) = (Waited::default(), start.tail);
        let end = Held::new(end);
        let usual = if end.fence.is_registered() { 0 } else { UNFENCED };
        Ok(Self { end, ring, unit, start, epoch, waited, distance, special: usual, usual })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.end.geometry().capacity
    }

    /// Where the bytes go that are to be published after the next `offset` ones.
    #[inline]
    pub(crate) fn next(&self, offset: u64) -> NonNull<u8> {
        // An offset is at most what is `left`.
        self.end.at(self.ring.position() + offset)
    }

    /// Bytes of room, as far as was last seen.
    #[inline]
    pub(crate) fn free(&self) -> u64 {
        self.ring.free()
    }

    /// Bytes that can ever be published.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.ring.left()
    }

    /// Bytes that the consumer has not released. It may be releasing meanwhile.
    pub(crate) fn unread(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        // Acquire: pairs with the Release in `Consumer::release`.
        let head = self.end.control().consumer.0.head.load(Ordering::Acquire);
        let unread = self.ring.position().saturating_sub(head);
        unread.min(self.capacity() as u64) as usize
    }

    pub(crate) fn peer(&self) -> Result<Peer, WriteError> {
        Ok(self.end.peer()?)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.waited.stats(self.bytes())
    }

    pub(crate) fn name(&self) -> Option<&std::ffi::OsStr> {
        self.end.name()
    }

    pub(crate) fn aborter(&self) -> Aborter {
        Aborter::new(self.end.arc())
    }

    /// Bytes that could be published now without waiting, at least; none if
    /// this end cannot be used.
    pub(crate) fn room(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        (self.capacity() - self.unread()).min(usize::try_from(self.left()).unwrap_or(usize::MAX))
    }

    /// Bytes that this end has published.
    fn bytes(&self) -> u64 {
        self.ring.position() - self.start
    }

    /// Publishes `items` in `n` bytes, for which there was room.
    #[inline]
    pub(crate) fn publish(&mut self, n: u64, items: u64) {
        if n > 0 {
            self.publish_some(n, items);
            if items == 1 && n >= LEAST {
                self.ask_ahead(0, n);
            }
        }
    }

    #[inline(always)]
    fn publish_some(&mut self, n: u64, items: u64) {
        let Self { end, ring, waited, .. } = self;
        // Looked up before the stores, after which the compiler would look it up again.
        let end: &Held = end;
        let (control, fence, published) = (end.control(), end.fence, ring.position() + n);
        let gate = end.gate_by(Role::Consumer, &fence);
        ring.publish(n, &control.producer.0.tail);
        waited.moved(items);
        gate.notify(published);
    }

    /// An item of `n` bytes was written behind `offset` others, to be published later: asks for
    /// what will be written in a while.
    #[inline(always)]
    pub(crate) fn ask_ahead(&self, offset: u64, n: u64) {
        let there = self.free() - offset;
        ask_ahead(self.next(offset), n, there, sys::cache::prefetch_for_writing);
    }

    /// Waits until there is room for an item of `n` bytes, has it written where it goes, `shift`
    /// bytes behind the position, and publishes it; in a conversation by `publish_newest`.
    #[inline(always)]
    pub(crate) fn put_one(
        &mut self,
        n: u64,
        shift: u64,
        patience: Patience,
        write: impl Fn(NonNull<u8>),
        publish_newest: impl FnOnce(&mut Self),
    ) -> Result<(), WriteError> {
        match self.put_at_once(n, shift, &write, publish_newest) {
            true => Ok(()),
            false => self.put_one_long(n, shift, patience, write),
        }
    }

    /// The same if there is nothing special about it; false if there is.
    #[inline(always)]
    pub(crate) fn put_at_once(
        &mut self,
        n: u64,
        shift: u64,
        write: impl FnOnce(NonNull<u8>),
        publish_newest: impl FnOnce(&mut Self),
    ) -> bool {
        if !self.is_ready(n) {
            return false;
        }
        let conversing = self.is_conversing() && n <= newest::BYTES;
        let Self { end, ring, waited, .. } = &mut *self;
        // What must be known of the end is looked up before the item is written: the compiler would
        // look it up again afterwards, because who knows where that went.
        let (end, at): (&Held, _) = (end, ring.position());
        let gate = end.gate_by(Role::Consumer, &AsymmetricFence::REGISTERED);
        let tail = &end.control().producer.0.tail;
        write(end.at(at + shift));
        if conversing {
            publish_newest(self);
        } else {
            ask_ahead(end.at(at), n, ring.free(), sys::cache::prefetch_for_writing);
            ring.publish(n, tail);
            waited.moved(1);
            gate.notify(at + n);
        }
        true
    }

    /// The same, if there may be something special about it.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_one_long(
        &mut self,
        n: u64,
        shift: u64,
        patience: Patience,
        write: impl FnOnce(NonNull<u8>),
    ) -> Result<(), WriteError> {
        self.await_room_long(n, patience)?;
        write(self.next(shift));
        self.publish_one(n, shift);
        Ok(())
    }

    /// Whether there is nothing special about putting `n` bytes into the ring.
    #[inline(always)]
    fn is_ready(&self, n: u64) -> bool {
        self.end.is_usable()
            && self.special == 0
            && self.ring.free() >= n
            && !self.end.reader_may_have_left()
    }

    /// Whether the consumer wishes for copies beside the tail.
    #[inline]
    fn is_conversing(&self) -> bool {
        // Relaxed: a wish, which stands for itself.
        self.end.control().data.0.mode.load(Ordering::Relaxed) == CONVERSES
    }

    /// Publishes one item of `n` bytes, for which there was room, and which lies
    /// `shift` bytes behind the position.
    #[inline]
    pub(crate) fn publish_one(&mut self, n: u64, shift: u64) {
        if self.is_conversing() && n <= newest::BYTES {
            self.publish_newest(n, shift);
        } else {
            self.publish(n, 1);
        }
    }

    /// As [`publish_one`](Self::publish_one), with a copy of the item beside the tail.
    #[cold]
    pub(crate) fn publish_newest(&mut self, n: u64, shift: u64) {
        // All the words there can be, whatever follows the item: that takes
        // less time than to count.
        self.publish_with(newest::WORDS, n, shift);
    }

    /// The same, with so many words for the copy.
    #[inline(always)]
    pub(crate) fn publish_with(&mut self, words: usize, n: u64, shift: u64) {
        let position = self.ring.position();
        let copy: [u64; newest::WORDS] = self.end.words(position.wrapping_add(shift));
        self.end.control().producer.0.newest.put(position, &copy[..words]);
        self.publish_some(n, 1);
        reply::sent_in(ptr::from_ref(&self.end.control().producer.0.tail).cast());
        // The store to the tail becomes visible only after that of the next item to the ring.
        // So that this one need not wait for a line that was last used a lap ago, it is asked
        // for while the other end thinks.
        let next = self.next(shift).as_ptr();
        for line in 0..AHEAD {
            let next = next.wrapping_add(64 * line);
            sys::cache::prefetch_for_writing(next);
        }
    }

    /// Gets memory for the next `n` bytes of the first lap, or for all that
    /// they can be, in whole pieces.
    #[cold]
    fn get_memory(&mut self, n: u64) -> Result<(), WriteError> {
        let Self { end, ring, .. } = self;
        let Geometry { control, capacity, .. } = end.geometry();
        let (control, capacity) = (control as u64, capacity as u64);
        let to = capacity.min(ring.position().saturating_add(n).saturating_add(BEHIND));
        let (from, to) = (ring.backed(), capacity.min(to.next_multiple_of(PIECE)));
        if let Err(error) = end.probe.allocate(control + from..control + to) {
            // Who has nobody to read is to know that first.
            return Err(match end.peer()? {
                Peer::Finished | Peer::Dropped => WriteError::ReaderLeft,
                Peer::Failed(code) => WriteError::ReaderFailed(code),
                Peer::Died => WriteError::ReaderDied,
                Peer::Replaced => WriteError::Replaced,
                Peer::NoneYet | Peer::Alive | Peer::Waiting if error.is_scarcity() => {
                    WriteError::NoMemory(error)
                }
                Peer::NoneYet | Peer::Alive | Peer::Waiting => WriteError::Os(error),
            });
        }
        ring.set_backed(if to == capacity { u64::MAX } else { to - BEHIND });
        Ok(())
    }

    /// Looks at the consumer's position if what is known of it leaves less room than `n`.
    #[inline]
    pub(crate) fn look_for_room(&mut self, n: u64) -> Result<(), WriteError> {
        if self.ring.free() < n {
            self.end.check()?;
            if self.ring.lacks_memory(n) {
                // No memory for so much may be memory enough.
                let _ = self.get_memory(n);
            }
            refresh(&mut self.ring, &self.end, self.unit)?;
        }
        Ok(())
    }

    /// Waits until there is room for `n` bytes, which is not more than the
    /// capacity, and somebody to read them.
    #[inline]
    pub(crate) fn await_room(&mut self, n: u64, patience: Patience) -> Result<(), WriteError> {
        if self.is_ready(n) { Ok(()) } else { self.await_room_long(n, patience) }
    }

    #[cold]
    fn await_room_long(&mut self, n: u64, patience: Patience) -> Result<(), WriteError> {
        self.end.check()?;
        self.note_if_leaked();
        if self.ring.lacks_memory(n) {
            self.get_memory(n)?;
        }
        if self.ring.free() >= n && !self.end.reader_may_have_left() {
            return Ok(());
        }
        if self.ring.left() < n {
            return Err(WriteError::Exhausted);
        }
        if n >= LARGE && !self.end.reader_may_have_left() {
            refresh(&mut self.ring, &self.end, self.unit)?;
            if self.ring.free() >= n {
                return Ok(());
            }
        }
        self.waited.moved_bytes(self.bytes());
        let Self { end, ring, unit, waited, distance, .. } = self;
        let capacity = end.geometry().capacity as u64;
        let at = ring.position();
        // Where the reader must be for there to be room for so many.
        let room_for = |n: u64| at.saturating_add(n).saturating_sub(capacity);
        if ring.free() < n && !patience.is_short() {
            distance.keep(end, at, waited.items());
            eagerly(waited.eager(end.wait), &end.control().consumer.0.head, at - ring.unreleased());
        }
        let nap = distance.nap_for_room(at, capacity, n);
        let nap = nap.map(|(n, look_first)| Nap { enough: room_for(n), look_first });
        let until = Until { nap, ..Until::there(room_for(n)) };
        let room = end.wait(patience, &until, waited, |gone| {
            let word = end.peer_word()?;
            match word.state {
                State::Ended(reason) => return Err(WriteError::reader_gone(reason)),
                State::Open if gone == Gone::Peer(word) => return Err(WriteError::ReaderDied),
                State::None | State::Open => {}
            }
            refresh(ring, end, *unit)?;
            Ok((ring.free() >= n).then_some(()))
        });
        let (rest, took) = waited.take_rest();
        distance.rested(at, rest, took);
        room
    }

    /// A guard for unpublished bytes goes out. It must come [`back`](Self::back).
    #[inline]
    pub(crate) fn lend(&mut self) {
        self.special = LENT;
    }

    #[inline]
    pub(crate) fn back(&mut self) {
        self.special = self.usual;
    }

    /// Counts a guard that came back, if it was not committed.
    #[inline]
    pub(crate) fn note_aborted(&mut self, aborted: bool) {
        self.waited.aborted(aborted);
    }

    /// If it did not, somebody has forgotten it. The bytes were not published, and are free again.
    #[inline]
    pub(crate) fn note_if_leaked(&mut self) {
        if self.special & LENT != 0 {
            self.note_leak();
        }
    }

    /// Counts a guard that was forgotten.
    #[cold]
    pub(crate) fn note_leak(&mut self) {
        self.special = self.usual;
        self.waited.leaked();
    }

    /// Counts something that was not written because there was no room.
    #[cold]
    pub(crate) fn note_dropped(&mut self) {
        self.waited.dropped();
    }

    /// Says that the stream is whole. Nothing may be published afterwards.
    pub(crate) fn say_finished(&self) -> Result<(), WriteError> {
        self.end.check()?;
        // Only an aborter can have been before us.
        if self.end.say_ended(EndReason::Finished) { Ok(()) } else { Err(WriteError::Aborted) }
    }

    /// Says that this end gives up.
    pub(crate) fn say_failed(&self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    /// Finishes, and waits until the consumer has been told.
    pub(crate) fn drain(&mut self, patience: Patience) -> Result<(), WriteError> {
        self.say_finished()?;
        self.waited.moved_bytes(self.bytes());
        let Self { end, ring, unit, waited, epoch, .. } = self;
        let control = end.control();
        let epoch = u64::from(*epoch);
        // Not for what it reads, but for what it says.
        let until = Until::there(ANYTHING);
        end.wait(patience, &until, waited, |gone| {
            // The reader's word before its position: a reader that left says so last.
            let word = end.peer_word()?;
            // Acquire: pairs with the Release in `Epochs::acknowledge`.
            if control.life.0.acknowledged.load(Ordering::Acquire) >= epoch {
                return Ok(Some(()));
            }
            let left = match word.state {
                // As of one that died: nobody says any more what it had done with what it took.
                State::Ended(EndReason::Replaced) => return Err(WriteError::Replaced),
                State::Ended(reason) => WriteError::reader_gone(reason),
                State::Open if gone == Gone::Peer(word) => return Err(WriteError::ReaderDied),
                State::None | State::Open => return Ok(None),
            };
            refresh(ring, end, *unit)?;
            if ring.unreleased() == 0 { Ok(Some(())) } else { Err(left) }
        })
    }

    /// Waits until the consumer has released all that was written.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; that the reader has gone, and then perhaps not
    /// without having read it all.
    pub(crate) fn await_all_released(&mut self, patience: Patience) -> Result<(), WriteError> {
        self.waited.moved_bytes(self.bytes());
        let Self { end, ring, unit, waited, .. } = self;
        end.check()?;
        let until = Until::there(ring.position());
        end.wait(patience, &until, waited, |gone| {
            // The reader's word before its position: a reader that left says so last.
            let word = end.peer_word()?;
            refresh(ring, end, *unit)?;
            match word.state {
                _ if ring.unreleased() == 0 => Ok(Some(())),
                State::Ended(reason) => Err(WriteError::reader_gone(reason)),
                State::Open if gone == Gone::Peer(word) => Err(WriteError::ReaderDied),
                State::None | State::Open => Ok(None),
            }
        })
    }

    /// The bytes that the consumer has not taken: from which position, and how many. Only to be
    /// asked for when it has gone, or has said that it takes no more.
    pub(crate) fn not_taken(&mut self) -> Result<(NonNull<u8>, usize), WriteError> {
        let Self { end, ring, unit, .. } = self;
        end.check()?;
        let line = &end.control().consumer.0;
        refresh(ring, end, *unit)?;
        let unread = ring.unreleased();
        let head = ring.position() - unread;
        // Acquire: pairs with the Release in `Inbox::mark_taken`. (Of a reader that died, the
        // kernel's release of its role lock is what orders its stores.)
        let taken = line.taken.load(Ordering::Acquire).max(head);
        let rest = unread - end.checked(distance("taken", head, taken, unread))?;
        Ok((end.at(taken), rest as usize))
    }
}

/// Looks at the consumer's position.
#[inline]
fn refresh(ring: &mut Producer, end: &Held, unit: u64) -> Result<(), Stop> {
    let seen = ring.refresh(&end.control().consumer.0.head);
    let head = ring.position() - ring.unreleased();
    end.checked(seen.and_then(|()| whole("head", 0, head, unit)))
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.waited.moved_bytes(self.bytes());
        self.end.leave(State::Ended(EndReason::Dropped), &self.waited);
    }
}
