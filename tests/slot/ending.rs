//! How streams of values end, and who is told what.

use crate::{assert_fails, slot_support::*, stream_support::*};
use shmpipe::{
    Options, Peer,
    slot::{Consumer, Producer, ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// What a consumer says in every form, again and again.
fn every_form_says(consumer: &mut Consumer<Three>, is_right: fn(Result<bool, ReadError>) -> bool) {
    for round in 0..2 {
        let soon = Instant::now() + FOR_EVER;
        let said = [
            consumer.pop().map(|value| value.is_some()),
            consumer.try_pop().map(|value| value.is_some()),
            consumer.pop_timeout(Duration::ZERO).map(|value| value.is_some()),
            consumer.pop_deadline(soon).map(|value| value.is_some()),
            consumer.pop_batch().map(|batch| batch.is_some()),
            consumer.try_pop_batch().map(|batch| batch.is_some()),
            consumer.pop_batch_timeout(FOR_EVER).map(|batch| batch.is_some()),
            consumer.pop_batch_deadline(soon).map(|batch| batch.is_some()),
        ];
        for (form, said) in said.into_iter().enumerate() {
            let shown = format!("{said:?}");
            assert!(is_right(said), "form {form}, round {round}: {shown}");
        }
    }
}

#[test]
fn a_finished_stream_ends_with_none() {
    for kind in KINDS {
        for n in [0, 3] {
            let (_name, mut producer, mut consumer) = kind.slots::<Three>();
            producer.push_slice(&values(0, n)).unwrap();
            producer.finish().unwrap();
            for index in 0..n as u64 {
                check_value(consumer.pop().unwrap().unwrap(), index);
            }
            every_form_says(&mut consumer, |said| matches!(said, Ok(false)));
            assert_eq!(consumer.peer().unwrap(), Peer::Finished);
        }
    }
}

#[test]
fn a_broken_stream_ends_with_the_reason_after_its_last_value() {
    type End = fn(Producer<Three>);
    type Told = fn(Result<bool, ReadError>) -> bool;
    let endings: [(End, Told); 3] = [
        (|producer| drop(producer), |said| matches!(said, Err(ReadError::Dropped))),
        (
            |producer| producer.fail(i32::MIN),
            |said| matches!(said, Err(ReadError::Failed(i32::MIN))),
        ),
        (|producer| producer.fail(0), |said| matches!(said, Err(ReadError::Failed(0)))),
    ];
    for kind in KINDS {
        for (end, told) in endings {
            let (_name, mut producer, mut consumer) = kind.slots::<Three>();
            producer.push_slice(&values(0, 5)).unwrap();
            end(producer);
            let batch = consumer.pop_batch().unwrap().unwrap();
            assert_eq!(batch.len(), 5);
            check_values(&batch, 0);
            batch.release(4);
            check_value(consumer.pop().unwrap().unwrap(), 4);
            every_form_says(&mut consumer, told);
        }
    }
}

#[test]
fn an_end_wakes_the_consumer() {
    for kind in KINDS {
        for finish in [true, false] {
            let (_name, producer, mut consumer) = kind.uncapped_slots::<Three>();
            let thread = thread::spawn(move || consumer.pop().map(|value| value.is_some()));
            until("the consumer sleeps", || producer.peer().unwrap() == Peer::Waiting);
            if finish {
                producer.finish().unwrap();
                assert!(!joined(thread).unwrap());
            } else {
                producer.fail(9);
                assert_fails!(joined(thread), ReadError::Failed(9));
            }
        }
    }
}

#[test]
fn finishing_and_waiting_waits_for_the_last_value_to_be_released() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
        producer.push_slice(&values(0, 3)).unwrap();
        let thread = thread::spawn(move || producer.finish_and_wait());
        until("the producer has finished", || consumer.peer().unwrap() == Peer::Finished);
        consumer.pop_batch().unwrap().unwrap().release(2);
        assert!(!thread.is_finished());
        consumer.pop_batch().unwrap().unwrap().release(1);
        assert!(consumer.pop().unwrap().is_none());
        joined(thread).unwrap();
    }
}

#[test]
fn finishing_and_waiting_says_what_was_not_read() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push_slice(&values(0, 3)).unwrap();
        let waited = producer.finish_and_wait_timeout(Duration::from_millis(5));
        assert_fails!(waited, WriteError::Timeout);
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
        assert!(consumer.pop().unwrap().is_none(), "finished all the same");

        let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
        producer.push_slice(&values(0, 3)).unwrap();
        let thread = thread::spawn(move || producer.finish_and_wait());
        until("the producer has finished", || consumer.peer().unwrap() == Peer::Finished);
        consumer.pop().unwrap().unwrap();
        drop(consumer);
        assert_fails!(joined(thread), WriteError::ReaderLeft);
    }
}

/// Values outlive their producer, and the name goes with the last out.
#[test]
fn a_consumer_that_comes_after_the_producer_gets_everything() {
    let options = Options::new().capacity(room::<Three>());
    let name = RingName::new("slot");
    let mut producer: Producer<Three> = options.open_or_create(&name).unwrap();
    assert_eq!(producer.peer().unwrap(), Peer::NoneYet);
    let whole = fill_up(&mut producer, 0);
    producer.finish().unwrap();
    name.assert_exists();
    let mut consumer: Consumer<Three> = options.open(&name).unwrap();
    let batch = consumer.pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), whole);
    check_values(&batch, 0);
    drop(batch);
    assert!(consumer.pop().unwrap().is_none());
    drop(consumer);
    name.assert_gone();
}
