//! Everything that several senders and a receiver can do, in one thread and at random, against a
//! simple list of what must come.

use crate::{assert_fails, many_support::*, stream_support::*};
use shmpipe::{
    Options, Trust,
    mpsc::{ProducerId, ReadError, Receiver, Sender, WriteError},
};
use std::{collections::VecDeque, mem::forget};

const LONGEST: usize = 400;

/// What the ring must hold: who sent which record, in the order in which the room was claimed.
type List = VecDeque<(ProducerId, u64)>;

/// A sender does something; returns how many records it has sent.
fn send(random: &mut Random, sender: &mut Sender, author: u64, next: u64, list: &mut List) -> u64 {
    let id = sender.id();
    let record = |number: u64| signed(author, number, LONGEST);
    let (kind, bytes) = record(next);
    let sent: Result<u64, WriteError> = match random.below(12) {
        0..=3 => sender.kind(kind).try_send(&bytes).map(|()| 1),
        4 => sender.kind(!kind).try_reserve(random.below(300) as usize).map(drop).map(|()| 0),
        5 => sender.kind(!kind).try_reserve(random.below(300) as usize).map(forget).map(|()| 0),
        6 | 7 => sender.try_reserve(LONGEST).map(|mut reservation| {
            reservation[..bytes.len()].copy_from_slice(&bytes);
            reservation.set_kind(kind);
            reservation.commit_truncated(bytes.len()).unwrap();
            1
        }),
        what => {
            let mut batch = sender.batch_of(random.below(3000) as usize);
            let mut gathered = 0;
            for _ in 0..random.below(6) {
                let (kind, bytes) = record(next + gathered);
                match batch.kind(kind).try_send(&bytes) {
                    Ok(()) => gathered += 1,
                    Err(WriteError::Full) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            match what {
                8 => {
                    drop(batch);
                    gathered = 0;
                }
                9 => {
                    forget(batch);
                    gathered = 0;
                }
                _ => batch.commit().unwrap(),
            }
            Ok(gathered)
        }
    };
    match sent {
        Ok(n) => {
            list.extend((next..next + n).map(|number| (id, number)));
            n
        }
        Err(WriteError::Full) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// The receiver does something with what there is.
fn receive(random: &mut Random, receiver: &mut Receiver, book: &mut Book, list: &mut List) {
    let operations = receiver.stats().operations;
    let before = list.len();
    let shown = match random.below(8) {
        0 => match receiver.try_peek() {
            Ok(view) => {
                let view = view.unwrap();
                let (_, number) = book.check(&view, view.kind(), view.producer());
                assert_eq!(Some(&(view.producer(), number)), list.front());
                return;
            }
            Err(ReadError::Empty) => 0,
            Err(error) => panic!("{error}"),
        },
        1 => {
            if let Ok(record) = receiver.try_recv() {
                let record = record.unwrap();
                let (_, number) = book.check(&record, record.kind(), record.producer());
                assert_eq!(Some(&(record.producer(), number)), list.front());
                forget(record);
            }
            return;
        }
        2..=4 => match receiver.try_recv() {
            Ok(record) => {
                let record = record.unwrap();
                let (_, number) = book.note(&record, record.kind(), record.producer());
                assert_eq!(Some((record.producer(), number)), list.pop_front());
                1
            }
            Err(ReadError::Empty) => 0,
            Err(error) => panic!("{error}"),
        },
        what => match receiver.try_recv_batch() {
            Ok(records) => {
                let mut records = records.unwrap();
                let most = random.below(9);
                let mut shown = 0;
                while shown < most
                    && let Some(view) = records.next().unwrap()
                {
                    let (_, number) = book.check(&view, view.kind(), view.producer());
                    assert_eq!(list.get(shown as usize), Some(&(view.producer(), number)));
                    if what > 5 {
                        book.note(&view, view.kind(), view.producer());
                    }
                    shown += 1;
                }
                if what == 5 {
                    return forget(records);
                }
                drop(records);
                list.drain(..shown as usize);
                shown
            }
            Err(ReadError::Empty) => 0,
            Err(error) => panic!("{error}"),
        },
    };
    if shown == 0 && before > 0 && list.len() == before {
        // Nothing may be hidden: only a claim that somebody forgot is in front of it.
        assert!(
            receiver.status().unwrap().held_up_by.is_some()
                || !matches!(receiver.try_peek(), Err(ReadError::Empty))
        );
    }
    assert_eq!(receiver.stats().operations, operations + shown);
}

fn at_random(rounds: u64, turns: u64) {
    let mut random = Random::new();
    for round in 0..rounds {
        let trust = [Trust::SameUser, Trust::AnyUser][round as usize % 2];
        let align = [8, 64, 128, 512][round as usize / 2 % 4];
        let options = Options::new().capacity(page() << (round % 3)).payload_align(align);
        let site = ManySite::with(round % 4 < 2, 5, &options);
        let options = Options::new().trust(trust);
        let mut receiver = site.receiver(&options);
        let mut authors = 0;
        let mut senders: Vec<(Sender, u64, u64)> = vec![];
        let (mut book, mut list) = (Book::new(LONGEST), List::new());
        for _ in 0..turns {
            match random.below(40) {
                0 if senders.len() < 4 => {
                    if let Ok(sender) = site.open(&options) {
                        authors += 1;
                        senders.push((sender, authors, 0));
                    }
                }
                1 if senders.len() > 1 => {
                    let leaves = random.below(senders.len() as u64) as usize;
                    let (sender, ..) = senders.swap_remove(leaves);
                    match random.below(3) {
                        0 => drop(sender),
                        1 => sender.finish().unwrap(),
                        _ => sender.fail(1),
                    }
                }
                2 => {
                    // The next one goes on where this one was.
                    drop(receiver);
                    receiver = site.receiver(&options);
                }
                3..=24 if !senders.is_empty() => {
                    let which = random.below(senders.len() as u64) as usize;
                    let (sender, author, next) = &mut senders[which];
                    *next += send(&mut random, sender, *author, *next, &mut list);
                }
                _ if !senders.is_empty() => {
                    receive(&mut random, &mut receiver, &mut book, &mut list)
                }
                _ => {}
            }
        }
        // Those who left a claim open find it out when they go.
        senders.clear();
        while let Some((id, number)) = list.pop_front() {
            let record = receiver.try_recv().unwrap().unwrap();
            let noted = book.note(&record, record.kind(), record.producer());
            assert_eq!((record.producer(), noted.1), (id, number));
        }
        if authors > 0 {
            assert_fails!(receiver.try_recv(), ReadError::Dropped | ReadError::Failed(1));
        }
        assert!(receiver.is_empty());
        assert_eq!(receiver.stats().repaired, 0);
        site.assert_free_seats(5);
    }
}

#[test]
fn operations_at_random() {
    at_random(60, 1500);
}

#[test]
#[ignore = "takes a minute"]
fn operations_at_random_for_long() {
    at_random(2000, 5000);
}
