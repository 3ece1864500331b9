//! `pop` in all its forms.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{Peer, slot::ReadError};
use std::{
    thread,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn every_form_pops_what_is_there() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        producer.push_slice(&values(0, 12)).unwrap();
        let far = Instant::now() + FOR_EVER;
        check_value(consumer.pop().unwrap().unwrap(), 0);
        check_value(consumer.try_pop().unwrap().unwrap(), 1);
        check_value(consumer.pop_timeout(FOR_EVER).unwrap().unwrap(), 2);
        check_value(consumer.pop_timeout(Duration::ZERO).unwrap().unwrap(), 3);
        check_value(consumer.pop_timeout(Duration::MAX).unwrap().unwrap(), 4);
        check_value(consumer.pop_deadline(far).unwrap().unwrap(), 5);
        check_value(consumer.pop_deadline(Instant::now() - SHORT).unwrap().unwrap(), 6);
        consumer.pop_batch().unwrap().unwrap().release(1);
        consumer.try_pop_batch().unwrap().unwrap().release(1);
        consumer.pop_batch_timeout(Duration::ZERO).unwrap().unwrap().release(1);
        consumer.pop_batch_deadline(far).unwrap().unwrap().release(1);
        let batch = consumer.pop_batch_timeout(FOR_EVER).unwrap().unwrap();
        assert_eq!(batch.len(), 1);
        check_values(&batch, 11);
        drop(batch);
        assert_eq!((consumer.stats().operations, consumer.stats().bytes), (12, 12 * 24));
    }
}

fn is_empty_for_every_form<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    for _ in 0..2 {
        let soon = || Instant::now() + SHORT;
        assert_fails!(consumer.try_pop(), ReadError::Empty);
        assert_fails!(consumer.try_pop_batch(), ReadError::Empty);
        assert_fails!(consumer.pop_timeout(SHORT), ReadError::Timeout);
        assert_fails!(consumer.pop_batch_timeout(SHORT), ReadError::Timeout);
        assert_fails!(consumer.pop_deadline(soon()), ReadError::Timeout);
        assert_fails!(consumer.pop_batch_deadline(soon()), ReadError::Timeout);
        // No time at all is a time-out too, and not an `Empty`.
        assert_fails!(consumer.pop_timeout(Duration::ZERO), ReadError::Timeout);
        assert_fails!(consumer.pop_batch_deadline(Instant::now()), ReadError::Timeout);
        producer.push(value(0)).unwrap();
        consumer.pop().unwrap().unwrap();
    }
    assert_eq!(consumer.stats().operations, 2);
}

#[test]
fn an_empty_ring_is_empty_for_every_form() {
    for kind in KINDS {
        for_each_type!(is_empty_for_every_form(kind) for u8, Twelve, Odd);
    }
}

/// A value that was popped is the caller's: what comes into the ring later does not
/// touch it, and its place is free.
#[test]
fn a_popped_value_is_released_at_once() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Odd>();
        let whole = fill_up(&mut producer, 0) as u64;
        let first = consumer.pop().unwrap().unwrap();
        assert_eq!((producer.free(), consumer.len() as u64), (1, whole - 1));
        producer.try_push(value(whole)).unwrap();
        check_value(first, 0);
    }
}

#[test]
fn a_sleeping_pop_is_woken_by_the_next_push() {
    for kind in KINDS {
        for batch in [false, true] {
            let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
            let thread = thread::spawn(move || {
                if batch {
                    let values = consumer.pop_batch().unwrap().unwrap();
                    assert_eq!(values.len(), 1);
                    check_values(&values, 0);
                } else {
                    check_value(consumer.pop().unwrap().unwrap(), 0);
                }
                consumer.stats()
            });
            until("the consumer sleeps", || producer.peer().unwrap() == Peer::Waiting);
            producer.push(value(0)).unwrap();
            let stats = joined(thread);
            assert!(stats.sleeps > 0 && stats.late_wakeups == 0, "{stats:?}");
        }
    }
}
