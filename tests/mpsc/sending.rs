//! What a record and a batch are in a ring of many: blocks of 64 bytes or more, and claims.

use crate::{assert_fails, many_support::*, record_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{io::IoSlice, time::Duration};

fn ends(site: &ManySite, trust: Trust) -> (Sender, Sender, Receiver) {
    let options = Options::new().trust(trust);
    (site.sender(&options), site.sender(&options), site.receiver(&options))
}

/// Every kind of ring, of an alignment, large enough for several records of it.
fn each(align: usize, test: impl Fn(ManySite, Sender, Sender, Receiver)) {
    for kind in KINDS {
        let options = Options::new().capacity(room(align)).payload_align(align);
        let site = ManySite::with(kind.named, 4, &options);
        let (one, other, receiver) = ends(&site, kind.trust);
        test(site, one, other, receiver);
    }
}

fn unit(align: usize) -> usize {
    align.max(BLOCK)
}

#[test]
fn lengths_kinds_and_alignment() {
    for align in ALIGNS {
        each(align, |_, mut one, mut other, mut receiver| {
            let unit = unit(align);
            assert_eq!((one.max_len(), one.capacity()), (room(align), room(align)));
            let lengths = [
                0,
                1,
                7,
                8,
                63,
                64,
                65,
                unit - 1,
                unit,
                unit + 1,
                one.max_len() - 1,
                one.max_len(),
            ];
            let kinds = [0, 1, 1 << 31, u32::MAX];
            for (turn, len) in lengths.into_iter().chain(lengths).enumerate() {
                let kind = kinds[turn % 4];
                let (sender, number) =
                    (if turn % 2 == 0 { &mut one } else { &mut other }, turn as u64);
                let bytes = content(number, len);
                match turn % 3 {
                    0 => sender.kind(kind).try_send(&bytes).unwrap(),
                    1 => {
                        let mut reservation = sender.kind(kind).try_reserve(len).unwrap();
                        assert_eq!(reservation.len(), len);
                        reservation.copy_from_slice(&bytes);
                        reservation.commit().unwrap();
                    }
                    _ => {
                        let (left, right) = bytes.split_at(len / 3);
                        sender.kind(kind).send_vectored(&[left, right].map(IoSlice::new)).unwrap();
                    }
                }
                assert_eq!(sender.unread(), len.max(1).next_multiple_of(unit));
                let id = sender.id();
                let view = receiver.try_peek().unwrap().unwrap();
                assert_eq!((view.len(), view.kind(), view.producer()), (len, kind, id));
                let record = receiver.try_recv().unwrap().unwrap();
                assert_eq!((record.kind(), record.producer()), (kind, id));
                assert!(*record == *bytes, "{len} bytes, aligned to {align}");
                assert!(record.as_ptr().addr().is_multiple_of(unit) || len == 0);
            }
            for too_long in [one.max_len() + 1, 1 << 40, usize::MAX] {
                assert_fails!(one.reserve(too_long), WriteError::TooLarge { .. });
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert!(one.is_empty() && other.is_empty() && receiver.is_empty());
        });
    }
}

/// Every size around what is left, from every place in the ring.
#[test]
fn a_ring_that_is_exactly_full() {
    each(8, |_, mut one, mut other, mut receiver| {
        let blocks = page() / BLOCK;
        for first in 1..=blocks {
            let rest = blocks - first;
            one.try_send(&content(1, first * BLOCK)).unwrap();
            assert_fails!(other.try_send(&content(2, rest * BLOCK + 1)), WriteError::Full);
            if rest > 0 {
                other.try_send(&content(2, rest * BLOCK)).unwrap();
            }
            for sender in [&mut one, &mut other] {
                assert_eq!(sender.unread(), page());
                assert_fails!(sender.try_send(b""), WriteError::Full);
                assert_fails!(sender.try_reserve(0), WriteError::Full);
                assert!(!sender.send_or_drop(b"").unwrap());
                assert_fails!(sender.send_timeout(b"", Duration::ZERO), WriteError::Timeout);
            }
            assert_eq!(receive(&mut receiver).0, content(1, first * BLOCK));
            if rest > 0 {
                assert_eq!(receive(&mut receiver).0, content(2, rest * BLOCK));
            }
            // The next round begins a block further.
            one.try_send(b"").unwrap();
            receive(&mut receiver);
        }
        assert_eq!((one.stats().dropped, other.stats().dropped), (blocks as u64, blocks as u64));
    });
}

fn receive(receiver: &mut Receiver) -> (Vec<u8>, u32) {
    let record = receiver.try_recv().unwrap().expect("the stream has not ended");
    (record.to_vec(), record.kind())
}

/// A claim takes its place when it is made; who comes later waits for it, also
/// if it was committed before.
#[test]
fn claims_are_received_in_their_order() {
    for align in SOME_ALIGNS {
        each(align, |_, mut one, mut other, mut receiver| {
            let mut reservation = one.reserve(20).unwrap();
            other.send(b"later").unwrap();
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert_fails!(receiver.try_recv_batch(), ReadError::Empty);
            assert_fails!(receiver.recv_timeout(Duration::from_millis(3)), ReadError::Timeout);
            reservation.copy_from_slice(&content(5, 20));
            reservation.commit().unwrap();
            assert_eq!(receive(&mut receiver).0, content(5, 20));
            assert_eq!(receive(&mut receiver).0, b"later");

            // Given up, it is passed over.
            let reservation = one.reserve(20).unwrap();
            other.send(b"later").unwrap();
            drop(reservation);
            assert_eq!(receive(&mut receiver).0, b"later");
            assert_eq!((one.stats().aborted, receiver.stats().repaired), (1, 0));

            // Also if it is all there is.
            drop(one.reserve(20).unwrap());
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert!(receiver.is_empty(), "nothing keeps its room");
            other.send(&content(6, other.max_len())).unwrap();
            assert_eq!(receive(&mut receiver).0, content(6, other.max_len()));
        });
    }
}

/// What fewer bytes were committed of than were reserved is received as just these.
#[test]
fn truncated() {
    for align in SOME_ALIGNS {
        each(align, |_, mut one, mut other, mut receiver| {
            let most = 3 * unit(align);
            for len in [0, 1, 10, 63, 64, 65, unit(align), 2 * unit(align) + 1, most] {
                let mut reservation = one.reserve(most.min(room(align) - unit(align))).unwrap();
                let len = len.min(reservation.len());
                reservation[..len].copy_from_slice(&content(9, len));
                other.send(b"next").unwrap();
                reservation.set_kind(77);
                reservation.commit_truncated(len).unwrap();
                assert_eq!(receive(&mut receiver), (content(9, len), 77));
                assert_eq!(receive(&mut receiver).0, b"next");
                let reservation = one.reserve(len).unwrap();
                assert_fails!(reservation.commit_truncated(len + 1), WriteError::TooLarge { .. });
                assert_fails!(receiver.try_recv(), ReadError::Empty);
            }
            assert!(receiver.is_empty());
        });
    }
}

/// Nothing of a batch is seen before it is committed, then all of it, and
/// nobody's record in between.
#[test]
fn batches() {
    each(8, |_, mut one, mut other, mut receiver| {
        for n in [0, 1, 2, 3, 5, 9] {
            let mut batch = one.batch_of(12 * BLOCK);
            for number in 0..n {
                batch
                    .kind(kind_of(number))
                    .try_send(&content(number, number as usize * 9))
                    .unwrap();
            }
            assert_eq!(batch.len(), n as usize);
            other.send(b"not in between").unwrap();
            if n > 0 {
                assert_fails!(receiver.try_recv(), ReadError::Empty);
            }
            batch.commit().unwrap();
            for number in 0..n {
                let record = receiver.try_recv().unwrap().unwrap();
                assert_eq!(
                    (&*record, record.kind()),
                    (&*content(number, number as usize * 9), kind_of(number))
                );
            }
            assert_eq!(receive(&mut receiver).0, b"not in between");
            assert!(receiver.is_empty(), "what the claim had too much is given back");
        }
        // Dropped, it never was.
        let mut batch = one.batch_of(5 * BLOCK);
        batch.send(b"never").unwrap();
        other.send(b"after").unwrap();
        drop(batch);
        assert_eq!(receive(&mut receiver).0, b"after");
        assert_eq!((one.stats().aborted, one.stats().operations), (1, 20));
        assert_eq!(receiver.stats().repaired, 0);
    });
}

/// What does not fit the claim: the forms that do not wait say so, the others
/// publish and claim anew.
#[test]
fn a_batch_larger_than_its_claim() {
    each(8, |_, mut one, _, mut receiver| {
        let mut batch = one.batch_of(2 * BLOCK);
        batch.try_send(&content(0, BLOCK)).unwrap();
        batch.try_send(&content(1, BLOCK)).unwrap();
        assert_fails!(batch.try_send(b"x"), WriteError::Full);
        assert_fails!(batch.try_reserve(0), WriteError::Full);
        assert_eq!(batch.len(), 2);
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        batch.send(&content(2, BLOCK)).unwrap();
        assert_eq!(batch.len(), 1, "the others were published");
        for number in 0..2 {
            assert_eq!(receive(&mut receiver).0, content(number, BLOCK));
        }
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        // One that needs more than a claim has.
        batch.send(&content(3, 10 * BLOCK)).unwrap();
        assert_eq!(receive(&mut receiver).0, content(2, BLOCK));
        let mut reservation = batch.reserve(3).unwrap();
        reservation.copy_from_slice(b"abc");
        reservation.commit().unwrap();
        batch.commit().unwrap();
        assert_eq!(receive(&mut receiver).0, content(3, 10 * BLOCK));
        assert_eq!(receive(&mut receiver).0, b"abc");
        assert!(receiver.is_empty());
    });
    // As large as the ring, and larger than it.
    each(8, |_, mut one, mut other, mut receiver| {
        for wish in [page(), page() + 1, 1 << 30, usize::MAX] {
            let mut batch = one.batch_of(wish);
            for number in 0..5 {
                batch.send(&content(number, 99)).unwrap();
            }
            batch.commit().unwrap();
            for number in 0..5 {
                assert_eq!(receive(&mut receiver).0, content(number, 99));
            }
            other.try_send(b"and on").unwrap();
            assert_eq!(receive(&mut receiver).0, b"and on");
        }
    });
}

/// All records there are, of all senders, and those that were shown are released together.
#[test]
fn received_in_batches() {
    each(8, |_, mut one, mut other, mut receiver| {
        let mut number = 0;
        let mut send = |sender: &mut Sender, n: u64| {
            let mut batch = sender.batch_of(8 * BLOCK);
            for _ in 0..n {
                batch.send(&content(number, 70)).unwrap();
                number += 1;
            }
            batch.commit().unwrap();
        };
        send(&mut one, 4);
        send(&mut other, 3);
        send(&mut one, 1);
        drop(other.reserve(100).unwrap());
        send(&mut other, 2);
        let ids = [one.id(), other.id()];
        let of = |n: u64| ids[usize::from((4..7).contains(&n) || n >= 8)];
        let mut next = 0;
        // In the middle of a claim, to the end of one, across one that was given up.
        for take in [1, 2, 1, 2, 3, 1] {
            let unread = receiver.unread();
            let mut records = receiver.recv_batch().unwrap().unwrap();
            for _ in 0..take {
                let view = records.next().unwrap().expect("there are more");
                assert_eq!((&*view, view.producer()), (&*content(next, 70), of(next)));
                next += 1;
            }
            drop(records);
            assert!(receiver.unread() < unread);
        }
        assert_eq!(next, 10);
        assert!(receiver.is_empty());
        assert_eq!(receiver.stats().operations, 10);
    });
}

/// Several ends in one process, cloned ones too: none is in the way of another.
#[test]
fn clones() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 40, &options);
        let mut receiver = site.receiver(&options);
        let mut senders = vec![site.sender(&options)];
        for n in 1..40 {
            senders.push(senders[n / 2].try_clone().unwrap());
        }
        for (n, sender) in senders.iter_mut().enumerate() {
            sender.send(&content(n as u64, n)).unwrap();
        }
        // The first may go before its clones.
        senders.remove(0).finish().unwrap();
        for n in 0..40 {
            let record = receiver.try_recv().unwrap().unwrap();
            assert_eq!(*record, *content(n as u64, n));
        }
        assert_fails!(receiver.try_recv(), ReadError::Empty);
    }
}
