//! The consumer's side: look, release, revoke.

use super::{Geometry, Ring, State, Word};
use crate::{
    ring::cursor::{self, Violation},
    sync::Ordering,
};

/// What is at a place in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No claim, as yet.
    Nothing,
    /// A claim that its owner works on, or died over.
    Busy { owner: u8, blocks: u32 },
    /// A claim that may be read.
    Committed { owner: u8, blocks: u32 },
    /// A claim without content: to be released.
    Pad { blocks: u32 },
}

/// The consumer's private side.
#[derive(Debug)]
pub(crate) struct Consumer {
    geometry: Geometry,
    head: u64,
}

impl Consumer {
    /// Takes up a ring where its positions stand, and finishes the release that a predecessor may
    /// have died over. Producers that wait for room may then be due a wake-up.
    pub(crate) fn take_up(ring: Ring<'_>, geometry: Geometry) -> Result<Self, Violation> {
        // Relaxed: whatever told us that the predecessor is gone orders its
        // last stores before this.
        let from = ring.head.load(Ordering::Relaxed);
        geometry.whole("head", from)?;
        let tail = ring.tail.load(Ordering::Relaxed);
        cursor::distance("tail", from, tail.max(from), geometry.capacity)?;
        geometry.whole("tail", tail)?;
        let (mut head, limit) = (from, geometry.limit(from));
        loop {
            // Relaxed: of our predecessor; what is not FREE is loaded again by `look`.
            let word = Word(geometry.block(ring, head).claim.load(Ordering::Relaxed));
            if word.state() != State::Free || !geometry.is_of_lap(word, head) {
                break;
            }
            head += geometry.extent(word, head, limit - head)?;
        }
        if head != from {
            // Release: as in `release`; the predecessor had read the bytes.
            ring.head.store(head, Ordering::Release);
        }
        Ok(Self { geometry, head })
    }

    /// The first block that is not released.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.head
    }

    /// The shape of the ring.
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Looks `offset` past the position: at the position itself or where the
    /// claim ends that was found before.
    ///
    /// # Errors
    /// [`Violation`]: the word there cannot be.
    #[inline]
    pub(crate) fn look(&self, ring: Ring<'_>, offset: u64) -> Result<Found, Violation> {
        if offset >= self.geometry.capacity {
            // All that can be claimed was looked at; what follows is the first again.
            return Ok(Found::Nothing);
        }
        let Some(at) = self.head.checked_add(offset) else { return Ok(Found::Nothing) };
        // Acquire: pairs with the Release in `Producer::finish`; we see the bytes.
        let word = Word(self.geometry.block(ring, at).claim.load(Ordering::Acquire));
        let state = word.state();
        if state == State::Free {
            return Ok(Found::Nothing);
        }
        // Nor may it end where positions do.
        let limit = (self.geometry.capacity - offset).min(cursor::left(at));
        self.geometry.extent(word, at, limit)?;
        let (owner, blocks) = (word.owner(), word.blocks());
        Ok(match state {
            State::Committed => Found::Committed { owner, blocks },
            State::Busy => Found::Busy { owner, blocks },
            State::Free | State::Pad => Found::Pad { blocks },
        })
    }

    /// The usual case of [`look`](Self::look): the owner and the blocks of the claim at the
    /// position, if it is committed. What is wrong is left to that one.
    #[inline(always)]
    pub(crate) fn first_committed(&self, ring: Ring<'_>) -> Option<(u8, u32)> {
        // Acquire: as in `look`.
        let word = Word(self.geometry.block(ring, self.head).claim.load(Ordering::Acquire));
        let limit = self.geometry.capacity.min(cursor::left(self.head));
        let fits = self.geometry.bytes(word.blocks()).wrapping_sub(1) < limit;
        let is_it = word.state() == State::Committed && word.lap() == self.geometry.lap(self.head);
        (is_it && fits).then(|| (word.owner(), word.blocks()))
    }

    /// The usual case of [`release`](Self::release): gives back the claim at the
    /// position, which was found to be committed. False, and nothing is given back, if it
    /// is not, or not of so many bytes.
    #[inline(always)]
    pub(crate) fn release_first(&mut self, ring: Ring<'_>, bytes: u64) -> bool {
        let claim = &self.geometry.block(ring, self.head).claim;
        // Relaxed: as in `release`.
        let word = Word(claim.load(Ordering::Relaxed));
        let is_it = word.state() == State::Committed && word.lap() == self.geometry.lap(self.head);
        if !is_it || bytes == 0 || self.geometry.bytes(word.blocks()) != bytes {
            return false;
        }
        // Release, both: as in `release`.
        claim.store(word.with(State::Free).0, Ordering::Release);
        self.head += bytes;
        ring.head.store(self.head, Ordering::Release);
        true
    }

    /// Gives back what lies before `upto`: the end of a claim that was found, as were all
    /// before it, to be committed or a pad.
    ///
    /// # Errors
    /// [`Violation`]: a word has changed meanwhile, and the head stays.
    #[inline]
    pub(crate) fn release(&mut self, ring: Ring<'_>, upto: u64) -> Result<(), Violation> {
        debug_assert!(upto.wrapping_sub(self.head) <= self.geometry.capacity);
        let mut at = self.head;
        while at < upto {
            let claim = &self.geometry.block(ring, at).claim;
            // Relaxed: `look` has acquired it, and nobody else changes it if all is right.
            let word = Word(claim.load(Ordering::Relaxed));
            let state = word.state();
            if !matches!(state, State::Committed | State::Pad) {
                return Err(misplaced(state));
            }
            let bytes = self.geometry.extent(word, at, upto - at)?;
            // Release: pairs with the Acquire in `Producer::look`, in whoever steps over it.
            claim.store(word.with(State::Free).0, Ordering::Release);
            at += bytes;
        }
        self.head = at;
        // Release: pairs with the Acquire in `Producer::refresh`; we have read the
        // bytes, and the words are FREE.
        ring.head.store(at, Ordering::Release);
        Ok(())
    }

    /// Makes a pad of the claim at the position, which was found to be [`Found::Busy`], and whose
    /// owner was found to be dead **after** that. False if it was not BUSY any more: look again.
    pub(crate) fn revoke(&self, ring: Ring<'_>, owner: u8, blocks: u32) -> bool {
        let busy = Word::busy(owner, blocks, self.geometry.lap(self.head));
        let claim = &self.geometry.block(ring, self.head).claim;
        let (busy, pad) = (busy.0, busy.with(State::Pad).0);
        // Relaxed: who steps over it acquires the claim all the same, as a swap carries
        // on the release of what it swaps.
        claim.compare_exchange(busy, pad, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cold]
fn misplaced(state: State) -> Violation {
    let (low, high) = (State::Committed as u64, State::Pad as u64);
    Violation { what: "state of a claim", found: state as u64, low, high, exactly: false }
}
