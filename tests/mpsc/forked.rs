//! A forked child has its parent's ends and can do nothing with them, and no harm.

use crate::{
    assert_fails,
    many_support::*,
    record_support::*,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::{
    Options, Trust,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{io::IoSlice, mem::forget, time::Duration};

fn exercise_sender(sender: &mut Sender) {
    let errors = [
        sender.send(b"x").err(),
        sender.try_send(b"x").err(),
        sender.send_timeout(b"x", FOR_EVER).err(),
        sender.send_or_drop(b"x").err(),
        sender.send_vectored(&[IoSlice::new(b"x")]).err(),
        sender.send_pod(&7_u64).err(),
        sender.reserve(100).err(),
        sender.try_reserve(0).err(),
        sender.kind(3).send(b"").err(),
        sender.peer().err(),
        sender.status().err(),
        sender.batch_of(1000).try_send(b"x").err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(WriteError::Forked)), "call {call}: {error:?}");
    }
    assert_fails!(sender.batch().send(b"x"), WriteError::Forked);
    // (It could attach anew; a clone of what is not its own it cannot make.)
    if let Ok(mut clone) = sender.try_clone() {
        clone.send(b"of the child's own").unwrap();
        panic!("a clone of the parent's end");
    }
    let _ = (sender.id(), sender.stats(), sender.capacity(), sender.max_len());
    assert_eq!((sender.unread(), sender.is_empty()), (0, true));
    sender.aborter().abort();
}

fn exercise_receiver(receiver: &mut Receiver) {
    let errors = [
        receiver.recv().err(),
        receiver.try_recv().err(),
        receiver.recv_timeout(Duration::ZERO).err(),
        receiver.peek().err(),
        receiver.recv_batch().err(),
        receiver.try_recv_batch().err(),
        receiver.peer().err(),
        receiver.status().err(),
    ];
    for (call, error) in errors.iter().enumerate() {
        assert!(matches!(error, Some(ReadError::Forked)), "call {call}: {error:?}");
    }
    assert_eq!(receiver.unread(), 0);
    let _ = (receiver.is_empty(), receiver.stats(), receiver.ends());
    receiver.aborter().abort();
}

fn each(test: impl Fn(&ManySite, Sender, Sender, Receiver)) {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 3, &options);
        let (one, other) = (site.sender(&options), site.sender(&options));
        let receiver = site.receiver(&options);
        test(&site, one, other, receiver);
    }
}

#[test]
fn ends_that_were_inherited() {
    alone(|| {
        each(|site, one, mut other, receiver| {
            let mut ends = Some((one, receiver));
            ends.as_mut().unwrap().0.send(b"first").unwrap();
            for ending in 0..4 {
                Child::fork(|_| {
                    let (mut one, mut receiver) = ends.take().unwrap();
                    exercise_sender(&mut one);
                    exercise_receiver(&mut receiver);
                    match ending {
                        0 => drop((one, receiver)),
                        1 => assert_fails!(one.finish(), WriteError::Forked),
                        2 => assert_fails!(one.finish_and_wait(), WriteError::Forked),
                        _ => one.fail(4),
                    }
                })
                .join();
            }
            let (mut one, mut receiver) = ends.unwrap();
            other.send(b"second").unwrap();
            one.send(b"third").unwrap();
            for expected in ["first", "second", "third"] {
                assert_eq!(*receiver.try_recv().unwrap().unwrap(), *expected.as_bytes());
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            site.assert_free_seats(1);
        });
    });
}

/// A claim that was open at the fork is the parent's alone to commit, and a
/// child that dies is no death.
#[test]
fn a_claim_that_is_open_at_a_fork() {
    alone(|| {
        each(|_, mut one, mut other, mut receiver| {
            one.send(b"first").unwrap();
            let mut reservation = one.kind(5).reserve(100).unwrap();
            fill_content(&mut reservation, 3);
            let mut reservation = Some(reservation);
            other.send(b"behind").unwrap();
            let mut record = Some(receiver.recv().unwrap().unwrap());
            Child::fork(|_| {
                let mut reservation = reservation.take().unwrap();
                let record = record.take().unwrap();
                reservation.fill(0xdd);
                let _ = (record.kind(), record.producer(), record.len());
                assert_fails!(reservation.commit(), WriteError::Forked);
                drop(record);
            })
            .join();
            Child::fork(|_| {
                drop(reservation.take());
                forget(record.take());
            })
            .join();
            drop(record);
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert_fails!(receiver.recv_timeout(Duration::from_millis(200)), ReadError::Timeout);
            reservation.unwrap().commit().unwrap();
            let record = receiver.try_recv().unwrap().unwrap();
            assert_eq!((&*record, record.kind()), (&*content(3, 100), 5));
            drop(record);
            assert_eq!(*receiver.try_recv().unwrap().unwrap(), *b"behind");
            assert_eq!(receiver.stats().repaired, 0);
        });
    });
}

/// The child takes a seat of its own, and outlives its parent's end.
#[test]
fn a_child_that_comes_itself() {
    alone(|| {
        for site in ManySite::each(2) {
            let mut receiver = site.receiver(&Options::new());
            let mut parents = site.sender(&Options::new().trust(Trust::SameUser));
            parents.send(b"parent").unwrap();
            let mut child = Child::fork(|line| {
                let mut own = site.sender(&Options::new());
                own.send(b"child").unwrap();
                line.say("sent");
                line.expect("go");
                own.send(b"child again").unwrap();
                own.finish().unwrap();
            });
            child.expect("sent");
            parents.finish().unwrap();
            for expected in ["parent", "child"] {
                assert_eq!(*receiver.recv().unwrap().unwrap(), *expected.as_bytes());
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            child.say("go");
            assert_eq!(*receiver.recv().unwrap().unwrap(), *b"child again");
            child.join();
            assert!(receiver.recv().unwrap().is_none());
        }
    });
}
