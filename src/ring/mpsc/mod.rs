//! Many producers, one consumer; any of them may be killed between any two instructions.
//!
//! ```text
//!            released          claimed, in the order of the claims           unclaimed
//!   ...----------------------|=========|=============|===========|------------------|...
//!                           head                          ^      end        head + capacity
//!                   moved by the consumer                tail
//!                                             near the end, to begin to look for it
//! ```
//!
//! The data area is made of blocks, and beside each block there is a word. A claim is one or
//! more blocks on end; the word of its **first** block says all about it, and the words of its
//! other blocks stay as they were:
//!
//! ```text
//!    63   62 | 61       54 | 53                  32 | 31                              0
//!     state  |    owner    |        blocks          |              lap
//! ```
//!
//! The lap is how often the ring had been gone round at the claim's position. It tells the claim at
//! a block from the one that was there a lap before, and lets every change of a word for which two
//! may compete be one compare-and-swap that cannot succeed on anything but what was looked at: to
//! claim, to revoke. A BUSY word is its owner's as long as that one lives, and a COMMITTED one or a
//! PAD the consumer's, who change it by a store.
//!
//! ```text
//!             claim                 commit                  release
//!   FREE ----------------> BUSY ----------------> COMMITTED ----------------> FREE, blocks and lap kept
//!         any producer       |      its owner                the consumer      ^
//!                            |                                                 |
//!                            `----------------->  PAD  ------------------------'
//!                                 its owner (abort), or the consumer
//!                                 once the owner is dead (revoke)
//! ```
//!
//! **One word says that there is a claim, how long it is and whose.** So there is no instant at
//! which a producer could die and leave a claim that nobody can attribute or step over; and nobody
//! need be told where the claims end. A producer begins at a place where one of them did: the tail,
//! the end of its own last claim, or the head, whichever is furthest. It steps over every claim of
//! this lap, in whatever state, FREE included, as that one was released meanwhile. A word that is
//! not of this lap is where the claims end, and a claim is made there by one compare-and-swap,
//! which succeeds only if that is still so.
//!
//! **The tail is a hint:** each claimer stores where its claim ends, before it commits. Two such
//! stores compete, and one may come late, so that the tail may be behind by many claims, behind the
//! head, too; it is never past the end. (As long as it had to be right, it took a second
//! compare-and-swap; what that cost is in BENCHMARKS.md, "What helped, and what did not".)
//!
//! **Where the claims end, the head decides whether there is room.** The word there is FREE or,
//! while a claim of a lap before has not been released, not; if it is of a *later* lap, the ring
//! was gone round since the producer began to look, and it begins anew: whoever claimed there had
//! seen a head past this place, which the looker sees then, too. So the usual claim by one that
//! sends alone is two looks, one compare-and-swap and one store.
//!
//! **The consumer stores FREE and then the head,** the other way round a producer could have the
//! room and find it taken. One that dies between the two leaves a FREE claim of this lap at the
//! head, which its successor steps over: nothing is handed out twice.
//!
//! **The consumer repairs, and nobody else:** a BUSY claim at the head whose
//! owner is dead becomes a PAD.
//!
//! **A seat is who a claim's owner is.** If the seat of a dead producer went to another at once, a
//! claim that the dead one left BUSY would look like one of the living, for ever. So a seat is free
//! again only when nothing of its last owner is in the ring: see [`seat`].
//!
//! Whatever a peer scribbles into the words, what leaves this module lies in the ring: a claim
//! handed out is no longer than the ring and begins at a whole block. Every loop ends.
//!
//! **An owner that lives is not taken for dead**: the kernel gives its seat's lock back when
//! nothing is left that could store to the ring: with the mapping or, of System V objects, with the
//! process, unless that one gives it up by itself ([`crate::peer`]; [`crate::backend`] forbids it).
//! On this rests that commit is a look and a store, where a compare-and-swap would wait until every
//! store before it is in the cache.
//!
//! What 32 bits of lap do not tell apart: laps that are 2^32 from one another. A producer that is
//! stopped between its look and its compare-and-swap and goes on exactly so many laps later, to the
//! block, claims what it should not; one that comes to a block at which the last claim began
//! exactly so many laps ago takes that for one of this lap, and so does whoever else looks where
//! the claims end. (A place to begin is never half as many laps old, which would look like the end:
//! whoever was stopped before its store to the tail has not committed, and the ring waits for it.)

mod consumer;
mod producer;
mod seat;

pub(crate) use {
    consumer::{Consumer, Found},
    producer::{Claim, Producer},
    seat::{IN_USE, Seat},
};

use super::cursor::{self, Violation};
use crate::sync::{AtomicU64, Ordering};

/// What lies beside each block of the data area. All zeros in a ring that is new.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    /// See the module's picture.
    pub(crate) claim: AtomicU64,
    /// Data, as far as this module is concerned: the claim's owner stores it before it commits, and
    /// as the commit orders it as it orders the bytes, Relaxed will do.
    pub(crate) header: AtomicU64,
}

/// The words all sides share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring<'a> {
    pub(crate) tail: &'a AtomicU64,
    pub(crate) head: &'a AtomicU64,
    /// As many as the [`Geometry`] says.
    pub(crate) blocks: &'a [Block],
}

/// Capacity and size of a block; private to each side, as both were checked when it attached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    capacity: u64,
    lap_bits: u32,
    unit_bits: u32,
}

impl Geometry {
    /// A ring of `capacity` bytes in blocks of `unit`, both powers of two.
    pub(crate) fn new(capacity: u64, unit: u64) -> Self {
        debug_assert!(capacity.is_power_of_two() && unit.is_power_of_two() && unit <= capacity);
        let (lap_bits, unit_bits) = (capacity.trailing_zeros(), unit.trailing_zeros());
        Self { capacity, lap_bits, unit_bits }
    }

    /// Blocks of the largest claim.
    pub(crate) fn most(self) -> u32 {
        (self.capacity >> self.unit_bits).min(Word::MOST_BLOCKS.into()) as u32
    }

    /// Bytes of so many blocks.
    #[inline]
    pub(crate) fn bytes(self, blocks: u32) -> u64 {
        u64::from(blocks) << self.unit_bits
    }

    /// Whole blocks in so many bytes, no more than the capacity.
    #[inline]
    pub(crate) fn blocks(self, bytes: u64) -> u32 {
        (bytes >> self.unit_bits) as u32
    }

    /// Where the ring ends with the head at a position, or where positions run out.
    #[inline]
    fn limit(self, head: u64) -> u64 {
        head.saturating_add(self.capacity)
    }

    #[inline]
    fn lap(self, position: u64) -> u32 {
        // The lap's lower bits: see the module's last paragraph.
        (position >> self.lap_bits) as u32
    }

    /// The block at `position`.
    #[inline]
    pub(crate) fn block<'a>(self, ring: Ring<'a>, position: u64) -> &'a Block {
        &ring.blocks[self.index(position)]
    }

    /// Which block is at `position`.
    #[inline]
    pub(crate) fn index(self, position: u64) -> usize {
        ((position & (self.capacity - 1)) >> self.unit_bits) as usize
    }

    /// Whose claim at `position` is neither committed nor aborted; for who wants to show it.
    pub(crate) fn unfinished(self, ring: Ring<'_>, position: u64) -> Option<u8> {
        // Relaxed: only to be shown.
        self.unfinished_in(self.block(ring, position).claim.load(Ordering::Relaxed), position)
    }

    /// The same, by the claim's word of the block at `position`.
    pub(crate) fn unfinished_in(self, word: u64, position: u64) -> Option<u8> {
        let word = Word(word);
        let busy = word.state() == State::Busy && word.lap() == self.lap(position);
        busy.then(|| word.owner())
    }

    /// The owners of the claims that were not released, as far as the words make sense, and whether
    /// each is committed. (Of the pads none.) For who knows that nobody is at it.
    pub(crate) fn unreleased(self, ring: Ring<'_>) -> impl Iterator<Item = (u8, bool)> {
        // Acquire, both: pairs with the Release of those who stored them, and are no more.
        let mut at = ring.head.load(Ordering::Acquire);
        let limit = self.limit(at);
        let claims = std::iter::from_fn(move || {
            let word = Word(self.block(ring, at).claim.load(Ordering::Acquire));
            at += self.extent(word, at, limit - at).ok()?;
            Some(word)
        });
        claims.filter_map(|word| match word.state() {
            State::Free | State::Pad => None,
            state => Some((word.owner(), state == State::Committed)),
        })
    }

    /// Where the claims end, for who wants to show it: the words from the head or the tail on are
    /// got by `read`. What cannot be ends them, too.
    pub(crate) fn end_of_claims<E>(
        self,
        head: u64,
        tail: u64,
        mut read: impl FnMut(u64) -> Result<u64, E>,
    ) -> Result<u64, E> {
        let limit = self.limit(head);
        // Whoever is at it from outside may have got a tail that is newer than the head.
        let mut at = tail.clamp(head, limit);
        while let Ok(bytes) = self.extent(Word(read(at)?), at, limit - at) {
            at += bytes;
        }
        Ok(at)
    }

    /// Whether `word` is that of a claim at `position`, in whatever state.
    #[inline]
    fn is_of_lap(self, word: Word, position: u64) -> bool {
        word.lap() == self.lap(position) && word != Word::NONE
    }

    /// Whether `word` is that of a claim a lap or more before one at `position`, or of none;
    /// see the module's last paragraph.
    #[inline]
    fn is_unclaimed(self, word: Word, position: u64) -> bool {
        word == Word::NONE || self.lap(position).wrapping_sub(word.lap()).cast_signed() > 0
    }

    /// Whether `position` is where a block begins.
    #[inline]
    fn is_whole(self, position: u64) -> bool {
        position & ((1 << self.unit_bits) - 1) == 0
    }

    /// That `position` is where a block begins.
    fn whole(self, what: &'static str, position: u64) -> Result<(), Violation> {
        cursor::whole(what, 0, position, 1 << self.unit_bits)
    }

    /// The bytes of the claim that `word` says begins at `position`, of which there may be `limit`.
    #[inline]
    fn extent(self, word: Word, position: u64, limit: u64) -> Result<u64, Violation> {
        let bytes = self.bytes(word.blocks());
        // Wraps for 0, which so is too much.
        if word.lap() == self.lap(position) && bytes.wrapping_sub(1) < limit {
            return Ok(bytes);
        }
        Err(self.misfit(word, position, limit))
    }

    #[cold]
    fn misfit(self, word: Word, position: u64, limit: u64) -> Violation {
        let lap = self.lap(position);
        let (what, found, low, high) = match word.lap() == lap {
            true => ("blocks of a claim", word.blocks(), 1, (limit >> self.unit_bits).max(1)),
            false => ("lap of a claim", word.lap(), lap.into(), lap.into()),
        };
        Violation { what, found: found.into(), low, high, exactly: false }
    }
}

/// A claim's word: see the module's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free = 0,
    Busy = 1,
    Committed = 2,
    Pad = 3,
}

impl Word {
    /// No claim has begun here as yet.
    const NONE: Self = Self(0);
    const MOST_BLOCKS: u32 = (1 << 22) - 1;
    const STATE: u32 = 62;
    const OWNER: u32 = 54;
    const BLOCKS: u32 = 32;

    #[inline]
    fn busy(owner: u8, blocks: u32, lap: u32) -> Self {
        debug_assert!((1..=Self::MOST_BLOCKS).contains(&blocks));
        let claim = u64::from(owner) << Self::OWNER | u64::from(blocks) << Self::BLOCKS;
        Self(claim | u64::from(lap)).with(State::Busy)
    }

    /// The same claim in another state.
    #[inline]
    fn with(self, state: State) -> Self {
        Self(self.0 & !(3 << Self::STATE) | (state as u64) << Self::STATE)
    }

    #[inline]
    fn state(self) -> State {
        match self.0 >> Self::STATE {
            0 => State::Free,
            1 => State::Busy,
            2 => State::Committed,
            _ => State::Pad,
        }
    }

    #[inline]
    fn owner(self) -> u8 {
        (self.0 >> Self::OWNER) as u8
    }

    #[inline]
    fn blocks(self) -> u32 {
        (self.0 >> Self::BLOCKS) as u32 & Self::MOST_BLOCKS
    }

    #[inline]
    fn lap(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests;
