//! The gate under loom: no wake-up is lost.
//!
//! The sleeper is a mutex and a condition variable without any time-out, so a lost wake-up is a
//! dead-lock, which loom reports. Both fences are SeqCst (see the module above). Leave either out,
//! or the re-check, and the models fail.

use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, fence},
    wait::gate::{Fence, Gate, Parked, Sleeper},
};
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};
use std::time::Duration;

struct Tokens {
    count: Mutex<u32>,
    posted: Condvar,
    /// What `sleep` does instead of waiting for ever: true gives up at once, as a time-out would.
    impatient: bool,
}

impl Tokens {
    fn new(impatient: bool) -> Self {
        Self { count: Mutex::new(0), posted: Condvar::new(), impatient }
    }
}

impl Sleeper for Tokens {
    fn sleep(&self, _: Duration) -> bool {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            if self.impatient {
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

struct Full;

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
    tokens: Tokens,
    published: AtomicU64,
}

impl Shared {
    fn new(impatient: bool) -> Arc<Self> {
        Arc::new(Self {
            parked: AtomicU32::new(0),
            tokens: Tokens::new(impatient),
            published: AtomicU64::new(0),
        })
    }

    fn gate(&self, sleepers: u32) -> Gate<'_, Tokens, Full> {
        Gate { parked: &self.parked, sleeper: &self.tokens, fence: &Full, sleepers }
    }

    fn publish(&self, sleepers: u32) {
        self.published.fetch_add(1, Ordering::Release);
        self.gate(sleepers).notify();
    }

    /// Sleeps until `n` were published.
    fn await_published(&self, n: u64, sleepers: u32) {
        let ready = || self.published.load(Ordering::Acquire) >= n;
        while !ready() {
            self.gate(sleepers).park(Duration::MAX, ready);
        }
    }
}

/// Bounds the number of preemptions, not of reorderings; 3 is where these models stop finding
/// anything new when a fence is taken out.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

#[test]
fn one_sleeper_misses_no_publication() {
    // Exhaustive: no bound.
    loom::model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish(1));
        shared.await_published(1, 1);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleeper_that_sleeps_twice_is_woken_twice() {
    model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.publish(1);
            theirs.publish(1);
        });
        shared.await_published(1, 1);
        shared.await_published(2, 1);
        waker.join().unwrap();
    });
}

#[test]
fn two_sleepers_are_both_woken() {
    model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.await_published(1, 2));
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish(2));
        shared.await_published(1, 2);
        other.join().unwrap();
        waker.join().unwrap();
    });
}

#[test]
fn a_sleep_that_timed_out_leaves_no_announcement_behind() {
    loom::model(|| {
        let shared = Shared::new(true);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish(1));
        let parked =
            shared.gate(1).park(Duration::ZERO, || shared.published.load(Ordering::Acquire) == 1);
        waker.join().unwrap();
        assert_eq!(shared.parked.load(Ordering::Acquire), 0);
        // At most the one token whose poster was not waited for.
        let strays = *shared.tokens.count.lock().unwrap();
        assert!(strays <= 1, "{strays} strays after {parked:?}");
    });
}
