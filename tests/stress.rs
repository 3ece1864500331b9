//! No wake-up is lost: two processes, sleeps that nothing but a wake-up ends, and pauses of every
//! length, so that each end publishes at every moment of the other's going to sleep.
//!
//! A model proves the gate with full fences; here is the proof that the light one is one. That
//! takes an optimized build: without membarrier(2) `duels` fails within a second there, but a debug
//! build takes so long between its store and its look at the flag that the store is never late.
//!
//! The short forms run for a few seconds. Those and the long ones:
//!
//! ```text
//! cargo test --release --test stress
//! cargo test --release --test stress -- --ignored --nocapture --test-threads=1
//! ```
//!
//! `late_wakeups` counts the sleeps that nobody ended although there was something to wake up for.
//! The end looks itself after two seconds, or after ten, so each of them also costs as much.

mod stream_support;
mod support;

use shmpipe::{Options, Wait};
use std::{
    io::{self, Write},
    os::fd::AsRawFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use stream_support::*;
use support::{Child, alone};

fn options(policy: Wait) -> Options {
    Options::new().wait(policy).liveness_interval(UNCAPPED)
}

/// What an observer sees of a ring whose ends are gone.
#[track_caller]
fn no_wake_up_was_lost(what: &str, site: &Site) {
    let words = site.words();
    let (writer, reader) = (words.writer(), words.reader());
    println!("{what}: the writer slept {} times, the reader {}", writer.sleeps, reader.sleeps);
    assert_eq!((writer.late_wakeups, reader.late_wakeups), (0, 0), "{what}: {writer:?} {reader:?}");
    assert!(writer.sleeps > 0 && reader.sleeps > 0, "{what}: it was not hard at all");
}

/// One process streams to another.
fn one_way(of_writer: Wait, of_reader: Wait, time: Duration, interrupted: Interrupted) {
    through(Site::each(), [of_writer, of_reader], time, interrupted);
}

/// The same through rings that are large enough for an end to sleep until much has come together.
fn one_way_in_bulk(policy: Wait, time: Duration) {
    let sites = [true, false].map(|named| Site::new(named, 512 << 10));
    through(sites, [policy, policy], time, Interrupted::No);
}

fn through(sites: [Site; 2], policies: [Wait; 2], time: Duration, interrupted: Interrupted) {
    let [of_writer, of_reader] = policies;
    for site in sites {
        let mut writing = Child::fork(|line| {
            let written = interrupted.run(|| write_for(&site, &options(of_writer), time));
            line.show(written);
        });
        let mut reading = Child::fork(|line| {
            line.show(interrupted.run(|| read_all(&site, &options(of_reader))));
        });
        let read = reading.hear();
        assert_eq!(writing.hear(), read);
        reading.join();
        writing.join();
        no_wake_up_was_lost(&format!("{of_writer:?} to {of_reader:?}, {read} bytes"), &site);
    }
}

/// A byte goes to the other process and comes back: each sleeps for each.
fn round_trips(policy: Wait, time: Duration, interrupted: Interrupted) {
    for (there, back) in Site::each().into_iter().zip(Site::each()) {
        let serving = Child::fork(|_| {
            interrupted.run(|| serve(&there, &back, &options(policy), time));
        });
        let answering = Child::fork(|_| {
            interrupted.run(|| answer(&there, &back, &options(policy)));
        });
        answering.join();
        serving.join();
        for (what, site) in [("there", &there), ("back", &back)] {
            let words = site.words();
            let (writer, reader) = (words.writer(), words.reader());
            println!("round trips, {policy:?}, {what}: the reader slept {} times", reader.sleeps);
            assert_eq!((writer.late_wakeups, reader.late_wakeups), (0, 0));
            assert!(reader.sleeps > 0);
        }
    }
}

/// Both ends meet before each message, so that the one publishes just when the other goes to sleep.
fn duel(policy: Wait, duel: Duel, rounds: u64) {
    let site = Site::new(false, page());
    let meet = Rendezvous::new();
    let writing = Child::fork(|_| duel_of_writer(&site, &options(policy), duel, meet, rounds));
    let reading = Child::fork(|_| duel_of_reader(&site, &options(policy), duel, meet, rounds));
    reading.join();
    writing.join();
    let words = site.words();
    println!("{duel:?} {policy:?}: {:?} {:?}", words.writer(), words.reader());
    assert_eq!((words.writer().late_wakeups, words.reader().late_wakeups), (0, 0));
}

#[test]
fn duels() {
    alone(|| {
        duel(Wait::Sleep, Duel::Empty, 40_000);
        duel(Wait::Sleep, Duel::Full, 40_000);
    });
}

#[test]
#[ignore = "takes a minute"]
fn duels_for_long() {
    alone(|| {
        duel(Wait::Sleep, Duel::Empty, 1_000_000);
        duel(Wait::Sleep, Duel::Full, 1_000_000);
    });
}

const SHORT: Duration = Duration::from_millis(1500);
/// A test may take 90 seconds, and each does it with both kinds of rings.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn sleepers() {
    alone(|| one_way(Wait::Sleep, Wait::Sleep, SHORT, Interrupted::No));
}

#[test]
fn adaptive_ends() {
    alone(|| one_way(Wait::Adaptive, Wait::Adaptive, SHORT, Interrupted::No));
}

#[test]
fn in_bulk() {
    alone(|| {
        one_way_in_bulk(Wait::Sleep, SHORT / 2);
        one_way_in_bulk(Wait::Adaptive, SHORT / 2);
    });
}

#[test]
fn round_trips_of_sleepers() {
    alone(|| round_trips(Wait::Sleep, SHORT, Interrupted::No));
}

#[test]
fn round_trips_of_adaptive_ends() {
    alone(|| round_trips(Wait::Adaptive, SHORT, Interrupted::No));
}

#[test]
#[ignore = "takes a minute"]
fn sleepers_for_long() {
    alone(|| one_way(Wait::Sleep, Wait::Sleep, LONG, Interrupted::No));
}

#[test]
#[ignore = "takes a minute"]
fn adaptive_ends_for_long() {
    alone(|| one_way(Wait::Adaptive, Wait::Adaptive, LONG, Interrupted::No));
}

#[test]
#[ignore = "takes a minute"]
fn unlike_ends_for_long() {
    alone(|| one_way(Wait::Sleep, Wait::Adaptive, LONG, Interrupted::No));
}

#[test]
#[ignore = "takes a minute"]
fn in_bulk_for_long() {
    alone(|| one_way_in_bulk(Wait::Sleep, LONG));
}

#[test]
#[ignore = "takes a minute"]
fn round_trips_of_sleepers_for_long() {
    alone(|| round_trips(Wait::Sleep, LONG, Interrupted::No));
}

#[test]
#[ignore = "takes a minute"]
fn round_trips_of_adaptive_ends_for_long() {
    alone(|| round_trips(Wait::Adaptive, LONG, Interrupted::No));
}

static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// From now on this process's calls are interrupted five thousand times a second, and not restarted
/// by the kernel.
fn be_interrupted() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler adds to an atomic, which a signal handler may.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    let often = libc::timeval { tv_sec: 0, tv_usec: 200 };
    let timer = libc::itimerval { it_interval: often, it_value: often };
    // SAFETY: a valid timer, and no old one is asked for.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
    assert_eq!(set, 0, "setitimer: {}", io::Error::last_os_error());
}

/// Whether a timer's signals interrupt whatever blocks.
#[derive(Clone, Copy, Debug)]
enum Interrupted {
    No,
    Often,
}

impl Interrupted {
    fn run<T>(self, part: impl FnOnce() -> T) -> T {
        match self {
            Self::No => part(),
            Self::Often => {
                be_interrupted();
                let result = part();
                let interruptions = INTERRUPTIONS.load(Ordering::Relaxed);
                assert!(interruptions > 10, "only {interruptions} interruptions");
                result
            }
        }
    }
}

#[test]
fn interrupted_sleepers() {
    alone(|| one_way(Wait::Sleep, Wait::Sleep, SHORT, Interrupted::Often));
}

#[test]
fn interrupted_round_trips() {
    alone(|| round_trips(Wait::Sleep, SHORT, Interrupted::Often));
}

#[test]
#[ignore = "takes a minute"]
fn interrupted_sleepers_for_long() {
    alone(|| one_way(Wait::Sleep, Wait::Sleep, LONG, Interrupted::Often));
}

/// The calls that wait for a descriptor, and attaching: a slow pipe at either side of the ring.
#[test]
fn interrupted_transfers() {
    alone(|| {
        for site in Site::each() {
            let (source, mut feed) = io::pipe().unwrap();
            let (mut drain, sink) = io::pipe().unwrap();
            // A child's copy of the other end of a pipe would keep it open.
            let (feed_fd, drain_fd) = (feed.as_raw_fd(), drain.as_raw_fd());
            let close = |fd| assert_eq!(nix::unistd::close(fd), Ok(()));
            let writing = Child::fork(|_| {
                close(feed_fd);
                let transfer = || {
                    let mut writer = site.writer(&options(Wait::Sleep));
                    while writer.read_from(&source, 1000).unwrap() > 0 {}
                    writer.finish_and_wait().unwrap();
                };
                Interrupted::Often.run(transfer);
            });
            let reading = Child::fork(|_| {
                close(feed_fd);
                close(drain_fd);
                let transfer = || {
                    let mut reader = site.reader(&options(Wait::Sleep));
                    while reader.write_to(&sink, 1000).unwrap() > 0 {}
                };
                Interrupted::Often.run(transfer);
            });
            drop((source, sink));
            // More than both pipes and the ring hold, so that in the end everybody has waited for
            // everybody.
            let whole = 256 << 10;
            let feeding = std::thread::spawn(move || {
                for position in (0..whole).step_by(4096) {
                    feed.write_all(&bytes_from(position, 4096)).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            std::thread::sleep(Duration::from_millis(50));
            let mut all = Vec::new();
            io::Read::read_to_end(&mut drain, &mut all).unwrap();
            assert!(all == bytes_from(0, whole as usize));
            joined(feeding);
            reading.join();
            writing.join();
        }
    });
}
