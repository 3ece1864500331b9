//! A peer writes positions that cannot be: an error that stays, and never a
//! panic or a wait without end.

use crate::{assert_fails, slot_support::*, stream_support::*};
use shmpipe::{
    OpenErrorKind, Options, Peer,
    slot::{Consumer, Producer, ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const SIZE: u64 = size_of::<Three>() as u64;

/// Where rings begin; multiples of the value's size.
const STARTS: [u64; 4] =
    [0, whole_before(1 << 20), whole_before((1 << 32) - 96), whole_before(u64::MAX - (1 << 20))];

const fn whole_before(position: u64) -> u64 {
    position / SIZE * SIZE
}

fn ends_at(start: u64, named: bool) -> (SlotSite, Producer<Three>, Consumer<Three>, Words) {
    let site = SlotSite::at::<Three>(named, start);
    let producer = site.producer(&Options::new());
    let consumer = site.consumer(&Options::new());
    let words = site.words();
    (site, producer, consumer, words)
}

/// All that a broken producer can be asked, again and again, also after the word was put right.
fn is_broken_producer(producer: &mut Producer<Three>, repair: impl Fn()) {
    for round in 0..3 {
        let soon = Instant::now() + FOR_EVER;
        let refused = producer.push(value(7)).unwrap_err();
        check_value(refused.value, 7);
        let errors = [
            Some(refused.error),
            producer.try_push(value(7)).err().map(Into::into),
            producer.push_timeout(value(7), FOR_EVER).err().map(Into::into),
            producer.push_deadline(value(7), soon).err().map(Into::into),
            producer.push_or_drop(value(7)).err(),
            producer.push_slice(&values(0, 3)).err(),
            producer.try_push_slice(&values(0, 3)).err(),
            producer.reserve(1).err(),
            producer.try_reserve(0).err(),
            producer.reserve_up_to(5).err(),
            producer.peer().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(WriteError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        assert!(producer.len() <= producer.capacity() && producer.free() <= producer.capacity());
        repair();
    }
}

fn is_broken_consumer(consumer: &mut Consumer<Three>, repair: impl Fn()) {
    for round in 0..3 {
        let soon = Instant::now() + FOR_EVER;
        let errors = [
            consumer.pop().err(),
            consumer.try_pop().err(),
            consumer.pop_timeout(FOR_EVER).err(),
            consumer.pop_deadline(soon).err(),
            consumer.pop_batch().err(),
            consumer.try_pop_batch().err(),
            consumer.pop_batch_timeout(Duration::ZERO).err(),
            consumer.peer().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(ReadError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        assert!(consumer.len() <= consumer.capacity());
        repair();
    }
}

#[test]
fn a_producers_position_that_jumps_or_is_torn_breaks_the_consumer() {
    let ring = page() as u64;
    for named in [true, false] {
        for start in STARTS {
            let at = start + 10 * SIZE;
            // Of an empty ring: not behind a whole value, before what was seen,
            // more than a ring further.
            let torn = [1, 8, SIZE - 1, SIZE + 1, SIZE + 16, ring - 1].map(|by| at + by);
            let jumps = [at - SIZE, at + ring / SIZE * SIZE + SIZE, at + ring + 1, at + ring + 8];
            let far = [0, u64::MAX, at ^ (1 << 63), at.wrapping_add((1 << 32) * SIZE)];
            for bad in torn.into_iter().chain(jumps).chain(far) {
                let (_site, mut producer, mut consumer, words) = ends_at(start, named);
                producer.push_slice(&values(0, 10)).unwrap();
                check_values(&consumer.pop_batch().unwrap().unwrap(), 0);
                let right = words.get(TAIL);
                assert_eq!(right, at);
                words.set(TAIL, bad);
                assert_fails!(consumer.try_pop(), ReadError::Corrupt(_), "tail {bad} after {at}");
                is_broken_consumer(&mut consumer, || words.set(TAIL, right));
                drop(consumer);
                let refused = producer.push(value(10)).unwrap_err();
                assert!(matches!(refused.error, WriteError::ReaderLeft));
            }
        }
    }
}

#[test]
fn a_consumers_position_that_jumps_or_is_torn_breaks_the_producer() {
    for named in [true, false] {
        for start in STARTS {
            // Of a full ring, of which two values were released.
            let at = start + 2 * SIZE;
            let torn = [1, 8, SIZE - 1, SIZE + 1, 2 * SIZE + 12].map(|by| at + by);
            let tail = at + whole::<Three>() as u64 * SIZE;
            let jumps = [start, at - SIZE, tail + SIZE, tail + page() as u64];
            let far = [0, u64::MAX, at ^ (1 << 63), at.wrapping_add((1 << 32) * SIZE)];
            for bad in torn.into_iter().chain(jumps).chain(far) {
                let (_site, mut producer, mut consumer, words) = ends_at(start, named);
                fill_up(&mut producer, 0);
                consumer.pop_batch().unwrap().unwrap().release(2);
                let whole = whole::<Three>() as u64;
                producer.push_slice(&values(whole, 2)).unwrap();
                let right = words.get(HEAD);
                assert_eq!((right, words.get(TAIL)), (at, tail));
                words.set(HEAD, bad);
                if bad == at {
                    continue;
                }
                let refused = producer.try_push(value(7)).unwrap_err();
                assert!(
                    matches!(refused.error, WriteError::Corrupt(_)),
                    "head {bad} after {at}: {:?}",
                    refused.error
                );
                is_broken_producer(&mut producer, || words.set(HEAD, right));
                assert_fails!(producer.finish(), WriteError::Corrupt(_));
                // The other end is sound. It gets what was published, and
                // learns that no more comes.
                let batch = consumer.pop_batch().unwrap().unwrap();
                assert_eq!(batch.len() as u64, whole);
                check_values(&batch, 2);
                drop(batch);
                assert_fails!(consumer.pop(), ReadError::Dropped);
            }
        }
    }
}

/// Values that were seen before the jump can be popped; the look behind them fails.
#[test]
fn what_was_seen_before_a_jump_is_not_taken_back() {
    let (_site, mut producer, mut consumer, words) = ends_at(0, true);
    producer.push_slice(&values(0, 10)).unwrap();
    check_value(consumer.pop().unwrap().unwrap(), 0);
    words.set(TAIL, 5 * SIZE);
    for index in 1..10 {
        check_value(consumer.try_pop().unwrap().unwrap(), index);
    }
    assert_fails!(consumer.try_pop(), ReadError::Corrupt(_));
    is_broken_consumer(&mut consumer, || words.set(TAIL, 10 * SIZE));
}

/// An end that waits looks at the word when it wakes.
#[test]
fn a_jump_while_it_waits() {
    for by in [1, SIZE + 1, page() as u64 + SIZE] {
        for named in [true, false] {
            let (_site, mut producer, consumer, words) = ends_at(0, named);
            let whole = fill_up(&mut producer, 0) as u64;
            let thread = thread::spawn(move || producer.push(value(0)).unwrap_err().error);
            until("the producer sleeps", || consumer.peer().unwrap() == Peer::Waiting);
            // Enough to make it look.
            words.set(HEAD, whole * SIZE + by);
            assert!(matches!(joined(thread), WriteError::Corrupt(_)));

            let (_site, producer, mut consumer, words) = ends_at(0, named);
            let thread = thread::spawn(move || consumer.pop_batch().map(drop).unwrap_err());
            until("the consumer sleeps", || producer.peer().unwrap() == Peer::Waiting);
            words.set(TAIL, by);
            assert!(matches!(joined(thread), ReadError::Corrupt(_)));
        }
    }
}

/// An end does not attach where a value cannot begin.
#[test]
fn attaching_to_positions_in_the_midst_of_a_value() {
    let start = whole_before(1 << 20);
    for (offset, options) in [
        (TAIL, Options::new().resume()),
        (TAIL, Options::new().discard()),
        (HEAD, Options::new().resume()),
    ] {
        for by in [25, 28, 32, 47, 100, 239] {
            for named in [true, false] {
                let (site, mut producer, mut consumer, words) = ends_at(start, named);
                producer.push_slice(&values(0, 10)).unwrap();
                check_value(consumer.pop().unwrap().unwrap(), 0);
                drop((producer, consumer));
                words.set(offset, start + by);
                let refused = [
                    site.open::<Consumer<Three>>(&options).map(drop),
                    site.open::<Producer<Three>>(&options).map(drop),
                ];
                for refused in refused {
                    assert_fails!(
                        refused,
                        error if matches!(error.kind(), OpenErrorKind::Corrupt(_)),
                        "{offset} {by}"
                    );
                }
            }
        }
    }
}

/// Nothing that stands in the words makes attaching, or what follows, panic.
#[test]
fn attaching_to_words_that_cannot_be() {
    let words = [PRODUCER, CONSUMER, BOUNDARIES[0], BOUNDARIES[1], PREVIOUS, ACKNOWLEDGED];
    let bad = [1, 7, SIZE - 1, SIZE + 8, 1 << 31, 1 << 36, 1 << 63, u64::MAX - 1, u64::MAX];
    for offset in words.into_iter().chain([TAIL, HEAD]) {
        for bad in bad {
            for options in [Options::new(), Options::new().resume(), Options::new().discard()] {
                let (site, mut producer, mut consumer, words) = ends_at(STARTS[1], true);
                producer.push_slice(&values(0, 10)).unwrap();
                check_value(consumer.pop().unwrap().unwrap(), 0);
                drop((producer, consumer));
                words.set(offset, bad);
                // Whether it can be attached to and used is not the question here.
                if let Ok(mut producer) = site.open::<Producer<Three>>(&options) {
                    let _ = producer.try_push(value(1));
                    let _ = producer.try_push_slice(&values(2, 500));
                    let _ = (producer.len(), producer.free(), producer.peer());
                }
                if let Ok(mut consumer) = site.open::<Consumer<Three>>(&options) {
                    for _ in 0..3 {
                        let _ = consumer.try_pop();
                        let _ = consumer.try_pop_batch().map(|batch| batch.map(|b| b.len()));
                        let _ = (consumer.len(), consumer.peer());
                    }
                }
            }
        }
    }
}
