//! Positions where numbers of 31, 32 and 63 bits would have ended, and where 64 bits do end.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{
    Options,
    slot::{Consumer, Producer, ReadError, WriteError},
};

/// The last position that a value of this type can begin at or before `position`.
fn whole_before<T>(position: u64) -> u64 {
    position / size_of::<T>() as u64 * size_of::<T>() as u64
}

fn ends_at<T: Pod>(position: u64, named: bool) -> (SlotSite, Producer<T>, Consumer<T>, Words) {
    let site = SlotSite::at::<T>(named, position);
    let producer = site.producer(&Options::new());
    let consumer = site.consumer(&Options::new());
    let words = site.words();
    (site, producer, consumer, words)
}

/// Pushes and pops `n` values in all ways; one thread, so each look is at a known state.
fn stream<T: Pod>(producer: &mut Producer<T>, consumer: &mut Consumer<T>, n: u64) {
    let (mut pushed, mut popped) = (0, 0);
    while popped < n {
        let size = (1 + pushed * 7 % 11).min(n - pushed) as usize;
        if size > 0 {
            match producer.try_push_slice(&values(pushed, size)) {
                Ok(n) => pushed += n as u64,
                Err(WriteError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(producer.len() as u64, pushed - popped);
        let batch = consumer.try_pop_batch().unwrap().unwrap();
        check_values(&batch, popped);
        let n = (1 + popped as usize * 5 % 13).min(batch.len());
        batch.release(n);
        popped += n as u64;
        assert_eq!(consumer.len() as u64, pushed - popped);
    }
    assert!(consumer.is_empty());
}

fn crosses<T: Pod>() {
    let size = size_of::<T>() as u64;
    let laps = 3 * whole::<T>() as u64;
    for power in [31, 32, 33, 63] {
        for before in [0, 1, 5, whole::<T>() as u64] {
            let position = whole_before::<T>((1 << power) - before * size);
            let (_site, mut producer, mut consumer, words) = ends_at::<T>(position, before == 1);
            stream(&mut producer, &mut consumer, laps);
            assert_eq!(words.get(TAIL), position + laps * size);
            assert_eq!(words.get(HEAD), position + laps * size);
            assert_eq!(producer.reserve(whole::<T>()).unwrap().len(), whole::<T>());
            producer.finish().unwrap();
            assert!(consumer.pop().unwrap().is_none());
        }
    }
}

#[test]
fn across_every_power_of_two_that_a_smaller_number_would_end_at() {
    for_each_type!(crosses() for [u8; 7], Twelve, Three, Line, ThreeLines, Odd);
}

/// The whole stream of a ring whose positions end soon: exactly the values that fit, then an error.
fn is_exhausted<T: Pod>() {
    let size = size_of::<T>() as u64;
    for fit in [0, 1, 2, whole::<T>() as u64 + 1, (1 << 20) / size] {
        // The last position is 2^64 - 1, for there is one after each value.
        let position = whole_before::<T>(u64::MAX) - fit * size;
        let (_site, mut producer, mut consumer, words) = ends_at::<T>(position, fit == 1);
        stream(&mut producer, &mut consumer, fit);
        assert_eq!(words.get(TAIL), position + fit * size);
        for _ in 0..2 {
            // First the forms that do not wait: where they are wrong, the others may not return.
            let refused = producer.try_push(value(9)).unwrap_err();
            assert!(matches!(refused.error, WriteError::Exhausted), "{:?}", refused.error);
            let refused = producer.push(value(9)).unwrap_err();
            assert!(matches!(refused.error, WriteError::Exhausted), "{:?}", refused.error);
            check_value(refused.into_value(), 9);
            assert_fails!(producer.push_or_drop(value(9)), WriteError::Exhausted);
            assert_fails!(producer.try_push_slice(&values(0, 1)), WriteError::Exhausted);
            assert_fails!(producer.push_slice(&values(0, 2)), WriteError::Exhausted);
            assert_fails!(producer.try_reserve(1), WriteError::Exhausted);
            assert_fails!(producer.reserve(1), WriteError::Exhausted);
            assert_fails!(producer.reserve(whole::<T>()), WriteError::Exhausted);
            assert_fails!(producer.reserve_up_to(2), WriteError::Exhausted);
        }
        assert_eq!(producer.stats().dropped, 0);
        // Nothing is in the ring, and nothing can be pushed.
        assert_eq!((producer.len(), producer.free()), (0, 0));
        producer.finish().unwrap();
        for _ in 0..2 {
            assert!(consumer.pop().unwrap().is_none());
        }
    }
}

#[test]
fn the_end_of_the_numbers_is_an_error_after_exactly_the_values_that_fit() {
    for_each_type!(is_exhausted() for u8, [u8; 7], Twelve, Three, Line, Odd);
}

/// Each call pushes what still fits and no more.
#[test]
fn the_last_values() {
    let position = whole_before::<Three>(u64::MAX) - 4 * 24;
    for named in [true, false] {
        let (_site, mut producer, mut consumer, _) = ends_at::<Three>(position, named);
        assert_eq!(producer.free(), 4);
        assert_fails!(producer.try_reserve(5), WriteError::Exhausted);
        assert_fails!(producer.reserve(5), WriteError::Exhausted);
        let mut slots = producer.reserve(4).unwrap();
        fill_values(&mut slots, 0);
        slots.commit_first(1).unwrap();
        assert_eq!(producer.reserve_up_to(9).unwrap().len(), 3);
        assert_eq!(producer.try_push_slice(&values(1, 9)).unwrap(), 3);
        let batch = consumer.pop_batch().unwrap().unwrap();
        assert_eq!(batch.len(), 4);
        check_values(&batch, 0);
        drop(batch);
        producer.fail(3);
        assert_fails!(consumer.pop(), ReadError::Failed(3));

        let (_site, mut producer, mut consumer, _) = ends_at::<Three>(position, named);
        assert_fails!(producer.push_slice(&values(0, 5)), WriteError::Exhausted);
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
        assert_eq!(producer.stats().bytes, 4 * 24);
    }
}

/// A stream that was interrupted at such a place is taken up again there.
#[test]
fn attached_again_with_values_across_two_to_the_32() {
    let position = whole_before::<Three>((1 << 32) - 50);
    for named in [true, false] {
        let (site, mut producer, mut consumer, _) = ends_at::<Three>(position, named);
        producer.push_slice(&values(0, 10)).unwrap();
        check_value(consumer.pop().unwrap().unwrap(), 0);
        drop((producer, consumer));
        let mut producer = site.producer::<Three>(&Options::new().resume());
        let mut consumer = site.consumer::<Three>(&Options::new());
        producer.push_slice(&values(10, 10)).unwrap();
        let batch = consumer.pop_batch().unwrap().unwrap();
        assert_eq!(batch.len(), 9);
        check_values(&batch, 1);
        drop(batch);
        assert_fails!(consumer.pop(), ReadError::Dropped);
        check_values(&consumer.pop_batch().unwrap().unwrap(), 10);
    }
}
