//! A forked child has its parent's ends of a ring of records and can do nothing with them.

use crate::{
    assert_fails,
    record_support::*,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::{
    Trust,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    io::IoSlice,
    mem::forget,
    time::{Duration, Instant},
};

/// Everything an inherited sender can be asked for.
fn exercise_sender(sender: &mut Sender) {
    let soon = Instant::now() + FOR_EVER;
    let parts = [b"x", b"y"].map(|part| IoSlice::new(part));
    let errors = [
        sender.send(b"x").err(),
        sender.try_send(b"x").err(),
        sender.send_timeout(b"x", FOR_EVER).err(),
        sender.send_deadline(b"x", soon).err(),
        sender.send_or_drop(b"x").err(),
        sender.send_vectored(&parts).err(),
        sender.try_send_vectored(&parts).err(),
        sender.send_vectored_timeout(&parts, FOR_EVER).err(),
        sender.send_vectored_deadline(&parts, soon).err(),
        sender.send_pod(&7_u64).err(),
        sender.try_send_pod(&7_u64).err(),
        sender.send_pod_timeout(&7_u64, Duration::ZERO).err(),
        sender.send_pod_deadline(&7_u64, soon).err(),
        sender.reserve(100).err(),
        sender.try_reserve(0).err(),
        sender.reserve_timeout(1, FOR_EVER).err(),
        sender.reserve_deadline(1, soon).err(),
        sender.kind(3).send(b"").err(),
        sender.peer().err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(WriteError::Forked)), "call {call}: {error:?}");
    }
    let mut batch = sender.batch();
    assert_fails!(batch.send(b"x"), WriteError::Forked);
    assert_fails!(batch.try_send(b"x"), WriteError::Forked);
    assert_fails!(batch.kind(2).send_vectored(&parts), WriteError::Forked);
    assert_fails!(batch.send_pod(&7_u64), WriteError::Forked);
    assert_fails!(batch.reserve(1), WriteError::Forked);
    assert_fails!(batch.try_reserve(5000), WriteError::TooLarge { .. } | WriteError::Forked);
    assert_eq!((batch.len(), batch.is_empty()), (0, true));
    assert_fails!(batch.commit(), WriteError::Forked);
    drop(sender.batch());
    // Numbers that need no ring.
    assert_eq!((sender.capacity(), sender.max_len()), (page(), page() - HEADER));
    assert_eq!((sender.unread(), sender.is_empty()), (0, true));
    let _ = sender.stats();
    sender.aborter().abort();
}

fn exercise_receiver(receiver: &mut Receiver) {
    let soon = Instant::now() + FOR_EVER;
    let errors = [
        receiver.recv().err(),
        receiver.try_recv().err(),
        receiver.recv_timeout(Duration::ZERO).err(),
        receiver.recv_deadline(soon).err(),
        receiver.peek().err(),
        receiver.try_peek().err(),
        receiver.peek_timeout(FOR_EVER).err(),
        receiver.peek_deadline(soon).err(),
        receiver.recv_batch().err(),
        receiver.try_recv_batch().err(),
        receiver.recv_batch_timeout(FOR_EVER).err(),
        receiver.recv_batch_deadline(soon).err(),
        receiver.peer().err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(ReadError::Forked)), "call {call}: {error:?}");
    }
    assert_eq!((receiver.capacity(), receiver.unread()), (page(), 0));
    let _ = (receiver.is_empty(), receiver.stats());
    receiver.aborter().abort();
}

/// The ring works as if nobody had forked: three records lie in it.
fn assert_unharmed((_name, mut sender, mut receiver): Ends) {
    send_record(&mut sender, 3, 90).unwrap();
    let mut records = receiver.recv_batch().unwrap().unwrap();
    for number in 0..4 {
        let view = records.next().unwrap().unwrap();
        check_record(&view, view.kind(), number, 90);
    }
    assert!(records.next().unwrap().is_none());
    drop(records);
    sender.finish().unwrap();
    assert!(receiver.recv().unwrap().is_none());
}

fn with_three(kind: Kind) -> Ends {
    let mut ends = kind.records();
    for number in 0..3 {
        send_record(&mut ends.1, number, 90).unwrap();
    }
    ends
}

#[test]
fn no_operation_works_in_a_child_and_none_does_harm() {
    alone(|| {
        for kind in KINDS {
            let mut ends = with_three(kind);
            Child::fork(|_| {
                exercise_sender(&mut ends.1);
                exercise_receiver(&mut ends.2);
            })
            .join();
            assert_unharmed(ends);
        }
    });
}

#[test]
fn an_inherited_end_cannot_be_ended() {
    alone(|| {
        type Ending = fn(Sender, Receiver);
        let endings: [Ending; 4] = [
            |sender, receiver| drop((sender, receiver)),
            |sender, receiver| {
                assert_fails!(sender.finish(), WriteError::Forked);
                receiver.fail(7);
            },
            |sender, _| {
                assert_fails!(sender.finish_and_wait_timeout(FOR_EVER), WriteError::Forked);
            },
            |sender, _| sender.fail(7),
        ];
        for kind in KINDS {
            for ending in endings {
                let mut ends = Some(with_three(kind));
                Child::fork(|_| {
                    let (name, sender, receiver) = ends.take().unwrap();
                    ending(sender, receiver);
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
            let (_name, mut sender, mut receiver) = with_three(kind);
            let mut reservation = sender.kind(kind_of(3)).reserve(length(3, 90)).unwrap();
            fill_content(&mut reservation, 3);
            let mut reservation = Some(reservation);
            let mut record = Some(receiver.recv().unwrap().unwrap());
            Child::fork(|_| {
                let (mut reservation, record) =
                    (reservation.take().unwrap(), record.take().unwrap());
                // Reading and writing what there is crashes nobody.
                reservation.fill(0xdd);
                assert_eq!(record.kind(), kind_of(0));
                assert_eq!(record.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 0);
                assert!(
                    record.is_empty() && reservation.is_empty() || kind.trust == Trust::AnyUser
                );
                let _ = (record.as_pod::<u64>(), record.as_pods::<u8>());
                let _ = format!("{record:?} {reservation:?}");
                reservation.set_kind(9);
                assert_fails!(reservation.commit(), WriteError::Forked);
                drop(record);
            })
            .join();
            let record = record.unwrap();
            check_record(&record, record.kind(), 0, 90);
            forget(record);
            reservation.unwrap().commit().unwrap();
            for number in 0..4 {
                receive_record(&mut receiver, number, 90);
            }
        }
    });
}

#[test]
fn batches_that_are_out_at_a_fork() {
    alone(|| {
        for kind in KINDS {
            let (_name, mut sender, mut receiver) = with_three(kind);
            let mut batch = sender.batch();
            batch.kind(kind_of(3)).send(&content(3, length(3, 90))).unwrap();
            let mut batch = Some(batch);
            let mut records = receiver.recv_batch().unwrap().unwrap();
            records.next().unwrap().unwrap();
            let mut records = Some(records);
            Child::fork(|_| {
                let (mut batch, mut records) = (batch.take().unwrap(), records.take().unwrap());
                assert_fails!(batch.send(b"x"), WriteError::Forked);
                assert_fails!(batch.reserve(1), WriteError::Forked);
                assert_fails!(batch.commit(), WriteError::Forked);
                assert_fails!(records.next(), ReadError::Forked);
                drop(records);
            })
            .join();
            let mut records = records.unwrap();
            let view = records.next().unwrap().unwrap();
            check_record(&view, view.kind(), 1, 90);
            drop(records);
            batch.unwrap().commit().unwrap();
            for number in 2..4 {
                receive_record(&mut receiver, number, 90);
            }
        }
    });
}
