//! A producer's side: claim, commit or abort.

use super::{Geometry, Ring, State, Word};
use crate::{
    ring::cursor::{self, Violation},
    sync::Ordering,
};

/// So often a claim is tried anew before the caller is told to wait. Each time another producer got
/// ahead of us, so that nobody who keeps to the protocol comes near.
const TRIES: u32 = 1 << 8;

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

/// What a word that was looked at says.
enum Verdict {
    /// A claim was made here, which ends there.
    Claimed(u64),
    /// The head is past this place: begin anew.
    Passed,
    /// The head has moved meanwhile: look again.
    Again,
    /// Here the claims end, and there is room for another.
    Room,
    /// Here they end, and there is too little room.
    Full,
}

/// Where the claims end, and what the word there was.
struct End {
    at: u64,
    seen: Word,
    has_room: bool,
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
    /// Where the claims ended as last seen: never past where they do.
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
        producer.tail = producer.begin(ring)?;
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

    /// Bytes that can ever be claimed after this point by all producers together, as far as the
    /// private copy tells. If they are too few, a claim finds no room for ever.
    pub(crate) fn left(&self) -> u64 {
        cursor::left(self.tail)
    }

    /// Where the claims ended as last seen, which only grows.
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// For how far a head to wait after a claim of `blocks` found no room. It
    /// may take more: others claim, too.
    pub(crate) fn wanted_head(&self, blocks: u32) -> u64 {
        let end = self.tail.saturating_add(self.geometry.bytes(blocks));
        end.saturating_sub(self.geometry.capacity)
    }

    /// Claims `blocks`, of which there are at least one and no more than
    /// [`Geometry::most`]. `None`: there is no room. `meet` is called each time that others
    /// are found to claim at this moment.
    ///
    /// # Errors
    /// [`Violation`]: nothing was claimed.
    #[inline(always)]
    pub(crate) fn claim(
        &mut self,
        ring: Ring<'_>,
        blocks: u32,
        meet: impl FnMut(),
    ) -> Result<Option<Claim>, Violation> {
        debug_assert!((1..=self.geometry.most()).contains(&blocks));
        let at = self.begin(ring)?;
        let seen = self.look(ring, at);
        // Whatever is not as usual is judged anew.
        let is_usual = seen.state() == State::Free
            && self.geometry.is_unclaimed(seen, at)
            && self.room(at) >= self.geometry.bytes(blocks);
        if is_usual && let Some(claim) = self.claim_at(ring, at, seen, blocks) {
            return Ok(Some(claim));
        }
        self.claim_long(ring, blocks, is_usual || self.geometry.is_of_lap(seen, at), meet)
    }

    /// `met`: somebody was faster already, or has not told yet that it was.
    #[cold]
    #[inline(never)]
    fn claim_long(
        &mut self,
        ring: Ring<'_>,
        blocks: u32,
        met: bool,
        mut meet: impl FnMut(),
    ) -> Result<Option<Claim>, Violation> {
        let need = self.geometry.bytes(blocks);
        for attempt in 0..TRIES {
            if met || attempt > 0 {
                meet();
            }
            let Some(End { at, seen, has_room }) = self.find_end(ring, need)? else { continue };
            if !has_room {
                return Ok(None);
            }
            if let Some(claim) = self.claim_at(ring, at, seen, blocks) {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Claims blocks where the claims end, if they still do, and there is room.
    #[inline(always)]
    fn claim_at(&mut self, ring: Ring<'_>, at: u64, seen: Word, blocks: u32) -> Option<Claim> {
        let word = Word::busy(self.me, blocks, self.geometry.lap(at));
        let claim = &self.geometry.block(ring, at).claim;
        // Release: pairs with the Acquire in `look`, in whoever steps over it. What we may
        // overwrite the consumer has read: that is the Acquire in `refresh`.
        claim.compare_exchange(seen.0, word.0, Ordering::Release, Ordering::Relaxed).ok()?;
        self.end = at + self.geometry.bytes(blocks);
        self.tail = self.end;
        // Release: pairs with the Acquire in `begin`; who begins there sees
        // what was claimed before.
        ring.tail.store(self.end, Ordering::Release);
        Some(Claim { position: at, word })
    }

    /// Walks over the claims up to where they end. `None`: others have claimed
    /// as fast as this walked.
    fn find_end(&mut self, ring: Ring<'_>, need: u64) -> Result<Option<End>, Violation> {
        let mut at = self.begin(ring)?;
        // Who begins at the head or behind it has then passed all that was claimed when it began.
        let enough = at.saturating_add(self.geometry.capacity);
        while at <= enough {
            let seen = self.look(ring, at);
            let has_room = match self.judge(ring, at, seen, need)? {
                Verdict::Again => continue,
                Verdict::Claimed(to) => {
                    at = to;
                    continue;
                }
                Verdict::Passed => {
                    at = self.begin(ring)?;
                    continue;
                }
                Verdict::Room => true,
                Verdict::Full => false,
            };
            self.tail = at;
            return Ok(Some(End { at, seen, has_room }));
        }
        // (The head may have moved further meanwhile.)
        self.tail = self.tail.max(at);
        Ok(None)
    }

    /// Hands a claim over to the consumer. False if it was revoked: this
    /// producer was taken for dead.
    #[inline(always)]
    pub(crate) fn commit(&self, ring: Ring<'_>, claim: &Claim) -> bool {
        self.finish(ring, claim, State::Committed)
    }

    /// Gives a claim up. False if it was revoked: this producer was taken for dead.
    #[inline]
    pub(crate) fn abort(&self, ring: Ring<'_>, claim: &Claim) -> bool {
        self.finish(ring, claim, State::Pad)
    }

    /// A look and a store, where a compare-and-swap would wait until all that was stored
    /// before is in the cache. A claim changes under its owner only once that one is dead,
    /// and who is dead stores nothing. (Who finds it revoked all the same was taken for dead
    /// by mistake, and writes nothing.)
    #[inline(always)]
    fn finish(&self, ring: Ring<'_>, claim: &Claim, state: State) -> bool {
        let word = &self.geometry.block(ring, claim.position).claim;
        // Relaxed: it is our own store that we look for.
        let ours = word.load(Ordering::Relaxed) == claim.word.0;
        if ours {
            // Release: pairs with the Acquire in `Consumer::look`; the bytes are there.
            word.store(claim.word.with(state).0, Ordering::Release);
        }
        ours
    }

    /// Returns a position past every claim of whoever has died before, or left.
    pub(super) fn settle(&mut self, ring: Ring<'_>) -> Result<u64, Violation> {
        // From a head on that is not older than their claims these were no more than the capacity,
        // and we see them, as they saw what they claimed behind.
        self.refresh(ring)?;
        self.find_end(ring, 0)?;
        Ok(self.tail)
    }

    /// Bytes that may be claimed at a position, as far as the private copy tells.
    #[inline]
    fn room(&self, at: u64) -> u64 {
        self.limit.saturating_sub(at)
    }

    /// From where on to look for the end of the claims: a place where one of them ends.
    #[inline(always)]
    fn begin(&self, ring: Ring<'_>) -> Result<u64, Violation> {
        // Acquire: pairs with the Release in `claim_at`. It may be behind what we know: two stores
        // to it compete, and somebody may have been stopped before his.
        let at = ring.tail.load(Ordering::Acquire);
        if self.geometry.is_whole(at) { Ok(at.max(self.tail)) } else { Err(self.bad_tail(at)) }
    }

    #[cold]
    fn bad_tail(&self, tail: u64) -> Violation {
        self.geometry.whole("tail", tail).expect_err("it is no block's")
    }

    /// Loads the word of a block.
    #[inline(always)]
    fn look(&self, ring: Ring<'_>, at: u64) -> Word {
        // Acquire: pairs with the Release of a claim (we then see a head with which its length is
        // right, and the one with which it was passed).
        Word(self.geometry.block(ring, at).claim.load(Ordering::Acquire))
    }

    /// Loads the head.
    pub(crate) fn refresh(&mut self, ring: Ring<'_>) -> Result<u64, Violation> {
        // Acquire: pairs with the Release in `Consumer::release`: the words before it are FREE, and
        // the consumer has read the bytes that we may overwrite.
        let head = ring.head.load(Ordering::Acquire);
        cursor::distance("head", self.head, head, u64::MAX)?;
        self.geometry.whole("head", head)?;
        self.head = head;
        self.limit = self.geometry.limit(head);
        // A claim ended there.
        self.tail = self.tail.max(head);
        Ok(head)
    }

    /// Says what `seen` means, which was loaded from where a claim ends, or the ring begins.
    fn judge(
        &mut self,
        ring: Ring<'_>,
        at: u64,
        seen: Word,
        need: u64,
    ) -> Result<Verdict, Violation> {
        let geometry = self.geometry;
        if geometry.is_of_lap(seen, at) {
            if geometry.bytes(seen.blocks()) > self.room(at) {
                self.refresh(ring)?;
            }
            let bytes = geometry.extent(seen, at, self.room(at).min(geometry.capacity))?;
            return Ok(Verdict::Claimed(at + bytes));
        }
        let is_free = seen.state() == State::Free;
        let had_room = self.room(at) > 0;
        if !is_free || !geometry.is_unclaimed(seen, at) || self.room(at) < need {
            let head = self.refresh(ring)?;
            if head > at {
                return Ok(Verdict::Passed);
            }
            // So it is of a lap before, however it looks: who claimed here in a later
            // one had seen a head past this.
            cursor::distance("tail", head, at, geometry.capacity)?;
        }
        Ok(match (is_free, self.room(at)) {
            (true, room) if room >= need => Verdict::Room,
            (true, _) | (false, 0) => Verdict::Full,
            // The head had passed what was claimed here a lap ago before we looked,
            (false, _) if had_room => return Err(geometry.misfit(seen, at, geometry.capacity)),
            // or only afterwards.
            (false, _) => Verdict::Again,
        })
    }
}
