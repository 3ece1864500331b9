//! Both ends at work at the same time, under each policy of waiting.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    Options, Peer, Wait,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

const POLICIES: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Sleep];

/// Sends that record of the series, in one of the ways that wait, or several with
/// it in a batch; returns how many.
fn send(sender: &mut Sender, number: u64, longest: usize, all: u64) -> u64 {
    let bytes = content(number, length(number, longest));
    let soon = Instant::now() + FOR_EVER;
    let sender = sender.kind(kind_of(number));
    match number % 7 {
        0 => sender.send(&bytes).unwrap(),
        1 => sender.send_timeout(&bytes, FOR_EVER).unwrap(),
        2 => sender.send_vectored(&[std::io::IoSlice::new(&bytes)]).unwrap(),
        3 => {
            let mut reservation = sender.reserve(bytes.len()).unwrap();
            reservation.copy_from_slice(&bytes);
            reservation.commit().unwrap();
        }
        4 => {
            let mut reservation = sender.reserve_deadline(longest, soon).unwrap();
            reservation[..bytes.len()].copy_from_slice(&bytes);
            reservation.commit_truncated(bytes.len()).unwrap();
        }
        5 => {
            let count = (1 + number % 23).min(all - number);
            let mut batch = sender.batch();
            for number in number..number + count {
                let bytes = content(number, length(number, longest));
                batch.kind(kind_of(number)).send(&bytes).unwrap();
            }
            batch.commit().unwrap();
            return count;
        }
        _ => sender.send_deadline(&bytes, soon).unwrap(),
    }
    1
}

/// Receives records from that of the series on, in one of the ways that wait;
/// how many, `None` at the end.
fn recv(receiver: &mut Receiver, number: u64, longest: usize) -> Option<u64> {
    match number % 5 {
        0 | 1 => {
            let record = receiver.recv().unwrap()?;
            check_record(&record, record.kind(), number, longest);
        }
        2 => {
            let record = receiver.recv_timeout(FOR_EVER).unwrap()?;
            check_record(&record, record.kind(), number, longest);
        }
        3 => {
            let mut records = receiver.recv_batch().unwrap()?;
            let mut count = 0;
            while let Some(view) = records.next().unwrap() {
                check_record(&view, view.kind(), number + count, longest);
                count += 1;
                if count > number % 40 {
                    break;
                }
            }
            return Some(count);
        }
        _ => {
            let view = receiver.peek().unwrap()?;
            check_record(&view, view.kind(), number, longest);
            let record = receiver.recv().unwrap()?;
            check_record(&record, record.kind(), number, longest);
        }
    }
    Some(1)
}

fn streams(kind: Kind, align: usize, [of_sender, of_receiver]: [Wait; 2], all: u64) {
    let options =
        Options::new().capacity(room(align)).payload_align(align).liveness_interval(FOR_EVER);
    let [of_sender, of_receiver] =
        [of_sender, of_receiver].map(|policy| options.clone().wait(policy));
    let (_name, mut sender, mut receiver) = kind.records_of(&of_sender, &of_receiver);
    let longest = sender.max_len();
    let sending = thread::spawn(move || {
        let mut number = 0;
        while number < all {
            number += send(&mut sender, number, longest, all);
        }
        assert_eq!(sender.stats().late_wakeups, 0);
        sender.finish_and_wait().unwrap();
    });
    let mut number = 0;
    while let Some(count) = recv(&mut receiver, number, longest) {
        number += count;
    }
    assert_eq!(number, all, "{kind:?}, {align}");
    assert_eq!(receiver.stats().operations, all);
    assert_eq!((receiver.stats().late_wakeups, receiver.stats().leaked), (0, 0));
    joined(sending);
}

#[test]
fn every_policy_on_every_kind_of_ring() {
    for kind in KINDS {
        for of_sender in POLICIES {
            for of_receiver in POLICIES {
                streams(kind, 8, [of_sender, of_receiver], 1500);
            }
        }
    }
}

#[test]
fn every_alignment_on_every_kind_of_ring() {
    for kind in KINDS {
        for align in ALIGNS {
            streams(kind, align, [Wait::Adaptive; 2], 1000);
        }
    }
}

/// A request and its answer, one at a time: no wake-up is lost with both ends
/// asleep most of the time.
#[test]
fn ping_and_pong() {
    for kind in KINDS {
        for policy in [Wait::Sleep, Wait::Adaptive] {
            let options = Options::new().capacity(page()).liveness_interval(FOR_EVER).wait(policy);
            let (_there, mut ask, mut asked) = kind.records_with(&options);
            let (_back, mut answer, mut answered) = kind.records_with(&options);
            let thread = thread::spawn(move || {
                while let Some(request) = asked.recv().unwrap() {
                    answer.kind(request.kind()).send(&request).unwrap();
                }
                answer.finish().unwrap();
            });
            for number in 0..1000 {
                send_record(&mut ask, number, 200).unwrap();
                let reply = answered.recv().unwrap().unwrap();
                check_record(&reply, reply.kind(), number, 200);
            }
            ask.finish().unwrap();
            assert!(answered.recv().unwrap().is_none());
            joined(thread);
        }
    }
}

type Waits<E, T> = fn(&mut E) -> Result<T, WriteError>;

/// An end that sleeps because the ring is full is woken when there is room for what it has, and
/// sleeps on if there is some, but not enough.
#[test]
fn a_sender_that_waits_for_room() {
    let waits: [Waits<Sender, ()>; 7] = [
        |s| s.send(&content(9, 1000)),
        |s| s.send_timeout(&content(9, 1000), FOR_EVER),
        |s| s.send_deadline(&content(9, 1000), Instant::now() + FOR_EVER),
        |s| s.send_vectored(&[std::io::IoSlice::new(&content(9, 1000))]),
        |s| {
            let mut reservation = s.reserve(1000)?;
            fill_content(&mut reservation, 9);
            reservation.commit()
        },
        |s| {
            let mut batch = s.batch();
            batch.send(&content(9, 1000))?;
            batch.commit()
        },
        |s| {
            let mut batch = s.batch();
            let mut reservation = batch.reserve(1000)?;
            fill_content(&mut reservation, 9);
            reservation.commit()?;
            batch.commit()
        },
    ];
    for kind in KINDS {
        for wait in waits {
            let (_name, mut sender, mut receiver) = kind.uncapped_records();
            let len = 504 - HEADER;
            let mut filled = 0;
            while sender.try_send(&content(filled, len)).is_ok() {
                filled += 1;
            }
            let thread = thread::spawn(move || wait(&mut sender).map(|()| sender));
            until("the sender sleeps", || receiver.peer().unwrap() == Peer::Waiting);
            for number in 0..filled {
                assert_eq!(receive(&mut receiver), (content(number, len), 0));
            }
            let record = receiver.recv().unwrap().unwrap();
            assert_eq!(record.len(), 1000);
            check_content(&record, 9);
            drop(record);
            let sender = joined(thread).unwrap();
            assert_eq!(sender.stats().late_wakeups, 0);
            assert_eq!(sender.stats().operations, filled + 1);
        }
    }
}

#[test]
fn a_receiver_that_waits_for_a_record() {
    type Wait = fn(&mut Receiver) -> Result<Vec<u8>, ReadError>;
    let waits: [Wait; 7] = [
        |r| r.recv().map(|record| record.unwrap().to_vec()),
        |r| r.recv_timeout(FOR_EVER).map(|record| record.unwrap().to_vec()),
        |r| r.recv_deadline(Instant::now() + FOR_EVER).map(|record| record.unwrap().to_vec()),
        |r| r.peek().map(|record| record.unwrap().to_vec()),
        |r| r.peek_timeout(FOR_EVER).map(|record| record.unwrap().to_vec()),
        |r| r.recv_batch().map(|batch| batch.unwrap().next().unwrap().unwrap().to_vec()),
        |r| {
            let batch = r.recv_batch_timeout(FOR_EVER)?;
            Ok(batch.unwrap().next().unwrap().unwrap().to_vec())
        },
    ];
    for kind in KINDS {
        for wait in waits {
            for len in [0, 300] {
                let (_name, mut sender, mut receiver) = kind.uncapped_records();
                let thread = thread::spawn(move || (wait(&mut receiver).unwrap(), receiver));
                until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
                sender.send(&content(4, len)).unwrap();
                let (found, receiver) = joined(thread);
                assert_eq!(found, content(4, len));
                assert_eq!(receiver.stats().late_wakeups, 0);
            }
        }
    }
}

/// A batch wakes a sleeper when it is committed.
#[test]
fn a_batch_wakes_the_receiver() {
    for kind in KINDS {
        let (_name, mut sender, mut receiver) = kind.uncapped_records();
        let thread = thread::spawn(move || {
            let mut records = receiver.recv_batch().unwrap().unwrap();
            for number in 0..10 {
                let view = records.next().unwrap().unwrap();
                check_record(&view, view.kind(), number, 90);
            }
            assert!(records.next().unwrap().is_none());
        });
        until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
        let mut batch = sender.batch();
        for number in 0..10 {
            let bytes = content(number, length(number, 90));
            batch.kind(kind_of(number)).send(&bytes).unwrap();
        }
        batch.commit().unwrap();
        joined(thread);
    }
}

#[test]
fn time_outs_are_kept() {
    for policy in POLICIES {
        for interval in [Duration::from_millis(1), Duration::from_millis(50), FOR_EVER] {
            let options = Options::new().capacity(page()).wait(policy).liveness_interval(interval);
            let (_name, mut sender, mut receiver) = KINDS[0].records_with(&options);
            let short = Duration::from_millis(8);
            let started = Instant::now();
            assert_fails!(receiver.recv_timeout(short), ReadError::Timeout);
            assert!(started.elapsed() >= short, "{policy:?} gave up early");
            fill_up(&mut sender);
            let started = Instant::now();
            assert_fails!(sender.send_timeout(b"", short), WriteError::Timeout);
            assert!(started.elapsed() >= short, "{policy:?} gave up early");
            receive(&mut receiver);
            sender.send_timeout(b"", short).unwrap();
        }
    }
}

/// Ends may be handed from thread to thread.
#[test]
fn ends_that_move() {
    let (_name, mut sender, mut receiver) = KINDS[1].records();
    for number in 0..50 {
        let sending = thread::spawn(move || {
            send_record(&mut sender, number, 90).unwrap();
            sender
        });
        let receiving = thread::spawn(move || {
            let record = receiver.recv().unwrap().unwrap();
            check_record(&record, record.kind(), number, 90);
            drop(record);
            receiver
        });
        (sender, receiver) = (joined(sending), joined(receiving));
    }
}
