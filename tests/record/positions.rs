//! Positions: where numbers of 31 and 32 bits would have ended, and where 64 bits do end.
//!
//! A ring is brought to a position by writing the words of its control block, as
//! `src/layout/control.rs` shows them.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    record::{ReadError, Receiver, Sender, WriteError},
};

fn ends_at(site: &RecordSite, trust: Trust) -> (Sender, Receiver, Words) {
    let options = Options::new().trust(trust);
    (site.sender(&options), site.receiver(&options), site.words())
}

/// Sends and receives for `laps` of the ring, in batches now and then.
fn stream(sender: &mut Sender, receiver: &mut Receiver, laps: u64) {
    let longest = sender.max_len() / 2;
    let (mut sent, mut received) = (0, 0);
    while sender.stats().bytes < laps * sender.capacity() as u64 {
        let mut batch = sender.batch();
        loop {
            let bytes = content(sent, length(sent, longest));
            match batch.kind(kind_of(sent)).try_send(&bytes) {
                Ok(()) => sent += 1,
                Err(WriteError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        batch.commit().unwrap();
        receive_record(receiver, received, longest);
        received += 1;
        let mut records = receiver.recv_batch().unwrap();
        while let Some(view) = records.as_mut().and_then(|records| records.next().unwrap()) {
            check_record(&view, view.kind(), received, longest);
            received += 1;
            if received.is_multiple_of(17) {
                break;
            }
        }
        drop(records);
        while sent > received {
            receive_record(receiver, received, longest);
            received += 1;
        }
    }
    assert!(sender.is_empty() && receiver.is_empty());
}

#[test]
fn across_every_power_of_two_that_a_smaller_number_would_end_at() {
    for named in [true, false] {
        for align in SOME_ALIGNS {
            let ring = room(align) as u64;
            for power in [31, 32, 33, 48, 63] {
                for before in [0, align as u64, ring - align as u64, ring, 5 * ring] {
                    let position = (1_u64 << power) - before;
                    let site = RecordSite::at(named, align, position);
                    let (mut sender, mut receiver, words) = ends_at(&site, Trust::SameUser);
                    stream(&mut sender, &mut receiver, 7);
                    let at = words.get(TAIL);
                    assert_eq!((at, words.get(HEAD)), (position + sender.stats().bytes, at));
                    assert_eq!(receiver.stats().bytes, sender.stats().bytes);
                    sender.finish().unwrap();
                    assert!(receiver.recv().unwrap().is_none());
                }
            }
        }
    }
}

/// Both at work at the same time, and taken over in the midst.
#[test]
fn across_two_to_the_32_in_two_threads_and_attached_again() {
    for named in [true, false] {
        let site = RecordSite::at(named, 16, (1 << 32) - 10 * page() as u64);
        let (mut sender, mut receiver, words) = ends_at(&site, Trust::SameUser);
        let thread = std::thread::spawn(move || {
            for number in 0..2000 {
                send_record(&mut sender, number, 300).unwrap();
            }
            sender.finish_and_wait().unwrap();
        });
        for number in 0..2000 {
            let record = receiver.recv().unwrap().unwrap();
            check_record(&record, record.kind(), number, 300);
        }
        assert!(receiver.recv().unwrap().is_none());
        joined(thread);
        assert!(words.get(TAIL) > 1 << 32);

        let site = RecordSite::at(named, 16, (1 << 32) - 64);
        let (mut sender, mut receiver, _) = ends_at(&site, Trust::AnyUser);
        for number in 0..10 {
            send_record(&mut sender, number, 90).unwrap();
        }
        receive_record(&mut receiver, 0, 90);
        drop((sender, receiver));
        let mut receiver = site.receiver(&Options::new());
        for number in 1..10 {
            receive_record(&mut receiver, number, 90);
        }
        assert_fails!(receiver.recv(), ReadError::Dropped);
    }
}

/// Near the end of all numbers there is an error after exactly the records that fit.
#[test]
fn the_end_of_the_numbers() {
    for named in [true, false] {
        for trust in [Trust::SameUser, Trust::AnyUser] {
            for align in SOME_ALIGNS {
                let unit = align as u64;
                for units in [1, 2, 3, 9, (1 << 20) / unit] {
                    let site = RecordSite::at(named, align, 0_u64.wrapping_sub(units * unit));
                    let (mut sender, mut receiver, words) = ends_at(&site, trust);
                    // The last position is a unit before 2^64, for there is one behind each record.
                    for number in 0..units - 1 {
                        let bytes = content(number, align - HEADER);
                        sender.kind(number as u32).try_send(&bytes).unwrap();
                        assert_eq!(receive(&mut receiver), (bytes, number as u32));
                    }
                    assert_eq!(words.get(TAIL), 0_u64.wrapping_sub(unit));
                    is_exhausted(&mut sender);
                    assert_eq!((sender.unread(), receiver.unread()), (0, 0));
                    assert_fails!(receiver.try_recv(), ReadError::Empty);
                    sender.finish().unwrap();
                    assert!(receiver.recv().unwrap().is_none());
                }
            }
        }
    }
}

#[track_caller]
fn is_exhausted(sender: &mut Sender) {
    for _ in 0..2 {
        assert_fails!(sender.send(b""), WriteError::Exhausted);
        assert_fails!(sender.try_send(b"x"), WriteError::Exhausted);
        assert_fails!(sender.send_or_drop(b"x"), WriteError::Exhausted);
        assert_fails!(sender.send_vectored(&[]), WriteError::Exhausted);
        assert_fails!(sender.reserve(1), WriteError::Exhausted);
        assert_fails!(sender.try_reserve(sender.max_len()), WriteError::Exhausted);
        let mut batch = sender.batch();
        assert_fails!(batch.send(b""), WriteError::Exhausted);
        assert_fails!(batch.try_reserve(0), WriteError::Exhausted);
        drop(batch);
    }
    assert_eq!(sender.stats().dropped, 0);
}

/// What no more fits is refused; what does, though it be less, is sent.
#[test]
fn the_last_records() {
    for named in [true, false] {
        let at_ten_before = || RecordSite::at(named, 8, 0_u64.wrapping_sub(11 * 8));
        let site = at_ten_before();
        let (mut sender, mut receiver, _) = ends_at(&site, Trust::SameUser);
        assert_fails!(sender.send(&[0; 73]), WriteError::Exhausted);
        assert_fails!(sender.reserve(73), WriteError::Exhausted);
        sender.send(&content(1, 30)).unwrap();
        assert_fails!(sender.send(&[0; 33]), WriteError::Exhausted);
        sender.reserve(32).unwrap().commit_truncated(0).unwrap();
        sender.send(&content(2, 24)).unwrap();
        is_exhausted(&mut sender);
        sender.fail(2);
        for (number, len) in [(1, 30), (0, 0), (2, 24)] {
            assert_eq!(receive(&mut receiver).0, content(number, len));
        }
        assert_fails!(receiver.recv(), ReadError::Failed(2));

        // In a batch: what was gathered before is sent.
        let site = at_ten_before();
        let (mut sender, mut receiver, _) = ends_at(&site, Trust::SameUser);
        let mut batch = sender.batch();
        for number in 0..10 {
            batch.kind(number).send(b"").unwrap();
        }
        assert_fails!(batch.send(b""), WriteError::Exhausted);
        assert_fails!(batch.try_send(b""), WriteError::Exhausted);
        assert_eq!(batch.len(), 10);
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        batch.commit().unwrap();
        for number in 0..10 {
            assert_eq!(receive(&mut receiver), (vec![], number));
        }
        is_exhausted(&mut sender);
    }
}

/// A ring that is full shortly before the end of the numbers is full and not exhausted.
#[test]
fn full_before_the_end() {
    for align in SOME_ALIGNS {
        let unit = align as u64;
        let site = RecordSite::at(false, align, 0_u64.wrapping_sub(room(align) as u64 + 2 * unit));
        let (mut sender, mut receiver, _) = ends_at(&site, Trust::SameUser);
        fill_up(&mut sender);
        assert_eq!(sender.unread(), room(align));
        assert_fails!(sender.try_send(b""), WriteError::Full);
        assert!(!sender.send_or_drop(b"").unwrap());
        assert_fails!(sender.try_send(&vec![0; align]), WriteError::Exhausted);
        receive(&mut receiver);
        sender.send(b"").unwrap();
        is_exhausted_but_for_one_dropped(&mut sender);
    }
}

fn is_exhausted_but_for_one_dropped(sender: &mut Sender) {
    assert_fails!(sender.try_send(b""), WriteError::Exhausted);
    assert_fails!(sender.send_or_drop(b""), WriteError::Exhausted);
    assert_eq!(sender.stats().dropped, 1);
}
