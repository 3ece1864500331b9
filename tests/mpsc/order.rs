//! Many at once: each one's records come whole, once, and in its order.

use crate::{
    many_support::*,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::{
    Options, Trust, Wait,
    mpsc::{Receiver, Sender},
};
use std::{thread, time::Duration};

const LONGEST: usize = 300;

/// Sends this many records in every way, and finishes.
fn send_all(sender: &mut Sender, author: u64, records: u64) {
    let mut number = 0;
    while number < records {
        match (number + author) % 5 {
            0 => {
                let n = (records - number).min(1 + number % 7);
                let mut batch = sender.batch();
                for number in number..number + n {
                    let (kind, bytes) = signed(author, number, LONGEST);
                    batch.kind(kind).send(&bytes).unwrap();
                }
                batch.commit().unwrap();
                number += n;
                continue;
            }
            1 => {
                let (kind, bytes) = signed(author, number, LONGEST);
                let mut reservation = sender.reserve(LONGEST).unwrap();
                reservation[..bytes.len()].copy_from_slice(&bytes);
                reservation.set_kind(kind);
                reservation.commit_truncated(bytes.len()).unwrap();
            }
            2 => {
                drop(sender.reserve(LONGEST).unwrap());
                send_signed(sender, author, number, LONGEST).unwrap();
            }
            _ => send_signed(sender, author, number, LONGEST).unwrap(),
        }
        number += 1;
    }
}

fn receive_all(receiver: &mut Receiver, authors: u64, records: u64) {
    let mut book = Book::new(LONGEST);
    loop {
        if book.total().is_multiple_of(3) {
            let Some(mut batch) = receiver.recv_batch().unwrap() else { break };
            while let Some(view) = batch.next().unwrap() {
                book.note(&view, view.kind(), view.producer());
            }
        } else if receive_signed(receiver, &mut book, FOR_EVER).unwrap().is_none() {
            break;
        }
    }
    for author in 0..authors {
        assert_eq!(book.of(author), records, "of author {author}");
    }
    assert_eq!(receiver.stats().operations, authors * records);
    assert_eq!(receiver.stats().repaired, 0);
}

#[test]
fn of_processes() {
    alone(|| {
        let shapes = [(8, page()), (3, 1 << 16), (2, page())];
        for (turn, (authors, capacity)) in shapes.into_iter().enumerate() {
            for (named, wait) in [(true, Wait::Adaptive), (false, Wait::Sleep)] {
                let site = ManySite::new(named, authors as usize, capacity);
                // No cap hides a lost wake-up.
                let options = Options::new().wait(wait).liveness_interval(FOR_EVER);
                let records = 1500;
                let mut children: Vec<_> = (0..authors)
                    .map(|author| {
                        Child::fork(|line| {
                            let mut sender = site.sender(&options);
                            line.say("there");
                            line.expect("go");
                            send_all(&mut sender, author, records);
                            sender.finish().unwrap();
                        })
                    })
                    .collect();
                children.iter_mut().for_each(|child| child.expect("there"));
                let mut receiver = site.receiver(&options);
                children.iter_mut().for_each(|child| child.say("go"));
                receive_all(&mut receiver, authors, records);
                children.into_iter().for_each(Child::join);
                assert_eq!(receiver.ends().len() as u64, authors, "turn {turn}");
            }
        }
    });
}

#[test]
fn of_threads() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let site = ManySite::with(kind.named, 6, &options);
        let mut receiver = site.receiver(&options);
        let senders: Vec<_> = (0..6).map(|_| site.sender(&options)).collect();
        let threads: Vec<_> = senders
            .into_iter()
            .zip(0..)
            .map(|(mut sender, author)| {
                thread::spawn(move || {
                    send_all(&mut sender, author, 400);
                    sender.finish_and_wait().unwrap();
                })
            })
            .collect();
        receive_all(&mut receiver, 6, 400);
        threads.into_iter().for_each(joined);
    }
}

/// Total: what is sent after another record was received, or even only sent, comes after it.
#[test]
fn what_happens_before_comes_before() {
    let options = Options::new().capacity(page()).trust(Trust::SameUser);
    let site = ManySite::with(true, 8, &options);
    let mut receiver = site.receiver(&options);
    let mut senders: Vec<_> = (0..8).map(|_| site.sender(&options)).collect();
    let mut random = Random::new();
    let (mut sent, mut received) = (0_u64, 0_u64);
    for _ in 0..20_000 {
        let sender = &mut senders[random.below(8) as usize];
        if sender.try_send(&sent.to_ne_bytes()).is_ok() {
            sent += 1;
        }
        if random.below(3) > 0 {
            while let Ok(Some(record)) = receiver.recv_timeout(Duration::ZERO) {
                assert_eq!(*record, received.to_ne_bytes());
                received += 1;
                if random.below(3) == 0 {
                    break;
                }
            }
        }
    }
    assert!(received > 1000);
}
