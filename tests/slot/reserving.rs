//! `reserve` and `reserve_up_to`, and what is committed of them.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{
    Peer,
    slot::{ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);

fn gives_exactly<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    let mut index = 0;
    for n in [1, 2, whole / 2, whole - 1, whole] {
        let mut slots = producer.reserve(n).unwrap();
        assert_eq!(slots.len(), n);
        fill_values(&mut slots, index);
        check_values(&slots, index);
        assert_fails!(consumer.try_pop(), ReadError::Empty);
        slots.commit().unwrap();
        assert_eq!((producer.len(), producer.free()), (n, whole - n));
        if n < whole {
            assert_fails!(producer.try_reserve(whole - n + 1), WriteError::Full);
        }
        assert_eq!(producer.try_reserve(whole - n).unwrap().len(), whole - n);
        check_values(&consumer.pop_batch().unwrap().unwrap(), index);
        index += n as u64;
    }
    assert_eq!(producer.stats().operations, index);
}

#[test]
fn exactly_so_many_slots() {
    for kind in KINDS {
        for_each_type!(gives_exactly(kind));
    }
}

fn gives_what_there_is<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    assert_eq!(producer.reserve_up_to(usize::MAX).unwrap().len(), whole);
    assert_eq!(producer.reserve_up_to(whole + 1).unwrap().len(), whole);
    assert_eq!(producer.reserve_up_to(2).unwrap().len(), 2);
    producer.push_slice(&values(0, whole - 1)).unwrap();
    assert_eq!(producer.try_reserve_up_to(2).unwrap().len(), 1);
    // Room for one is known; that there is more takes a look at the consumer.
    consumer.pop_batch().unwrap().unwrap().release(2);
    assert_eq!(producer.reserve_up_to(whole).unwrap().len(), 3);
    assert_eq!(producer.try_reserve_up_to(whole).unwrap().len(), 3);
    assert_eq!(producer.reserve_up_to_timeout(whole, SHORT).unwrap().len(), 3);
    let soon = Instant::now() + SHORT;
    assert_eq!(producer.reserve_up_to_deadline(whole, soon).unwrap().len(), 3);
}

#[test]
fn up_to_so_many_slots() {
    for kind in KINDS {
        for_each_type!(gives_what_there_is(kind));
    }
}

#[test]
fn every_form_reserves_what_there_is_room_for() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Twelve>();
        let whole = fill_up(&mut producer, 0);
        consumer.pop_batch().unwrap().unwrap().release(9);
        let soon = || Instant::now() + SHORT;
        // It takes as much room as was asked for, not any.
        assert_fails!(producer.try_reserve(10), WriteError::Full);
        assert_fails!(producer.reserve_timeout(10, SHORT), WriteError::Timeout);
        assert_fails!(producer.reserve_deadline(10, soon()), WriteError::Timeout);
        assert_fails!(producer.reserve_timeout(10, Duration::ZERO), WriteError::Timeout);
        assert_eq!(producer.reserve(9).unwrap().len(), 9);
        assert_eq!(producer.try_reserve(9).unwrap().len(), 9);
        assert_eq!(producer.reserve_timeout(9, Duration::MAX).unwrap().len(), 9);
        assert_eq!(producer.reserve_deadline(9, soon()).unwrap().len(), 9);
        assert_eq!(producer.len(), whole - 9);
        assert_eq!(producer.stats().aborted, 4, "{kind:?}");
    }
}

fn is_too_large<T: Pod>(kind: Kind) {
    let (_name, mut producer, consumer) = kind.slots::<T>();
    let (whole, size) = (whole::<T>(), size_of::<T>());
    // On an empty ring and on a full one, where a wait would never end.
    for _ in 0..2 {
        for n in [whole + 1, usize::MAX / size, usize::MAX / 2 + 1, usize::MAX] {
            let refused = |error: Option<WriteError>| {
                let Some(WriteError::TooLarge { requested, limit }) = error else {
                    panic!("{error:?}")
                };
                assert_eq!((requested, limit), (n.saturating_mul(size), whole * size));
            };
            // First the form that does not wait: where it is wrong, the others may not return.
            refused(producer.try_reserve(n).err());
            refused(producer.reserve(n).err());
            refused(producer.reserve_timeout(n, FOR_EVER).err());
            refused(producer.reserve_deadline(n, Instant::now() + FOR_EVER).err());
        }
        fill_up(&mut producer, 0);
    }
    assert_eq!(producer.stats().aborted, 0);
    drop(consumer);
}

#[test]
fn more_than_the_ring_can_hold_is_an_error_at_once() {
    for kind in KINDS {
        for_each_type!(is_too_large(kind));
    }
}

fn commits_the_first<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    let mut index = 0;
    for n in [0, 1, whole - 1, whole] {
        let mut slots = producer.reserve(whole).unwrap();
        // What is not committed must not be seen, nor be between what is.
        fill_values(&mut slots, 1 << 20);
        fill_values(&mut slots[..n], index);
        slots.commit_first(n).unwrap();
        assert_eq!((producer.len(), producer.free()), (n, whole - n));
        if n > 0 {
            check_values(&consumer.pop_batch().unwrap().unwrap(), index);
        }
        assert_fails!(consumer.try_pop(), ReadError::Empty);
        index += n as u64;
    }
    // To commit none is to commit.
    assert_eq!((producer.stats().operations, producer.stats().aborted), (index, 0));
}

#[test]
fn committing_the_first_gives_the_rest_back() {
    for kind in KINDS {
        for_each_type!(commits_the_first(kind));
    }
}

#[test]
fn committing_more_than_reserved_is_an_error_and_publishes_nothing() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        for too_many in [3, whole::<Three>() + 1, usize::MAX / 24 + 1, usize::MAX] {
            let committed = producer.reserve(2).unwrap().commit_first(too_many);
            assert_fails!(
                committed,
                WriteError::TooLarge { requested, limit: 48 }
                    if requested == too_many.saturating_mul(24)
            );
        }
        assert!(producer.is_empty());
        assert_eq!((producer.stats().aborted, producer.stats().operations), (4, 0));
        producer.push(value(0)).unwrap();
        check_value(consumer.pop().unwrap().unwrap(), 0);
    }
}

fn leaves_no_trace<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    for index in 0..3 {
        let mut dropped = producer.reserve(whole::<T>()).unwrap();
        fill_values(&mut dropped, 1 << 20);
        drop(dropped);
        assert!(producer.is_empty());
        assert_eq!(producer.stats().aborted, index + 1);
        assert_eq!(producer.stats().operations, index);

        let mut kept = producer.reserve(1).unwrap();
        kept[0] = value(index);
        kept.commit().unwrap();
        check_value(consumer.pop().unwrap().unwrap(), index);
    }
    assert_eq!(producer.stats().leaked, 0);
}

#[test]
fn dropped_slots_leave_no_trace_but_are_counted() {
    for kind in KINDS {
        for_each_type!(leaves_no_trace(kind));
    }
}

#[test]
fn nothing_can_be_asked_for() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        // On an empty ring, and on a full one, where waiting would be for ever.
        for _ in 0..2 {
            assert_eq!(producer.reserve(0).unwrap().len(), 0);
            assert_eq!(producer.try_reserve(0).unwrap().len(), 0);
            assert_eq!(producer.reserve_up_to(0).unwrap().len(), 0);
            assert_eq!(producer.try_reserve_up_to(0).unwrap().len(), 0);
            producer.reserve(0).unwrap().commit().unwrap();
            producer.reserve_timeout(0, Duration::ZERO).unwrap().commit_first(0).unwrap();
            assert_fails!(
                producer.reserve(0).unwrap().commit_first(1),
                WriteError::TooLarge { requested: 24, limit: 0 }
            );
            producer.push_slice(&[]).unwrap();
            assert_eq!(producer.try_push_slice(&[]).unwrap(), 0);
            fill_up(&mut producer, 0);
        }
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
    }
}

/// It sleeps until there is room for all of it: the last slot that is missing wakes it.
#[test]
fn a_sleeping_reserve_is_woken_by_the_last_slot_it_needs() {
    for kind in KINDS {
        for n in [2, 3, 100, whole::<Three>()] {
            let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
            fill_up(&mut producer, 0);
            let thread = thread::spawn(move || producer.reserve(n).unwrap().len());
            until("the producer sleeps", || consumer.peer().unwrap() == Peer::Waiting);
            consumer.pop_batch().unwrap().unwrap().release(n - 1);
            assert!(!thread.is_finished());
            consumer.pop().unwrap().unwrap();
            assert_eq!(joined(thread), n, "{kind:?}");
        }
    }
}
