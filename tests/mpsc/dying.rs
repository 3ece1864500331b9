//! Producers that die: with a claim open, several at once, one after the other in the same seat.
//!
//! That it may be at any instruction is the business of `tests/kill`; here it is where it hurts.

use crate::{
    assert_fails,
    many_support::*,
    record_support::*,
    stream_support::*,
    support::{Child, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    EndReason, OpenErrorKind, Options, Peer,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

fn soon() -> Options {
    Options::new().liveness_interval(Duration::from_millis(1))
}

/// A producer that does as it is told.
struct Puppet {
    child: Child,
    author: u64,
}

impl Puppet {
    fn new(site: &ManySite, author: u64) -> Self {
        let mut child = Child::fork(|line| {
            let mut sender = match site.open::<Sender>(&Options::new()) {
                Ok(sender) => sender,
                Err(error) => {
                    assert!(matches!(error.kind(), OpenErrorKind::TableFull { .. }), "{error}");
                    return line.say("full");
                }
            };
            line.say("there");
            loop {
                let order = line.hear();
                let number: u64 = order[1..].parse().unwrap();
                let (kind, bytes) = signed(author, number, 90);
                match &order[..1] {
                    "s" => sender.kind(kind).send(&bytes).unwrap(),
                    "r" => {
                        let mut reservation = sender.kind(kind).reserve(bytes.len()).unwrap();
                        reservation.copy_from_slice(&bytes);
                        line.say("claimed");
                        match line.hear().as_str() {
                            "commit" => reservation.commit().unwrap(),
                            "abort" => drop(reservation),
                            other => panic!("{other}"),
                        }
                    }
                    "b" => {
                        let mut batch = sender.batch_of(900);
                        for number in number..number + 3 {
                            let (kind, bytes) = signed(author, number, 90);
                            batch.kind(kind).send(&bytes).unwrap();
                        }
                        line.say("claimed");
                        match line.hear().as_str() {
                            "commit" => batch.commit().unwrap(),
                            "abort" => drop(batch),
                            other => panic!("{other}"),
                        }
                    }
                    _ => return line.say("gone"),
                }
                line.say("done");
            }
        });
        let word = child.hear();
        assert_eq!(word, "there");
        Self { child, author }
    }

    fn send(&mut self, number: u64) {
        self.child.say(format!("s{number}"));
        self.child.expect("done");
    }

    fn claim(&mut self, number: u64, batch: bool) {
        self.child.say(format!("{}{number}", if batch { "b" } else { "r" }));
        self.child.expect("claimed");
    }

    fn settle(&mut self, how: &str) {
        self.child.say(how);
        self.child.expect("done");
    }
}

/// All of them, and what they had committed comes; the rest is passed over, and
/// the stream has ended.
#[test]
fn all_of_them_with_their_claims_open() {
    alone(|| {
        for waiting in [false, true] {
            for site in ManySite::each(6) {
                let mut receiver = Some(site.receiver(&soon()));
                let mut puppets: Vec<_> = (0..6).map(|author| Puppet::new(&site, author)).collect();
                // Committed ones in front of, between and behind the claims.
                for puppet in &mut puppets {
                    if puppet.author % 2 == 0 {
                        puppet.send(0);
                        puppet.claim(1, puppet.author == 2);
                    } else {
                        puppet.claim(0, false);
                    }
                }
                let mut receive_all = move || {
                    let mut receiver = receiver.take().unwrap();
                    let mut book = Book::new(90);
                    let error = loop {
                        match receive_signed(&mut receiver, &mut book, FOR_EVER) {
                            Ok(record) => drop(record.unwrap()),
                            Err(error) => break error,
                        }
                    };
                    (error, book, receiver)
                };
                let (error, book, mut receiver) = if waiting {
                    let waiting = thread::spawn(receive_all);
                    let words = site.words();
                    until("the receiver sleeps", || words.is_parked(DATA_PARKED));
                    puppets.into_iter().for_each(|puppet| puppet.child.kill());
                    joined(waiting)
                } else {
                    puppets.into_iter().for_each(|puppet| puppet.child.kill());
                    receive_all()
                };
                assert!(matches!(error, ReadError::Died), "{error:?}");
                for author in 0..6 {
                    assert_eq!(book.of(author), 1 - author % 2, "of author {author}");
                }
                assert_eq!(receiver.stats().repaired, 6);
                assert_eq!(receiver.status().unwrap().repaired, 6);
                let ends: Vec<_> = receiver.ends().iter().map(|end| end.reason).collect();
                assert_eq!(ends, [EndReason::Died; 6]);
                assert!(receiver.is_empty());
                site.assert_free_seats(6);
                let mut sender = site.sender(&Options::new());
                sender.send(&content(1, page())).unwrap();
                assert_eq!(*receiver.recv().unwrap().unwrap(), *content(1, page()));
            }
        }
    });
}

/// Nobody was there to pass the claims over; who comes, comes to a ring that goes on.
#[test]
fn before_any_receiver_comes() {
    alone(|| {
        for site in ManySite::each(3) {
            let mut dead = Puppet::new(&site, 1);
            dead.send(0);
            dead.claim(1, false);
            let mut survivor = site.sender(&Options::new());
            send_signed(&mut survivor, 0, 0, 90).unwrap();
            let mut second = Puppet::new(&site, 2);
            second.claim(0, true);
            dead.child.kill();
            second.child.kill();
            send_signed(&mut survivor, 0, 1, 90).unwrap();
            // Both seats are of no use before somebody has passed the claims over.
            let error = site.open::<Sender>(&Options::new()).map(drop).unwrap_err();
            assert!(
                matches!(error.kind(), OpenErrorKind::TableFull { limit: 3, pids } if pids[..] == [std::process::id()]),
                "{error}"
            );
            let mut receiver = site.receiver(&soon());
            let mut book = Book::new(90);
            for expected in [(1, 0), (0, 0), (0, 1)] {
                let received = receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap();
                assert_eq!(received, Some(expected));
            }
            assert_eq!(receiver.stats().repaired, 2);
            site.assert_free_seats(2);
        }
    });
}

/// The claim of the dead at the head of a full ring, and everybody asleep behind it.
#[test]
fn a_full_ring_behind_a_dead_ones_claim() {
    alone(|| {
        for site in ManySite::each(6) {
            // Only a wake-up wakes them.
            let uncapped = Options::new().liveness_interval(FOR_EVER);
            let mut receiver = site.receiver(&Options::new());
            let mut dead = Puppet::new(&site, 9);
            dead.claim(0, false);
            let children: Vec<_> = (0..4)
                .map(|author| {
                    Child::fork(|_| {
                        let mut sender = site.sender(&uncapped);
                        for number in 0..100 {
                            send_signed(&mut sender, author, number, 300).unwrap();
                        }
                        sender.finish().unwrap();
                    })
                })
                .collect();
            until("all are asleep", || {
                let status = receiver.status().unwrap();
                status.producers.iter().filter(|one| one.state == Peer::Waiting).count() == 4
            });
            assert_fails!(receiver.recv_timeout(Duration::from_millis(100)), ReadError::Timeout);
            dead.child.kill();
            let killed = Instant::now();
            let mut book = Book::new(300);
            let end = loop {
                match receive_signed(&mut receiver, &mut book, FOR_EVER) {
                    Ok(Some(_)) if book.total() == 1 => {
                        println!("the first record came after {:?}", killed.elapsed());
                    }
                    Ok(Some(_)) => {}
                    end => break end,
                }
            };
            assert!(matches!(end, Err(ReadError::Died)), "{end:?}");
            assert_eq!((book.total(), receiver.stats().repaired), (400, 1));
            children.into_iter().for_each(Child::join);
        }
    });
}

/// A receiver that never waits finds out, too.
#[test]
fn with_the_forms_that_do_not_wait() {
    alone(|| {
        for site in ManySite::each(3) {
            let mut receiver = site.receiver(&soon());
            let mut survivor = site.sender(&Options::new());
            let mut dead = Puppet::new(&site, 1);
            dead.claim(0, false);
            send_signed(&mut survivor, 0, 0, 90).unwrap();
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            dead.child.kill();
            until("it is found out", || match receiver.try_recv() {
                Ok(record) => record.is_some(),
                Err(ReadError::Empty) => false,
                Err(error) => panic!("{error}"),
            });
            assert_eq!(receiver.stats().repaired, 1);
        }
    });
}

/// One claim of the ring, as the test knows it.
#[derive(Debug)]
struct Claimed {
    author: u64,
    numbers: std::ops::Range<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    Void,
}

/// Producers come, claim, commit, give up and die in any order, and what comes
/// is what a simple list says.
fn as_a_list_says(site: &ManySite, rounds: usize) {
    let mut random = Random::new();
    let mut receiver = site.receiver(&soon());
    let mut survivor = site.sender(&Options::new());
    let mut survivor_sent = 0;
    let mut puppets: Vec<(Puppet, u64, Option<u64>)> = vec![];
    let mut list: VecDeque<Claimed> = VecDeque::new();
    let mut book = Book::new(90);
    let (mut authors, mut dead, mut open_dead) = (0, 0, 0);
    let settle = |list: &mut VecDeque<Claimed>, author, state| {
        let claimed = list.iter_mut().find(|one| one.author == author && one.state == State::Open);
        claimed.expect("it is in the list").state = state;
    };
    for _ in 0..rounds {
        let which = random.below(puppets.len().max(1) as u64) as usize;
        match random.below(12) {
            // As many as there are seats for sure: what is left of the dead may take some.
            0..=2 if puppets.len() < 4 => {
                authors += 1;
                let puppet = match site.open::<Sender>(&Options::new()) {
                    Err(_) => continue,
                    Ok(sender) => {
                        drop(sender);
                        Puppet::new(site, authors)
                    }
                };
                puppets.push((puppet, 0, None));
            }
            3..=4 => {
                // The ring has room for all that is ever in the list.
                if list.len() < 20 {
                    send_signed(&mut survivor, 0, survivor_sent, 90).unwrap();
                    let numbers = survivor_sent..survivor_sent + 1;
                    list.push_back(Claimed { author: 0, numbers, state: State::Committed });
                    survivor_sent += 1;
                }
            }
            5..=7 if !puppets.is_empty() => {
                let (puppet, next, open) = &mut puppets[which];
                match open.take() {
                    None if list.len() < 9 => {
                        let batch = random.below(3) == 0;
                        let n = if batch { 3 } else { 1 };
                        puppet.claim(*next, batch);
                        let numbers = *next..*next + n;
                        list.push_back(Claimed {
                            author: puppet.author,
                            numbers,
                            state: State::Open,
                        });
                        *open = Some(n);
                    }
                    None => {}
                    Some(n) if random.below(4) > 0 => {
                        puppet.settle("commit");
                        settle(&mut list, puppet.author, State::Committed);
                        *next += n;
                    }
                    Some(_) => {
                        puppet.settle("abort");
                        settle(&mut list, puppet.author, State::Void);
                    }
                }
            }
            8 if !puppets.is_empty() => {
                let (puppet, _, open) = puppets.swap_remove(which);
                puppet.child.kill();
                dead += 1;
                if open.is_some() {
                    settle(&mut list, puppet.author, State::Void);
                    open_dead += 1;
                }
            }
            _ => {
                // All that can come comes: up to the first claim that is open.
                while list.front().is_some_and(|one| one.state != State::Open) {
                    let one = list.pop_front().unwrap();
                    if one.state == State::Void {
                        continue;
                    }
                    for number in one.numbers {
                        let received = receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap();
                        assert_eq!(received, Some((one.author, number)));
                    }
                }
                if random.below(20) == 0 {
                    let time = Duration::from_millis(4);
                    assert_fails!(receiver.recv_timeout(time), ReadError::Timeout);
                }
            }
        }
    }
    for (puppet, _, open) in puppets {
        puppet.child.kill();
        dead += 1;
        if open.is_some() {
            settle(&mut list, puppet.author, State::Void);
            open_dead += 1;
        }
    }
    for one in list {
        assert_ne!(one.state, State::Open);
        for number in one.numbers.filter(|_| one.state == State::Committed) {
            let received = receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap();
            assert_eq!(received, Some((one.author, number)));
        }
    }
    eventually("the last claims to be passed over", || {
        assert_fails!(receiver.try_recv(), ReadError::Empty);
        receiver.is_empty().then_some(())
    });
    assert_eq!(receiver.stats().repaired, open_dead);
    site.assert_free_seats(site.producers - 1);
    println!("{dead} died, {open_dead} with a claim, {} records came", book.total());
    assert!(open_dead > 3 && book.total() > 30);
}

#[test]
fn in_any_order() {
    alone(|| {
        for named in [true, false] {
            as_a_list_says(&ManySite::new(named, 5, 1 << 14), 1500);
        }
    });
}

#[test]
#[ignore = "takes a minute"]
fn in_any_order_for_long() {
    alone(|| {
        for producers in [2, 3, 5, 64] {
            for named in [true, false] {
                as_a_list_says(&ManySite::new(named, producers, 1 << 14), 6000);
            }
        }
    });
}

/// One after the other in a seat, each of them dead before it did anything: nobody waits for them.
#[test]
fn deaths_in_one_seat() {
    alone(|| {
        for site in ManySite::each(2) {
            let mut receiver = site.receiver(&soon());
            let mut survivor = site.sender(&Options::new());
            let mut deaths = 0;
            for round in 0..60 {
                let claims = round % 3;
                let mut child = Child::fork(|line| {
                    let mut sender = site.sender(&Options::new());
                    if claims > 0 {
                        let reservation = sender.reserve(10).unwrap();
                        line.say("there");
                        std::mem::forget(reservation);
                    } else {
                        line.say("there");
                    }
                    wait_to_be_killed();
                });
                child.expect("there");
                child.kill();
                deaths += u64::from(claims > 0);
                if claims == 1 {
                    // Somebody finds the death out before the receiver does.
                    assert!(site.open::<Sender>(&Options::new()).is_err());
                }
                survivor.send(b"on").unwrap();
                assert_eq!(*receiver.recv().unwrap().unwrap(), *b"on");
                assert_eq!(receiver.stats().repaired, deaths);
            }
        }
    });
}

/// What the dead left of the numbers: the next one is another producer, also for who asks later.
#[test]
fn the_status_of_the_dead() {
    alone(|| {
        let site = ManySite::new(true, 3, page());
        let receiver: Receiver = site.receiver(&soon());
        let mut survivor = site.sender(&Options::new());
        let mut dead = Puppet::new(&site, 1);
        dead.claim(0, false);
        let pid = dead.child.pid();
        let status = survivor.status().unwrap();
        let one = status.producers.iter().find(|one| one.pid == pid).expect("it is there");
        assert!(matches!(one.state, Peer::Alive), "{one:?}");
        assert_eq!(status.held_up_by, Some(one.id));
        dead.child.kill();
        let status = survivor.status().unwrap();
        let one = status.producers.iter().find(|one| one.pid == pid).expect("it was there");
        assert_eq!(one.state, Peer::Died);
        assert_eq!(status.held_up_by, Some(one.id));
        assert_fails!(survivor.try_send(&vec![0; page()]), WriteError::Full);
        drop(receiver);
    });
}
