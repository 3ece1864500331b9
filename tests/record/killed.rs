//! SIGKILL at any moment: every record that was sent comes exactly once, whole and in order to a
//! receiver that lives, at least once to those that take over; and who comes next goes on.
//!
//! A thousand deaths in all. The long form has a hundred times as many:
//!
//! ```text
//! cargo test --release --test record -- --ignored --nocapture --test-threads=1 killed
//! ```

use crate::{
    mortal::*,
    record_support::*,
    stream_support::*,
    support::{Child, Shared, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    OpenErrorKind, Options, Peer,
    record::{ReadError, Sender, WriteError},
};
use std::{
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

/// Deaths in each of four kinds of rings and each of two tests, and in the third one.
const SHORT: usize = 75;
/// At most this long per kind of ring: a test must be over in 150 seconds.
const LONG: Duration = Duration::from_secs(30);

/// How many deaths there shall be.
#[derive(Clone, Copy)]
enum Until {
    Deaths(usize),
    Time(Instant),
}

impl Until {
    fn is_over(self, deaths: usize) -> bool {
        match self {
            Self::Deaths(n) => deaths >= n,
            Self::Time(end) => Instant::now() >= end,
        }
    }
}

/// Deaths are noticed soon, for the sake of more rounds.
fn options() -> Options {
    Options::new().liveness_interval(Duration::from_millis(2))
}

fn senders_die(align: usize, until: impl Fn() -> Until) {
    let mut random = Random::new();
    for site in RecordSite::each(align) {
        let mut receiver = site.receiver(&options());
        let words = site.words();
        let (mut position, mut deaths, end) = (0, 0, until());
        while !end.is_over(deaths) {
            let mut victim = Child::fork(|line| {
                let mut sender = site.sender(&options().resume());
                line.say("attached");
                send_for_ever(&site, &mut sender);
            });
            victim.expect("attached");
            let killer = kill_after(random.delay(), victim);
            let error = loop {
                match recv_some(&mut receiver, position, align, &mut |_| {}) {
                    Ok(at) => position = at.expect("nobody has finished"),
                    Err(error) => break error,
                }
            };
            killer.join().unwrap();
            assert!(matches!(error, ReadError::Died), "{error:?}");
            assert_eq!(position, words.get(TAIL), "every record that was sent has come");
            assert_eq!(words.get(HEAD), position);
            deaths += 1;
        }
        println!("{deaths} senders died, {position} bytes came");
        assert!(position > 0);
    }
}

fn receivers_die(align: usize, until: impl Fn() -> Until) {
    let mut random = Random::new();
    for site in RecordSite::each(align) {
        // What the receivers say: how far they may have released, and how far they have.
        let said = Shared::new();
        let mut sender = site.sender(&options());
        let (mut position, mut deaths, mut turn, end) = (0, 0, 0, until());
        while !end.is_over(deaths) {
            let mut victim = Child::fork(|line| {
                let mut receiver = site.receiver(&options());
                let mut position = takes_up(&site, &said);
                line.say("attached");
                loop {
                    let at =
                        recv_some(&mut receiver, position, align, &mut |says| note(&said, says));
                    position = at.unwrap().expect("nobody has finished");
                }
            });
            victim.expect("attached");
            let killer = kill_after(random.delay(), victim);
            let error = loop {
                match send_some(&site, &mut sender, &mut position, turn) {
                    Ok(()) => turn += 1,
                    Err(error) => break error,
                }
            };
            killer.join().unwrap();
            assert!(matches!(error, WriteError::ReaderDied), "{error:?}");
            deaths += 1;
        }
        let mut receiver = site.receiver(&options());
        let mut at = takes_up(&site, &said);
        assert_eq!(sender.unread() as u64, position - at);
        sender.finish().unwrap();
        while let Some(next) = recv_some(&mut receiver, at, align, &mut |_| {}).unwrap() {
            at = next;
        }
        assert_eq!(at, position);
        println!("{deaths} receivers died, {position} bytes were sent");
        assert!(position > 0);
    }
}

fn note(said: &Shared, says: Said) {
    match says {
        Said::Holds(at) => said[0].store(at, Relaxed),
        Said::Released(at) => said[1].store(at, Relaxed),
    }
}

/// Where a receiver begins: not before what was released, and not behind what was only held.
fn takes_up(site: &RecordSite, said: &Shared) -> u64 {
    let head = site.words().get(HEAD);
    let (held, released) = (said[0].load(Relaxed), said[1].load(Relaxed));
    assert!(released <= head && head <= held.max(released), "{released} {head} {held}");
    // Only the release of the last guard may have gone unsaid.
    assert!(head == released || head == held, "{released} {head} {held}");
    // Whoever comes next is not to be told again by one who dies with his first guard.
    note(said, Said::Released(head));
    head
}

/// Both ends are processes that come and go.
fn either_dies(align: usize, end: Until) {
    let mut random = Random::new();
    let site = RecordSite::new(true, align);
    let said = Shared::new();
    let send = || {
        let mut child = Child::fork(|line| {
            // The receiver must have been told of all deaths but the last.
            let mut sender = eventually("a place for another stream", || {
                match site.open::<Sender>(&options().resume()) {
                    Ok(sender) => Some(sender),
                    Err(error) if matches!(error.kind(), OpenErrorKind::Unfinished { .. }) => None,
                    Err(error) => panic!("{error}"),
                }
            });
            line.say("attached");
            send_for_ever(&site, &mut sender);
        });
        child.expect("attached");
        child
    };
    let receive = || {
        let mut child = Child::fork(|line| {
            let mut receiver = site.receiver(&options());
            let mut position = takes_up(&site, &said);
            line.say("attached");
            loop {
                match recv_some(&mut receiver, position, align, &mut |says| note(&said, says)) {
                    Ok(at) => position = at.expect("nobody has finished"),
                    // Another comes.
                    Err(ReadError::Died) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        child.expect("attached");
        child
    };
    let (mut sender, mut receiver) = (Some(send()), Some(receive()));
    let mut deaths = 0;
    while !end.is_over(deaths) {
        thread::sleep(random.delay());
        let both = random.below(4);
        for (which, child) in [&mut sender, &mut receiver].into_iter().enumerate() {
            if both == 3 || both % 2 == which as u64 {
                let victim = child.take().unwrap();
                victim.signal(libc::SIGKILL);
                assert_eq!(victim.status(), libc::SIGKILL, "it had come to an end by itself");
                deaths += 1;
            }
        }
        receiver.get_or_insert_with(receive);
        sender.get_or_insert_with(send);
    }
    sender.take().unwrap().kill();
    // The last one gets all that there is.
    let words = site.words();
    until("all was received", || words.get(HEAD) == words.get(TAIL));
    receiver.take().unwrap().kill();
    takes_up(&site, &said);
    println!("{deaths} died, {} bytes came", words.get(HEAD));
    assert!(words.get(HEAD) > 0);
}

fn deaths() -> Until {
    Until::Deaths(SHORT)
}

fn long() -> Until {
    Until::Time(Instant::now() + LONG)
}

#[test]
fn senders_killed_at_random() {
    alone(|| [8, 128].into_iter().for_each(|align| senders_die(align, deaths)));
}

#[test]
fn receivers_killed_at_random() {
    alone(|| [8, 128].into_iter().for_each(|align| receivers_die(align, deaths)));
}

#[test]
fn either_end_killed_at_random() {
    alone(|| [8, 64].into_iter().for_each(|align| either_dies(align, Until::Deaths(200))));
}

#[test]
#[ignore = "takes two minutes"]
fn senders_killed_at_random_for_long() {
    alone(|| [8, 128].into_iter().for_each(|align| senders_die(align, long)));
}

#[test]
#[ignore = "takes two minutes"]
fn receivers_killed_at_random_for_long() {
    alone(|| [8, 128].into_iter().for_each(|align| receivers_die(align, long)));
}

#[test]
#[ignore = "takes a minute"]
fn either_end_killed_at_random_for_long() {
    alone(|| [8, 64].into_iter().for_each(|align| either_dies(align, long())));
}

/// One that is killed in its sleep is taken over like any other.
#[test]
fn killed_asleep() {
    alone(|| {
        for site in RecordSite::each(8) {
            let mut sender = site.sender(&Options::new());
            let victim = Child::fork(|_| {
                let mut receiver = site.receiver(&Options::new());
                let _ = receiver.recv();
                wait_to_be_killed();
            });
            until("the receiver sleeps", || sender.peer().unwrap() == Peer::Waiting);
            victim.kill();
            let mut receiver = site.receiver(&Options::new());
            send_record(&mut sender, 0, 90).unwrap();
            receive_record(&mut receiver, 0, 90);
            drop(sender);
            assert!(matches!(receiver.recv(), Err(ReadError::Dropped)));

            let victim = Child::fork(|_| {
                let mut sender = site.sender(&Options::new().resume());
                while sender.send(&content(3, 72)).is_ok() {}
            });
            until("the sender sleeps", || {
                receiver.peer().unwrap() == Peer::Waiting && receiver.unread() > page() - 80
            });
            victim.kill();
            let mut sender = site.sender(&Options::new().resume());
            let mut records = 0;
            let error = loop {
                match receiver.recv() {
                    Ok(record) => assert_eq!(*record.unwrap(), content(3, 72)),
                    Err(error) => break error,
                }
                records += 1;
            };
            assert!(matches!(error, ReadError::Died), "{error:?}");
            assert_eq!(records, page() / 80);
            send_record(&mut sender, 1, 90).unwrap();
            receive_record(&mut receiver, 1, 90);
        }
    });
}
