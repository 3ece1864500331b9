//! Records that are sent by copying: every form, kinds, lengths that can and cannot be.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::record::{Sender, WriteError};
use std::{
    io::IoSlice,
    time::{Duration, Instant},
};

type Send = fn(&mut Sender, &[u8]) -> Result<(), WriteError>;

fn soon() -> Instant {
    Instant::now() + FOR_EVER
}

/// Every way to send some bytes as one record.
const WAYS: [(&str, Send); 13] = [
    ("send", |s, b| s.send(b)),
    ("try_send", |s, b| s.try_send(b)),
    ("send_timeout", |s, b| s.send_timeout(b, FOR_EVER)),
    ("send_deadline", |s, b| s.send_deadline(b, soon())),
    ("send_or_drop", |s, b| match s.send_or_drop(b)? {
        true => Ok(()),
        false => Err(WriteError::Full),
    }),
    ("send_vectored", |s, b| s.send_vectored(&thirds(b))),
    ("try_send_vectored", |s, b| s.try_send_vectored(&thirds(b))),
    ("send_vectored_timeout", |s, b| s.send_vectored_timeout(&thirds(b), FOR_EVER)),
    ("send_vectored_deadline", |s, b| s.send_vectored_deadline(&thirds(b), soon())),
    ("reserve", |s, b| {
        let mut reservation = s.reserve(b.len())?;
        reservation.copy_from_slice(b);
        reservation.commit()
    }),
    ("try_reserve", |s, b| {
        let mut reservation = s.try_reserve(b.len())?;
        reservation.copy_from_slice(b);
        reservation.commit()
    }),
    ("reserve_timeout", |s, b| {
        let mut reservation = s.reserve_timeout(b.len(), FOR_EVER)?;
        reservation.copy_from_slice(b);
        reservation.commit()
    }),
    ("reserve_deadline", |s, b| {
        let mut reservation = s.reserve_deadline(b.len(), soon())?;
        reservation.copy_from_slice(b);
        reservation.commit()
    }),
];

fn reserved_in_a_batch(sender: &mut Sender, len: usize) -> Result<(), WriteError> {
    let mut batch = sender.batch();
    assert_fails!(batch.try_reserve(len), WriteError::TooLarge { .. });
    batch.reserve(len).map(drop)
}

/// In parts of different lengths, empty ones among them.
fn thirds(bytes: &[u8]) -> [IoSlice<'_>; 5] {
    let (first, rest) = bytes.split_at(bytes.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 4);
    [&[], first, second, &[], third].map(IoSlice::new)
}

#[test]
fn what_is_sent_in_whatever_way_is_received() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let longest = sender.max_len();
            // Twice as many as ways, so that each goes over the ring's end somewhere.
            for number in 0..300 {
                let (what, way) = WAYS[number as usize % WAYS.len()];
                let bytes = content(number, length(number, longest));
                way(sender.kind(kind_of(number)), &bytes).expect(what);
                let (found, found_kind) = receive(&mut receiver);
                assert_eq!(found_kind, kind_of(number), "{what}");
                assert!(found == bytes, "{what}, {} bytes", bytes.len());
                assert!(sender.is_empty() && receiver.is_empty());
                assert_eq!(sender.stats().operations, number + 1, "{what}");
                assert_eq!(receiver.stats().operations, number + 1, "{what}");
                assert_eq!(sender.stats().bytes, receiver.stats().bytes);
            }
        }
    }
}

#[test]
fn kinds_are_handed_over_as_they_are() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for (what, way) in WAYS {
            for number in [0, 1, 7, i32::MAX as u32, 1 << 31, u32::MAX] {
                way(sender.kind(number), b"x").expect(what);
                assert_eq!(receive(&mut receiver), (b"x".to_vec(), number), "{what}");
            }
        }
    }
}

#[test]
fn a_kind_is_the_next_records_alone() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for (what, way) in WAYS {
            way(&mut sender, b"before").expect(what);
            way(sender.kind(u32::MAX), b"it").expect(what);
            way(&mut sender, b"after").expect(what);
            for (bytes, kind) in [(&b"before"[..], 0), (b"it", u32::MAX), (b"after", 0)] {
                assert_eq!(receive(&mut receiver), (bytes.to_vec(), kind), "{what}");
            }
        }
        // Said again before it was used, the last word counts.
        sender.kind(1).kind(2).send(b"x").unwrap();
        assert_eq!(receive(&mut receiver).1, 2);
    }
}

/// A call that fails has used the kind up: it does not stick to another record.
#[test]
fn a_kind_does_not_outlive_a_call_that_fails() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let too_long = vec![0; sender.max_len() + 1];
        for (what, way) in WAYS {
            assert_fails!(way(sender.kind(9), &too_long), WriteError::TooLarge { .. }, "{what}");
            way(&mut sender, b"x").expect(what);
            assert_eq!(receive(&mut receiver).1, 0, "{what}");
        }
        fill_up(&mut sender);
        assert_fails!(sender.kind(9).try_send(b""), WriteError::Full);
        for _ in 0..2 {
            receive(&mut receiver);
        }
        sender.try_send(b"x").unwrap();
        while let Ok(Some(record)) = receiver.try_recv() {
            assert_eq!(record.kind(), 0);
        }
    }
}

#[test]
fn empty_records_are_records() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            for (number, (what, way)) in WAYS.into_iter().enumerate() {
                way(sender.kind(number as u32), b"").expect(what);
                assert_eq!((sender.unread(), receiver.unread()), (align, align), "{what}");
                assert_eq!(receive(&mut receiver), (vec![], number as u32), "{what}");
            }
            sender.send_vectored(&[]).unwrap();
            assert_eq!(receive(&mut receiver), (vec![], 0));
            sender.send_pod(&[0_u64; 0]).unwrap();
            assert_eq!(receive(&mut receiver), (vec![], 0));
            // As many as have headers in the ring.
            assert_eq!(fill_up(&mut sender), room(align) / align);
            assert_eq!(sender.unread(), sender.capacity());
        }
    }
}

#[test]
fn a_record_that_never_fits_is_refused_at_once_with_the_limit() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let max = sender.max_len();
            assert_eq!(max, room(align) - HEADER);
            // Also if the ring is not empty: then it would not fit either.
            for before in 0..2 {
                for more in [1, 7, align, room(align), 10 * room(align)] {
                    let bytes = vec![0; max + more];
                    for (what, way) in WAYS {
                        assert_fails!(
                            way(&mut sender, &bytes),
                            WriteError::TooLarge { requested, limit }
                                if requested == max + more && limit == max,
                            "{what}"
                        );
                    }
                }
                for len in [u32::MAX as usize, 1 << 32, (1 << 32) + 1, usize::MAX] {
                    for reserved in [
                        sender.reserve(len).map(drop),
                        sender.try_reserve(len).map(drop),
                        sender.reserve_timeout(len, Duration::ZERO).map(drop),
                        sender.reserve_deadline(len, soon()).map(drop),
                        reserved_in_a_batch(&mut sender, len),
                    ] {
                        assert_fails!(
                            reserved,
                            WriteError::TooLarge { requested, limit }
                                if requested == len && limit == max
                        );
                    }
                }
                assert_eq!(sender.unread(), before * align);
                sender.send(b"").unwrap();
            }
            drop(receiver.recv_batch().unwrap());
            let stats = sender.stats();
            assert_eq!((stats.operations, stats.aborted, stats.dropped), (2, 0, 0));
            assert_eq!(receive(&mut receiver), (vec![], 0));
        }
    }
}

#[test]
fn a_full_ring_refuses_and_nothing_is_half_sent() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let all = fill_up(&mut sender);
            for len in [0, 1, align, sender.max_len()] {
                let bytes = vec![1; len];
                assert_fails!(sender.try_send(&bytes), WriteError::Full);
                assert_fails!(sender.try_send_vectored(&thirds(&bytes)), WriteError::Full);
                assert_fails!(sender.try_send_pod(&0_u64), WriteError::Full);
                assert_fails!(sender.try_reserve(len), WriteError::Full);
                let zero = Duration::ZERO;
                assert_fails!(sender.send_timeout(&bytes, zero), WriteError::Timeout);
                assert_fails!(sender.send_deadline(&bytes, Instant::now()), WriteError::Timeout);
                let parts = thirds(&bytes);
                assert_fails!(sender.send_vectored_timeout(&parts, zero), WriteError::Timeout);
                assert_fails!(
                    sender.send_vectored_deadline(&parts, Instant::now()),
                    WriteError::Timeout
                );
                assert_fails!(sender.send_pod_timeout(&1_u8, zero), WriteError::Timeout);
                assert_fails!(sender.send_pod_deadline(&1_u8, Instant::now()), WriteError::Timeout);
                assert_fails!(sender.reserve_timeout(len, zero), WriteError::Timeout);
                assert_fails!(sender.reserve_deadline(len, Instant::now()), WriteError::Timeout);
                assert_eq!(sender.unread(), sender.capacity());
            }
            let mut received = 0;
            while let Ok(Some(record)) = receiver.try_recv() {
                assert!(record.is_empty());
                received += 1;
            }
            assert_eq!(received, all);
        }
    }
}

#[test]
fn what_is_dropped_is_counted_and_the_rest_comes() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let (mut sent, mut dropped) = (0, 0);
        for number in 0..1000_u32 {
            let bytes = content(number.into(), number as usize % 90);
            if sender.kind(number).send_or_drop(&bytes).unwrap() {
                sent += 1;
            } else {
                dropped += 1;
            }
        }
        assert!(sent > 0 && dropped > 0);
        let stats = sender.stats();
        assert_eq!((stats.operations, stats.dropped), (sent, dropped));
        assert_eq!((stats.aborted, stats.leaked), (0, 0));
        let (mut received, mut last) = (0, None);
        while let Ok(Some(record)) = receiver.try_recv() {
            assert!(Some(record.kind()) > last, "in order, each once");
            check_content(&record, record.kind().into());
            last = Some(record.kind());
            received += 1;
        }
        assert_eq!(received, sent);
        // One that can never be sent is an error and no record given up.
        let too_long = vec![0; sender.max_len() + 1];
        assert_fails!(sender.send_or_drop(&too_long), WriteError::TooLarge { .. });
        assert_eq!(sender.stats().dropped, dropped);
        drop(receiver);
        assert_fails!(sender.send_or_drop(b"x"), WriteError::ReaderLeft);
        assert_eq!(sender.stats().dropped, dropped);
    }
}

#[test]
fn a_record_of_many_parts() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for parts in [1, 2, 1000, 2048] {
            for each in 0..3 {
                let bytes = content(parts, parts as usize * each);
                let slices: Vec<_> = match each {
                    0 => (0..parts).map(|_| IoSlice::new(&[])).collect(),
                    each => bytes.chunks(each).map(IoSlice::new).collect(),
                };
                let sent = sender.kind(3).send_vectored(&slices);
                if bytes.len() > sender.max_len() {
                    assert_fails!(sent, WriteError::TooLarge { requested, .. }
                        if requested == bytes.len());
                    continue;
                }
                sent.unwrap();
                assert_eq!(receive(&mut receiver), (bytes, 3));
            }
        }
    }
}
