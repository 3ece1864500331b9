//! A crowd of two under loom: no wake-up is lost.
//!
//! As in [`super::gate`] nobody's sleep ends by itself, so that a lost wake-up is a dead-lock, and
//! both fences are SeqCst. Leave either out, or the re-check, or let the waker note `announced`
//! after its look round instead of before, and these fail.

use super::{
    Search::{self, Exhaustive, UpTo},
    explore,
    gate::{DOUBTED, ENDLESS, Full, Tokens},
};
use crate::{
    sync::{AtomicU32, AtomicU64, Ordering},
    wait::{
        crowd::{self, Crowd},
        gate::{ANYTHING, Bounds, Gate},
    },
};
use loom::{sync::Arc, thread};

struct Place {
    parked: AtomicU32,
    wake_at: AtomicU64,
    tokens: Tokens,
}

pub(super) struct Places {
    announced: AtomicU64,
    places: [Place; 2],
    /// Of each sleep.
    bounds: Bounds,
}

impl Places {
    pub(super) fn new() -> Self {
        Self::with(ENDLESS)
    }

    fn with(bounds: Bounds) -> Self {
        let place = || Place {
            parked: AtomicU32::new(0),
            wake_at: AtomicU64::new(0),
            tokens: Tokens::new(),
        };
        Self { announced: AtomicU64::new(0), places: [place(), place()], bounds }
    }

    fn gate(&self, n: usize) -> Gate<'_, &Tokens, Full> {
        let Place { parked, wake_at, tokens } = &self.places[n];
        Gate { parked, wake_at, sleeper: tokens, fence: &Full }
    }

    pub(super) fn notify(&self, crowd: &mut Crowd, published: u64) {
        let gates = (0..self.places.len()).map(|n| self.gate(n));
        crowd.notify(&self.announced, &Full, published, gates);
    }

    /// Sleeps at place `n` until `wake_at`, unless `ready`.
    pub(super) fn park(&self, n: usize, wake_at: u64, ready: impl FnMut() -> bool) {
        crowd::park(self.gate(n), &self.announced, self.bounds, wake_at, ready);
    }
}

struct Shared {
    places: Places,
    published: AtomicU64,
}

impl Shared {
    fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { places: Places::with(bounds), published: AtomicU64::new(0) })
    }

    fn publish(&self, crowd: &mut Crowd) {
        let published = self.published.fetch_add(1, Ordering::Release) + 1;
        self.places.notify(crowd, published);
    }

    fn await_published(&self, at: usize, n: u64) {
        let ready = || self.published.load(Ordering::Acquire) >= n;
        while !ready() {
            self.places.park(at, n, ready);
        }
    }
}

/// Sleepers, each of which waits for some publications one after the other, and a waker.
#[track_caller]
fn run(search: Search, waits: &'static [&[u64]], publications: u64) {
    run_within(ENDLESS, search, waits, publications);
}

#[track_caller]
fn run_within(bounds: Bounds, search: Search, waits: &'static [&[u64]], publications: u64) {
    explore(search, move || {
        let shared = Shared::new(bounds);
        let sleepers = waits.iter().enumerate().map(|(at, waits)| {
            let theirs = Arc::clone(&shared);
            thread::spawn(move || waits.iter().for_each(|&n| theirs.await_published(at, n)))
        });
        let sleepers: Vec<_> = sleepers.collect();
        let mut crowd = Crowd::new();
        for _ in 0..publications {
            shared.publish(&mut crowd);
        }
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
}

#[test]
fn two_sleepers_miss_no_publication() {
    run(UpTo(3), &[&[1], &[1]], 1);
}

#[test]
fn each_is_woken_when_it_is_due() {
    run(UpTo(2), &[&[1], &[2]], 2);
}

#[test]
fn one_that_sleeps_twice_is_found_twice() {
    run(UpTo(4), &[&[1, 2]], 2);
    run(UpTo(2), &[&[1, 2], &[2]], 2);
}

#[test]
fn one_that_is_due_later_is_not_forgotten() {
    run(UpTo(4), &[&[2]], 2);
    run(UpTo(2), &[&[3], &[1]], 3);
}

#[test]
fn nor_if_they_look_twice() {
    run_within(DOUBTED, UpTo(4), &[&[1, 2]], 2);
    run_within(DOUBTED, UpTo(2), &[&[2], &[1]], 2);
}

#[test]
fn a_new_waker_finds_whom_the_last_left_asleep() {
    explore(Exhaustive, || {
        let shared = Shared::new(ENDLESS);
        let theirs = Arc::clone(&shared);
        let sleeper = thread::spawn(move || theirs.await_published(1, 1));
        // The last one died between its publication and the wake-up.
        shared.published.fetch_add(1, Ordering::Release);
        shared.places.notify(&mut Crowd::new(), shared.published.load(Ordering::Relaxed));
        sleeper.join().unwrap();
    });
}

#[test]
fn whoever_calls_everybody_wakes_everybody() {
    explore(UpTo(2), || {
        let shared = Shared::new(ENDLESS);
        let over = Arc::new(AtomicU64::new(0));
        let sleepers: Vec<_> = (0..2)
            .map(|at| {
                let (theirs, over) = (Arc::clone(&shared), Arc::clone(&over));
                thread::spawn(move || {
                    while over.load(Ordering::Acquire) == 0 {
                        theirs.places.park(at, 99, || over.load(Ordering::Acquire) != 0);
                    }
                })
            })
            .collect();
        over.store(1, Ordering::Release);
        shared.places.notify(&mut Crowd::new(), ANYTHING);
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
}
