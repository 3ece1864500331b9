//! Two producers that sleep for room. Nobody's sleep ends by itself: a lost wake-up is a dead-lock.

use super::*;
use crate::{
    models::{
        Search::{self, EveryOrder, UpTo},
        crowd::Places,
        explore,
    },
    wait::crowd::Crowd,
};

/// A full ring whose records are released one by one, and two producers who each want some blocks.
#[track_caller]
fn run(search: Search, at_first: &'static [u32], wanted: [u32; 2]) {
    explore(search, move || {
        let shared = Shared::new();
        let places = Arc::new(Places::new());
        let mut first = shared.producer(9);
        for &blocks in at_first {
            assert!(shared.put(&mut first, blocks, 99));
        }
        let producers = (0..).zip(wanted).map(|(me, blocks)| {
            let (theirs, places) = (Arc::clone(&shared), Arc::clone(&places));
            let mut producer = shared.producer(me);
            thread::spawn(move || {
                while !theirs.put(&mut producer, blocks, me + 1) {
                    let wanted = producer.wanted_head(blocks);
                    let ready = || theirs.head.load(Ordering::Acquire) >= wanted;
                    places.park(usize::from(me), wanted, ready);
                }
            })
        });
        let producers: Vec<_> = producers.collect();
        let (mut consumer, mut crowd) = (shared.consumer(), Crowd::new());
        for _ in at_first {
            assert_eq!(shared.take(&mut consumer), Some(99));
            places.notify(&mut crowd, consumer.position());
        }
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let mut got = shared.drain(&mut consumer);
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        shared.assert_empty();
    });
}

#[test]
fn both_are_woken() {
    run(UpTo(2), &[4], [1, 3]);
    run(UpTo(1), &[2, 2], [2, 2]);
    run(UpTo(1), &[1, 3], [3, 1]);
}

#[test]
fn both_are_woken_in_every_order() {
    run(EveryOrder(1), &[4], [1, 3]);
}
