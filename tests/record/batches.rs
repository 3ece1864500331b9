//! Records that are published together.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Peer,
    record::{Batch, ReadError, Receiver, Sender, WriteError},
};
use std::{io::IoSlice, mem::forget, thread};

/// Adds that record of the series, in a way of its own.
fn add(batch: &mut Batch<'_>, number: u64, longest: usize) -> Result<(), WriteError> {
    let bytes = content(number, length(number, longest));
    let batch = batch.kind(kind_of(number));
    match number % 6 {
        0 => batch.send(&bytes),
        1 => batch.try_send(&bytes),
        2 => {
            let (left, right) = bytes.split_at(bytes.len() / 2);
            batch.send_vectored(&[left, &[], right].map(IoSlice::new))
        }
        3 => {
            let mut reservation = batch.reserve(bytes.len())?;
            reservation.copy_from_slice(&bytes);
            reservation.commit()
        }
        4 => {
            let mut reservation = batch.try_reserve(bytes.len())?;
            reservation.copy_from_slice(&bytes);
            reservation.set_kind(kind_of(number));
            reservation.commit()
        }
        _ => {
            let mut reservation = batch.reserve(bytes.len() + 9)?;
            reservation.fill(0xcc);
            reservation[..bytes.len()].copy_from_slice(&bytes);
            reservation.commit_truncated(bytes.len())
        }
    }
}

fn sees_nothing(receiver: &mut Receiver) {
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    assert_fails!(receiver.try_peek(), ReadError::Empty);
    assert_fails!(receiver.try_recv_batch(), ReadError::Empty);
    assert!(receiver.is_empty());
}

#[test]
fn a_batch_is_seen_when_it_is_committed_and_not_before() {
    for kind in KINDS {
        for align in [8, 64, 512] {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let mut number = 0;
            for size in [0, 1, 2, 3, 7, 5, 4, 6, 1, 7] {
                let first = number;
                let mut batch = sender.batch();
                for gathered in 0..size {
                    assert_eq!((batch.len(), batch.is_empty()), (gathered, gathered == 0));
                    add(&mut batch, number, 50).unwrap();
                    sees_nothing(&mut receiver);
                    number += 1;
                }
                assert_eq!(batch.len(), size);
                batch.commit().unwrap();
                assert_eq!(sender.stats().operations, number);
                for number in first..number {
                    receive_record(&mut receiver, number, 50);
                }
                sees_nothing(&mut receiver);
            }
        }
    }
}

/// To the last byte, and each record is still there when the later ones have been added.
#[test]
fn a_batch_as_large_as_the_ring() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let all = room(align) / align;
            for round in 0..3 {
                // Begins elsewhere in each round.
                for _ in 0..round {
                    sender.send(b"").unwrap();
                    receive(&mut receiver);
                }
                let mut batch = sender.batch();
                for number in 0..all as u32 {
                    batch.kind(number).send(&content(number.into(), align - HEADER)).unwrap();
                }
                assert_fails!(batch.try_send(b""), WriteError::Full);
                assert_fails!(batch.try_reserve(0), WriteError::Full);
                assert_eq!(batch.len(), all);
                sees_nothing(&mut receiver);
                batch.commit().unwrap();
                for number in 0..all as u32 {
                    let (bytes, kind) = receive(&mut receiver);
                    assert_eq!((bytes, kind), (content(number.into(), align - HEADER), number));
                }
            }
        }
    }
}

#[test]
fn a_dropped_batch_never_was() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for round in 0..10 {
            let mut batch = sender.batch();
            for number in 0..round {
                add(&mut batch, 1000 + number, 50).unwrap();
            }
            drop(batch);
            sees_nothing(&mut receiver);
            assert!(sender.is_empty());
            // One without records has given nothing up.
            assert_eq!(sender.stats().aborted, round);
            send_record(&mut sender, round, 50).unwrap();
            receive_record(&mut receiver, round, 50);
        }
        assert_eq!((sender.stats().operations, sender.stats().leaked), (10, 0));
    }
}

#[test]
fn a_reservation_that_is_dropped_is_no_part_of_the_batch() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let mut batch = sender.batch();
        add(&mut batch, 0, 50).unwrap();
        let mut reservation = batch.kind(7).reserve(30).unwrap();
        reservation.fill(0xbb);
        drop(reservation);
        assert_eq!(batch.len(), 1);
        add(&mut batch, 1, 50).unwrap();
        let reservation = batch.reserve(3).unwrap();
        let error = reservation.commit_truncated(4);
        assert_fails!(error, WriteError::TooLarge { requested: 4, limit: 3 });
        add(&mut batch, 2, 50).unwrap();
        assert_eq!(batch.len(), 3);
        batch.commit().unwrap();
        for number in 0..3 {
            receive_record(&mut receiver, number, 50);
        }
        sees_nothing(&mut receiver);
        let stats = sender.stats();
        assert_eq!((stats.operations, stats.aborted, stats.leaked), (3, 2, 0));
    }
}

#[test]
fn a_forgotten_batch_never_was() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for round in 0..5 {
            let mut batch = sender.batch();
            for number in 0..3 {
                add(&mut batch, 2000 + number, 50).unwrap();
            }
            forget(batch);
            sees_nothing(&mut receiver);
            if round % 2 == 0 {
                send_record(&mut sender, round, 50).unwrap();
            } else {
                let mut batch = sender.batch();
                add(&mut batch, round, 50).unwrap();
                batch.commit().unwrap();
            }
            assert_eq!(sender.stats().leaked, round + 1);
            receive_record(&mut receiver, round, 50);
            sees_nothing(&mut receiver);
        }
        assert_eq!(sender.stats().aborted, 0);
    }
}

/// A reservation of a batch that is forgotten is not a part of it; the others are.
#[test]
fn a_forgotten_reservation_in_a_batch() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let mut batch = sender.batch();
        add(&mut batch, 0, 50).unwrap();
        let mut reservation = batch.kind(7).reserve(30).unwrap();
        reservation.fill(0xbb);
        forget(reservation);
        assert_eq!(batch.len(), 1);
        add(&mut batch, 1, 50).unwrap();
        add(&mut batch, 2, 50).unwrap();
        batch.commit().unwrap();
        for number in 0..3 {
            receive_record(&mut receiver, number, 50);
        }
        sees_nothing(&mut receiver);
        let stats = sender.stats();
        assert_eq!((stats.operations, stats.aborted, stats.leaked), (3, 0, 1));
    }
}

/// It is found out also if nothing is added after it.
#[test]
fn a_forgotten_reservation_is_the_last_of_its_batch() {
    for kind in KINDS {
        for committed in [true, false] {
            let (_name, mut sender, mut receiver) = kind.records();
            let mut batch = sender.batch();
            add(&mut batch, 0, 50).unwrap();
            forget(batch.reserve(30).unwrap());
            if committed {
                batch.commit().unwrap();
                receive_record(&mut receiver, 0, 50);
            } else {
                drop(batch);
            }
            sees_nothing(&mut receiver);
            send_record(&mut sender, 1, 50).unwrap();
            receive_record(&mut receiver, 1, 50);
            let stats = sender.stats();
            assert_eq!((stats.aborted, stats.leaked), (u64::from(!committed), 1), "{committed}");
        }
    }
}

#[test]
fn try_forms_on_a_full_ring_publish_nothing() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        sender.send(&vec![1; page() / 2]).unwrap();
        let mut batch = sender.batch();
        let len = page() / 8;
        let mut gathered = 0;
        while batch.try_send(&content(gathered, len)).is_ok() {
            gathered += 1;
        }
        assert!(gathered > 1);
        for len in [len, page() - HEADER] {
            assert_fails!(batch.try_send(&vec![0; len]), WriteError::Full);
            assert_fails!(batch.try_reserve(len), WriteError::Full);
        }
        assert_fails!(batch.try_send(&vec![0; page()]), WriteError::TooLarge { .. });
        assert_fails!(batch.send(&vec![0; page()]), WriteError::TooLarge { .. });
        assert_fails!(batch.reserve(page()), WriteError::TooLarge { .. });
        assert_eq!(batch.len() as u64, gathered);
        assert_eq!(receive(&mut receiver).0.len(), page() / 2);
        sees_nothing(&mut receiver);
        // Now there is room again, and they join what was gathered.
        batch.try_send(&content(gathered, len)).unwrap();
        batch.commit().unwrap();
        for number in 0..=gathered {
            assert_eq!(receive(&mut receiver), (content(number, len), 0));
        }
    }
}

/// It would wait for itself if it did not publish what it has.
#[test]
fn a_batch_larger_than_the_ring_publishes_when_it_must_wait() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.uncapped_records();
        let thread = thread::spawn(move || {
            let mut batch = sender.batch();
            for number in 0..3000 {
                let mut waited = add(&mut batch, number, 500);
                if let Err(WriteError::Full) = waited {
                    let bytes = content(number, length(number, 500));
                    waited = batch.kind(kind_of(number)).send(&bytes);
                }
                waited.unwrap();
            }
            // What was published meanwhile is no part of it any more.
            let rest = batch.len();
            batch.commit().unwrap();
            assert_eq!(sender.stats().operations, 3000);
            sender.finish().unwrap();
            rest
        });
        for number in 0..3000 {
            let record = receiver.recv().unwrap().unwrap();
            check_record(&record, record.kind(), number, 500);
        }
        assert!(receiver.recv().unwrap().is_none());
        let rest = joined(thread);
        assert!(rest > 0 && rest < 3000);
    }
}

#[test]
fn what_was_published_for_room_stays_published_when_the_batch_is_dropped() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.uncapped_records();
        let len = page() / 4 - HEADER;
        let thread = thread::spawn(move || {
            let mut batch = sender.batch();
            for number in 0..5 {
                batch.send(&content(number, len)).unwrap();
            }
            assert_eq!(batch.len(), 1, "the four before were published to make room");
            drop(batch);
            sender
        });
        until("the sender sleeps", || receiver.peer().unwrap() == Peer::Waiting);
        for number in 0..4 {
            assert_eq!(receive(&mut receiver).0, content(number, len));
        }
        let mut sender = joined(thread);
        sees_nothing(&mut receiver);
        assert_eq!((sender.stats().operations, sender.stats().aborted), (4, 1));
        sender.send(b"next").unwrap();
        assert_eq!(receive(&mut receiver).0, b"next");
    }
}

#[test]
fn what_befalls_the_end_befalls_the_batch() {
    for kind in KINDS {
        // A batch that needs no room is none the wiser; one that does is told.
        let (_name, mut sender, receiver) = kind.records();
        fill_up(&mut sender);
        drop(receiver);
        let mut batch = sender.batch();
        assert_fails!(batch.send(b"x"), WriteError::ReaderLeft);
        assert_fails!(batch.try_send(b"x"), WriteError::ReaderLeft);
        assert_fails!(batch.reserve(0), WriteError::ReaderLeft);
        drop(batch);

        let (_name, mut sender, mut receiver) = kind.records();
        let aborter = sender.aborter();
        let mut batch = sender.batch();
        batch.send(b"x").unwrap();
        aborter.abort();
        assert_fails!(batch.send(b"x"), WriteError::Aborted);
        assert_fails!(batch.reserve(1), WriteError::Aborted);
        assert_fails!(batch.commit(), WriteError::Aborted);
        assert_fails!(receiver.recv(), ReadError::Dropped);
    }
}

fn kinds_received(receiver: &mut Receiver) -> Vec<u32> {
    let mut kinds = Vec::new();
    while let Ok(Some(record)) = receiver.try_recv() {
        kinds.push(record.kind());
    }
    kinds
}

#[test]
fn kinds_in_batches() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver): (_, Sender, _) = kind.records();
        let mut batch = sender.batch();
        batch.send(b"").unwrap();
        batch.kind(u32::MAX).send(b"").unwrap();
        batch.send(b"").unwrap();
        batch.kind(3).send_vectored(&[]).unwrap();
        batch.send_pod(&1_u8).unwrap();
        batch.kind(4).send_pod(&1_u8).unwrap();
        batch.kind(5).reserve(0).unwrap().commit().unwrap();
        batch.reserve(0).unwrap().commit().unwrap();
        batch.kind(6).kind(7).try_send(b"").unwrap();
        let too_long = vec![0; page()];
        assert_fails!(batch.kind(8).send(&too_long), WriteError::TooLarge { .. });
        batch.send(b"").unwrap();
        batch.commit().unwrap();
        let kinds = kinds_received(&mut receiver);
        assert_eq!(kinds, [0, u32::MAX, 0, 3, 0, 4, 5, 0, 7, 0]);
    }
}

/// A kind is that of a record and not of a batch: none comes from before it or stays behind it.
#[test]
fn kinds_do_not_pass_a_batchs_bounds() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let mut batch = sender.kind(9).batch();
        batch.send(b"").unwrap();
        let _ = batch.kind(8);
        batch.commit().unwrap();
        sender.send(b"").unwrap();
        let mut batch = sender.batch();
        let _ = batch.kind(7);
        drop(batch);
        sender.send(b"").unwrap();
        assert_eq!(kinds_received(&mut receiver), [0, 0, 0]);
    }
}
