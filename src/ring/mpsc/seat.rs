//! Seats: who may call itself the owner of claims.
//!
//! Beside the lock of a seat, which dies with its holder and is not of this
//! module, there is one word:
//!
//! ```text
//!               take, once head >= p                leave
//!      p  ---------------------------->  IN_USE  ------------->  end of its last claim
//!      ^                                   |
//!      |            settle                 |  whoever holds the lock and finds this
//!      `-----------------------------------'  knows that the last owner is dead
//! ```
//!
//! where `p` is a position from which on there is nothing of the last owner in the ring.
//! All moves are made by who holds the lock, and it may die after any of them: what it
//! leaves is a state of the picture.
//!
//! The subtle point is where to look for the claims of the dead. If `p` were the tail as it is,
//! the head could reach it with one of them still to come, and the consumer would take that for
//! one of the new owner, who lives: it would wait for a commit for ever. So `p` is where the
//! claims end, which whoever settles finds out as for a claim of its own: it sees all that the
//! dead one had seen before it claimed.

use super::{Producer, Ring};
use crate::{
    ring::cursor::{self, Violation},
    sync::{AtomicU64, Ordering},
};

/// In a seat's word: it has an owner, who may have died.
pub(crate) const IN_USE: u64 = u64::MAX;

/// The word of a seat. Its first value is 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'a>(pub(crate) &'a AtomicU64);

impl Seat<'_> {
    /// Takes the seat for `producer`, who holds the seat's lock and has claimed nothing. False
    /// if there is still something of the last owner in the ring: give the lock back and try
    /// another seat, or this one later.
    ///
    /// # Errors
    /// [`Violation`]: the seat was not taken.
    pub(crate) fn take(self, ring: Ring<'_>, producer: &mut Producer) -> Result<bool, Violation> {
        // Relaxed: the lock orders what its holders store.
        let mut gone = self.0.load(Ordering::Relaxed);
        if gone == IN_USE {
            gone = producer.settle(ring)?;
            // Release: pairs with the Acquire in `outlived`, as in `leave`.
            self.0.store(gone, Ordering::Release);
        }
        let head = producer.refresh(ring)?;
        if head < gone {
            let limit = producer.geometry().limit(head);
            cursor::distance("end of a seat's claims", 0, gone, limit)?;
            return Ok(false);
        }
        // Relaxed: a consumer that sees what was here before is told the same by it.
        self.0.store(IN_USE, Ordering::Relaxed);
        Ok(true)
    }

    /// Notes from where on there is nothing of the last owner in the ring, who is dead: `producer`
    /// holds the seat's lock, and it says [`IN_USE`].
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn declare_dead(
        self,
        ring: Ring<'_>,
        producer: &mut Producer,
    ) -> Result<u64, Violation> {
        let gone = producer.settle(ring)?;
        // Release: the consumer that sees it, without the lock, sees what the dead one
        // committed, as we do by the lock.
        self.0.store(gone, Ordering::Release);
        Ok(gone)
    }

    /// Leaves the seat, whose lock is then to be given back. Every claim was committed or aborted.
    pub(crate) fn leave(self, producer: &Producer) {
        // Release: pairs with the Acquire in `outlived`; our claims are committed.
        self.0.store(producer.end(), Ordering::Release);
    }

    /// For the consumer: whether a claim of this seat that it found BUSY at `position` is nobody's
    /// any more, although somebody holds the seat's lock. Whoever tries to take a dead one's seat
    /// holds it for a moment, and so might many, one after the other.
    pub(crate) fn outlived(self, position: u64) -> bool {
        // Acquire: pairs with the Release in `leave`; an attempt to revoke finds what the owner
        // committed. A value of before the owner does no harm: the head had passed it when the
        // owner came, and is not past `position`.
        let gone = self.0.load(Ordering::Acquire);
        gone != IN_USE && position < gone
    }
}
