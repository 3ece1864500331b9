//! Receiving, looking without receiving, and receiving many: every form.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::record::{ReadError, Receiver};
use std::time::{Duration, Instant};

type Receive = fn(&mut Receiver) -> Result<Option<(Vec<u8>, u32)>, ReadError>;

fn soon() -> Instant {
    Instant::now() + FOR_EVER
}

macro_rules! taking {
    ($receiver:ident => $call:expr) => {
        |$receiver| Ok($call?.map(|record| (record.to_vec(), record.kind())))
    };
}

/// Every way to take one record out of the ring.
const WAYS: [(&str, Receive); 8] = [
    ("recv", taking!(r => r.recv())),
    ("try_recv", taking!(r => r.try_recv())),
    ("recv_timeout", taking!(r => r.recv_timeout(FOR_EVER))),
    ("recv_deadline", taking!(r => r.recv_deadline(soon()))),
    ("recv_batch", |r| one_of(r.recv_batch())),
    ("try_recv_batch", |r| one_of(r.try_recv_batch())),
    ("recv_batch_timeout", |r| one_of(r.recv_batch_timeout(FOR_EVER))),
    ("recv_batch_deadline", |r| one_of(r.recv_batch_deadline(soon()))),
];

/// Takes the first of a batch only.
fn one_of(
    batch: Result<Option<shmpipe::record::Records<'_>>, ReadError>,
) -> Result<Option<(Vec<u8>, u32)>, ReadError> {
    let Some(mut batch) = batch? else { return Ok(None) };
    let first = batch.next()?.expect("a batch has a record");
    Ok(Some((first.to_vec(), first.kind())))
}

/// Every way to look at the next record and leave it.
const LOOKS: [(&str, Receive); 4] = [
    ("peek", taking!(r => r.peek())),
    ("try_peek", taking!(r => r.try_peek())),
    ("peek_timeout", taking!(r => r.peek_timeout(FOR_EVER))),
    ("peek_deadline", taking!(r => r.peek_deadline(soon()))),
];

#[test]
fn each_record_once_in_order_in_every_way() {
    for kind in KINDS {
        for align in SOME_ALIGNS {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let longest = room(align) / 2;
            let (mut sent, mut received) = (0, 0);
            while received < 400 {
                while sent < 400
                    && sender.capacity() - sender.unread() >= frame(align, length(sent, longest))
                {
                    send_record(&mut sender, sent, longest).unwrap();
                    sent += 1;
                }
                let unread = receiver.unread();
                assert_eq!(unread, sender.unread());
                for (what, look) in LOOKS {
                    let (bytes, kind) = look(&mut receiver).unwrap().expect(what);
                    check_record(&bytes, kind, received, longest);
                    assert_eq!(receiver.unread(), unread, "{what} releases nothing");
                }
                let (what, way) = WAYS[received as usize % WAYS.len()];
                let (bytes, kind) = way(&mut receiver).unwrap().expect(what);
                check_record(&bytes, kind, received, longest);
                assert_eq!(receiver.unread(), unread - frame(align, bytes.len()), "{what}");
                received += 1;
                assert_eq!(receiver.stats().operations, received);
            }
            assert_eq!(receiver.stats().leaked, 0);
            sender.finish().unwrap();
            for (what, way) in WAYS.into_iter().chain(LOOKS) {
                assert!(way(&mut receiver).unwrap().is_none(), "{what}");
            }
        }
    }
}

#[test]
fn an_empty_ring() {
    for kind in KINDS {
        let (_name, _sender, mut receiver) = kind.records();
        let zero = Duration::ZERO;
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        assert_fails!(receiver.recv_timeout(zero), ReadError::Timeout);
        assert_fails!(receiver.recv_deadline(Instant::now()), ReadError::Timeout);
        assert_fails!(receiver.try_peek(), ReadError::Empty);
        assert_fails!(receiver.peek_timeout(zero), ReadError::Timeout);
        assert_fails!(receiver.peek_deadline(Instant::now()), ReadError::Timeout);
        assert_fails!(receiver.try_recv_batch(), ReadError::Empty);
        assert_fails!(receiver.recv_batch_timeout(zero), ReadError::Timeout);
        assert_fails!(receiver.recv_batch_deadline(Instant::now()), ReadError::Timeout);
        assert_eq!((receiver.unread(), receiver.is_empty()), (0, true));
        assert_eq!(receiver.capacity(), page());
    }
}

#[test]
fn a_record_is_released_when_its_guard_is_dropped_and_not_before() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        let len = page() / 2 - HEADER;
        sender.send(&content(0, len)).unwrap();
        sender.send(&content(1, len)).unwrap();
        let record = receiver.recv().unwrap().unwrap();
        assert_fails!(sender.try_send(b""), shmpipe::record::WriteError::Full);
        assert_eq!(sender.unread(), page());
        check_content(&record, 0);
        drop(record);
        assert_eq!(sender.unread(), page() / 2);
        sender.try_send(&content(2, len)).unwrap();
        for number in 1..3 {
            assert_eq!(receive(&mut receiver).0, content(number, len));
        }
    }
}

/// Those that were shown are released together, at the end; the rest comes again.
#[test]
fn a_batch_that_is_not_read_to_its_end() {
    for kind in KINDS {
        for align in [8, 64] {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let (mut sent, mut received) = (0, 0);
            for round in 0..200 {
                while sent < received + 10 {
                    send_record(&mut sender, sent, 50).unwrap();
                    sent += 1;
                }
                let unread = sender.unread();
                let mut shown = 0;
                let mut records = receiver.recv_batch().unwrap().unwrap();
                for n in 0..round % 11 {
                    let view = records.next().unwrap().expect("ten are there");
                    check_record(&view, view.kind(), received + n, 50);
                    shown += frame(align, view.len());
                    assert_eq!(sender.unread(), unread, "nothing is released yet");
                }
                if round % 11 == 10 {
                    for _ in 0..3 {
                        assert!(records.next().unwrap().is_none());
                    }
                }
                drop(records);
                received += round % 11;
                assert_eq!(sender.unread(), unread - shown);
                assert_eq!(receiver.stats().operations, received);
            }
        }
    }
}

/// A batch is what was there when it was asked for, though more comes meanwhile.
#[test]
fn a_batch_does_not_grow() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..3 {
            send_record(&mut sender, number, 50).unwrap();
        }
        // One was seen alone before the others came: the batch has them all the same.
        receive_record(&mut receiver, 0, 50);
        send_record(&mut sender, 3, 50).unwrap();
        let mut records = receiver.recv_batch().unwrap().unwrap();
        send_record(&mut sender, 4, 50).unwrap();
        for number in 1..4 {
            let view = records.next().unwrap().unwrap();
            check_record(&view, view.kind(), number, 50);
        }
        assert!(records.next().unwrap().is_none());
        drop(records);
        receive_record(&mut receiver, 4, 50);
    }
}

/// What was peeked at is what is received, also after more was sent, and in a batch.
#[test]
fn looking_changes_nothing() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.records();
        for number in 0..50 {
            send_record(&mut sender, number, 500).unwrap();
            for _ in 0..3 {
                let view = receiver.peek().unwrap().unwrap();
                let copy = view;
                check_record(&view, view.kind(), number, 500);
                assert_eq!(copy.bytes(), &*view);
            }
            if number % 2 == 0 {
                receive_record(&mut receiver, number, 500);
            } else {
                let mut records = receiver.recv_batch().unwrap().unwrap();
                let view = records.next().unwrap().unwrap();
                check_record(&view, view.kind(), number, 500);
            }
        }
        assert_eq!(receiver.stats().leaked, 0);
        assert_eq!(receiver.stats().operations, 50);
    }
}

#[test]
fn a_batch_over_the_rings_end() {
    for kind in KINDS {
        for align in [8, 128] {
            let (_name, mut sender, mut receiver) = kind.aligned_records(align);
            let (mut sent, mut received) = (0_u64, 0_u64);
            for _ in 0..100 {
                while sender.kind(kind_of(sent)).try_send(&content(sent, length(sent, 700))).is_ok()
                {
                    sent += 1;
                }
                let mut records = receiver.recv_batch().unwrap().unwrap();
                while let Some(view) = records.next().unwrap() {
                    check_record(&view, view.kind(), received, 700);
                    received += 1;
                }
                drop(records);
                assert_eq!(received, sent);
                assert!(sender.is_empty());
            }
        }
    }
}
