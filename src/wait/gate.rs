//! How an end goes to sleep and how the other wakes it, without losing a wake-up.
//!
//! ```text
//! sleeper                                   waker
//!   take a stray token                        publish (Release)
//!   wake_at = what it waits for               light fence
//!   parked = 1                                parked != 0 and wake_at <= what is published ?
//!   heavy fence                                   swap(parked, 0) was 1: post a token
//!   re-check: something there? -> un-park
//!   sleep until a token or a time-out
//!   timed out -> un-park
//!
//! un-park: swap(parked, 0) was 0: take the token if it is there
//! ```
//!
//! The subtle race is Dekker's: the sleeper writes its words and reads the ring, the waker writes
//! the ring and reads those words. If both could read the old value, the sleeper would sleep on a full
//! ring. A full fence between write and read on *both* sides rules that out. The waker runs once
//! per publication and the sleeper once per sleep, so the fence is asymmetric: the sleeper's is
//! heavy (it makes the other processor execute one, see [`super::fence`]), the waker's costs
//! nothing.
//!
//! Every imprecision is on the safe side, a token too many: an un-parker whose announcement was
//! already taken does not wait for the token it is owed (its poster may be dead), so that token
//! may stray to the next sleep, which takes it first or wakes once for nothing.
//!
//! A gate is for one sleeper. Two on one semaphore would need more than a count in place of the
//! flag: the second, taking what it believes a stray, takes the token that was posted for the
//! first (loom finds that schedule at once).

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Something a process can sleep on and another can wake.
pub(crate) trait Sleeper {
    /// Sleeps until a token is there and takes it (true), or until `timeout` passed (false).
    fn sleep(&self, timeout: Duration) -> bool;
    /// Takes a token if there is one.
    fn take_token(&self) -> bool;
    /// Leaves a token.
    fn post_token(&self);
}

impl<S: Sleeper> Sleeper for &S {
    fn sleep(&self, timeout: Duration) -> bool {
        (**self).sleep(timeout)
    }

    fn take_token(&self) -> bool {
        (**self).take_token()
    }

    fn post_token(&self) {
        (**self).post_token();
    }
}

/// The two sides of a fence between a store and a later load.
pub(crate) trait Fence {
    /// The waker's side, once per publication.
    fn light(&self);
    /// The sleeper's side, once per sleep. False if it cannot be relied upon to order the other
    /// side's light fence; then sleeps must be short.
    fn heavy(&self) -> bool;
}

/// How [`Gate::park`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The re-check found something: no sleep.
    Ready,
    /// A waker posted.
    Woken,
    /// The time-out passed.
    TimedOut,
}

/// Takes the announcement of whoever is parked, and posts the token for it.
///
/// What it needs is passed on by value: with a reference to the gate, each notification would have to write that down first.
#[cold]
fn wake_parked(parked: &AtomicU32, sleeper: impl Sleeper) {
    // AcqRel: with the swap in `unpark`, exactly one of us takes the announcement.
    if parked.swap(0, Ordering::AcqRel) != 0 {
        sleeper.post_token();
    }
}

/// A position that is past whatever a sleeper waits for.
pub(crate) const ANYTHING: u64 = u64::MAX;

/// A sleep must be this short if the fence cannot be relied upon.
const UNFENCED_SLEEP: Duration = Duration::from_millis(1);

/// One side waits here, the other wakes it.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a, S, F> {
    pub(crate) parked: &'a AtomicU32,
    pub(crate) wake_at: &'a AtomicU64,
    pub(crate) sleeper: S,
    pub(crate) fence: &'a F,
}

impl<S: Sleeper + Copy, F: Fence> Gate<'_, S, F> {
    /// Wakes whoever is parked until `published` or less. To be called after each publication;
    /// with [`ANYTHING`] if it is something else that the sleeper must know.
    #[inline]
    pub(crate) fn notify(&self, published: u64) {
        self.fence.light();
        // Relaxed, both: the fence orders them after the publication; paired with the heavy fence
        // in `park`, either we see what the sleeper said or its re-check sees what we published.
        if self.parked.load(Ordering::Relaxed) != 0
            && self.wake_at.load(Ordering::Relaxed) <= published
        {
            wake_parked(self.parked, self.sleeper);
        }
    }

    /// Wakes whoever is parked until something happens at just this position.
    #[inline]
    pub(crate) fn notify_at(&self, position: u64) {
        self.fence.light();
        // Relaxed, both: as in `notify`.
        if self.parked.load(Ordering::Relaxed) != 0
            && self.wake_at.load(Ordering::Relaxed) == position
        {
            wake_parked(self.parked, self.sleeper);
        }
    }

    /// As [`notify`](Self::notify), after a fence. Returns for what whoever is left parked waits.
    pub(super) fn wake_if_due(&self, published: u64) -> u64 {
        // Relaxed, both: see `super::crowd`, which orders them after the announcement.
        if self.parked.load(Ordering::Relaxed) == 0 {
            return ANYTHING;
        }
        let wake_at = self.wake_at.load(Ordering::Relaxed);
        if wake_at > published {
            return wake_at;
        }
        wake_parked(self.parked, self.sleeper);
        ANYTHING
    }

    /// Sleeps for at most `timeout`, or until `wake_at` is published, unless `ready` says after the
    /// announcement that there is nothing to wait for.
    pub(crate) fn park(
        &self,
        timeout: Duration,
        wake_at: u64,
        ready: impl FnOnce() -> bool,
    ) -> Parked {
        self.park_announced(timeout, wake_at, || (), ready)
    }

    /// [`park`](Self::park) with more to `announce`, between the announcement here and the fence.
    #[inline]
    pub(super) fn park_announced(
        &self,
        timeout: Duration,
        wake_at: u64,
        announce: impl FnOnce(),
        ready: impl FnOnce() -> bool,
    ) -> Parked {
        // A stray of the sleep before.
        self.sleeper.take_token();
        // Relaxed: the heavy fence orders it before the re-check.
        self.wake_at.store(wake_at, Ordering::Relaxed);
        // Relaxed: the heavy fence orders it before the re-check. A swap where a store would do,
        // because loom's order of a store and another thread's swap is looser than C++'s.
        self.parked.swap(1, Ordering::Relaxed);
        announce();
        let fenced = self.fence.heavy();
        if ready() {
            self.unpark();
            return Parked::Ready;
        }
        let timeout = if fenced { timeout } else { timeout.min(UNFENCED_SLEEP) };
        if self.sleeper.sleep(timeout) {
            // Nearly always taken by the waker; but if the token was a stray, it still stands.
            self.parked.swap(0, Ordering::Relaxed);
            return Parked::Woken;
        }
        self.unpark();
        Parked::TimedOut
    }

    /// Takes the announcement back, or the token that was posted for it.
    fn unpark(&self) {
        // AcqRel: with the swap in `wake_parked`, exactly one of us takes the announcement.
        if self.parked.swap(0, Ordering::AcqRel) == 0 {
            self.sleeper.take_token();
        }
    }
}
