//! Receivers are killed at random, and producers too: whoever takes over goes on at the
//! first record that was not released. Every committed record is received at least once,
//! and each producer's in its order.
//!
//! The long form:
//!
//! ```text
//! cargo test --release --test mpsc -- --ignored --nocapture killed
//! ```

use crate::{
    many_support::*,
    record_support::*,
    stream_support::*,
    support::{Child, Shared, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    Options, Peer,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    sync::atomic::Ordering::SeqCst,
    thread,
    time::{Duration, Instant},
};

const LONGEST: usize = 200;
const AUTHORS: usize = 3;

/// Of each author, in the shared words: how many records are sent for sure, how many were received,
/// and how many released for sure.
const SENT: usize = 0;
const RECEIVED: usize = AUTHORS;
const RELEASED: usize = 2 * AUTHORS;
/// The authors are to stop.
const STOP: usize = 3 * AUTHORS;

fn options() -> Options {
    Options::new().liveness_interval(Duration::from_millis(2))
}

/// Sends in every way until told to stop, whoever receives.
fn send_on(site: &ManySite, said: &Shared, author: usize) {
    let mut sender: Sender = site.sender(&options());
    let mut number = 0;
    for turn in 0_u64.. {
        if said[STOP].load(SeqCst) != 0 {
            return sender.finish().unwrap();
        }
        let mut n = 1;
        let sent = match turn % 3 {
            0 => {
                // As many as there is room for: a form that waits could publish some and then fail.
                let mut batch = sender.batch_of((1 + turn as usize % 5) * (LONGEST + BLOCK));
                n = 0;
                for number in number..number + 1 + turn % 5 {
                    let (kind, bytes) = signed(author as u64, number, LONGEST);
                    match batch.kind(kind).try_send(&bytes) {
                        Ok(()) => n += 1,
                        Err(WriteError::Full | WriteError::ReaderDied) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                batch.commit()
            }
            1 => {
                let (kind, bytes) = signed(author as u64, number, LONGEST);
                sender.kind(kind).send(&bytes)
            }
            _ => {
                let (kind, bytes) = signed(author as u64, number, LONGEST);
                sender.reserve(LONGEST).map(drop).and_then(|()| sender.kind(kind).send(&bytes))
            }
        };
        match sent {
            Ok(()) => {
                number += n;
                said[SENT + author].store(number, SeqCst);
            }
            Err(WriteError::ReaderDied) => until("another receiver", || {
                said[STOP].load(SeqCst) != 0 || sender.peer().unwrap() != Peer::Died
            }),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Receives, and says so before each release and after it; to the end of the
/// stream, if there is one.
fn receive_on(receiver: &mut Receiver, said: &Shared) {
    let mut book = Book::new(LONGEST);
    // Where this one took up each author's records.
    let mut first = [None; AUTHORS];
    let mut note = |book: &mut Book, bytes: &[u8], kind, producer| {
        let (author, number) = book.check(bytes, kind, producer);
        let author = author as usize;
        let received = &said[RECEIVED + author];
        match first[author] {
            None => {
                assert!(number <= received.load(SeqCst), "record {number} of {author} is too far");
                let released = said[RELEASED + author].load(SeqCst);
                assert!(number >= released, "record {number} of {author} comes after its release");
                first[author] = Some(number);
            }
            Some(next) => assert_eq!(number, next, "the next of {author}"),
        }
        first[author] = Some(number + 1);
        received.fetch_max(number + 1, SeqCst);
        (author, number)
    };
    let mut turn = 0;
    let mut shown = vec![];
    loop {
        turn += 1;
        shown.clear();
        if turn % 3 == 0 {
            let Some(mut records) = receiver.recv_batch().unwrap() else { return };
            while let Some(view) = records.next().unwrap() {
                shown.push(note(&mut book, &view, view.kind(), view.producer()));
                if shown.len() % 5 == turn % 7 {
                    break;
                }
            }
        } else {
            let Some(record) = receiver.recv().unwrap() else { return };
            shown.push(note(&mut book, &record, record.kind(), record.producer()));
        }
        for (author, number) in &shown {
            said[RELEASED + author].fetch_max(number + 1, SeqCst);
        }
    }
}

fn receivers_die(named: bool, is_over: impl Fn(u64) -> bool) {
    let site = ManySite::new(named, AUTHORS, page());
    let said = Shared::new();
    let mut random = Random::new();
    let authors: Vec<_> =
        (0..AUTHORS).map(|author| Child::fork(|_| send_on(&site, &said, author))).collect();
    let mut deaths = 0;
    while !is_over(deaths) {
        let mut victim = Child::fork(|line| {
            let mut receiver = site.receiver(&options());
            line.say("there");
            receive_on(&mut receiver, &said);
        });
        victim.expect("there");
        thread::sleep(random.delay());
        victim.signal(libc::SIGKILL);
        assert_eq!(victim.status(), libc::SIGKILL, "it found something wrong");
        deaths += 1;
    }
    said[STOP].store(1, SeqCst);
    let last = Child::fork(|_| receive_on(&mut site.receiver(&options()), &said));
    authors.into_iter().for_each(Child::join);
    last.join();
    let count = |at: usize| said[at..at + AUTHORS].iter().map(|n| n.load(SeqCst)).sum::<u64>();
    for author in 0..AUTHORS {
        let [sent, received] = [SENT, RECEIVED].map(|at| said[at + author].load(SeqCst));
        assert_eq!(received, sent, "of author {author}");
        assert!(sent > 0);
    }
    println!("{deaths} receivers died, {} records came", count(RECEIVED));
    site.assert_free_seats(AUTHORS);
}

#[test]
fn receivers_killed_at_random() {
    alone(|| [true, false].into_iter().for_each(|named| receivers_die(named, |n| n >= 150)));
}

#[test]
#[ignore = "takes a minute"]
fn receivers_killed_at_random_for_long() {
    alone(|| {
        for named in [true, false] {
            let end = Instant::now() + Duration::from_secs(40);
            receivers_die(named, |_| Instant::now() > end);
        }
    });
}

/// Where a receiver stands when it dies: what was released before is gone, the rest comes again.
#[test]
fn in_the_middle_of_a_claim() {
    alone(|| {
        for align in [8, 512] {
            for named in [true, false] {
                for released in 0..=9 {
                    let options = Options::new().capacity(1 << 15).payload_align(align);
                    let site = ManySite::with(named, 3, &options);
                    let (mut one, mut other) =
                        (site.sender(&Options::new()), site.sender(&Options::new()));
                    // A batch, one that is given up, another, a single one.
                    let mut number = 0;
                    let mut batch_of = |sender: &mut Sender, n| {
                        let mut batch = sender.batch_of(n * align.max(128) + 512);
                        for _ in 0..n {
                            batch.send(&content(number, 100)).unwrap();
                            number += 1;
                        }
                        batch.commit().unwrap();
                    };
                    batch_of(&mut one, 4);
                    drop(other.reserve(100).unwrap());
                    batch_of(&mut other, 4);
                    one.send(&content(8, 100)).unwrap();
                    let mut child = Child::fork(|line| {
                        let mut receiver = site.receiver(&Options::new());
                        if released % 2 == 0 {
                            for number in 0..released {
                                assert_eq!(
                                    *receiver.recv().unwrap().unwrap(),
                                    *content(number, 100)
                                );
                            }
                        } else {
                            let mut records = receiver.recv_batch().unwrap().unwrap();
                            for number in 0..released {
                                assert_eq!(
                                    *records.next().unwrap().unwrap(),
                                    *content(number, 100)
                                );
                            }
                        }
                        if released < 8 {
                            // Held, and shown: not released.
                            let mut records = receiver.recv_batch().unwrap().unwrap();
                            records.next().unwrap().unwrap();
                            std::mem::forget(records);
                        }
                        line.say("there");
                        wait_to_be_killed();
                    });
                    child.expect("there");
                    child.kill();
                    let mut receiver = site.receiver(&Options::new());
                    for number in released..9 {
                        let record = receiver.try_recv().unwrap().unwrap();
                        assert_eq!(*record, *content(number, 100), "after {released}");
                        let id = if number < 4 || number == 8 { one.id() } else { other.id() };
                        assert_eq!(record.producer(), id);
                    }
                    assert!(matches!(receiver.try_recv(), Err(ReadError::Empty)));
                    assert!(receiver.is_empty());
                    // Also one that leaves in good order, and the next.
                    batch_of(&mut one, 3);
                    receiver.recv().unwrap().unwrap();
                    drop(receiver);
                    let mut receiver = site.receiver(&Options::new());
                    for number in 9..11 {
                        let record = receiver.try_recv().unwrap().unwrap();
                        assert_eq!(*record, *content(number, 100));
                    }
                }
            }
        }
    });
}

/// The receiver and a producer with an open claim are killed, in either order;
/// the next passes the claim over.
#[test]
fn what_a_dead_receiver_was_about_to_repair() {
    alone(|| {
        for site in ManySite::each(3) {
            for round in 0..20 {
                let mut survivor = site.sender(&Options::new());
                let mut receiver = Child::fork(|line| {
                    let mut receiver = site.receiver(&options());
                    line.say("there");
                    receiver.recv().unwrap().unwrap();
                    wait_to_be_killed();
                });
                receiver.expect("there");
                let mut producer = Child::fork(|line| {
                    let mut sender = site.sender(&Options::new());
                    std::mem::forget(sender.reserve(70).unwrap());
                    line.say("claimed");
                    wait_to_be_killed();
                });
                producer.expect("claimed");
                survivor.send(&content(round, 50)).unwrap();
                match round % 3 {
                    0 => {
                        receiver.kill();
                        producer.kill();
                    }
                    1 => {
                        producer.kill();
                        receiver.kill();
                    }
                    _ => {
                        producer.kill();
                        thread::sleep(Duration::from_micros(round * 300));
                        receiver.kill();
                    }
                }
                let mut receiver = site.receiver(&options());
                if round % 3 != 2 || receiver.unread() > 0 {
                    let got = eventually("the record behind the claim", || {
                        match receiver.try_recv().map(|record| record.unwrap().to_vec()) {
                            Ok(bytes) => Some(bytes),
                            Err(ReadError::Empty) if round % 3 > 0 && receiver.is_empty() => {
                                Some(vec![])
                            }
                            Err(ReadError::Empty) => None,
                            Err(error) => panic!("{error}"),
                        }
                    });
                    // The one before may have received it, if there was time to.
                    assert!(got.is_empty() || got == content(round, 50));
                }
                assert!(receiver.is_empty());
                drop(survivor);
                site.assert_free_seats(3);
            }
        }
    });
}
