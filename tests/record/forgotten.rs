//! Guards that are leaked by `mem::forget`: as if they had never been, and counted.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options,
    record::{ReadError, Receiver},
};
use std::mem::forget;

#[test]
fn a_forgotten_reservation_never_was() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let max = sender.max_len();
            for round in 0..9 {
                let mut reservation = sender.kind(99).reserve(max).unwrap();
                reservation.fill(0xaa);
                forget(reservation);
                assert!(sender.is_empty());
                assert_fails!(receiver.try_recv(), ReadError::Empty);
                assert_eq!(sender.stats().leaked, round, "not found out yet");
                match round % 3 {
                    0 => send_record(&mut sender, round, max).unwrap(),
                    1 => {
                        let mut reservation =
                            sender.kind(kind_of(round)).try_reserve(length(round, max)).unwrap();
                        fill_content(&mut reservation, round);
                        reservation.commit().unwrap();
                    }
                    _ => {
                        let bytes = content(round, length(round, max));
                        let parts = [std::io::IoSlice::new(&bytes)];
                        sender.kind(kind_of(round)).send_vectored(&parts).unwrap();
                    }
                }
                assert_eq!(sender.stats().leaked, round + 1);
                receive_record(&mut receiver, round, max);
                assert_fails!(receiver.try_recv(), ReadError::Empty);
            }
            // Again and again without a use in between: each is found out when
            // the next is reserved.
            for _ in 0..3 {
                forget(sender.reserve(1).unwrap());
            }
            assert!(sender.send_or_drop(b"").unwrap());
            let stats = sender.stats();
            assert_eq!((stats.leaked, stats.aborted, stats.operations), (12, 0, 10));
        }
    }
}

#[test]
fn a_forgotten_record_comes_again() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..20 {
            send_record(&mut sender, number, 90).unwrap();
        }
        let unread = sender.unread();
        for round in 0..3 {
            let record = receiver.recv().unwrap().unwrap();
            check_record(&record, record.kind(), 0, 90);
            forget(record);
            assert_eq!((sender.unread(), receiver.unread()), (unread, unread));
            assert_eq!(receiver.stats().leaked, round, "not found out yet");
        }
        // Found out by a look, too.
        let view = receiver.peek().unwrap().unwrap();
        check_record(&view, view.kind(), 0, 90);
        assert_eq!((receiver.stats().leaked, receiver.stats().operations), (3, 0));
        receive_record(&mut receiver, 0, 90);
        let mut records = receiver.recv_batch().unwrap().unwrap();
        for number in 1..10 {
            let view = records.next().unwrap().unwrap();
            check_record(&view, view.kind(), number, 90);
        }
        forget(records);
        let unread = receiver.unread();
        for number in 1..20 {
            receive_record(&mut receiver, number, 90);
            assert_eq!((receiver.stats().leaked, receiver.stats().operations), (4, number + 1));
        }
        assert!(receiver.is_empty() && unread > 0);
        assert_fails!(receiver.try_recv(), ReadError::Empty);
    }
}

/// A receiver that forgets what it holds cannot have the sender overwrite it.
#[test]
fn what_was_forgotten_keeps_its_room() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        sender.send(&content(5, page() - HEADER)).unwrap();
        forget(receiver.recv().unwrap());
        forget(receiver.recv_batch().unwrap());
        assert_fails!(sender.try_send(b""), shmpipe::record::WriteError::Full);
        assert_eq!(receive(&mut receiver), (content(5, page() - HEADER), 0));
        sender.try_send(b"").unwrap();
    }
}

/// A leak that nothing follows changes nothing of the end.
#[test]
fn an_end_that_leaves_behind_a_forgotten_guard() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        send_record(&mut sender, 0, 90).unwrap();
        forget(sender.reserve(30).unwrap());
        sender.finish().unwrap();
        forget(receiver.recv().unwrap());
        receive_record(&mut receiver, 0, 90);
        assert!(receiver.recv().unwrap().is_none());

        let (_name, mut sender, mut receiver) = kind.records();
        send_record(&mut sender, 0, 90).unwrap();
        let mut batch = sender.batch();
        batch.send(b"never").unwrap();
        forget(batch);
        drop(sender);
        receive_record(&mut receiver, 0, 90);
        assert_fails!(receiver.recv(), ReadError::Dropped);
    }
    // What was forgotten was not released: it is there for the next one.
    let (name, mut sender, mut receiver) = KINDS[1].records();
    for number in 0..5 {
        send_record(&mut sender, number, 90).unwrap();
    }
    receive_record(&mut receiver, 0, 90);
    forget(receiver.recv().unwrap());
    drop(receiver);
    let mut next: Receiver = Options::new().open(&name).unwrap();
    for number in 1..5 {
        receive_record(&mut next, number, 90);
    }
}

/// What it holds is still there for as long as the end is, whoever else works with the end.
#[test]
fn guards_that_were_not_forgotten_are_not_counted() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..30 {
            drop(sender.reserve(10).unwrap());
            sender.batch().commit().unwrap();
            drop(sender.batch());
            send_record(&mut sender, number, 90).unwrap();
            receiver.peek().unwrap().unwrap();
            drop(receiver.recv_batch().unwrap());
            receive_record(&mut receiver, number, 90);
            assert_fails!(receiver.try_recv_batch(), ReadError::Empty);
        }
        assert_eq!((sender.stats().leaked, sender.stats().aborted), (0, 30));
        assert_eq!((receiver.stats().leaked, receiver.stats().aborted), (0, 0));
    }
}
