//! A producer's side: claim, commit or abort.

use super::{Geometry, Ring, State, Word, help};
use crate::{
    ring::cursor::{self, Violation},
    sync::Ordering,
};

/// So often a claim is tried anew before the caller is told to wait. Each time another producer got
/// ahead of us, so that nobody who keeps to the protocol comes near.
const TRIES: u32 = 1 << 10;

/// Pause instructions before the second try, half a microsecond's, and twice as many before each later one,
const PAUSES: u32 = 40;

/// so often. While another producer has the lines of the tail and of the claims it claims again and again from its own
/// cache; two that take them from each other for each claim are both slower than one of them alone. (Backing off:
/// Anderson, "The performance of spin lock alternatives", IEEE TPDS 1990.)
const DOUBLED: u32 = 4;

/// Blocks that are this producer's until it commits or aborts.
#[derive(Debug)]
#[must_use = "a claim that is neither committed nor aborted holds up what was claimed after it"]
pub(crate) struct Claim {
    position: u64,
    word: Word,
}

impl Claim {
    /// Where its first block begins.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// How many blocks it has.
    #[inline]
    pub(crate) fn blocks(&self) -> u32 {
        self.word.blocks()
    }
}

/// What is to be done about a word that was looked at.
enum Verdict {
    /// Look again.
    Again,
    /// There is room: claim.
    Room,
    Full,
}

/// How an attempt to claim went.
enum Attempt {
    Claimed(Claim),
    /// Another producer was faster, or did not finish.
    Again,
    Full,
}

/// The producer's private side.
#[derive(Debug)]
pub(crate) struct Producer {
    me: u8,
    geometry: Geometry,
    /// As last seen: never past the real one.
    head: u64,
    /// Up to here there is room: `head` and the capacity, or where positions run out.
    limit: u64,
    /// The real one is not before this.
    tail: u64,
    /// Where the last claim of this producer ended.
    end: u64,
}

impl Producer {
    /// Takes up a ring where its positions stand, for the owner of seat `me`.
    pub(crate) fn new(me: u8, ring: Ring<'_>, geometry: Geometry) -> Result<Self, Violation> {
        let limit = geometry.capacity;
        let mut producer = Self { me, geometry, head: 0, limit, tail: 0, end: 0 };
        producer.refresh(ring)?;
        producer.tail = producer.tail(ring)?;
        Ok(producer)
    }

    /// The shape of the ring.
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Bytes that may be claimed behind its last claim, as far as the private copies tell.
    #[inline]
    pub(crate) fn free(&self) -> u64 {
        self.room(self.end)
    }

    /// Where its last claim ended; 0 if there was none.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that can ever be claimed after this point by all producers together, as far as the private copy
    /// tells. If they are too few, a claim finds no room for ever.
    pub(crate) fn left(&self) -> u64 {
        cursor::left(self.tail)
    }

    /// The tail as last seen, which only grows.
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// For how far a head to wait after a claim of `blocks` found no room. It may take more: others claim, too.
    pub(crate) fn wanted_head(&self, blocks: u32) -> u64 {
        let end = self.tail.saturating_add(self.geometry.bytes(blocks));
        end.saturating_sub(self.geometry.capacity)
    }

    /// Claims `blocks`, of which there are at least one and no more than [`Geometry::most`]. `None`: there is
    /// no room.
    ///
    /// # Errors
    /// [`Violation`]: nothing was claimed.
    #[inline(always)]
    pub(crate) fn claim(
        &mut self,
        ring: Ring<'_>,
        blocks: u32,
    ) -> Result<Option<Claim>, Violation> {
        debug_assert!((1..=self.geometry.most()).contains(&blocks));
        match self.attempt(ring, blocks)? {
            Attempt::Claimed(claim) => Ok(Some(claim)),
            Attempt::Again => self.claim_anew(ring, blocks),
            Attempt::Full => Ok(None),
        }
    }

    #[cold]
    #[inline(never)]
    fn claim_anew(&mut self, ring: Ring<'_>, blocks: u32) -> Result<Option<Claim>, Violation> {
        for attempt in 1..TRIES {
            back_off(attempt);
            match self.attempt(ring, blocks)? {
                Attempt::Claimed(claim) => return Ok(Some(claim)),
                Attempt::Again => {}
                Attempt::Full => break,
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn attempt(&mut self, ring: Ring<'_>, blocks: u32) -> Result<Attempt, Violation> {
        let need = self.geometry.bytes(blocks);
        let tail = self.tail(ring)?;
        let claim = &self.geometry.block(ring, tail).claim;
        // Acquire: pairs with the Release of a claim (we see a head with which its length is right) and
        // with that of a FREE in `Consumer::release` (we see that the tail went past it).
        let seen = Word(claim.load(Ordering::Acquire));
        // Relaxed: ordered by the load before.
        if ring.tail.load(Ordering::Relaxed) != tail {
            return Ok(Attempt::Again);
        }
        let verdict = if seen.state() != State::Free {
            self.judge_claimed(ring, tail, seen)?
        } else if self.room(tail) < need {
            self.judge_room(ring, tail, need)?
        } else {
            Verdict::Room
        };
        match verdict {
            Verdict::Again => return Ok(Attempt::Again),
            Verdict::Full => return Ok(Attempt::Full),
            Verdict::Room => {}
        }
        let word = Word::busy(self.me, blocks, self.geometry.lap(tail));
        // Release: pairs with the Acquire load above, in who helps or waits. The Acquire is that load
        // in us: nobody stores a FREE word anew that was there before.
        let claimed = claim.compare_exchange(seen.0, word.0, Ordering::Release, Ordering::Relaxed);
        if claimed.is_err() {
            return Ok(Attempt::Again);
        }
        self.end = tail + need;
        self.tail = self.end;
        help(ring, tail, self.end);
        Ok(Attempt::Claimed(Claim { position: tail, word }))
    }

    /// Hands a claim over to the consumer. False if it was revoked: this producer was taken for dead.
    #[inline(always)]
    pub(crate) fn commit(&self, ring: Ring<'_>, claim: &Claim) -> bool {
        self.finish(ring, claim, State::Committed)
    }

    /// Gives a claim up. False if it was revoked: this producer was taken for dead.
    #[inline]
    pub(crate) fn abort(&self, ring: Ring<'_>, claim: &Claim) -> bool {
        self.finish(ring, claim, State::Pad)
    }

    /// A look and a store, where a compare-and-swap would wait until all that was stored before is in the cache. A claim
    /// changes under its owner only once that one is dead, and who is dead stores nothing. (Who finds it revoked all the
    /// same was taken for dead by mistake, and writes nothing.)
    #[inline(always)]
    fn finish(&self, ring: Ring<'_>, claim: &Claim, state: State) -> bool {
        let word = &self.geometry.block(ring, claim.position).claim;
        // Relaxed: it is our own store that we look for.
        let ours = word.load(Ordering::Relaxed) == claim.word.0;
        if ours {
            // Release: pairs with the Acquire in `Consumer::look`; the bytes are there, and the tail is past them.
            word.store(claim.word.with(state).0, Ordering::Release);
        }
        ours
    }

    /// Helps the tail past what is claimed there. Returns a tail that is past every claim of whoever has
    /// died before: a claim of theirs that the tail is not past lies at the tail.
    pub(super) fn settle(&mut self, ring: Ring<'_>) -> Result<u64, Violation> {
        let tail = self.tail(ring)?;
        // Acquire: as in `claim`.
        let seen = Word(self.geometry.block(ring, tail).claim.load(Ordering::Acquire));
        // Relaxed: ordered by the load before.
        if ring.tail.load(Ordering::Relaxed) == tail && seen.state() != State::Free {
            self.judge_claimed(ring, tail, seen)?;
        }
        self.tail = self.tail(ring)?;
        Ok(self.tail)
    }

    /// Bytes that may be claimed at `tail`, as far as the private copy tells.
    #[inline]
    fn room(&self, tail: u64) -> u64 {
        self.limit.saturating_sub(tail)
    }

    /// Loads the tail.
    #[inline(always)]
    pub(super) fn tail(&self, ring: Ring<'_>) -> Result<u64, Violation> {
        // Acquire: pairs with the Release in `help`.
        let tail = ring.tail.load(Ordering::Acquire);
        if tail >= self.tail && self.geometry.is_whole(tail) {
            return Ok(tail);
        }
        Err(self.bad_tail(tail))
    }

    #[cold]
    fn bad_tail(&self, tail: u64) -> Violation {
        let backwards = cursor::distance("tail", self.tail, tail, u64::MAX);
        let fraction = self.geometry.whole("tail", tail);
        backwards
            .map(drop)
            .and(fraction)
            .expect_err("either it is before the last or it is no block's")
    }

    /// Loads the head.
    pub(crate) fn refresh(&mut self, ring: Ring<'_>) -> Result<u64, Violation> {
        // Acquire: pairs with the Release in `Consumer::release`: the words before it are FREE, and the
        // consumer has read the bytes that we may overwrite.
        let head = ring.head.load(Ordering::Acquire);
        cursor::distance("head", self.head, head, u64::MAX)?;
        self.geometry.whole("head", head)?;
        self.head = head;
        self.limit = head.saturating_add(self.geometry.capacity);
        // The consumer saw the tail past what it released, and we shall.
        self.tail = self.tail.max(head);
        Ok(head)
    }

    /// Loads the head after the tail and says whether it has passed it; if so, look at the tail again.
    fn passed(&mut self, ring: Ring<'_>, tail: u64) -> Result<bool, Violation> {
        if self.refresh(ring)? > tail {
            return Ok(true);
        }
        cursor::distance("tail", self.head, tail, self.geometry.capacity)?;
        Ok(false)
    }

    /// `tail` is unclaimed, but the private copy of the head says that there is too little room.
    #[cold]
    fn judge_room(&mut self, ring: Ring<'_>, tail: u64, need: u64) -> Result<Verdict, Violation> {
        if self.passed(ring, tail)? {
            return Ok(Verdict::Again);
        }
        if self.room(tail) >= need {
            return Ok(Verdict::Room);
        }
        self.tail = tail;
        Ok(Verdict::Full)
    }

    /// `tail` is not FREE: there is a claim which the tail is to be helped past, or the ring is full.
    #[cold]
    fn judge_claimed(
        &mut self,
        ring: Ring<'_>,
        tail: u64,
        seen: Word,
    ) -> Result<Verdict, Violation> {
        let of_this_lap = seen.lap() == self.geometry.lap(tail);
        if !of_this_lap && self.room(tail) > 0 {
            // The head had passed the claim that was here a lap ago before we looked.
            return Err(self.geometry.misfit(seen, tail, self.geometry.capacity));
        }
        let borne_out = of_this_lap && self.geometry.bytes(seen.blocks()) <= self.room(tail);
        if !borne_out && self.passed(ring, tail)? {
            return Ok(Verdict::Again);
        }
        if of_this_lap {
            let bytes = self.geometry.extent(seen, tail, self.room(tail))?;
            help(ring, tail, tail + bytes);
            return Ok(Verdict::Again);
        }
        if self.room(tail) > 0 {
            // The head has passed the claim only now.
            return Ok(Verdict::Again);
        }
        self.tail = tail;
        Ok(Verdict::Full)
    }
}

/// Leaves the lines to whoever was faster.
#[cold]
fn back_off(attempt: u32) {
    for _ in 0..PAUSES << (attempt - 1).min(DOUBLED) {
        std::hint::spin_loop();
    }
}
