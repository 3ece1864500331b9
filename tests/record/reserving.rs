//! Records that are made in the ring.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::record::{ReadError, WriteError};
use std::time::Instant;

#[test]
fn a_reservation_has_exactly_the_length_asked_for() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            for len in [0, 1, 7, 8, 9, 100, sender.max_len() - 1, sender.max_len()] {
                let mut reservation = sender.reserve(len).unwrap();
                assert_eq!(reservation.len(), len);
                fill_content(&mut reservation, 3);
                check_content(&reservation, 3);
                reservation.commit().unwrap();
                assert_eq!(receive(&mut receiver), (content(3, len), 0));
            }
        }
    }
}

#[test]
fn nothing_is_seen_before_the_commit() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let mut reservation = sender.kind(4).reserve(10).unwrap();
        reservation.copy_from_slice(b"0123456789");
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        assert_fails!(receiver.try_peek(), ReadError::Empty);
        assert_fails!(receiver.try_recv_batch(), ReadError::Empty);
        assert_eq!((receiver.unread(), receiver.is_empty()), (0, true));
        reservation.commit().unwrap();
        assert_eq!(receive(&mut receiver), (b"0123456789".to_vec(), 4));
    }
}

#[test]
fn a_kind_can_be_said_while_the_record_is_made() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for said in [0, 7, u32::MAX] {
            let mut reservation = sender.kind(5).reserve(1).unwrap();
            reservation.set_kind(said);
            reservation[0] = 1;
            reservation.commit().unwrap();
            assert_eq!(receive(&mut receiver), (vec![1], said));
            let mut reservation = sender.reserve(2).unwrap();
            reservation.set_kind(9);
            reservation.set_kind(said);
            reservation.copy_from_slice(&[1, 2]);
            reservation.commit_truncated(1).unwrap();
            assert_eq!(receive(&mut receiver), (vec![1], said));
            // Not the next one's.
            sender.send(b"").unwrap();
            assert_eq!(receive(&mut receiver), (vec![], 0));
        }
    }
}

#[test]
fn a_record_can_be_cut_to_any_length() {
    for kind in KINDS {
        for align in ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let max = sender.max_len();
            for (number, reserved) in
                [0, 1, 8, 9, align, 2 * align + 1, max].into_iter().enumerate()
            {
                let lengths = [0, 1, 7, 8, align - 8, align - 7, align, reserved / 2, reserved];
                for n in lengths.into_iter().filter(|n| *n <= reserved) {
                    let mut reservation = sender.kind(2).reserve(reserved).unwrap();
                    reservation.fill(0xee);
                    fill_content(&mut reservation[..n], number as u64);
                    reservation.commit_truncated(n).unwrap();
                    assert_eq!(sender.unread(), frame(align, n), "only that much is taken");
                    // The next one begins right behind it.
                    if frame(align, n) < room(align) {
                        sender.try_send(b"").unwrap();
                    }
                    assert_eq!(receive(&mut receiver), (content(number as u64, n), 2));
                    if frame(align, n) < room(align) {
                        assert_eq!(receive(&mut receiver), (vec![], 0));
                    }
                }
            }
        }
    }
}

#[test]
fn more_than_was_reserved_cannot_be_committed() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for (round, reserved) in [0, 1, 8, 100].into_iter().enumerate() {
            // Also if it would fit in the unit.
            for n in [reserved + 1, reserved + 8, sender.max_len() + 1, usize::MAX] {
                let reservation = sender.kind(8).reserve(reserved).unwrap();
                assert_fails!(
                    reservation.commit_truncated(n),
                    WriteError::TooLarge { requested, limit }
                        if requested == n && limit == reserved
                );
                assert_fails!(receiver.try_recv(), ReadError::Empty);
                assert!(sender.is_empty());
            }
            let stats = sender.stats();
            assert_eq!((stats.aborted, stats.operations), (4 * (round as u64 + 1), round as u64));
            sender.send(b"x").unwrap();
            assert_eq!(receive(&mut receiver), (b"x".to_vec(), 0));
        }
    }
}

#[test]
fn a_dropped_reservation_never_was() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let longest = sender.max_len();
            let mut aborted = 0;
            for number in 0..100 {
                let mut reservation = sender.kind(77).reserve(length(number + 1, longest)).unwrap();
                reservation.fill(0xdd);
                drop(reservation);
                aborted += 1;
                if number % 3 == 0 {
                    drop(sender.try_reserve(longest).unwrap());
                    aborted += 1;
                }
                assert!(sender.is_empty());
                assert_fails!(receiver.try_recv(), ReadError::Empty);
                send_record(&mut sender, number, longest).unwrap();
                receive_record(&mut receiver, number, longest);
                assert_eq!(sender.stats().aborted, aborted);
                assert_eq!(sender.stats().operations, number + 1);
            }
        }
    }
}

/// There is no second record in the ring while one is made: the sender is borrowed. But one may be
/// received meanwhile.
#[test]
fn records_are_received_while_one_is_made() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        send_record(&mut sender, 0, 100).unwrap();
        send_record(&mut sender, 1, 100).unwrap();
        let mut reservation = sender.kind(kind_of(2)).reserve(length(2, 100)).unwrap();
        receive_record(&mut receiver, 0, 100);
        fill_content(&mut reservation, 2);
        receive_record(&mut receiver, 1, 100);
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        reservation.commit().unwrap();
        receive_record(&mut receiver, 2, 100);
    }
}

#[test]
fn the_forms_that_wait_answer_at_once_if_there_is_room() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let past = Instant::now();
        sender.reserve_timeout(1, std::time::Duration::ZERO).unwrap().commit().unwrap();
        sender.reserve_deadline(2, past).unwrap().commit().unwrap();
        sender.send_timeout(b"345", std::time::Duration::ZERO).unwrap();
        sender.send_deadline(b"3456", past).unwrap();
        for len in 1..5 {
            assert_eq!(receive(&mut receiver).0.len(), len);
        }
    }
}

/// What lies in a reservation before it is filled is the caller's to overwrite; what it does not
/// overwrite is sent as it lies, and is no other length.
#[test]
fn a_reservation_that_is_not_filled_is_sent_all_the_same() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for len in [0, 1, 1000] {
            sender.reserve(len).unwrap().commit().unwrap();
            assert_eq!(receive(&mut receiver).0.len(), len);
        }
    }
}
