//! The gate under loom: no wake-up is lost.
//!
//! The sleeper is a mutex and a condition variable. A sleep has no time-out, so a lost wake-up is a
//! dead-lock, which loom reports; or it ends at once, whatever its time-out. Exhaustive, with no
//! bound on preemptions, but where a sleeper looks twice. Both fences are SeqCst (see the module
//! above). Leave either out, or the re-check, and the models fail.

use super::{Search::UpTo, explore};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, fence},
    wait::gate::{Bounds, Fence, Gate, Sleeper},
};
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};
use std::time::Duration;

/// A sleep that only a token ends.
pub(super) const ENDLESS: Bounds = Bounds { timeout: Duration::MAX, doubt: Duration::MAX };
/// One that ends at once.
const BRIEF: Bounds = Bounds { timeout: Duration::ZERO, ..ENDLESS };
/// One that has its second re-check at once; then only a token ends it.
pub(super) const DOUBTED: Bounds = Bounds { doubt: Duration::ZERO, ..ENDLESS };

pub(super) struct Tokens {
    count: Mutex<u32>,
    posted: Condvar,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { count: Mutex::new(0), posted: Condvar::new() }
    }
}

impl Sleeper for Tokens {
    fn sleep(&self, timeout: Duration) -> bool {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            // (By the clock some of it may have passed.)
            if timeout < Duration::MAX / 2 {
                return false;
            }
            count = self.posted.wait(count).unwrap();
        }
        *count -= 1;
        true
    }

    fn take_token(&self) -> bool {
        let mut count = self.count.lock().unwrap();
        let there = *count > 0;
        *count -= u32::from(there);
        there
    }

    fn post_token(&self) {
        *self.count.lock().unwrap() += 1;
        self.posted.notify_one();
    }
}

pub(super) struct Full;

impl Fence for Full {
    fn light(&self) {
        fence(Ordering::SeqCst);
    }

    fn heavy(&self) -> bool {
        fence(Ordering::SeqCst);
        true
    }
}

struct Shared {
    parked: AtomicU32,
    wake_at: AtomicU64,
    tokens: Tokens,
    published: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            parked: AtomicU32::new(0),
            wake_at: AtomicU64::new(0),
            tokens: Tokens::new(),
            published: AtomicU64::new(0),
        })
    }

    fn gate(&self) -> Gate<'_, &Tokens, Full> {
        Gate { parked: &self.parked, wake_at: &self.wake_at, sleeper: &self.tokens, fence: &Full }
    }

    fn publish(&self) {
        let published = self.published.fetch_add(1, Ordering::Release) + 1;
        self.gate().notify(published);
    }

    /// Sleeps until `n` were published.
    fn await_published(&self, n: u64, bounds: Bounds) {
        let ready = || self.published.load(Ordering::Acquire) >= n;
        while !ready() {
            self.gate().park(bounds, n, ready);
        }
    }
}

/// One who waits for each of these in turn, and one who publishes as many; with
/// a second re-check and without.
fn run(waits: &'static [u64]) {
    let publications = waits.last().copied().unwrap();
    let model = move |bounds| {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || (0..publications).for_each(|_| theirs.publish()));
        waits.iter().for_each(|&n| shared.await_published(n, bounds));
        waker.join().unwrap();
    };
    loom::model(move || model(ENDLESS));
    explore(UpTo(5), move || model(DOUBTED));
}

#[test]
fn a_sleeper_misses_no_publication() {
    run(&[1]);
}

#[test]
fn a_sleeper_that_sleeps_twice_is_woken_twice() {
    run(&[1, 2]);
}

#[test]
fn a_sleeper_that_waits_for_two_is_woken_by_the_second() {
    run(&[2]);
}

#[test]
fn a_sleep_that_times_out_does_not_spoil_the_next() {
    loom::model(|| {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.publish();
            theirs.publish();
        });
        let published = || shared.published.load(Ordering::Acquire);
        shared.gate().park(BRIEF, 1, || published() >= 1);
        // What the first left behind must not swallow the wake-up of the second.
        shared.await_published(2, ENDLESS);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleep_that_timed_out_leaves_no_announcement_behind() {
    loom::model(|| {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish());
        let parked = shared.gate().park(BRIEF, 1, || shared.published.load(Ordering::Acquire) == 1);
        waker.join().unwrap();
        assert_eq!(shared.parked.load(Ordering::Acquire), 0);
        // At most the one token whose poster was not waited for.
        let strays = *shared.tokens.count.lock().unwrap();
        assert!(strays <= 1, "{strays} strays after {parked:?}");
    });
}
