//! A forked child has its parent's ends of a ring of slots and can do nothing with them.

use crate::{
    slot_support::*,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::slot::{Consumer, Producer, ReadError, WriteError};
use std::{
    mem::forget,
    time::{Duration, Instant},
};

/// Everything an inherited producer can be asked for.
fn exercise_producer(producer: &mut Producer<Three>) {
    let soon = Instant::now() + FOR_EVER;
    let mut errors = Vec::new();
    for pushed in [
        producer.push(value(7)),
        producer.try_push(value(7)),
        producer.push_timeout(value(7), FOR_EVER),
        producer.push_deadline(value(7), soon),
    ] {
        let refused = pushed.unwrap_err();
        check_value(refused.value, 7);
        errors.push(Some(refused.error));
    }
    errors.extend([
        producer.push_or_drop(value(7)).err(),
        producer.push_slice(&values(0, 1000)).err(),
        producer.try_push_slice(&values(0, 1000)).err(),
        producer.try_push_slice(&[]).err(),
        producer.reserve(1).err(),
        producer.try_reserve(0).err(),
        producer.reserve_timeout(1, FOR_EVER).err(),
        producer.reserve_deadline(1, soon).err(),
        producer.reserve_up_to(1).err(),
        producer.try_reserve_up_to(1).err(),
        producer.reserve_up_to_timeout(1, FOR_EVER).err(),
        producer.reserve_up_to_deadline(1, soon).err(),
        producer.peer().err(),
    ]);
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(WriteError::Forked)), "call {call}: {error:?}");
    }
    // Numbers that need no ring.
    assert_eq!(producer.capacity(), whole::<Three>());
    assert_eq!((producer.len(), producer.is_empty()), (0, true));
    let _ = (producer.free(), producer.stats());
    producer.aborter().abort();
}

fn exercise_consumer(consumer: &mut Consumer<Three>) {
    let soon = Instant::now() + FOR_EVER;
    let errors = [
        consumer.pop().err(),
        consumer.try_pop().err(),
        consumer.pop_timeout(Duration::ZERO).err(),
        consumer.pop_deadline(soon).err(),
        consumer.pop_batch().err(),
        consumer.try_pop_batch().err(),
        consumer.pop_batch_timeout(FOR_EVER).err(),
        consumer.pop_batch_deadline(soon).err(),
        consumer.peer().err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(ReadError::Forked)), "call {call}: {error:?}");
    }
    assert_eq!((consumer.capacity(), consumer.len()), (whole::<Three>(), 0));
    let _ = (consumer.is_empty(), consumer.stats());
    consumer.aborter().abort();
}

/// The ring works as if nobody had forked: three values lie in it.
fn assert_unharmed((_name, mut producer, mut consumer): Ends<Three>) {
    producer.push(value(3)).unwrap();
    let batch = consumer.pop_batch().unwrap().unwrap();
    assert_eq!(batch.len(), 4);
    check_values(&batch, 0);
    drop(batch);
    producer.finish().unwrap();
    assert!(consumer.pop().unwrap().is_none());
}

fn with_three(kind: Kind) -> Ends<Three> {
    let mut ends = kind.slots::<Three>();
    ends.1.push_slice(&values(0, 3)).unwrap();
    ends
}

#[test]
fn no_operation_works_in_a_child_and_none_does_harm() {
    alone(|| {
        for kind in KINDS {
            let mut ends = with_three(kind);
            Child::fork(|_| {
                exercise_producer(&mut ends.1);
                exercise_consumer(&mut ends.2);
            })
            .join();
            assert_unharmed(ends);
        }
    });
}

#[test]
fn an_inherited_end_cannot_be_ended() {
    alone(|| {
        type Ending = fn(Producer<Three>, Consumer<Three>);
        let endings: [Ending; 4] = [
            |producer, consumer| drop((producer, consumer)),
            |producer, consumer| {
                assert!(matches!(producer.finish(), Err(WriteError::Forked)));
                consumer.fail(7);
            },
            |producer, _| {
                let waited = producer.finish_and_wait_timeout(FOR_EVER);
                assert!(matches!(waited, Err(WriteError::Forked)));
            },
            |producer, _| producer.fail(7),
        ];
        for kind in KINDS {
            for ending in endings {
                let mut ends = Some(with_three(kind));
                Child::fork(|_| {
                    let (name, producer, consumer) = ends.take().unwrap();
                    ending(producer, consumer);
                    forget(name);
                })
                .join();
                assert_unharmed(ends.unwrap());
            }
        }
    });
}

/// A guard that was out at the fork shows nothing in the child where the memory is not, and is the
/// parent's alone to commit and to release.
#[test]
fn guards_that_are_out_at_a_fork() {
    alone(|| {
        for kind in KINDS {
            let (_name, mut producer, mut consumer) = with_three(kind);
            let mut slots = producer.reserve(1).unwrap();
            slots[0] = value(3);
            let mut slots = Some(slots);
            let mut batch = Some(consumer.pop_batch().unwrap().unwrap());
            Child::fork(|_| {
                let (mut slots, batch) = (slots.take().unwrap(), batch.take().unwrap());
                // Reading and writing what there is crashes nobody.
                slots.fill(value(9));
                for (index, value) in batch.iter().enumerate() {
                    check_value(*value, index as u64);
                }
                let committed = slots.commit();
                assert!(matches!(committed, Err(WriteError::Forked)), "{committed:?}");
                batch.release(3);
            })
            .join();
            let batch = batch.unwrap();
            assert_eq!(batch.len(), 3);
            check_values(&batch, 0);
            batch.release(0);
            slots.unwrap().commit().unwrap();
            let batch = consumer.pop_batch().unwrap().unwrap();
            assert_eq!(batch.len(), 4, "{kind:?}");
            check_values(&batch, 0);
        }
    });
}
