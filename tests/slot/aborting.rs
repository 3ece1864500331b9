//! `Aborter`: an end of a ring of slots is ended from another thread.

use crate::{assert_fails, slot_support::*, stream_support::*};
use shmpipe::{
    Peer,
    slot::{ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

#[test]
fn every_operation_of_an_aborted_producer_says_so() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        let aborter = producer.aborter();
        producer.push(value(0)).unwrap();
        joined(thread::spawn(move || aborter.abort()));
        let soon = Instant::now() + FOR_EVER;
        for _ in 0..2 {
            let refused = producer.push(value(1)).unwrap_err();
            assert!(matches!(refused.error, WriteError::Aborted));
            check_value(refused.value, 1);
            assert_fails!(producer.try_push(value(1)).map_err(|e| e.error), WriteError::Aborted);
            assert_fails!(producer.push_or_drop(value(1)), WriteError::Aborted);
            assert_fails!(producer.push_slice(&values(1, 2)), WriteError::Aborted);
            assert_fails!(producer.try_push_slice(&values(1, 2)), WriteError::Aborted);
            assert_fails!(producer.reserve(1), WriteError::Aborted);
            assert_fails!(producer.try_reserve(0), WriteError::Aborted);
            assert_fails!(producer.reserve_timeout(1, FOR_EVER), WriteError::Aborted);
            assert_fails!(producer.reserve_up_to(1), WriteError::Aborted);
            assert_fails!(producer.reserve_up_to_deadline(1, soon), WriteError::Aborted);
            assert_fails!(producer.peer(), WriteError::Aborted);
        }
        assert_eq!(producer.stats().dropped, 0);
        check_value(consumer.pop().unwrap().unwrap(), 0);
        assert_fails!(consumer.pop(), ReadError::Dropped);
        assert_fails!(producer.finish(), WriteError::Aborted);
        assert_fails!(consumer.pop(), ReadError::Dropped, "finishing is no more possible");
    }
}

#[test]
fn every_operation_of_an_aborted_consumer_says_so() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push_slice(&values(0, 5)).unwrap();
        check_value(consumer.pop().unwrap().unwrap(), 0);
        consumer.aborter().abort();
        for _ in 0..2 {
            assert_fails!(consumer.pop(), ReadError::Aborted);
            assert_fails!(consumer.try_pop(), ReadError::Aborted);
            assert_fails!(consumer.pop_timeout(Duration::ZERO), ReadError::Aborted);
            assert_fails!(consumer.pop_batch(), ReadError::Aborted);
            assert_fails!(consumer.try_pop_batch(), ReadError::Aborted);
            assert_fails!(consumer.pop_batch_timeout(FOR_EVER), ReadError::Aborted);
            assert_fails!(consumer.peer(), ReadError::Aborted);
        }
        let refused = producer.push(value(5)).unwrap_err();
        assert!(matches!(refused.error, WriteError::ReaderLeft));
        assert_eq!(producer.len(), 4, "nothing more was released");
    }
}

#[test]
fn a_guard_that_is_out_at_the_abort() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push_slice(&values(0, 5)).unwrap();
        let aborter = producer.aborter();
        let mut slots = producer.reserve(3).unwrap();
        aborter.abort();
        // The memory is still there.
        fill_values(&mut slots, 5);
        assert_fails!(slots.commit(), WriteError::Aborted);

        let aborter = consumer.aborter();
        let batch = consumer.pop_batch().unwrap().unwrap();
        assert_eq!(batch.len(), 5, "what was being filled is not among them");
        aborter.abort();
        check_values(&batch, 0);
        drop(batch);
        assert_fails!(consumer.pop(), ReadError::Aborted);
    }
}

#[test]
fn a_producer_that_waits_is_woken_and_the_value_comes_back() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
        let whole = fill_up(&mut producer, 0) as u64;
        let aborter = producer.aborter();
        let thread = thread::spawn(move || (producer.push(value(whole)), producer));
        until("the producer sleeps", || consumer.peer().unwrap() == Peer::Waiting);
        aborter.abort();
        let (pushed, _producer) = joined(thread);
        let refused = pushed.unwrap_err();
        assert!(matches!(refused.error, WriteError::Aborted));
        check_value(refused.value, whole);
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
        assert_fails!(consumer.pop(), ReadError::Dropped);
    }
}

#[test]
fn a_consumer_that_waits_is_woken() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
        let aborter = consumer.aborter();
        let thread = thread::spawn(move || (consumer.pop_batch().map(|_| ()), consumer));
        until("the consumer sleeps", || producer.peer().unwrap() == Peer::Waiting);
        aborter.abort();
        let (popped, _consumer) = joined(thread);
        assert_fails!(popped, ReadError::Aborted);
        let refused = producer.push(value(0)).unwrap_err();
        assert!(matches!(refused.error, WriteError::ReaderLeft));
    }
}
