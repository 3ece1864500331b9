//! The sending side: claim, fill, commit.
//!
//! A claim holds one or more records, each in whole blocks. What a record is stands in the
//! header beside its first block; where the last one of a claim does not fill it, the header
//! beside the next block says [`END`].

use super::{
    ask_ahead,
    status::{self, ProducerId, Status},
};
use crate::{
    Peer, Stats, WriteError,
    end::{
        Role,
        attach::Attached,
        distance::Distance,
        epoch::{EndReason, State},
        error::OpenErrorKind,
        held::Held,
        stats::Waited,
        stop::Stop,
        waiting::{Gone, Nap, Patience, Until},
    },
    record::{frame::Header, topology::sealed},
    ring::mpsc::{Claim, Producer, Seat},
    sync::Ordering,
    sys::cache::prefetch_for_writing,
    wait::{backoff::Backoff, spin::eagerly},
};
use std::ptr::NonNull;

/// Beside a block, in a claim: from here on there is nothing. No record is so long.
pub(super) const END: u64 = u64::MAX;

/// Bytes that a batch claims without a wish for a number.
const BATCH: u64 = 16 << 10;

/// A producer's place at a ring of many.
#[derive(Debug)]
pub struct Outlet {
    end: Held,
    ring: Producer,
    /// Bytes of a block.
    block: u64,
    id: ProducerId,
    waited: Waited,
    distance: Distance,
    backoff: Backoff,
    /// Bytes of the ring that were committed.
    bytes: u64,
    /// What a guard stands for.
    claim: Option<Claim>,
}

impl sealed::Outlet for Outlet {
    fn new(attached: Attached) -> Result<Self, OpenErrorKind> {
        let Attached { end, epoch, .. } = attached;
        let end = Held::new(end);
        let many = end.many();
        let ring = Producer::new(end.seat(), many.ring, end.ring_geometry())?;
        let distance = Distance::new(end.geometry(), ring.position());
        let block = end.geometry().block as u64;
        let (id, waited) = (ProducerId(epoch), Waited::default());
        let backoff = Backoff::default();
        Ok(Self { end, ring, block, id, waited, distance, backoff, bytes: 0, claim: None })
    }

    #[inline]
    fn end(&self) -> &Held {
        &self.end
    }

    fn align(&self) -> usize {
        self.block as usize
    }

    fn max_len(&self) -> usize {
        let most = u64::from(self.ring.geometry().most()) * self.block;
        // The length that says that nothing follows is none of a record's.
        most.min(u64::from(u32::MAX) - 1) as usize
    }

    #[inline]
    fn frame(&self, len: u32) -> u64 {
        // One block at least, which has the header beside it.
        (u64::from(len).max(1) + self.block - 1) & !(self.block - 1)
    }

    #[inline(always)]
    fn send(&mut self, header: Header, bytes: &[u8], patience: Patience) -> Result<(), WriteError> {
        let frame = self.frame(header.len());
        let last = self.ring.end();
        let claim = match self.claim_at_once(frame) {
            Some(claim) => claim,
            None => self.claim(frame, patience)?,
        };
        // Where the last one of this producer had ended, the others seem to be idle, and
        // what is free seems to be ours.
        let there = if claim.position() == last { self.ring.free() + frame } else { frame };
        self.put(claim.position(), header, bytes, frame, there);
        self.commit(&claim, frame, 1)
    }

    #[inline]
    fn open(&mut self, bytes: u64, patience: Patience) -> Result<(), WriteError> {
        self.claim = Some(match self.claim_at_once(bytes) {
            Some(claim) => claim,
            None => self.claim(bytes, patience)?,
        });
        Ok(())
    }

    fn extend(
        &mut self,
        used: u64,
        bytes: u64,
        wish: u64,
        patience: Patience,
    ) -> Result<bool, WriteError> {
        if sealed::Outlet::must_look(self)
            && let State::Ended(reason) = self.end.peer_word()?.state
        {
            return Err(WriteError::reader_gone(reason));
        }
        if sealed::Outlet::room(self) >= bytes {
            return Ok(true);
        }
        if used > 0 {
            // A claim cannot grow: others have claimed what lies behind it.
            return Ok(false);
        }
        self.give_up();
        let most = self.ring.geometry().most() as u64 * self.block;
        let wish = if wish == 0 { BATCH.min(most / 8) } else { wish };
        let wish = wish.max(bytes).min(most).next_multiple_of(self.block);
        self.claim = match self.claim(wish, Patience::Never) {
            // Rather less than to wait.
            Err(WriteError::Full) => Some(self.claim(bytes, patience)?),
            claimed => Some(claimed?),
        };
        Ok(true)
    }

    #[inline]
    fn room(&self) -> u64 {
        self.claim.as_ref().map_or(0, |claim| self.ring.geometry().bytes(claim.blocks()))
    }

    #[inline]
    fn must_look(&self) -> bool {
        self.end.reader_may_have_left()
    }

    #[inline]
    fn payload(&self, offset: u64) -> NonNull<u8> {
        self.end.at(self.position() + offset)
    }

    #[inline]
    fn describe(&mut self, offset: u64, header: Header) {
        self.put_header(self.position() + offset, header.to_word());
    }

    #[inline(always)]
    fn gathered(&self, offset: u64, frame: u64) {
        let Self { end, ring, .. } = self;
        let (at, rest) = (self.position() + offset, sealed::Outlet::room(self) - offset);
        let geometry = ring.geometry();
        let block = geometry.block(end.many().ring, at);
        ask_ahead(end.at(at), (block, geometry), frame, rest, prefetch_for_writing);
    }

    #[inline(always)]
    fn gather(&mut self, offset: u64, frame: u64, header: Header, bytes: &[u8]) {
        let (at, rest) = (self.position() + offset, sealed::Outlet::room(self) - offset);
        self.put(at, header, bytes, frame, rest);
    }

    #[inline]
    fn publish(&mut self, bytes: u64, records: u64) -> Result<(), WriteError> {
        if bytes == 0 {
            self.give_up();
            return Ok(());
        }
        match self.claim.take() {
            Some(claim) => {
                if self.ring.geometry().bytes(claim.blocks()) > bytes {
                    self.put_header(claim.position() + bytes, END);
                }
                self.commit(&claim, bytes, records)
            }
            None => Err(WriteError::Aborted),
        }
    }

    #[inline]
    fn publish_one(&mut self, frame: u64) -> Result<(), WriteError> {
        sealed::Outlet::publish(self, frame, 1)
    }

    #[inline]
    fn lend(&mut self) {}

    #[inline]
    fn back(&mut self) {
        if self.claim.is_some() {
            self.give_up();
        }
    }

    #[inline]
    fn note_if_leaked(&mut self) {
        if self.claim.is_some() {
            sealed::Outlet::note_leak(self);
            self.give_up();
        }
    }

    #[cold]
    fn note_leak(&mut self) {
        self.waited.leaked();
    }

    #[inline]
    fn note_aborted(&mut self, aborted: bool) {
        self.waited.aborted(aborted);
    }

    #[cold]
    fn note_dropped(&mut self) {
        self.waited.dropped();
    }

    fn say_finished(&self) -> Result<(), WriteError> {
        self.end.check()?;
        // Only an aborter can have been before us.
        if self.end.say_ended(EndReason::Finished) { Ok(()) } else { Err(WriteError::Aborted) }
    }

    fn say_failed(&self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    fn drain(&mut self, patience: Patience) -> Result<(), WriteError> {
        sealed::Outlet::note_if_leaked(self);
        sealed::Outlet::say_finished(self)?;
        self.waited.moved_bytes(self.bytes);
        let Self { end, ring, id, waited, bytes, .. } = self;
        let until = Until::there(ring.end());
        let many = end.many();
        let acknowledged = &many.control.life.0.acknowledged;
        end.wait(patience, &until, waited, |gone| {
            // The reader's word before its position: a reader that left says so last.
            let word = end.peer_word()?;
            let released = end.checked(ring.refresh(many.ring))? >= ring.end();
            // Acquire: pairs with the Release of the consumer that tells of an end.
            if acknowledged.load(Ordering::Acquire) >= id.0.into() {
                return Ok(Some(()));
            }
            match word.state {
                // Who sent nothing waits for a reader, too.
                State::Open | State::Ended(_) if released => Ok(Some(())),
                // It was received by a reader that has left, and another sender
                // waits for the next one.
                State::None if released && *bytes > 0 => Ok(Some(())),
                State::Ended(reason) => Err(WriteError::reader_gone(reason)),
                State::Open if gone == Gone::Peer(word) => Err(WriteError::ReaderDied),
                State::None | State::Open => Ok(None),
            }
        })
    }

    fn unread(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        status::unread(&self.end)
    }

    fn peer(&self) -> Result<Peer, WriteError> {
        Ok(self.end.peer()?)
    }

    fn stats(&self) -> Stats {
        self.waited.stats(self.bytes)
    }
}

impl Outlet {
    pub(super) fn id(&self) -> ProducerId {
        self.id
    }

    pub(super) fn status(&self) -> Result<Status, Stop> {
        status::look(&self.end)
    }

    /// Where the claim begins that a guard stands for.
    #[inline]
    fn position(&self) -> u64 {
        // Without one nobody asks; the place of the first block would do no harm.
        self.claim.as_ref().map_or(0, Claim::position)
    }

    #[inline]
    fn put_header(&self, position: u64, word: u64) {
        let many = self.end.many();
        // Relaxed: the commit orders it.
        self.ring.geometry().block(many.ring, position).header.store(word, Ordering::Relaxed);
    }

    /// Claims `bytes`, whole blocks, if there is nothing special about that.
    #[inline(always)]
    fn claim_at_once(&mut self, bytes: u64) -> Option<Claim> {
        if !self.end.is_usable() || self.claim.is_some() || self.end.reader_may_have_left() {
            return None;
        }
        let blocks = self.ring.geometry().blocks(bytes);
        // What is wrong the attempt that follows finds, too.
        let backoff = &mut self.backoff;
        self.ring.claim(self.end.many().ring, blocks, || backoff.meet()).ok().flatten()
    }

    /// Waits until there is room for `bytes`, whole blocks, and claims it.
    #[inline(never)]
    fn claim(&mut self, bytes: u64, patience: Patience) -> Result<Claim, WriteError> {
        self.end.check()?;
        sealed::Outlet::note_if_leaked(self);
        match self.claim_at_once(bytes) {
            Some(claim) => Ok(claim),
            None => self.claim_long(bytes, patience),
        }
    }

    /// Puts a record into the `frame` bytes at `position`, which were claimed, and
    /// asks for what will be written in a while if `there` bytes from there on are
    /// this producer's, or seem to be.
    #[inline(always)]
    fn put(&self, position: u64, header: Header, bytes: &[u8], frame: u64, there: u64) {
        let Self { end, ring, .. } = self;
        let geometry = ring.geometry();
        let (block, payload) = (geometry.block(end.many().ring, position), end.at(position));
        // Relaxed: the commit orders it.
        block.header.store(header.to_word(), Ordering::Relaxed);
        // SAFETY: so many bytes were claimed; they are mapped contiguously and are this producer's
        // until it commits. `bytes` is private memory. No reference to shared bytes is formed.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), payload.as_ptr(), bytes.len()) };
        ask_ahead(payload, (block, geometry), frame, there, prefetch_for_writing);
    }

    #[cold]
    fn claim_long(&mut self, bytes: u64, patience: Patience) -> Result<Claim, WriteError> {
        self.waited.moved_bytes(self.bytes);
        let Self { end, ring, waited, distance, backoff, .. } = self;
        let many = end.many();
        let blocks = ring.geometry().blocks(bytes);
        let capacity = end.geometry().capacity as u64;
        let position = ring.position();
        if !patience.is_short() {
            distance.keep(end, position, waited.items());
            let head = many.ring.head.load(Ordering::Relaxed);
            eagerly(waited.eager(end.wait), many.ring.head, head);
        }
        let nap = distance.nap_for_room(position, capacity, bytes);
        let nap = nap.map(|(n, _)| Nap {
            enough: ring.wanted_head(blocks).saturating_add(n.saturating_sub(bytes)),
            // There may be more of us than processors, and one is the consumer's.
            look_first: false,
        });
        let until = Until { nap, ..Until::there(ring.wanted_head(blocks)) };
        let claim = end.wait(patience, &until, waited, |gone| {
            let word = end.peer_word()?;
            match word.state {
                State::Ended(reason) => return Err(WriteError::reader_gone(reason)),
                State::Open if gone == Gone::Peer(word) => return Err(WriteError::ReaderDied),
                State::None | State::Open => {}
            }
            let claim = end.checked(ring.claim(many.ring, blocks, || backoff.meet()))?;
            if claim.is_none() && ring.left() < bytes {
                return Err(WriteError::Exhausted);
            }
            // Others may have been before us.
            until.there.set(ring.wanted_head(blocks));
            Ok(claim)
        });
        let (rest, took) = waited.take_rest();
        distance.rested(position, rest, took);
        claim
    }

    /// Hands a claim over.
    #[inline(always)]
    fn commit(&mut self, claim: &Claim, bytes: u64, records: u64) -> Result<(), WriteError> {
        let Self { end, ring, waited, .. } = self;
        if !ring.commit(end.many().ring, claim) {
            return Err(self.revoked());
        }
        waited.moved(records);
        self.bytes += bytes;
        end.gate_by(Role::Consumer, &end.fence).notify_at(claim.position());
        Ok(())
    }

    /// Gives the claim up that a guard stood for.
    #[cold]
    fn give_up(&mut self) {
        let Some(claim) = self.claim.take() else { return };
        if self.end.is_mapped() {
            let many = self.end.many();
            self.ring.abort(many.ring, &claim);
            self.end.gate(Role::Consumer).notify_at(claim.position());
        }
    }

    /// The receiver took this sender for dead.
    #[cold]
    fn revoked(&self) -> WriteError {
        match self.end.check() {
            Err(stop) => stop.into(),
            Ok(()) => WriteError::Revoked,
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        sealed::Outlet::note_if_leaked(self);
        self.waited.moved_bytes(self.bytes);
        self.end.leave(State::Ended(EndReason::Dropped), &self.waited);
        if self.end.is_mapped() {
            // After the word: who finds the seat free finds out how its owner ended.
            let seat = &self.end.many().seats[usize::from(self.end.seat())];
            Seat(&seat.life.0.gone).leave(&self.ring);
        }
    }
}
