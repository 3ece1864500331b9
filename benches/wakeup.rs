//! From asleep to awake: rings whose ends sleep at once, against a bare pair of
//! semaphores and a pipe.
//!
//! - `cargo bench --bench wakeup` measures round trips, in which each end sleeps until the other
//!   wakes it, each way by itself, with criterion.
//! - `cargo bench --bench wakeup -- --paired [N]` compares the first way with each other one in
//!   turns (see `message/against.rs`): round trips, and how long after it was sent a message is had
//!   by an end that has slept meanwhile.

#[path = "message/against.rs"]
mod against;
#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod message;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;

use against::{Figure, Match};
use each::{Contest, REGISTRY, matches_of, round_trips};
use message::job::Job;

/// Whose ends go to sleep at once.
const WAYS: [&str; 4] = ["slots:sleep", "records:sleep", "semaphores", "pipe"];

/// From one message to the next, in picoseconds: ends are asleep long before.
const PERIOD: u64 = 500_000_000;

fn main() {
    message::role::run_if_asked(REGISTRY);
    let one_way = |other: &'static str| Match {
        what: "from asleep to awake".to_owned(),
        specs: [WAYS[0], other],
        words: 1,
        job: Job::Paced { bursts: 0, burst: 1, period: PERIOD },
        figure: Figure::Latency,
    };
    let contest = Contest { specs: &WAYS, sizes: &[1] };
    round_trips("wakeup", &contest, || {
        let round_trips = matches_of(&WAYS, "there and back", 1, Job::RoundTrips(0));
        round_trips.into_iter().chain(WAYS[1..].iter().map(|other| one_way(other))).collect()
    });
}
