//! Servers that come back and build afresh: who is still at the old ring is told, has got all that
//! was written, and finds the new one.
//!
//! Survivors look for deaths once an hour, where a test does not say otherwise: what they are told
//! they are told by whoever replaces the ring.

#[path = "../face_support/mod.rs"]
mod face_support;
#[path = "../support/mod.rs"]
mod support;

mod blocked;
mod busy;
mod cut_off;
mod killed;
mod races;
mod remains;
mod stepped;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../kill/tracing.rs"]
mod tracing;
mod what;

use face_support::Face;
use shmpipe::{OpenError, OpenErrorKind, Options, ReadError};
use std::time::{Duration, Instant};
use support::{Child, DEADLINE, RingName, eventually, wait_to_be_killed};

const HOUR: Duration = Duration::from_secs(3600);

/// Of an end that does not look itself whether the other lives.
fn patient() -> Options {
    face_support::options().liveness_interval(HOUR)
}

fn server() -> Options {
    patient().replace()
}

/// Where in a ring's memory it says that it was replaced, and whether its ends
/// sleep: layout version 1.
const REPLACED: u64 = 304;
const CONSUMER_PARKED: u64 = 640;
const PRODUCER_PARKED: u64 = 768;
const FIRST_SEAT: u64 = 1408;
const SEAT: u64 = 384;
/// In a seat.
const SEAT_PARKED: u64 = 128;

/// The memory of a ring, from outside; also after its name has gone.
struct Memory(support::Memory);

impl Memory {
    fn of(name: &RingName) -> Self {
        Self(name.memory())
    }

    fn word(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.0.read_exact_at(&mut word, at).unwrap();
        u64::from_ne_bytes(word)
    }

    fn set(&self, at: u64, word: u64) {
        self.0.write_all_at(&word.to_ne_bytes(), at).unwrap();
    }

    fn until_parked(&self, at: u64) {
        eventually("it sleeps", || (self.word(at) as u32 != 0).then_some(()));
    }
}

/// A process that opens an end of the ring, does something with it, and is killed.
fn kill_one<E: shmpipe::End>(name: &RingName, options: &Options, work: impl FnOnce(&mut E)) {
    let mut child = Child::fork(|line| {
        let mut end = options.open_or_create(name).unwrap();
        work(&mut end);
        line.say("done");
        wait_to_be_killed();
    });
    child.expect("done");
    child.kill();
}

/// The numbers up to what ends them.
#[track_caller]
fn take_all<F: Face>(from: &mut F::In) -> (Vec<u64>, Option<ReadError>) {
    let mut numbers = Vec::new();
    loop {
        match F::take(from, DEADLINE) {
            Ok(Some(number)) => numbers.push(number),
            Ok(None) => return (numbers, None),
            Err(error) => return (numbers, Some(error)),
        }
    }
}

/// The next thing that this reader is told, again and again.
#[track_caller]
fn assert_replaced<F: Face>(from: &mut F::In) {
    for _ in 0..3 {
        let told = F::take(from, DEADLINE);
        assert!(matches!(told, Err(ReadError::Replaced)), "{}: {told:?}", F::NAME);
        assert_eq!(F::peer_of_in(from), shmpipe::Peer::Replaced);
    }
}

/// A number goes from one end to the other.
#[track_caller]
fn assert_meet<F: Face>(out: &mut F::Out, from: &mut F::In) {
    F::put(out, 77).unwrap();
    assert!(matches!(F::take(from, DEADLINE), Ok(Some(77))), "{}", F::NAME);
}

#[track_caller]
fn assert_taken<E>(opened: Result<E, OpenError>, asked: &str) {
    let Err(error) = opened else { panic!("let in") };
    let taken = matches!(error.kind(), OpenErrorKind::RoleTaken { role, .. } if *role == asked);
    assert!(taken, "{error:?}");
}

/// Numbers that are different in each run, which prints where they began.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("random numbers from {seed}");
        Self(seed | 1)
    }

    /// Marsaglia's xorshift.
    fn micros_below(&mut self, limit: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % limit)
    }
}

fn spin_for(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}
