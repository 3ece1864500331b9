//! Guards that are leaked by `mem::forget`, on both sides.

use crate::{assert_fails, many_support::*, record_support::*, stream_support::*};
use shmpipe::{
    Options,
    mpsc::{ReadError, WriteError},
};
use std::mem::forget;

/// Its claim holds up the others until its owner does anything, or goes.
#[test]
fn a_forgotten_reservation() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 4, &options);
        let (mut one, mut other) = (site.sender(&options), site.sender(&options));
        let mut receiver = site.receiver(&options);
        for round in 0..30_u64 {
            let mut reservation = one.reserve(1 + round as usize * 9).unwrap();
            reservation.fill(0xdd);
            forget(reservation);
            other.send(&content(round, 20)).unwrap();
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert_eq!(receiver.status().unwrap().held_up_by, Some(one.id()));
            assert_eq!(one.stats().leaked, round, "not found out yet");
            match round % 5 {
                0 => one.send(&content(round, 30)).unwrap(),
                1 => {
                    let mut reservation = one.try_reserve(30).unwrap();
                    fill_content(&mut reservation, round);
                    reservation.commit().unwrap();
                }
                2 => {
                    let mut batch = one.batch();
                    batch.send(&content(round, 30)).unwrap();
                    batch.commit().unwrap();
                }
                3 => {
                    assert_fails!(one.try_send(&vec![0; page()]), WriteError::Full);
                    one.send_vectored(&[std::io::IoSlice::new(&content(round, 30))]).unwrap();
                }
                _ => assert!(one.send_or_drop(&content(round, 30)).unwrap()),
            }
            assert_eq!((one.stats().leaked, one.stats().aborted), (round + 1, 0));
            assert_eq!(*receiver.try_recv().unwrap().unwrap(), *content(round, 20));
            let record = receiver.try_recv().unwrap().unwrap();
            assert_eq!((&*record, record.producer()), (&*content(round, 30), one.id()));
        }
        assert!(receiver.is_empty());
        assert_eq!(receiver.stats().repaired, 0, "its owner lived all the time");
    }
}

#[test]
fn a_forgotten_batch() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 4, &options);
        let (mut one, mut other) = (site.sender(&options), site.sender(&options));
        let mut receiver = site.receiver(&options);
        for round in 0..20 {
            let mut batch = one.batch_of(500);
            batch.send(b"never").unwrap();
            if round % 2 == 0 {
                forget(batch.reserve(20).unwrap());
            }
            forget(batch);
            other.send(b"behind").unwrap();
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            one.send(b"found out").unwrap();
            for expected in ["behind", "found out"] {
                assert_eq!(*receiver.try_recv().unwrap().unwrap(), *expected.as_bytes());
            }
            // A reservation that is forgotten in a batch that goes on.
            let mut batch = one.batch_of(500);
            batch.send(b"before").unwrap();
            forget(batch.reserve(20).unwrap());
            batch.send(b"after").unwrap();
            batch.commit().unwrap();
            for expected in ["before", "after"] {
                assert_eq!(*receiver.try_recv().unwrap().unwrap(), *expected.as_bytes());
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
        }
        assert!(one.stats().leaked >= 40, "{:?}", one.stats());
        assert!(receiver.is_empty());
    }
}

/// Who leaves gives up what it forgot; and its seat can be had again.
#[test]
fn left_behind() {
    for site in ManySite::each(2) {
        let mut receiver = site.receiver(&Options::new());
        let mut other = site.sender(&Options::new());
        for round in 0..20 {
            let mut one = site.sender(&Options::new());
            one.send(b"sent").unwrap();
            forget(one.reserve(100).unwrap());
            other.send(b"behind").unwrap();
            match round % 3 {
                0 => drop(one),
                1 => one.finish().unwrap(),
                _ => one.fail(1),
            }
            for expected in ["sent", "behind"] {
                assert_eq!(*receiver.try_recv().unwrap().unwrap(), *expected.as_bytes());
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert_eq!(receiver.stats().repaired, 0);
            site.assert_free_seats(1);
        }
    }
}

/// What a receiver forgot comes again, also in the middle of a claim; nothing
/// is lost and none is first.
#[test]
fn forgotten_records_come_again() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 4, &options);
        let (mut one, mut other) = (site.sender(&options), site.sender(&options));
        let mut receiver = site.receiver(&options);
        let mut number = 0;
        for sender in [&mut one, &mut other] {
            let mut batch = sender.batch_of(10 * BLOCK);
            for _ in 0..5 {
                batch.send(&content(number, 100)).unwrap();
                number += 1;
            }
            batch.commit().unwrap();
        }
        let mut leaks = 0;
        for number in 0..10 {
            let unread = receiver.unread();
            for _ in 0..2 {
                let record = receiver.recv().unwrap().unwrap();
                assert_eq!(*record, *content(number, 100));
                forget(record);
                let mut records = receiver.recv_batch().unwrap().unwrap();
                assert_eq!(*records.next().unwrap().unwrap(), *content(number, 100));
                if number < 9 {
                    assert_eq!(*records.next().unwrap().unwrap(), *content(number + 1, 100));
                }
                forget(records);
                leaks += 2;
            }
            assert_eq!(receiver.unread(), unread);
            let record = receiver.recv().unwrap().unwrap();
            assert_eq!(*record, *content(number, 100));
            drop(record);
            assert_eq!((receiver.stats().leaked, receiver.stats().operations), (leaks, number + 1));
        }
        assert!(receiver.is_empty());
        // Room that was not given back is nobody's.
        one.send(&content(5, page())).unwrap();
        forget(receiver.recv().unwrap());
        assert_fails!(other.try_send(b""), WriteError::Full);
        assert_eq!(*receiver.recv().unwrap().unwrap(), *content(5, page()));
        other.try_send(b"").unwrap();
    }
}
