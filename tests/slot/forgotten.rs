//! Guards that are leaked by `mem::forget`: as if they had never been, and counted.

use crate::{for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use std::mem::forget;

fn forgets_slots<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    for round in 0..3 {
        let mut slots = producer.reserve(whole).unwrap();
        fill_values(&mut slots, 1 << 20);
        forget(slots);
        assert_eq!((producer.len(), producer.free()), (0, whole));
        assert!(consumer.try_pop().is_err());
        match round {
            0 => producer.push(value(round)).unwrap(),
            1 => producer.push_slice(&values(round, 1)).unwrap(),
            _ => {
                let mut slots = producer.try_reserve_up_to(1).unwrap();
                fill_values(&mut slots, round);
                slots.commit().unwrap();
            }
        }
        assert_eq!(producer.stats().leaked, round + 1);
        check_value(consumer.pop().unwrap().unwrap(), round);
    }
    // Again and again without a use in between: each is found out when the next is reserved.
    for _ in 0..3 {
        forget(producer.reserve(1).unwrap());
    }
    assert!(producer.push_or_drop(value(3)).unwrap());
    assert_eq!((producer.stats().leaked, producer.stats().aborted), (6, 0));
    // A guard that was not forgotten is none of them.
    drop(producer.reserve(1).unwrap());
    producer.push(value(4)).unwrap();
    assert_eq!((producer.stats().leaked, producer.stats().aborted), (6, 1));
    check_values(&consumer.pop_batch().unwrap().unwrap(), 3);
}

#[test]
fn forgotten_slots_are_not_pushed() {
    for kind in KINDS {
        for_each_type!(forgets_slots(kind));
    }
}

fn forgets_values<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = fill_up(&mut producer, 0);
    for round in 0..3 {
        let batch = consumer.pop_batch().unwrap().unwrap();
        check_values(&batch, 0);
        forget(batch);
        assert_eq!((consumer.len(), producer.free()), (whole, 0), "nothing was released");
        assert_eq!(consumer.stats().leaked, round, "not found out yet");
    }
    // They come again, also one by one.
    check_value(consumer.pop().unwrap().unwrap(), 0);
    assert_eq!((consumer.stats().leaked, consumer.stats().operations), (3, 1));
    forget(consumer.try_pop_batch().unwrap().unwrap());
    consumer.pop_batch().unwrap().unwrap().release(1);
    assert_eq!(consumer.stats().leaked, 4);
    let rest = consumer.pop_batch().unwrap().unwrap();
    assert_eq!(rest.len(), whole - 2);
    check_values(&rest, 2);
    drop(rest);
    assert!(consumer.try_pop().is_err());
    assert_eq!((consumer.stats().leaked, consumer.stats().aborted), (4, 0));
}

#[test]
fn forgotten_values_come_again() {
    for kind in KINDS {
        for_each_type!(forgets_values(kind));
    }
}

/// A leak that nothing follows changes nothing of the end.
#[test]
fn an_end_that_leaves_behind_a_forgotten_guard() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push(value(0)).unwrap();
        forget(producer.reserve(3).unwrap());
        producer.finish().unwrap();
        forget(consumer.pop_batch().unwrap().unwrap());
        check_value(consumer.pop().unwrap().unwrap(), 0);
        assert!(consumer.pop().unwrap().is_none());
    }
    // What was forgotten was not released: it is there for the next one.
    let (name, mut producer, mut consumer) = KINDS[1].slots::<Three>();
    producer.push_slice(&values(0, 5)).unwrap();
    forget(consumer.pop_batch().unwrap().unwrap());
    drop(consumer);
    let mut next = shmpipe::Options::new().open::<shmpipe::slot::Consumer<Three>>(&name).unwrap();
    let batch = next.pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), 5);
    check_values(&batch, 0);
}
