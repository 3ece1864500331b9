//! Ends whose process is killed: the other gets every byte and then the truth, within a moment.
//!
//! Each test runs in a process of its own, forks its victims and sends them SIGKILL.

#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod blocked;
mod reader_killed;
mod restarted;
mod taken_over;
mod undead;
mod writer_killed;

use shmpipe::Options;
use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};
use support::Child;

/// Kills the victim and waits for what the survivor comes to. How soon it was is printed; the bound
/// is one that holds on the busiest machine.
#[track_caller]
fn kill_and_join<T>(what: &str, victim: Child, survivor: JoinHandle<T>) -> T {
    const BOUND: Duration = Duration::from_secs(10);
    victim.kill();
    let killed = Instant::now();
    let came_to = stream_support::joined(survivor);
    let noticed = killed.elapsed();
    println!("{what}: noticed after {:.1} ms", noticed.as_secs_f64() * 1e3);
    assert!(noticed < BOUND, "{what}: noticed only after {noticed:?}");
    came_to
}

/// An end that notices a death sooner than usual, for the sake of more rounds.
fn soon_noticed() -> Options {
    Options::new().liveness_interval(Duration::from_millis(5))
}

/// Numbers that are different in each run, which prints where they began.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("random numbers from {seed}");
        Self(seed | 1)
    }

    /// A number below `limit` (Marsaglia's xorshift).
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn micros_below(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.below(limit))
    }
}
