//! One producer after another, one consumer after another.

use crate::{assert_fails, slot_support::*, stream_support::*};
use shmpipe::{
    EndReason, OpenErrorKind, Options, Peer,
    slot::{Consumer, Producer, ReadError, WriteError},
};

fn open(name: &RingName) -> Producer<Three> {
    Options::new().open(name).unwrap()
}

fn named() -> Ends<Three> {
    KINDS[1].slots()
}

#[test]
fn a_second_stream_begins_after_the_end_of_the_first() {
    let (name, mut producer, mut consumer) = named();
    producer.push(value(0)).unwrap();
    producer.finish().unwrap();
    check_value(consumer.pop().unwrap().unwrap(), 0);
    assert!(consumer.pop().unwrap().is_none());

    let mut second = open(&name);
    assert_fails!(consumer.try_pop(), ReadError::Empty);
    second.push(value(1)).unwrap();
    check_value(consumer.pop().unwrap().unwrap(), 1);
    second.fail(4);
    for _ in 0..2 {
        assert_fails!(consumer.pop(), ReadError::Failed(4));
    }
    drop(open(&name));
    assert_fails!(consumer.pop(), ReadError::Dropped);
}

/// A batch ends where its stream does, also if the next one's values lie behind it.
#[test]
fn an_end_is_told_before_the_first_value_of_the_next_stream() {
    let (name, mut producer, mut consumer) = named();
    producer.push_slice(&values(0, 3)).unwrap();
    drop(producer);
    let mut second: Producer<Three> = Options::new().resume().open(&name).unwrap();
    second.push_slice(&values(3, 4)).unwrap();
    second.finish().unwrap();

    assert_eq!(consumer.len(), 7);
    let batch = consumer.pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), 3, "not one of the second stream");
    check_values(&batch, 0);
    batch.release(usize::MAX);
    assert_fails!(consumer.pop(), ReadError::Dropped);
    check_values(&consumer.pop_batch().unwrap().unwrap(), 3);
    for _ in 0..2 {
        assert!(consumer.pop().unwrap().is_none());
    }
}

#[test]
fn a_broken_stream_is_refused_unless_resumed_or_discarded() {
    for unread in [0, 3] {
        let site = SlotSite::new::<Three>(true);
        let mut producer = site.producer::<Three>(&Options::new());
        producer.push_slice(&values(0, 3)).unwrap();
        if unread == 0 {
            let mut consumer = site.consumer::<Three>(&Options::new());
            consumer.pop_batch().unwrap().unwrap().release(3);
        }
        producer.fail(5);
        let refused = site.open::<Producer<Three>>(&Options::new()).unwrap_err();
        let OpenErrorKind::Unfinished { reason, at, unread: bytes, .. } = *refused.kind() else {
            panic!("{refused}")
        };
        assert_eq!((reason, at, bytes), (EndReason::Failed(5), 72, 24 * unread));
    }
}

#[test]
fn a_resumed_stream_goes_on_after_its_last_value() {
    for named in [true, false] {
        let site = SlotSite::new::<Three>(named);
        let mut producer = site.producer::<Three>(&Options::new());
        producer.push_slice(&values(0, 5)).unwrap();
        producer.fail(5);
        let mut producer = site.producer::<Three>(&Options::new().resume());
        assert_eq!(producer.len(), 5);
        let more = producer.free();
        producer.push_slice(&values(5, more)).unwrap();
        assert!(producer.try_push(value(0)).is_err());
        let mut consumer = site.consumer::<Three>(&Options::new());
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
        assert_fails!(consumer.pop(), ReadError::Failed(5));
        check_values(&consumer.pop_batch().unwrap().unwrap(), 5);
        assert!(consumer.is_empty());
    }
}

#[test]
fn a_discarded_stream_is_gone() {
    for named in [true, false] {
        let site = SlotSite::new::<Three>(named);
        let mut producer = site.producer::<Three>(&Options::new());
        let whole = fill_up(&mut producer, 0);
        drop(producer);
        let mut producer = site.producer::<Three>(&Options::new().discard());
        assert_eq!(fill_up(&mut producer, 100), whole, "all of the ring is free");
        let mut consumer = site.consumer::<Three>(&Options::new());
        check_values(&consumer.pop_batch().unwrap().unwrap(), 100);
        assert!(consumer.is_empty());
    }
}

#[test]
fn a_second_consumer_goes_on_where_the_first_stopped() {
    for named in [true, false] {
        let site = SlotSite::new::<Three>(named);
        let mut producer = site.producer::<Three>(&Options::new());
        let mut consumer = site.consumer::<Three>(&Options::new());
        producer.push_slice(&values(0, 10)).unwrap();
        check_value(consumer.pop().unwrap().unwrap(), 0);
        consumer.pop_batch().unwrap().unwrap().release(2);
        drop(consumer);
        let refused = producer.push(value(10)).unwrap_err();
        assert!(matches!(refused.error, WriteError::ReaderLeft));
        assert_eq!(producer.peer().unwrap(), Peer::Finished);

        let mut second = site.consumer::<Three>(&Options::new());
        assert_eq!(producer.peer().unwrap(), Peer::Alive);
        producer.push(refused.into_value()).unwrap();
        let batch = second.pop_batch().unwrap().unwrap();
        assert_eq!(batch.len(), 8);
        check_values(&batch, 3);
        drop(batch);
        producer.finish().unwrap();
        assert!(second.pop().unwrap().is_none());
    }
}

#[test]
fn each_end_is_there_once() {
    for named in [true, false] {
        let site = SlotSite::new::<Three>(named);
        let _ends =
            (site.producer::<Three>(&Options::new()), site.consumer::<Three>(&Options::new()));
        let refused = site.open::<Producer<Three>>(&Options::new()).unwrap_err();
        assert!(matches!(refused.kind(), OpenErrorKind::RoleTaken { .. }), "{refused}");
        let refused = site.open::<Consumer<Three>>(&Options::new()).unwrap_err();
        assert!(matches!(refused.kind(), OpenErrorKind::RoleTaken { .. }), "{refused}");
    }
}
