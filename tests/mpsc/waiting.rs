//! Several producers asleep for room at once. Where nothing else is said their sleeps have no cap,
//! so that a wake-up that is lost is a test that hangs.

use crate::{
    assert_fails,
    many_support::*,
    record_support::*,
    stream_support::*,
    support::{Child, Shared, alone, wait_to_be_killed},
};
use nix::sys::resource::UsageWho;
use shmpipe::{
    Options, Peer, Wait,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

fn uncapped(policy: Wait) -> Options {
    Options::new().liveness_interval(FOR_EVER).wait(policy)
}

/// How many producers are asleep.
fn asleep(receiver: &Receiver) -> usize {
    let status = receiver.status().unwrap();
    status.producers.iter().filter(|one| one.state == Peer::Waiting).count()
}

/// A sender in a thread that sends one record of so many bytes.
fn sending(mut sender: Sender, author: u64, len: usize) -> JoinHandle<Sender> {
    thread::spawn(move || {
        sender.kind(author as u32).send(&content(author, len)).unwrap();
        sender
    })
}

/// Room that one of them can use wakes it, whoever else sleeps; and none is
/// left asleep beside room for it.
#[test]
fn each_is_woken_when_there_is_room_for_it() {
    for policy in [Wait::Sleep, Wait::Adaptive] {
        for site in ManySite::each(12) {
            let mut receiver = site.receiver(&uncapped(policy));
            let mut filler = site.sender(&uncapped(policy));
            for number in 0..(page() / BLOCK) as u64 {
                filler.try_send(&content(number, 30)).unwrap();
            }
            let lengths = [1, 500, 64, page(), 65, 3000, 0, 2000, 128, 4000];
            let threads: Vec<_> = lengths
                .into_iter()
                .zip(0..)
                .map(|(len, author)| sending(site.sender(&uncapped(policy)), author, len))
                .collect();
            until("all are asleep", || asleep(&receiver) == lengths.len());
            // Record by record: each release is room for somebody.
            let mut come = vec![];
            for _ in 0..page() / BLOCK + lengths.len() {
                let record = receiver.recv().unwrap().unwrap();
                if record.producer() != filler.id() {
                    let author = record.kind() as usize;
                    assert_eq!(*record, *content(author as u64, lengths[author]));
                    come.push(author);
                }
            }
            come.sort_unstable();
            assert_eq!(come, (0..lengths.len()).collect::<Vec<_>>());
            for thread in threads {
                let stats = joined(thread).stats();
                assert_eq!(stats.late_wakeups, 0, "{stats:?}");
            }
            assert_fails!(receiver.try_recv(), ReadError::Empty);
        }
    }
}

/// A ring that holds one record, and all want it.
fn one_at_a_time(producers: u64, records: u64, policies: [Wait; 2]) {
    for site in ManySite::each(producers as usize + 1) {
        // So that the stream does not end before all have come.
        let mut host = Some(site.sender(&uncapped(policies[0])));
        let children: Vec<_> = (0..producers)
            .map(|author| {
                Child::fork(|_| {
                    let mut sender = site.sender(&uncapped(policies[0]));
                    let mut bytes = content(author, page());
                    for number in 0..records {
                        bytes[..8].copy_from_slice(&number.to_ne_bytes());
                        sender.kind(author as u32).send(&bytes).unwrap();
                    }
                    let stats = sender.stats();
                    assert_eq!(stats.late_wakeups, 0, "{stats:?}");
                    sender.finish().unwrap();
                })
            })
            .collect();
        let mut receiver = site.receiver(&uncapped(policies[1]));
        let mut next = vec![0; producers as usize];
        while let Some(record) = receiver.recv().unwrap() {
            let author = record.kind() as usize;
            assert_eq!(record[..8], u64::to_ne_bytes(next[author]));
            assert_eq!(record[8..], content(author as u64, page())[8..]);
            next[author] += 1;
            // The receiver waits now and then, too.
            if next[author].is_multiple_of(16) {
                drop(record);
                thread::yield_now();
            }
            if next.iter().all(|next| *next == records) {
                host.take().expect("nothing comes after the last").finish().unwrap();
            }
        }
        assert_eq!(next, vec![records; producers as usize]);
        assert_eq!(receiver.stats().late_wakeups, 0, "{:?}", receiver.stats());
        children.into_iter().for_each(Child::join);
    }
}

#[test]
fn all_want_the_same_room() {
    alone(|| {
        one_at_a_time(2, 2000, [Wait::Sleep; 2]);
        one_at_a_time(5, 800, [Wait::Sleep; 2]);
        one_at_a_time(5, 800, [Wait::Adaptive; 2]);
    });
}

#[test]
#[ignore = "takes a minute"]
fn all_want_the_same_room_for_long() {
    alone(|| {
        one_at_a_time(2, 30_000, [Wait::Sleep; 2]);
        one_at_a_time(5, 8_000, [Wait::Sleep; 2]);
        one_at_a_time(16, 2_000, [Wait::Sleep, Wait::Adaptive]);
        one_at_a_time(5, 8_000, [Wait::Adaptive; 2]);
    });
}

fn fill(sender: &mut Sender) -> usize {
    let mut n = 0;
    while sender.try_send(b"").is_ok() {
        n += 1;
    }
    n
}

/// One that gives up waiting, or dies in its sleep, does not take another's wake-up with it.
#[test]
fn a_sleeper_that_is_no_more() {
    alone(|| {
        // The seat of a dead one is had again only when the ring has gone round
        // once more: enough for all.
        for site in ManySite::each(40) {
            for round in 0..20 {
                let mut receiver = site.receiver(&uncapped(Wait::Sleep));
                let mut filler = site.sender(&uncapped(Wait::Sleep));
                let full = fill(&mut filler);
                let asleep_in = |author: u32| {
                    Child::fork(|_| {
                        let mut sender = site.sender(&uncapped(Wait::Sleep));
                        sender.kind(author).send(b"awake").unwrap();
                        sender.finish().unwrap();
                    })
                };
                let mut children: Vec<_> = (0..4).map(|author| Some(asleep_in(author))).collect();
                until("all are asleep", || asleep(&receiver) == 4);
                children[round % 4].take().unwrap().kill();
                if round % 3 == 0 {
                    children[(round + 1) % 4].take().unwrap().kill();
                }
                let time = Duration::from_millis(1);
                assert_fails!(filler.send_timeout(b"x", time), WriteError::Timeout);
                let alive = children.iter().flatten().count();
                let mut records = full + alive;
                while records > 0 {
                    receiver.recv_timeout(DEADLINE).expect("the others are woken").unwrap();
                    records -= 1;
                }
                children.into_iter().flatten().for_each(Child::join);
                assert_fails!(receiver.try_recv(), ReadError::Empty);
                drop((filler, receiver));
            }
        }
    });
}

/// By when who is awake must have done something.
const DEADLINE: Duration = Duration::from_secs(20);

/// The receiver dies while they sleep on a full ring. They hear of it, or of
/// the next one if that is sooner.
#[test]
fn a_receiver_that_dies_while_they_sleep() {
    alone(|| {
        for (named, capped) in [(true, true), (false, true), (true, false), (false, false)] {
            let site = ManySite::new(named, 4, page());
            let said = Shared::new();
            let options = if capped { Options::new() } else { uncapped(Wait::Sleep) };
            let receiver = || {
                let mut child = Child::fork(|line| {
                    let mut receiver = site.receiver(&Options::new());
                    line.say("there");
                    for _ in 0..50 {
                        let record = receiver.recv().unwrap().unwrap();
                        let (author, number) = (record.kind() as usize, &record[..8]);
                        assert_eq!(number, said[author].load(SeqCst).to_ne_bytes());
                        said[author].fetch_add(1, SeqCst);
                    }
                    wait_to_be_killed();
                });
                child.expect("there");
                child
            };
            let mut current = receiver();
            let producers: Vec<_> = (0..4)
                .map(|author| {
                    Child::fork(|_| {
                        let mut sender = site.sender(&options);
                        for number in 0..150_u64 {
                            let mut bytes = content(author, 200);
                            bytes[..8].copy_from_slice(&number.to_ne_bytes());
                            while let Err(error) = sender.kind(author as u32).send(&bytes) {
                                let died = matches!(error, WriteError::ReaderDied);
                                assert!(died, "{error}");
                                assert!(capped, "without a cap only a wake-up wakes it");
                            }
                        }
                        sender.finish().unwrap();
                    })
                })
                .collect();
            let observer = site.words();
            let mut deaths = 0;
            let come = || (0..4).map(|author| said[author].load(SeqCst)).sum::<u64>();
            while come() < 600 {
                // This one has received all that it will: the ring is full, or everybody has gone.
                let want = (50 * (deaths + 1)).min(600);
                until("it has received all that it will", || come() == want);
                until("the ring is full, or all have sent everything", || {
                    observer.get(TAIL) - observer.get(HEAD) > page() as u64 - 256
                        || observer.get(TAIL) == 600 * 256
                });
                if want == 600 {
                    break;
                }
                current.kill();
                deaths += 1;
                if capped && deaths % 3 == 0 {
                    // For so long that they find out.
                    thread::sleep(Duration::from_millis(160));
                }
                current = receiver();
            }
            producers.into_iter().for_each(Child::join);
            current.kill();
            println!("{deaths} receivers died");
            let mut last = site.receiver(&Options::new());
            assert!(last.recv().unwrap().is_none(), "all have finished");
        }
    });
}

/// All wait for the one that holds a claim: the receiver, and senders on a full
/// ring. Asleep, all of them.
#[test]
fn those_who_wait_for_a_claim_leave_the_processor_alone() {
    alone(|| {
        for site in ManySite::each(6) {
            let options = Options::new();
            let mut receiver = site.receiver(&options);
            let mut holder = site.sender(&options);
            let reservation = holder.reserve(64).unwrap();
            let mut filler = site.sender(&options);
            let full = fill(&mut filler);
            let threads: Vec<_> =
                (0..3).map(|author| sending(site.sender(&options), author, 100)).collect();
            until("all are asleep", || asleep(&receiver) == 3);
            let receiving = thread::spawn(move || {
                for _ in 0..full + 4 {
                    receiver.recv().unwrap().unwrap();
                }
            });
            until("the receiver sleeps", || site.words().is_parked(DATA_PARKED));
            let used = || {
                let usage = nix::sys::resource::getrusage(UsageWho::RUSAGE_SELF).unwrap();
                let times = [usage.user_time(), usage.system_time()];
                times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum::<i64>()
            };
            let before = used();
            thread::sleep(Duration::from_millis(500));
            let used = used() - before;
            println!("used {used} us of the processor in half a second");
            assert!(used < 100_000, "{used} us");
            reservation.commit().unwrap();
            threads.into_iter().for_each(|thread| drop(joined(thread)));
            joined(receiving);
        }
    });
}

/// A time-out is one, also among many; and room that comes in time is taken.
#[test]
fn time_outs() {
    for site in ManySite::each(9) {
        let mut receiver = site.receiver(&uncapped(Wait::Adaptive));
        let mut filler = site.sender(&uncapped(Wait::Adaptive));
        let full = fill(&mut filler);
        let timed_out = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..8_u64)
            .map(|author| {
                let mut sender = site.sender(&uncapped(Wait::Adaptive));
                let timed_out = Arc::clone(&timed_out);
                thread::spawn(move || {
                    let began = Instant::now();
                    let time = Duration::from_millis(5 * author);
                    assert_fails!(sender.send_timeout(b"x", time), WriteError::Timeout);
                    assert!(began.elapsed() >= time);
                    timed_out.fetch_add(1, SeqCst);
                    sender.send_timeout(b"x", FOR_EVER).unwrap();
                })
            })
            .collect();
        until("all have timed out", || timed_out.load(SeqCst) == 8);
        until("all are asleep", || asleep(&receiver) == 8);
        for _ in 0..full + 8 {
            receiver.recv_timeout(DEADLINE).unwrap().unwrap();
        }
        threads.into_iter().for_each(joined);
    }
}

/// An aborter ends one of them, and the others sleep on.
#[test]
fn aborted_in_its_sleep() {
    for site in ManySite::each(5) {
        let mut receiver = site.receiver(&uncapped(Wait::Sleep));
        let mut filler = site.sender(&uncapped(Wait::Sleep));
        let full = fill(&mut filler);
        let mut aborters = vec![];
        let mut threads: Vec<_> = (0..4)
            .map(|_| {
                let mut sender = site.sender(&uncapped(Wait::Sleep));
                aborters.push(sender.aborter());
                thread::spawn(move || sender.send(b"x"))
            })
            .collect();
        until("all are asleep", || asleep(&receiver) == 4);
        aborters[2].abort();
        assert_fails!(joined(threads.remove(2)), WriteError::Aborted);
        assert_eq!(threads.iter().filter(|thread| thread.is_finished()).count(), 0);
        for _ in 0..full + 3 {
            receiver.recv_timeout(DEADLINE).unwrap().unwrap();
        }
        for thread in threads {
            joined(thread).unwrap();
        }
    }
}
