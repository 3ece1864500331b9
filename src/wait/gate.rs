//! How an end goes to sleep and how the other wakes it, without losing a wake-up.
//!
//! ```text
//! sleeper                                   waker
//!   take a stray token                        publish (Release)
//!   wake_at = what it waits for               light fence
//!   parked = 1                                parked != 0 and wake_at <= what is published ?
//!   heavy fence                                   swap(parked, 0) was 1: post a token
//!   re-check: something there? -> un-park
//!   sleep until a token, or for some time
//!   re-check: something there? -> un-park
//!   sleep until a token or a time-out
//!   timed out -> un-park
//!
//! un-park: swap(parked, 0) was 0: take the token if it is there
//! ```
//!
//! The subtle race is Dekker's: the sleeper writes its words and reads the ring, the waker
//! writes the ring and reads those words. If both could read the old value, the sleeper would
//! sleep on a full ring. A full fence between write and read on *both* sides rules that out.
//! The waker runs once per publication and the sleeper once per sleep, so the fence is
//! asymmetric: the sleeper's is heavy (it makes the other processor execute one, see
//! [`super::fence`]), the waker's costs nothing.
//!
//! By these rules no wake-up is lost, and the second re-check finds nothing. It is there because
//! the kernel does not always keep its part of the heavy fence ([`super::fence`] says when): by
//! then, a publication that the first has missed has long arrived. A sleeper that the kernel
//! refuses the heavy fence re-checks every millisecond.
//!
//! Every imprecision is on the safe side, a token too many: an un-parker whose announcement was
//! already taken does not wait for the token it is owed (its poster may be dead), so that token
//! may stray to the next sleep, which takes it first or wakes once for nothing.
//!
//! A gate is for one sleeper. Two on one semaphore would need more than a count in place of the
//! flag: the second, taking what it believes a stray, takes the token that was posted for the
//! first (loom finds that schedule at once).

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    /// side's light fence; then a sleeper must re-check often.
    fn heavy(&self) -> bool;
}

/// How [`Gate::park`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The re-check found something: no sleep.
    Ready,
    /// A waker posted.
    Woken,
    /// Nobody posted for what the second re-check found.
    Late,
    /// The time-out passed.
    TimedOut,
}

/// Takes the announcement of whoever is parked, and posts the token for it.
///
/// What it needs is passed on by value: with a reference to the gate, each notification would
/// have to write that down first.
#[cold]
fn wake_parked(parked: &AtomicU32, sleeper: impl Sleeper) {
    // AcqRel: with the swap in `unpark`, exactly one of us takes the announcement.
    if parked.swap(0, Ordering::AcqRel) != 0 {
        sleeper.post_token();
    }
}

/// A position that is past whatever a sleeper waits for.
pub(crate) const ANYTHING: u64 = u64::MAX;

/// If the fence cannot be relied upon, a re-check is due so often.
const UNFENCED_SLEEP: Duration = Duration::from_millis(1);

/// For how long to sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// At most so long in all.
    pub(crate) timeout: Duration,
    /// Re-check once more after so long (and every [`UNFENCED_SLEEP`] if the fence cannot be relied
    /// upon).
    pub(crate) doubt: Duration,
}

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

    /// Sleeps within these bounds, or until `wake_at` is published, unless `ready` says after the
    /// announcement that there is nothing to wait for.
    pub(crate) fn park(&self, bounds: Bounds, wake_at: u64, ready: impl FnMut() -> bool) -> Parked {
        self.park_announced(bounds, wake_at, || (), ready)
    }

    /// [`park`](Self::park) with more to `announce`, between the announcement here and the fence.
    #[inline]
    pub(super) fn park_announced(
        &self,
        bounds: Bounds,
        wake_at: u64,
        announce: impl FnOnce(),
        mut ready: impl FnMut() -> bool,
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
        let begun = Instant::now();
        let mut left = bounds.timeout;
        let mut next = if fenced { bounds.doubt } else { UNFENCED_SLEEP };
        loop {
            let now = next.min(left);
            if self.sleeper.sleep(now) {
                // Nearly always taken by the waker; but if the token was a stray, it still stands.
                self.parked.swap(0, Ordering::Relaxed);
                return Parked::Woken;
            }
            // By the clock, for it may have taken longer (the process was stopped, say); and by
            // what was asked for, which ends this also if one cannot sleep here.
            left = (left - now).min(bounds.timeout.saturating_sub(begun.elapsed()));
            if left.is_zero() {
                self.unpark();
                return Parked::TimedOut;
            }
            if ready() {
                return if self.unpark() { Parked::Late } else { Parked::Woken };
            }
            if fenced {
                next = left;
            }
        }
    }

    /// Takes the announcement back (true), or the token that was posted for it.
    fn unpark(&self) -> bool {
        // AcqRel: with the swap in `wake_parked`, exactly one of us takes the announcement.
        let stood = self.parked.swap(0, Ordering::AcqRel) != 0;
        if !stood {
            self.sleeper.take_token();
        }
        stood
    }
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// How far a waker has come.
    enum Waker {
        HasSeenNothing,
        TookTheAnnouncement,
        Posted,
    }
    use Waker::*;

    /// A gate whose sleeper is alone: `meanwhile` happens at the end of each of its sleeps,
    /// of which it is told the number.
    struct Alone<M> {
        parked: AtomicU32,
        wake_at: AtomicU64,
        fenced: bool,
        slept: RefCell<Vec<Duration>>,
        meanwhile: M,
    }

    impl<M: Fn(usize) -> Waker> Alone<M> {
        fn new(meanwhile: M) -> Self {
            Self {
                parked: AtomicU32::new(0),
                wake_at: AtomicU64::new(0),
                fenced: true,
                slept: RefCell::default(),
                meanwhile,
            }
        }

        fn park(&self, bounds: Bounds, ready: impl FnMut() -> bool) -> Parked {
            let Self { parked, wake_at, .. } = self;
            let gate = Gate { parked, wake_at, sleeper: self, fence: self };
            let parked = gate.park(bounds, 1, ready);
            assert_eq!(self.parked.load(Ordering::Relaxed), 0, "no announcement is left behind");
            parked
        }
    }

    impl<M: Fn(usize) -> Waker> Sleeper for Alone<M> {
        fn sleep(&self, timeout: Duration) -> bool {
            self.slept.borrow_mut().push(timeout);
            let waker = (self.meanwhile)(self.slept.borrow().len());
            if !matches!(waker, HasSeenNothing) {
                assert_eq!(self.parked.swap(0, Ordering::Relaxed), 1);
            }
            matches!(waker, Posted)
        }

        fn take_token(&self) -> bool {
            false
        }

        fn post_token(&self) {}
    }

    impl<M> Fence for Alone<M> {
        fn light(&self) {}

        fn heavy(&self) -> bool {
            self.fenced
        }
    }

    /// Which are not up in the middle of a test, however slow it is.
    const LONG: Bounds =
        Bounds { timeout: Duration::from_secs(3600), doubt: Duration::from_secs(720) };

    #[test]
    fn what_a_waker_announced_to_nobody_is_found_by_the_second_look() {
        let there = Cell::new(false);
        let alone = Alone::new(|_| {
            there.set(true);
            HasSeenNothing
        });
        assert_eq!(alone.park(LONG, || there.get()), Parked::Late);
        assert_eq!(*alone.slept.borrow(), [LONG.doubt]);
    }

    #[test]
    fn a_waker_that_comes_just_before_the_second_look_is_not_late() {
        let there = Cell::new(false);
        let alone = Alone::new(|_| {
            there.set(true);
            TookTheAnnouncement
        });
        assert_eq!(alone.park(LONG, || there.get()), Parked::Woken);
        assert_eq!(*alone.slept.borrow(), [LONG.doubt]);
    }

    #[test]
    fn there_is_a_second_look_and_no_third() {
        let looks = Cell::new(0);
        let alone = Alone::new(|_| HasSeenNothing);
        let look = || {
            looks.set(looks.get() + 1);
            false
        };
        assert_eq!(alone.park(LONG, look), Parked::TimedOut);
        let slept = alone.slept.borrow();
        assert_eq!((slept[0], slept.len()), (LONG.doubt, 2));
        assert!(slept[1] <= LONG.timeout - LONG.doubt, "{slept:?}");
        assert_eq!(looks.get(), 2);
    }

    #[test]
    fn nor_a_second_sleep_if_the_first_took_all_the_time() {
        let bounds = Bounds { timeout: UNFENCED_SLEEP * 10, doubt: UNFENCED_SLEEP };
        for fenced in [true, false] {
            let mut alone = Alone::new(|_| {
                std::thread::sleep(bounds.timeout);
                HasSeenNothing
            });
            alone.fenced = fenced;
            assert_eq!(alone.park(bounds, || false), Parked::TimedOut);
            assert_eq!(alone.slept.borrow().len(), 1);
        }
    }

    #[test]
    fn a_shorter_sleep_has_none() {
        for timeout in [LONG.doubt, LONG.doubt / 2, Duration::ZERO] {
            let there = Cell::new(false);
            let alone = Alone::new(|_| {
                there.set(true);
                HasSeenNothing
            });
            assert_eq!(alone.park(Bounds { timeout, ..LONG }, || there.get()), Parked::TimedOut);
            assert_eq!(*alone.slept.borrow(), [timeout]);
        }
    }

    #[test]
    fn a_token_ends_the_sleep_before_it_and_the_sleep_after_it() {
        for last in [1, 2] {
            let alone = Alone::new(|n| if n == last { Posted } else { HasSeenNothing });
            assert_eq!(alone.park(LONG, || false), Parked::Woken);
            assert_eq!(alone.slept.borrow().len(), last);
        }
    }

    #[test]
    fn without_a_fence_there_is_a_look_each_millisecond() {
        let there = Cell::new(false);
        let mut alone = Alone::new(|n| {
            there.set(n == 3);
            HasSeenNothing
        });
        alone.fenced = false;
        assert_eq!(alone.park(LONG, || there.get()), Parked::Late);
        assert_eq!(*alone.slept.borrow(), [UNFENCED_SLEEP; 3]);

        alone.slept.take();
        let timeout = UNFENCED_SLEEP / 2;
        assert_eq!(alone.park(Bounds { timeout, ..LONG }, || false), Parked::TimedOut);
        assert_eq!(*alone.slept.borrow(), [timeout]);
    }
}
