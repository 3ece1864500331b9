//! The gate under loom: no wake-up is lost.
//!
//! The sleeper is a mutex and a condition variable without any time-out, so a lost wake-up is a
//! dead-lock, which loom reports. Exhaustive: no bound on preemptions. Both fences are SeqCst (see the module above). Leave either out,
//! or the re-check, and the models fail.

use crate::{
    sync::{AtomicU32, AtomicU64, Ordering, fence},
    wait::gate::{Fence, Gate, Sleeper},
};
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};
use std::{cell::Cell, time::Duration};

pub(super) struct Tokens {
    count: Mutex<u32>,
    posted: Condvar,
    /// A sleep that finds no token ends at once, as by a time-out.
    impatient: Cell<bool>,
}

// SAFETY: `impatient` is used by the sleeping thread alone.
unsafe impl Sync for Tokens {}

impl Tokens {
    pub(super) fn new(impatient: bool) -> Self {
        Self { count: Mutex::new(0), posted: Condvar::new(), impatient: Cell::new(impatient) }
    }

    fn be_patient(&self) {
        self.impatient.set(false);
    }
}

impl Sleeper for Tokens {
    fn sleep(&self, _: Duration) -> bool {
        let mut count = self.count.lock().unwrap();
        while *count == 0 {
            if self.impatient.get() {
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
    fn new(impatient: bool) -> Arc<Self> {
        Arc::new(Self {
            parked: AtomicU32::new(0),
            wake_at: AtomicU64::new(0),
            tokens: Tokens::new(impatient),
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
    fn await_published(&self, n: u64) {
        let ready = || self.published.load(Ordering::Acquire) >= n;
        while !ready() {
            self.gate().park(Duration::MAX, n, ready);
        }
    }
}

#[test]
fn one_sleeper_misses_no_publication() {
    loom::model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish());
        shared.await_published(1);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleeper_that_sleeps_twice_is_woken_twice() {
    loom::model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.publish();
            theirs.publish();
        });
        shared.await_published(1);
        shared.await_published(2);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleeper_that_waits_for_two_is_woken_by_the_second() {
    loom::model(|| {
        let shared = Shared::new(false);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.publish();
            theirs.publish();
        });
        shared.await_published(2);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleep_that_times_out_does_not_spoil_the_next() {
    loom::model(|| {
        let shared = Shared::new(true);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || {
            theirs.publish();
            theirs.publish();
        });
        let published = || shared.published.load(Ordering::Acquire);
        shared.gate().park(Duration::ZERO, 1, || published() >= 1);
        // The second sleep is a patient one; what the first left behind must not swallow its
        // wake-up.
        shared.tokens.be_patient();
        shared.await_published(2);
        waker.join().unwrap();
    });
}

#[test]
fn a_sleep_that_timed_out_leaves_no_announcement_behind() {
    loom::model(|| {
        let shared = Shared::new(true);
        let theirs = Arc::clone(&shared);
        let waker = thread::spawn(move || theirs.publish());
        let parked =
            shared.gate().park(Duration::ZERO, 1, || shared.published.load(Ordering::Acquire) == 1);
        waker.join().unwrap();
        assert_eq!(shared.parked.load(Ordering::Acquire), 0);
        // At most the one token whose poster was not waited for.
        let strays = *shared.tokens.count.lock().unwrap();
        assert!(strays <= 1, "{strays} strays after {parked:?}");
    });
}
