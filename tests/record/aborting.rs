//! `Aborter`: an end of a ring of records is ended from another thread.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Peer,
    record::{ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

#[test]
fn every_operation_of_an_aborted_sender_says_so() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let aborter = sender.aborter();
        send_record(&mut sender, 0, 90).unwrap();
        joined(thread::spawn(move || aborter.abort()));
        let soon = Instant::now() + FOR_EVER;
        for _ in 0..2 {
            assert_fails!(sender.send(b"x"), WriteError::Aborted);
            assert_fails!(sender.try_send(b"x"), WriteError::Aborted);
            assert_fails!(sender.send_timeout(b"x", FOR_EVER), WriteError::Aborted);
            assert_fails!(sender.send_deadline(b"x", soon), WriteError::Aborted);
            assert_fails!(sender.send_or_drop(b"x"), WriteError::Aborted);
            assert_fails!(sender.send_vectored(&[]), WriteError::Aborted);
            assert_fails!(sender.send_pod(&1_u8), WriteError::Aborted);
            assert_fails!(sender.reserve(1), WriteError::Aborted);
            assert_fails!(sender.try_reserve(0), WriteError::Aborted);
            assert_fails!(sender.reserve_timeout(1, Duration::ZERO), WriteError::Aborted);
            assert_fails!(sender.batch().send(b"x"), WriteError::Aborted);
            assert_fails!(sender.batch().try_reserve(0), WriteError::Aborted);
            assert_fails!(sender.batch().commit(), WriteError::Aborted);
            assert_fails!(sender.peer(), WriteError::Aborted);
        }
        let stats = sender.stats();
        assert_eq!((stats.dropped, stats.aborted, stats.operations), (0, 0, 1));
        receive_record(&mut receiver, 0, 90);
        assert_fails!(receiver.recv(), ReadError::Dropped);
        assert_fails!(sender.finish(), WriteError::Aborted);
        assert_fails!(receiver.recv(), ReadError::Dropped, "finishing is no more possible");
    }
}

#[test]
fn every_operation_of_an_aborted_receiver_says_so() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..5 {
            send_record(&mut sender, number, 90).unwrap();
        }
        receive_record(&mut receiver, 0, 90);
        let unread = sender.unread();
        receiver.aborter().abort();
        let soon = Instant::now() + FOR_EVER;
        for _ in 0..2 {
            assert_fails!(receiver.recv(), ReadError::Aborted);
            assert_fails!(receiver.try_recv(), ReadError::Aborted);
            assert_fails!(receiver.recv_timeout(Duration::ZERO), ReadError::Aborted);
            assert_fails!(receiver.recv_deadline(soon), ReadError::Aborted);
            assert_fails!(receiver.peek(), ReadError::Aborted);
            assert_fails!(receiver.try_peek(), ReadError::Aborted);
            assert_fails!(receiver.recv_batch(), ReadError::Aborted);
            assert_fails!(receiver.try_recv_batch(), ReadError::Aborted);
            assert_fails!(receiver.recv_batch_timeout(FOR_EVER), ReadError::Aborted);
            assert_fails!(receiver.peer(), ReadError::Aborted);
        }
        assert_fails!(sender.send(b"x"), WriteError::ReaderLeft);
        assert_eq!(sender.unread(), unread, "nothing more was released");
    }
}

#[test]
fn guards_that_are_out_at_the_abort() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..5 {
            send_record(&mut sender, number, 90).unwrap();
        }
        let aborter = sender.aborter();
        let mut batch = sender.batch();
        batch.send(b"never").unwrap();
        let mut reservation = batch.reserve(30).unwrap();
        aborter.abort();
        // The memory is still there.
        fill_content(&mut reservation, 7);
        check_content(&reservation, 7);
        assert_fails!(reservation.commit(), WriteError::Aborted);
        assert_fails!(batch.commit(), WriteError::Aborted);

        receive_record(&mut receiver, 0, 90);
        let aborter = receiver.aborter();
        let mut records = receiver.recv_batch().unwrap().unwrap();
        let view = records.next().unwrap().unwrap();
        aborter.abort();
        check_record(&view, view.kind(), 1, 90);
        assert_fails!(records.next(), ReadError::Aborted);
        drop(records);
        assert_fails!(receiver.recv(), ReadError::Aborted);
        assert_eq!((receiver.unread(), sender.unread()), (0, 0), "nothing is known any more");

        let (name, mut sender, mut receiver) = kind.records();
        for number in 0..2 {
            send_record(&mut sender, number, 90).unwrap();
        }
        let aborter = receiver.aborter();
        let record = receiver.recv().unwrap().unwrap();
        aborter.abort();
        check_record(&record, record.kind(), 0, 90);
        drop(record);
        drop(receiver);
        if kind.named {
            // It was not released: it comes again to the next one.
            let options = shmpipe::Options::new().trust(kind.trust);
            let mut next = options.open(&name).unwrap();
            receive_record(&mut next, 0, 90);
            receive_record(&mut next, 1, 90);
        }
    }
}

#[test]
fn a_sender_that_waits_is_woken() {
    type Wait = fn(&mut shmpipe::record::Sender) -> Result<(), WriteError>;
    let waits: [Wait; 3] = [
        |sender| sender.send(b"x"),
        |sender| sender.reserve(1).map(drop),
        |sender| sender.batch().send(b"x"),
    ];
    for kind in KINDS {
        for wait in waits {
            let (_name, mut sender, mut receiver) = kind.uncapped_records();
            let all = fill_up(&mut sender);
            let aborter = sender.aborter();
            let thread = thread::spawn(move || (wait(&mut sender), sender));
            until("the sender sleeps", || receiver.peer().unwrap() == Peer::Waiting);
            aborter.abort();
            let (waited, _sender) = joined(thread);
            assert_fails!(waited, WriteError::Aborted);
            for _ in 0..all {
                receive(&mut receiver);
            }
            assert_fails!(receiver.recv(), ReadError::Dropped);
        }
    }
}

#[test]
fn a_receiver_that_waits_is_woken() {
    type Wait = fn(&mut shmpipe::record::Receiver) -> Result<(), ReadError>;
    let waits: [Wait; 3] = [
        |receiver| receiver.recv().map(drop),
        |receiver| receiver.peek().map(|_| ()),
        |receiver| receiver.recv_batch().map(drop),
    ];
    for kind in KINDS {
        for wait in waits {
            let (_name, mut sender, mut receiver) = kind.uncapped_records();
            let aborter = receiver.aborter();
            let thread = thread::spawn(move || (wait(&mut receiver), receiver));
            until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
            aborter.abort();
            let (waited, _receiver) = joined(thread);
            assert_fails!(waited, ReadError::Aborted);
            assert_fails!(sender.try_send(b"x"), WriteError::ReaderLeft);
        }
    }
}
