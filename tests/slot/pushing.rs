//! `push` in all its forms: what is refused comes back, what is given up is counted.

use crate::{assert_fails, for_each_type, slot_support::*, stream_support::*};
use bytemuck::Pod;
use shmpipe::{
    Peer,
    slot::{Producer, PushError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);

/// Every form of `push`, by name.
pub fn pushes<T: Pod>(
    producer: &mut Producer<T>,
    value: T,
    mut then: impl FnMut(&str, &mut Producer<T>, Result<(), PushError<T>>),
) {
    let soon = Instant::now() + SHORT;
    let pushed = producer.try_push(value);
    then("try_push", producer, pushed);
    let pushed = producer.push_timeout(value, SHORT);
    then("push_timeout", producer, pushed);
    let pushed = producer.push_deadline(value, soon);
    then("push_deadline", producer, pushed);
}

#[test]
fn every_form_pushes_when_there_is_room() {
    for kind in KINDS {
        let (_name, mut producer, mut consumer) = kind.slots::<Three>();
        let far = Instant::now() + FOR_EVER;
        producer.push(value(0)).unwrap();
        producer.try_push(value(1)).unwrap();
        producer.push_timeout(value(2), FOR_EVER).unwrap();
        producer.push_timeout(value(3), Duration::ZERO).unwrap();
        producer.push_timeout(value(4), Duration::MAX).unwrap();
        producer.push_deadline(value(5), far).unwrap();
        // Room is room, also when the time is up.
        producer.push_deadline(value(6), Instant::now() - SHORT).unwrap();
        assert!(producer.push_or_drop(value(7)).unwrap());
        assert_eq!(producer.stats().operations, 8);
        assert_eq!(producer.stats().bytes, 8 * 24);
        assert_eq!(producer.stats().dropped, 0);
        check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
        assert!(consumer.is_empty(), "{kind:?}");
    }
}

fn comes_back<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = fill_up(&mut producer, 0) as u64;
    let extra: T = value(whole);
    let mut forms = 0;
    pushes(&mut producer, extra, |form, _, pushed| {
        let PushError { value, error } = pushed.unwrap_err();
        check_value(value, whole);
        match (form, &error) {
            ("try_push", WriteError::Full) => {}
            ("push_timeout" | "push_deadline", WriteError::Timeout) => {}
            _ => panic!("{form}: {error:?}"),
        }
        forms += 1;
    });
    assert_eq!(forms, 3);
    let refused = producer.push_timeout(extra, Duration::ZERO).unwrap_err();
    assert!(matches!(refused.error, WriteError::Timeout), "no time at all is a time-out too");
    check_value(refused.into_value(), whole);
    let refused = producer.push_deadline(extra, Instant::now()).unwrap_err();
    assert!(matches!(refused.error, WriteError::Timeout));
    check_value(refused.into_value(), whole);

    // Nothing of it is in the ring; and what came back can be pushed when there is room again.
    assert_eq!(producer.len() as u64, whole);
    check_value(consumer.pop().unwrap().unwrap(), 0);
    producer.try_push(extra).unwrap();
    check_values(&consumer.pop_batch().unwrap().unwrap(), 1);
    assert_eq!(consumer.stats().bytes, (whole + 1) * size_of::<T>() as u64);
}

#[test]
fn a_value_that_finds_no_room_comes_back() {
    for kind in KINDS {
        for_each_type!(comes_back(kind));
    }
}

#[test]
fn a_value_that_nobody_will_read_comes_back() {
    for kind in KINDS {
        type Leave = fn(shmpipe::slot::Consumer<Three>);
        type IsRight = fn(&WriteError) -> bool;
        let leaves: [(Leave, IsRight); 2] = [
            (|consumer| drop(consumer), |error| matches!(error, WriteError::ReaderLeft)),
            (|consumer| consumer.fail(-7), |error| matches!(error, WriteError::ReaderFailed(-7))),
        ];
        for (leave, is_right) in leaves {
            let (_name, mut producer, consumer) = kind.slots::<Three>();
            producer.push(value(0)).unwrap();
            leave(consumer);
            let PushError { value: back, error } = producer.push(value(1)).unwrap_err();
            check_value(back, 1);
            assert!(is_right(&error), "{error:?}");
            pushes(&mut producer, value(2), |form, _, pushed| {
                let PushError { value, error } = pushed.unwrap_err();
                check_value(value, 2);
                assert!(is_right(&error), "{form}: {error:?}");
            });
            // That is no want of room.
            assert!(is_right(&producer.push_or_drop(value(3)).unwrap_err()));
            assert_eq!(producer.stats().dropped, 0);
        }
    }
}

/// The error is one: it says what went wrong, and can be handed on with `?`.
#[test]
fn the_error_of_a_push_says_why() {
    let (_name, mut producer, _consumer) = KINDS[0].slots::<u64>();
    fill_up(&mut producer, 0);
    let refused: Box<dyn std::error::Error> = producer.try_push(5).unwrap_err().into();
    assert!(refused.to_string().contains("full"), "{refused}");
}

fn is_counted<T: Pod>(kind: Kind) {
    let (_name, mut producer, mut consumer) = kind.slots::<T>();
    let whole = whole::<T>() as u64;
    for index in 0..whole {
        assert!(producer.push_or_drop(value(index)).unwrap());
    }
    for dropped in 1..=5 {
        assert!(!producer.push_or_drop(value(99)).unwrap());
        assert_eq!(producer.stats().dropped, dropped);
    }
    assert_eq!((producer.stats().operations, producer.stats().aborted), (whole, 0));
    // The other forms drop nothing.
    assert!(producer.try_push(value(99)).is_err());
    assert!(producer.push_timeout(value(99), Duration::ZERO).is_err());
    assert_eq!(producer.stats().dropped, 5);

    check_value(consumer.pop().unwrap().unwrap(), 0);
    assert!(producer.push_or_drop(value(whole)).unwrap());
    assert!(!producer.push_or_drop(value(99)).unwrap());
    assert_eq!(producer.stats().dropped, 6);
    check_values(&consumer.pop_batch().unwrap().unwrap(), 1);
    assert_eq!((consumer.stats().dropped, producer.stats().leaked), (0, 0));
}

#[test]
fn what_is_dropped_is_counted() {
    for kind in KINDS {
        for_each_type!(is_counted(kind) for u8, Twelve, Three, Line, Odd);
    }
}

/// It sleeps until there is room for one.
#[test]
fn a_sleeping_push_is_woken_by_the_next_pop() {
    for kind in KINDS {
        for release in [1, 2] {
            let (_name, mut producer, mut consumer) = kind.uncapped_slots::<Three>();
            let whole = fill_up(&mut producer, 0) as u64;
            let thread = thread::spawn(move || {
                producer.push(value(whole)).unwrap();
                producer
            });
            until("the producer sleeps", || consumer.peer().unwrap() == Peer::Waiting);
            if release == 1 {
                check_value(consumer.pop().unwrap().unwrap(), 0);
            } else {
                consumer.pop_batch().unwrap().unwrap().release(2);
            }
            let producer = joined(thread);
            let stats = producer.stats();
            // (It may have seen the room before it fell asleep.)
            assert_eq!(stats.late_wakeups, 0, "{stats:?}");
            check_values(&consumer.pop_batch().unwrap().unwrap(), release);
        }
    }
}

#[test]
fn a_full_ring_is_full_for_reservations_too() {
    for kind in KINDS {
        let (_name, mut producer, _consumer) = kind.slots::<Twelve>();
        fill_up(&mut producer, 0);
        let soon = || Instant::now() + SHORT;
        assert_fails!(producer.try_reserve(1), WriteError::Full);
        assert_fails!(producer.try_reserve_up_to(1), WriteError::Full);
        assert_fails!(producer.reserve_timeout(1, SHORT), WriteError::Timeout);
        assert_fails!(producer.reserve_up_to_timeout(1, SHORT), WriteError::Timeout);
        assert_fails!(producer.reserve_deadline(1, soon()), WriteError::Timeout);
        assert_fails!(producer.reserve_up_to_deadline(1, soon()), WriteError::Timeout);
        assert_fails!(producer.try_push_slice(&values(0, 3)), WriteError::Full);
        assert_eq!(producer.stats().aborted, 0);
    }
}
