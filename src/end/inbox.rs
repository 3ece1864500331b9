//! What every consumer does, whatever lies in the ring: find the bytes of one stream after the
//! other, wait for them, release them, tell how each stream ended.

use super::{
    Aborter, Peer, Role,
    ahead::ask_ahead,
    attach::Attached,
    distance::Distance,
    epoch::{EndReason, State, Word},
    error::OpenErrorKind,
    held::Held,
    stats::{Stats, Waited},
    stop::{ReadError, Stop},
    waiting::{Gone, Nap, Patience, Until},
};
use crate::{
    layout::control::{CONVERSES, Control},
    ring::{
        cursor::{Violation, distance, whole},
        newest,
        spsc::Consumer,
    },
    sync::Ordering,
    sys::{self, clock},
    wait::{
        Wait,
        fence::AsymmetricFence,
        gate::ANYTHING,
        reply::{self, Haste, unhurriedly},
        spin::eagerly,
    },
};
use std::ptr::NonNull;

/// This many bytes are asked for before they are needed.
const AHEAD: u64 = 64 << 10;

/// A copy of the item at `of`, of which all but the first word is aligned to 32 bytes: a record's
/// payload is, in every ring whose records are small enough to be copied.
#[derive(Debug, Default)]
#[repr(C, align(32))]
struct Copied {
    of: u64,
    padding: [u64; 2],
    words: [u64; newest::WORDS],
}

const _: () = assert!(newest::BYTES < 64, "a frame, multiple of the alignment, that is so small");
const _: () = assert!(std::mem::offset_of!(Copied, words) + 8 == 32, "behind the header");

/// A consumer's place at a ring.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) end: Held,
    epochs: Epochs,
    waited: Waited,
    distance: Distance,
    haste: Haste,
    /// Where this end took up its work.
    start: u64,
    /// Up to here bytes have been asked for; see `prefetch`.
    prefetched: u64,
    /// Whether the producer was told that items come singly, and sends a copy
    /// of each beside its tail.
    converses: bool,
    newest: Copied,
    /// What keeps an operation from being an ordinary one, if anything.
    special: u8,
    /// The same while no guard is out.
    usual: u8,
}

/// In `special`: a guard for unreleased bytes is out;
const LENT: u8 = 1;

/// a copy of the first item was taken, and has not been used;
const COPIED: u8 = 2;

/// what is in the ring must not be shown in place;
const FOREIGN: u8 = 4;

/// and other processes' barriers do not reach this one, so each release needs one of its own.
const UNFENCED: u8 = 8;

impl Inbox {
    /// `unit` = what all positions are multiples of.
    pub(crate) fn new(attached: Attached, unit: u64) -> Result<Self, OpenErrorKind> {
        let Attached { end, start, epoch } = attached;
        start.check_unit(unit)?;
        // Nothing is readable yet: what there is belongs to an epoch that must be looked at first.
        let ring = Consumer::new(start.head, start.head, end.geometry().capacity as u64)?;
        let epochs = Epochs {
            ring,
            unit,
            until: start.head,
            reading: epoch,
            entered: false,
            ended: None,
            skipped: 0,
        };
        let (waited, distance) = (Waited::default(), Distance::new(end.geometry(), start.head));
        let start = start.head;
        let end = Held::new(end);
        let usual = if end.fence.is_registered() { 0 } else { UNFENCED };
        Ok(Self {
            end,
            epochs,
            waited,
            distance,
            haste: Haste::default(),
            start,
            prefetched: start,
            converses: false,
            newest: Copied::default(),
            special: usual,
            usual,
        })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.end.geometry().capacity
    }

    /// The next byte to be released.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.epochs.ring.position()
    }

    /// Where the byte is that comes after `offset` others. The [`available`](Self::available) ones
    /// are mapped, and the producer leaves them alone until they are released.
    #[inline]
    pub(crate) fn first(&self, offset: u64) -> NonNull<u8> {
        // An offset is at most what is available.
        self.end.at(self.position() + offset)
    }

    /// Bytes of the stream being read that were published when it was last looked.
    #[inline]
    pub(crate) fn available(&self) -> u64 {
        self.epochs.available()
    }

    /// Bytes in the ring that were not released. The producer may be publishing meanwhile.
    pub(crate) fn unread(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        // Acquire: pairs with the Release in `Producer::publish`.
        let tail = self.end.control().producer.0.tail.load(Ordering::Acquire);
        tail.saturating_sub(self.position()).min(self.capacity() as u64) as usize
    }

    pub(crate) fn peer(&self) -> Result<Peer, ReadError> {
        let peer = self.end.peer()?;
        if peer == Peer::Replaced {
            return Ok(peer);
        }
        // A writer whose end another reader was told of is not one that this reader has seen.
        let stale = self.end.peer_word()?.epoch < self.epochs.reading;
        Ok(if stale && self.epochs.ended.is_none() { Peer::NoneYet } else { peer })
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

    /// Says that this end gives up.
    pub(crate) fn say_failed(&self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    /// Asks for bytes that will soon be looked at, each once.
    #[inline]
    pub(crate) fn prefetch(&mut self) {
        let at = self.position();
        let from = self.prefetched.max(at);
        let to = self.epochs.until.min(at.saturating_add(AHEAD));
        if to > from {
            sys::cache::prefetch(self.end.at(from).as_ptr(), (to - from) as usize);
            self.prefetched = to;
        }
    }

    /// Bytes that this end has released.
    fn bytes(&self) -> u64 {
        self.position() - self.start - self.epochs.skipped
    }

    /// Gives `n` bytes back, which were available and have `items` in them.
    #[inline]
    pub(crate) fn release(&mut self, n: u64, items: u64) {
        if n > 0 {
            let fence = self.end.fence;
            self.release_by(n, items, fence);
        }
    }

    /// Gives the first item back, of `n` bytes, which was [at hand](Self::is_at_hand).
    #[inline(always)]
    pub(crate) fn release_one(&mut self, n: u64) {
        self.release_by(n, 1, AsymmetricFence::REGISTERED);
    }

    /// A guard for `n` bytes, with so many items in them, comes back: they are
    /// released, if this end is of any use.
    #[inline(always)]
    pub(crate) fn take_back(&mut self, n: u64, items: u64) {
        if self.end.is_usable() && self.usual == 0 {
            self.release_by(n, items, AsymmetricFence::REGISTERED);
            self.special = 0;
        } else {
            self.take_back_long(n, items);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_back_long(&mut self, n: u64, items: u64) {
        if self.end.is_usable() {
            self.release(n, items);
        }
        self.special = self.usual;
    }

    #[inline(always)]
    fn release_by(&mut self, n: u64, items: u64, fence: AsymmetricFence) {
        let Self { end, epochs, waited, .. } = self;
        // Looked up before the stores, after which the compiler would look it up again.
        let end: &Held = end;
        let (control, released) = (end.control(), epochs.ring.position() + n);
        let gate = end.gate_by(Role::Producer, &fence);
        epochs.ring.release(n, &control.consumer.0.head);
        waited.moved(items);
        gate.notify(released);
    }

    /// From now on there is always something special about taking bytes from the ring.
    pub(crate) fn never_at_hand(&mut self) {
        self.usual |= FOREIGN;
        self.special = self.usual;
    }

    /// Whether there is nothing special about taking `wanted` bytes from the ring.
    #[inline(always)]
    pub(crate) fn is_at_hand(&self, wanted: u64) -> bool {
        self.end.is_usable() && self.special == 0 && self.available() >= wanted
    }

    /// Whether there is nothing special about using what a guard is out for.
    #[inline(always)]
    pub(crate) fn is_next_at_hand(&self) -> bool {
        self.end.is_usable() && self.usual & FOREIGN == 0
    }

    /// The item of `n` bytes behind `offset` others is about to be used, and `rest` from there on
    /// are available: asks for what will be used in a while.
    #[inline(always)]
    pub(crate) fn ask_ahead(&self, offset: u64, n: u64, rest: u64) {
        ask_ahead(self.first(offset), n, rest, sys::cache::prefetch_for_reading);
    }

    /// Waits until there are bytes, if any are wanted; returns how many, 0 at the end of a finished
    /// stream. A look at the producer's position is saved if `wanted` are known to be there.
    #[inline]
    pub(crate) fn await_bytes(
        &mut self,
        wanted: u64,
        patience: Patience,
    ) -> Result<u64, ReadError> {
        self.await_bytes_after(false, wanted, patience)
    }

    /// As [`await_bytes`](Self::await_bytes), perhaps after an eager look that was in vain.
    #[inline]
    pub(crate) fn await_bytes_after(
        &mut self,
        looked: bool,
        wanted: u64,
        patience: Patience,
    ) -> Result<u64, ReadError> {
        self.end.check()?;
        self.note_if_leaked();
        if self.available() >= wanted {
            return Ok(self.available());
        }
        self.await_bytes_long(looked, patience)
    }

    #[inline(never)]
    fn await_bytes_long(&mut self, looked: bool, patience: Patience) -> Result<u64, ReadError> {
        self.special &= !COPIED;
        if self.available() == 0 && !looked && !patience.is_short() {
            let at = self.position();
            let Self { end, waited, distance, .. } = self;
            distance.keep(end, at, waited.items());
            self.tell_whether_conversing();
            eagerly(self.waited.eager(self.end.wait), &self.end.control().producer.0.tail, at);
        }
        if !self.epochs.glance(&self.end) {
            self.wait_for_bytes(patience)?;
        }
        if self.converses && self.available() > 0 {
            self.take_copy();
        }
        Ok(self.available())
    }

    /// The usual case in a conversation: looks for the next item for a moment. Whether it came;
    /// `None` if this is not the usual case.
    #[inline(always)]
    pub(crate) fn await_reply(&mut self, patience: Patience) -> Option<bool> {
        let Self { end, epochs, waited, distance, haste, converses, special, .. } = self;
        let ordinary = end.is_usable() && *special & LENT == 0;
        let usual = *converses && epochs.available() == 0 && !patience.is_short();
        if !ordinary || !usual || !distance.goes_on(waited.items()) {
            return None;
        }
        let (policy, tail) = (waited.eager(end.wait), &end.control().producer.0.tail);
        let at = epochs.ring.position();
        let now = clock::monotonic_nanos;
        match reply::asked_in().filter(|_| policy == Wait::Adaptive) {
            Some(own) if haste.is_unhurried(waited.items(), now) => unhurriedly(own, tail, at),
            _ => eagerly(policy, tail, at),
        }
        Some(epochs.glance(end))
    }

    /// Gets the first item, which is available, from the copy that it came with, if it did.
    #[inline(always)]
    pub(crate) fn get_copy(&self, words: &mut [u64]) -> bool {
        // Of the epoch being read: the tail has passed its position.
        self.end.control().producer.0.newest.get(self.position(), words)
    }

    /// Gets it to where it can be [looked at](Self::newest).
    #[inline(always)]
    pub(crate) fn keep_copy(&mut self) -> bool {
        // As in `get_copy`.
        self.end.control().producer.0.newest.get(self.position(), &mut self.newest.words)
    }

    /// Takes that copy to be [used later](Self::take_newest).
    #[inline]
    fn take_copy(&mut self) {
        if self.keep_copy() {
            self.special |= COPIED;
            self.newest.of = self.position();
        }
    }

    #[cold]
    fn wait_for_bytes(&mut self, patience: Patience) -> Result<(), ReadError> {
        self.waited.moved_bytes(self.bytes());
        let Self { end, epochs, waited, distance, .. } = self;
        let at = epochs.ring.position();
        let nap = distance.nap_for_data(at, end.geometry().capacity as u64);
        let nap = nap.map(|n| Nap { enough: at.saturating_add(n), look_first: false });
        let until = Until { nap, ..Until::there(at.saturating_add(1)) };
        let seen = end.wait(patience, &until, waited, |gone| epochs.look(end, gone));
        let (rest, took) = waited.take_rest();
        distance.rested(at, rest, took);
        match seen? {
            Seen::Bytes => Ok(()),
            Seen::End(reason) => ReadError::stream_ended(reason).map_or(Ok(()), Err),
        }
    }

    /// Tells the producer whether items come singly, if that is news.
    #[inline]
    fn tell_whether_conversing(&mut self) {
        if self.distance.converses() != self.converses {
            self.converses = !self.converses;
            let mode = if self.converses { CONVERSES } else { 0 };
            // Relaxed: a wish, which stands for itself.
            self.end.control().data.0.mode.store(mode, Ordering::Relaxed);
        }
    }

    /// The first item that is available, if it came with a copy that can be taken instead of it.
    #[inline]
    pub(crate) fn take_newest(&mut self) -> Option<&[u64; newest::WORDS]> {
        // Of another item if the first ones were released by the batch.
        let copied = self.special & COPIED != 0 && self.newest.of == self.position();
        self.special &= !COPIED;
        copied.then_some(&self.newest.words)
    }

    /// The copy that was last taken. All but its first word is aligned to 32 bytes.
    #[inline]
    pub(crate) fn newest(&self) -> &[u64; newest::WORDS] {
        &self.newest.words
    }

    /// A guard for unreleased bytes goes out. It must be [taken back](Self::take_back).
    #[inline]
    pub(crate) fn lend(&mut self) {
        self.special = LENT;
    }

    /// If it did not, somebody has forgotten it. The bytes were not released,
    /// and are handed out again.
    #[inline]
    fn note_if_leaked(&mut self) {
        if self.special & LENT != 0 {
            self.note_leak();
        }
    }

    #[cold]
    fn note_leak(&mut self) {
        self.special = self.usual;
        self.waited.leaked();
    }

    /// What was found in the ring cannot be.
    #[cold]
    pub(crate) fn refuse(&self, violation: Violation) -> ReadError {
        match self.end.checked::<()>(Err(violation)) {
            Err(stop) => stop.into(),
            Ok(()) => ReadError::Corrupt(violation),
        }
    }

    /// Notes that the first `n` bytes are in use from here on: if this process dies before it
    /// releases them, the writer does not give them to anybody else.
    #[inline]
    pub(crate) fn mark_taken(&mut self, n: u64) {
        let taken = self.position().saturating_add(n);
        // Release: pairs with the Acquire in `Outbox::not_taken`, and keeps what was done with
        // bytes taken before from moving behind it.
        self.end.control().consumer.0.taken.store(taken, Ordering::Release);
    }

    /// Waits until `changed` says so; false if the time is up or the producer is gone.
    pub(crate) fn await_change(
        &mut self,
        patience: Patience,
        mut changed: impl FnMut(&Control) -> bool,
    ) -> Result<bool, ReadError> {
        self.waited.moved_bytes(self.bytes());
        let Self { end, waited, .. } = self;
        end.check()?;
        let until = Until::there(ANYTHING);
        let waited = end.wait(patience, &until, waited, |gone| {
            let word = end.peer_word()?;
            Ok(if changed(end.control()) {
                Some(true)
            } else if matches!(word.state, State::Ended(_)) || gone == Gone::Peer(word) {
                Some(false)
            } else {
                None
            })
        });
        match waited {
            Err(ReadError::Timeout) => Ok(false),
            waited => waited,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.waited.moved_bytes(self.bytes());
        // One that leaves between two streams has nothing to say to the next one's writer.
        let between = self.epochs.ended.is_some() && !self.epochs.entered;
        let last = if between { State::None } else { State::Ended(EndReason::Finished) };
        self.end.leave(last, &self.waited);
    }
}

/// What a look into the ring can show.
#[derive(Debug)]
enum Seen {
    Bytes,
    End(EndReason),
}

/// The consumer's positions, and how far into them the epoch being read goes.
#[derive(Debug)]
struct Epochs {
    ring: Consumer,
    /// What all positions are multiples of, if the other process keeps to the protocol.
    unit: u64,
    /// Bytes up to here may be handed out: the tail as last seen, or the boundary before it.
    until: u64,
    /// The epoch being read, or the next one to come.
    reading: u32,
    /// Whether we are past its boundary.
    entered: bool,
    /// How the epoch before ended, if this reader has told its caller.
    ended: Option<EndReason>,
    /// Bytes that were nobody's.
    skipped: u64,
}

impl Epochs {
    #[inline]
    fn available(&self) -> u64 {
        self.until - self.ring.position()
    }

    /// Looks whether there are bytes or an end.
    ///
    /// The order matters. `tail` is read before the producer's word: a producer of the next epoch
    /// says so before it publishes anything, so bytes of its are never taken for ours. And `tail`
    /// is read again after the word: an end counts only if nothing was published before it that we
    /// have not seen. A peer found dead was tested (`gone`) before either, and so is it asked
    /// whether the ring was replaced: if so, nobody will publish any more.
    fn look(&mut self, end: &Held, gone: Gone) -> Result<Option<Seen>, Stop> {
        let control = end.control();
        loop {
            let replaced = end.is_replaced();
            self.refresh(end)?;
            let word = end.peer_word()?;
            if word.epoch < self.reading {
                if replaced {
                    return Ok(Some(self.say(EndReason::Replaced)));
                }
                // Nobody has come since the end that we told of, if we did.
                return Ok(self.ended.map(Seen::End));
            }
            if !self.entered {
                // What lies before our epoch's boundary is nobody's. (The word's Acquire makes the
                // tail at least the boundary, once read again.)
                self.refresh(end)?;
                let nobodys = end.checked(self.before_boundary(control, self.reading))?;
                self.ring.release(nobodys, &control.consumer.0.head);
                self.skipped += nobodys;
                self.until = self.ring.position();
                self.entered = true;
                end.notify_peer(self.ring.position());
                continue;
            }
            if word.epoch > self.reading {
                // As above.
                self.refresh(end)?;
                let rest = self.before_boundary(control, self.reading + 1);
                self.until = self.ring.position() + end.checked(rest)?;
                if self.available() > 0 {
                    return Ok(Some(Seen::Bytes));
                }
                let previous = end.checked(Word::load(&control.life.0.previous))?;
                let epoch = u64::from(self.reading);
                end.checked(distance("epoch", epoch, u64::from(previous.epoch), 0))?;
                self.acknowledge(end);
                if let State::Ended(reason) = previous.state {
                    return Ok(Some(self.say(reason)));
                }
                continue;
            }
            self.until = self.ring.position() + self.ring.available();
            if self.available() > 0 {
                return Ok(Some(Seen::Bytes));
            }
            let reason = match word.state {
                State::Ended(reason) => reason,
                // A writer that has not said how it ended.
                State::None | State::Open if replaced => EndReason::Replaced,
                State::Open if gone == Gone::Peer(word) => EndReason::Died,
                State::None | State::Open => return Ok(None),
            };
            self.refresh(end)?;
            if self.ring.available() > 0 {
                // Ours, or already the next epoch's: the word, read again, tells.
                continue;
            }
            self.acknowledge(end);
            return Ok(Some(self.say(reason)));
        }
    }

    /// A quick look for bytes, true if there are more than were known. Whatever is not as usual is
    /// left to [`look`](Self::look), whose order this keeps: the tail, then the word.
    #[inline]
    fn glance(&mut self, end: &Held) -> bool {
        let control = end.control();
        if !self.entered || !self.ring.glance(&control.producer.0.tail, self.unit) {
            return false;
        }
        if !Word::is_open(&control.life.0.producer, self.reading) {
            return false;
        }
        self.until = self.ring.position() + self.ring.available();
        true
    }

    /// Looks at the producer's position.
    #[inline]
    fn refresh(&mut self, end: &Held) -> Result<(), Stop> {
        let seen = self.ring.refresh(&end.control().producer.0.tail);
        let (at, unit) = (self.ring.position(), self.unit);
        end.checked(seen.and_then(|()| whole("tail", at, self.ring.available(), unit)))
    }

    /// How far it is to where an epoch begins: 0 if a consumer before us went past that.
    fn before_boundary(&self, control: &Control, epoch: u32) -> Result<u64, Violation> {
        // Relaxed: ordered by the Acquire of the word that says that this epoch has begun, and not
        // changed before we acknowledge it.
        let boundary = control.life.0.boundary(epoch).load(Ordering::Relaxed);
        let at = self.ring.position();
        if epoch == self.reading && boundary <= at {
            return Ok(0);
        }
        let before = distance("boundary", at, boundary, self.ring.available())?;
        whole("boundary", at, before, self.unit)?;
        Ok(before)
    }

    fn say(&mut self, reason: EndReason) -> Seen {
        self.ended = Some(reason);
        Seen::End(reason)
    }

    /// Notes that the caller is told of the end of the epoch being read.
    fn acknowledge(&mut self, end: &Held) {
        // Release: pairs with the Acquire in `Outbox::drain` and `begin_producer`.
        let acknowledged = &end.control().life.0.acknowledged;
        acknowledged.store(u64::from(self.reading), Ordering::Release);
        self.reading += 1;
        self.entered = false;
        self.until = self.ring.position();
        end.notify_peer(ANYTHING);
    }
}
