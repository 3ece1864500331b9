//! Producers that live: every record arrives once, whole, and after those its
//! producer put before it.
//!
//! Nobody waits, as two who do would keep loom busy for ever: a producer that finds no
//! room gives that record up, the consumer looks a few times while the producers are at
//! it, and again when they are done.

use super::*;
use crate::models::{
    Search::{self, EveryOrder, Exhaustive, UpTo},
    before_look, explore,
};

/// Records that are in the ring at first, by their lengths, then producers that try to put some
/// each, while the consumer looks `looks` times.
#[track_caller]
fn run(search: Search, at_first: &'static [u32], lengths: &'static [&[u32]], looks: usize) {
    explore(search, move || {
        let shared = Shared::new();
        assert!(shared.lock(0) && shared.lock(1));
        let mut first = shared.producer(9);
        let mut expected: Vec<_> = (0..at_first.len() as u8).map(|n| 90 + n).collect();
        for (&value, &blocks) in expected.iter().zip(at_first) {
            assert!(shared.put(&mut first, blocks, value));
        }
        let producers = (0..).zip(lengths).map(|(me, lengths)| {
            let theirs = Arc::clone(&shared);
            let mut producer = shared.producer(me);
            thread::spawn(move || {
                let values = (10 * me + 1..).zip(*lengths);
                let put =
                    values.filter(|&(value, &blocks)| theirs.put(&mut producer, blocks, value));
                put.map(|(value, _)| value).collect::<Vec<_>>()
            })
        });
        let producers: Vec<_> = producers.collect();
        let mut consumer = shared.consumer();
        let mut got = Vec::new();
        for n in 0..looks {
            before_look(n);
            got.extend(shared.take(&mut consumer));
        }
        let put: Vec<_> = producers.into_iter().map(|thread| thread.join().unwrap()).collect();
        while let Some(value) = shared.take(&mut consumer) {
            got.push(value);
        }
        for (me, put) in (0..).zip(put) {
            let got: Vec<_> = got.iter().copied().filter(|value| value / 10 == me).collect();
            assert_eq!(got, put);
            expected.extend(put);
        }
        got.sort_by_key(|value| (value / 10 != 9, *value));
        assert_eq!(got, expected);
        shared.assert_empty();
    });
}

#[test]
fn one_producer() {
    run(Exhaustive, &[3], &[&[1, 2, 1]], 2);
    run(EveryOrder(3), &[3], &[&[1, 2]], 2);
}

#[test]
fn two_producers_of_one_record() {
    run(Exhaustive, &[], &[&[2], &[1]], 1);
    run(EveryOrder(2), &[], &[&[2], &[1]], 1);
}

#[test]
fn two_producers_for_whom_there_is_room_only_once_something_is_released() {
    run(UpTo(3), &[1, 3], &[&[1], &[4]], 2);
    run(EveryOrder(2), &[3], &[&[2], &[1]], 1);
}

#[test]
fn a_producer_that_looks_where_the_tail_was_a_lap_ago() {
    run(UpTo(3), &[], &[&[4, 4], &[1]], 2);
    run(UpTo(2), &[2], &[&[2, 4], &[2]], 3);
}

#[test]
fn two_producers_of_two_records() {
    run(UpTo(3), &[], &[&[1, 1], &[1, 1]], 1);
    run(UpTo(1), &[1], &[&[1, 2], &[1, 2]], 2);
}
