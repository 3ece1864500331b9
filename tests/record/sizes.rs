//! Lengths around everything that fits exactly, at every alignment, and where the payload lies.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::record::{ReadError, WriteError};

/// A record of `len` bytes begins `before` bytes into the ring, which then takes just
/// as many more bytes as are left.
fn fits_exactly(kind: Kind, align: usize, before: usize) {
    let (_name, mut sender, mut receiver) = kind.aligned_records(align);
    let capacity = sender.capacity();
    // Brings the ring to that place.
    if before > 0 {
        let len = before - HEADER;
        sender.send(&content(1, len)).unwrap();
        receive(&mut receiver);
    }
    let max = capacity - HEADER;
    for len in [max, max - 1, max - 7, max - 8, max - 9, max - align, max - align + 1] {
        let bytes = content(2, len);
        sender.kind(5).send(&bytes).unwrap();
        let taken = frame(align, len);
        assert_eq!((sender.unread(), receiver.unread()), (taken, taken));
        // What is left takes a record that fits exactly, and none that is a byte longer.
        let left = capacity - taken;
        match left.checked_sub(HEADER) {
            None => assert_fails!(sender.try_send(b""), WriteError::Full),
            Some(fits) => {
                assert_fails!(sender.try_send(&content(3, fits + 1)), WriteError::Full);
                sender.try_send(&content(3, fits)).unwrap();
                assert_eq!(sender.unread(), capacity);
                assert_fails!(sender.try_send(b""), WriteError::Full);
            }
        }
        assert_eq!(receive(&mut receiver), (bytes, 5));
        if let Some(fits) = left.checked_sub(HEADER) {
            assert_eq!(receive(&mut receiver), (content(3, fits), 0));
        }
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        assert!(sender.is_empty() && receiver.is_empty());
    }
}

#[test]
fn records_that_fill_the_ring_exactly_at_every_alignment() {
    for kind in KINDS {
        for align in ALIGNS {
            for before in [0, align, 2 * align, room(align) / 2, room(align) - align] {
                fits_exactly(kind, align, before);
            }
        }
    }
}

/// A ring that is one page, at the largest alignment: it has room for just one
/// record of any length.
#[test]
fn a_ring_of_one_unit() {
    for kind in KINDS {
        let options = shmpipe::Options::new().capacity(page()).payload_align(4096);
        if page() != 4096 {
            return crate::support::skip("pages are larger");
        }
        let (_name, mut sender, mut receiver) = kind.records_with(&options);
        for len in [0, 1, 8, 4087, 4088] {
            sender.send(&content(4, len)).unwrap();
            assert_eq!(sender.unread(), 4096);
            assert_fails!(sender.try_send(b""), WriteError::Full);
            let record = receiver.recv().unwrap().unwrap();
            assert!(record.as_ptr().addr().is_multiple_of(4096));
            check_content(&record, 4);
            assert_eq!(record.len(), len);
        }
        assert_fails!(sender.try_send(&[0; 4089]), WriteError::TooLarge { limit: 4088, .. });
    }
}

/// Every residual of a length, one after the other, so that they begin and end all over the ring.
#[test]
fn every_length_at_every_alignment() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let lengths = (0..=2 * align + 17).step_by(if align > 256 { 61 } else { 1 });
            for len in lengths.chain([align - 8, align - 7, 2 * align - 9, 2 * align - 8]) {
                let bytes = content(len as u64, len);
                sender.send(&bytes).unwrap();
                assert_eq!(sender.unread(), frame(align, len), "{len} bytes at {align}");
                assert!(receive(&mut receiver).0 == bytes, "{len} bytes at {align}");
            }
        }
    }
}

/// The payload is aligned at both sides, in every form, also of those records
/// that lie over the end.
#[test]
fn payloads_are_aligned() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let is_aligned = |bytes: &[u8]| bytes.as_ptr().addr().is_multiple_of(align);
            let lengths = [1, align / 2, align - 8, align - 7, align, room(align) / 2, 0];
            for round in 0..40 {
                let len = lengths[round % lengths.len()];
                let mut reservation = sender.reserve(len).unwrap();
                assert!(is_aligned(&reservation), "{len} bytes, reserved");
                fill_content(&mut reservation, round as u64);
                if round % 5 == 4 {
                    drop(reservation);
                    continue;
                }
                reservation.commit().unwrap();

                let mut batch = sender.batch();
                let mut reservation = batch.reserve(3).unwrap();
                assert!(is_aligned(&reservation), "in a batch, not begun");
                reservation.fill(3);
                reservation.commit().unwrap();
                if frame(align, len) + 2 * frame(align, 3) <= room(align) {
                    let mut reservation = batch.try_reserve(3).unwrap();
                    assert!(is_aligned(&reservation), "in a batch");
                    reservation.fill(4);
                    reservation.commit().unwrap();
                }
                batch.commit().unwrap();

                let view = receiver.peek().unwrap().unwrap();
                assert!(is_aligned(&view), "{len} bytes, peeked at");
                check_content(&view, round as u64);
                let record = receiver.recv().unwrap().unwrap();
                assert!(is_aligned(&record), "{len} bytes, received");
                check_content(&record, round as u64);
                assert_eq!(record.len(), len);
                drop(record);
                let mut records = receiver.recv_batch().unwrap().unwrap();
                while let Some(view) = records.next().unwrap() {
                    assert!(is_aligned(&view), "in a batch received");
                    assert!(*view == [3; 3] || *view == [4; 3]);
                }
            }
        }
    }
}

/// What the caller has in its hands is one piece, wherever in the ring it lies.
#[test]
fn a_large_record_in_place() {
    for kind in KINDS {
        let options = shmpipe::Options::new().capacity(8 << 20).payload_align(64);
        let (_name, mut sender, mut receiver) = kind.records_with(&options);
        for number in 0..4 {
            let len = (5 << 20) + 7 * number as usize;
            let mut reservation = sender.reserve(len).unwrap();
            fill_content(&mut reservation, number);
            reservation.commit().unwrap();
            let record = receiver.recv().unwrap().unwrap();
            assert_eq!(record.len(), len);
            check_content(&record, number);
        }
    }
}
