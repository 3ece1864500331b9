//! `pop_batch`: all there is, in one piece wherever it lies; all of it released, or so many.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::slot::ReadError;

/// A batch of each length that begins at each kind of place, so at the ring's end too.
fn is_contiguous<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    let mut index = 0;
    for n in [1, 2, 3, whole / 2, whole - 1, whole] {
        // Eleven is no divisor of any ring's number of values.
        for shift in [0, 1, whole / 2, whole - 1, 11 % whole] {
            producer.push_slice(&values(index, shift)).unwrap();
            for _ in 0..shift {
                check_value(consumer.pop().unwrap().unwrap(), index);
                index += 1;
            }
            let n = n.min(whole);
            let mut slots = producer.try_reserve(n).unwrap();
            assert_eq!(slots.len(), n);
            fill_values(&mut slots, index);
            slots.commit().unwrap();

            let batch = consumer.pop_batch().unwrap().unwrap();
            assert_eq!(batch.len(), n);
            assert_eq!(batch.as_ptr().addr() % align_of::<T>(), 0);
            check_values(&batch, index);
            drop(batch);
            assert!(producer.is_empty() && consumer.is_empty());
            index += n as u64;
        }
    }
}

#[test]
fn batches_are_contiguous_across_the_rings_end() {
    for kind in KINDS {
        for_each_type!(is_contiguous(kind));
    }
}

fn releases_so_many<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = fill_up(&mut producer, 0);
    let batch = consumer.pop_batch().unwrap().unwrap();
    batch.release(0);
    assert_eq!((consumer.len(), consumer.stats().operations), (whole, 0));
    consumer.pop_batch().unwrap().unwrap().release(2);
    assert_eq!((consumer.len(), producer.free()), (whole - 2, 2));
    // The rest comes again.
    let batch = consumer.try_pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), whole - 2);
    check_values(&batch, 2);
    batch.release(whole - 2);
    assert!(consumer.is_empty());
    assert_fails!(consumer.try_pop_batch(), ReadError::Empty);
    assert_eq!(consumer.stats().bytes, (whole * size_of::<T>()) as u64);
    assert_eq!((consumer.stats().leaked, consumer.stats().aborted), (0, 0));
}

#[test]
fn releasing_so_many_keeps_the_rest() {
    for kind in KINDS {
        for_each_type!(releases_so_many(kind));
    }
}

/// More than there are is all there are: a position past the producer's would break the ring.
#[test]
fn releasing_more_than_there_are_releases_no_more() {
    for kind in KINDS {
        for too_many in [4, 1000, usize::MAX / 24, usize::MAX / 24 + 1, usize::MAX] {
            let (_name, mut producer, mut consumer) = kind.slots::<Three>();
            producer.push_slice(&values(0, 3)).unwrap();
            consumer.pop_batch().unwrap().unwrap().release(too_many);
            assert!(consumer.is_empty() && producer.is_empty());
            producer.push_slice(&values(3, whole::<Three>())).unwrap();
            check_values(&consumer.pop_batch().unwrap().unwrap(), 3);
        }
    }
}

#[test]
fn a_batch_is_what_was_there_when_it_was_taken() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push_slice(&values(0, 3)).unwrap();
        let batch = consumer.pop_batch().unwrap().unwrap();
        producer.push(value(3)).unwrap();
        assert_eq!(batch.len(), 3);
        assert_eq!((producer.len(), producer.free()), (4, whole::<Three>() - 4));
        drop(batch);
        assert_eq!(producer.len(), 1);
        assert_eq!(consumer.stats().operations, 3);
        check_value(consumer.pop().unwrap().unwrap(), 3);
    }
}

/// Values that were not seen before a first batch was taken are in the second.
#[test]
fn batches_see_what_was_pushed_since() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Twelve>();
        producer.push_slice(&values(0, 5)).unwrap();
        consumer.pop_batch().unwrap().unwrap().release(2);
        producer.push_slice(&values(5, 5)).unwrap();
        let mut next = 2;
        while next < 10 {
            let batch = consumer.try_pop_batch().unwrap().unwrap();
            check_values(&batch, next);
            next += batch.len() as u64;
        }
        assert_eq!(next, 10);
    }
}
