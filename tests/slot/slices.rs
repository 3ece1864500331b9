//! `push_slice` and `try_push_slice`.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{
    Peer,
    slot::{Consumer, Producer, WriteError},
};
use std::thread;

/// Pops everything to the end of the stream; how many there were.
fn pop_all<T: Pod>(mut consumer: Consumer<T>) -> u64 {
    let mut index = 0;
    loop {
        // One by one and in batches, of which not all is released.
        if index % 3 == 0 {
            let Some(value) = consumer.pop().unwrap() else { return index };
            check_value(value, index);
            index += 1;
        } else {
            let Some(batch) = consumer.pop_batch().unwrap() else { return index };
            check_values(&batch, index);
            let n = batch.len().div_ceil(2);
            batch.release(n);
            index += n as u64;
        }
    }
}

fn goes_in_pieces<T: Pod>(kind: Kind) {
    let (_name, mut producer, consumer) = kind.uncapped_slots::<T>();
    let whole = whole::<T>();
    let lengths = [0, 1, whole - 1, whole, whole + 1, 3 * whole + 1];
    let thread = thread::spawn(move || pop_all(consumer));
    let mut index = 0;
    for n in lengths {
        producer.push_slice(&values(index, n)).unwrap();
        index += n as u64;
    }
    let (bytes, pushed) = (producer.stats().bytes, index * size_of::<T>() as u64);
    assert_eq!(bytes, pushed);
    producer.finish_and_wait().unwrap();
    assert_eq!(joined(thread), index);
}

#[test]
fn a_slice_longer_than_the_ring_goes_in_pieces() {
    for kind in KINDS {
        for_each_type!(goes_in_pieces(kind));
    }
}

fn goes_as_far_as_there_is_room<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>();
    assert_eq!(producer.try_push_slice(&values(0, 2)).unwrap(), 2);
    let more = values(2, 2 * whole);
    assert_eq!(producer.try_push_slice(&more).unwrap(), whole - 2);
    assert_fails!(producer.try_push_slice(&more), WriteError::Full);
    assert_eq!(producer.try_push_slice(&[]).unwrap(), 0);
    consumer.pop_batch().unwrap().unwrap().release(1);
    // The look at the consumer tells of room that was not known of.
    assert_eq!(producer.try_push_slice(&values(whole as u64, 2)).unwrap(), 1);
    let batch = consumer.pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), whole);
    check_values(&batch, 1);
    drop(batch);
    assert_eq!(producer.try_push_slice(&values(whole as u64 + 1, whole)).unwrap(), whole);
    check_values(&consumer.pop_batch().unwrap().unwrap(), whole as u64 + 1);
}

#[test]
fn as_much_of_a_slice_as_there_is_room_for() {
    for kind in KINDS {
        for_each_type!(goes_as_far_as_there_is_room(kind));
    }
}

/// A slice that is pushed while the consumer leaves.
fn interrupted(kind: Kind, leave: impl FnOnce(Consumer<Three>)) -> (WriteError, Producer<Three>) {
    let (_name, mut producer, consumer) = kind.uncapped_slots::<Three>();
    let thread = thread::spawn(move || {
        let error = producer.push_slice(&values(0, 2 * whole::<Three>())).unwrap_err();
        (error, producer)
    });
    until("the producer sleeps", || consumer.peer().unwrap() == Peer::Waiting);
    assert_eq!(consumer.len(), whole::<Three>(), "the first piece is there");
    leave(consumer);
    joined(thread)
}

#[test]
fn the_rest_of_a_slice_is_not_pushed_when_the_consumer_leaves() {
    for kind in KINDS {
        let (error, producer) = interrupted(kind, drop);
        assert!(matches!(error, WriteError::ReaderLeft), "{error:?}");
        assert_eq!(producer.stats().bytes, 24 * whole::<Three>() as u64);
        let (error, _) = interrupted(kind, |consumer| consumer.fail(3));
        assert!(matches!(error, WriteError::ReaderFailed(3)), "{error:?}");
    }
}
