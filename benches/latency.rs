//! How long a message is on its way, and what waiting costs.
//!
//! - `cargo bench --bench latency` measures round trips, each way by itself, with criterion.
//! - `cargo bench --bench latency -- --paired [N]` compares the first way with each other
//!   one (see `message/against.rs`).
//! - `cargo bench --bench latency -- --loads [N]` measures one-way latencies at 10, 50 and 90 % of
//!   the load that a way carries at most, and in bursts, N rounds in turns.
//! - `cargo bench --bench latency -- --patterns [N]` measures what each way to wait gets of a
//!   steady stream, bursts, a request and its reply, and a trickle, and what CPU time both ends
//!   use for it, N rounds in turns.
//!
//! In the latter two `--sample-ms MS` sets how long a sample should take, and
//! `--only TEXT` which ways to measure.
//!
//! One-way latencies are those of an open loop: messages are due at times set beforehand, and carry
//! them, so that what one waits for those before it counts. Both ends read the same clock.

#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/against.rs"]
mod against;
#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[path = "latency/loads.rs"]
mod loads;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod message;
#[path = "latency/patterns.rs"]
mod patterns;
#[path = "latency/table.rs"]
mod table;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;
#[path = "latency/turns.rs"]
mod turns;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use against::Match;
use each::{Contest, REGISTRY, matches_of, round_trips};
use message::job::Job;

/// What the modes that are not criterion's are told.
#[derive(Parser)]
struct Args {
    /// One-way latencies at several loads, so many rounds
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5")]
    loads: Option<usize>,

    /// Ways to wait under several kinds of traffic, so many rounds
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5")]
    patterns: Option<usize>,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = 200)]
    sample_ms: u64,

    /// Only ways whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The ways, and how many numbers of eight bytes a message has.
const WAYS: [(&str, usize); 8] = [
    ("slots:adaptive", 1),
    ("slots:spin", 1),
    ("slots:sleep", 1),
    ("records:adaptive", 4),
    ("records:spin", 4),
    ("records:sleep", 4),
    ("pipe", 1),
    ("unix", 1),
];

/// The ways to send one message there and one back: these, and what two
/// processors take for it by themselves.
fn there_and_back() -> Vec<&'static str> {
    WAYS.iter().map(|(spec, _)| *spec).chain(["lines", "lines:unhurried"]).collect()
}

fn main() -> ExitCode {
    message::role::run_if_asked(REGISTRY);
    let given = |flag: &str| std::env::args().any(|argument| argument.starts_with(flag));
    let modes = if given("--loads") || given("--patterns") {
        run(&Args::parse())
    } else {
        let contest = Contest { specs: &there_and_back(), sizes: &[1, 4] };
        round_trips("latency", &contest, matches);
        // `cargo test` and `-- --test` want to see that all of it works.
        if given("--test") { run(&Args::brief()) } else { Ok(()) }
    };
    match modes {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latency: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Slots of 8 B against all that is not records, and records of 32 B against all that is not slots.
fn matches() -> Vec<Match> {
    let of = |ours: &str, not: &str, words: usize| {
        let others = there_and_back().into_iter().filter(|spec| !spec.starts_with(not));
        let (first, others): (Vec<_>, Vec<_>) = others.partition(|spec| *spec == ours);
        matches_of(&[first, others].concat(), "there and back", words, Job::RoundTrips(0))
    };
    [of("slots:adaptive", "records", 1), of("records:adaptive", "slots", 4)].concat()
}

impl Args {
    /// Everything once, as short as can be.
    fn brief() -> Self {
        let (loads, patterns) = (Some(1), Some(1));
        Args { loads, patterns, sample_ms: 2, only: String::new(), bench: false }
    }

    fn ways(&self) -> impl Iterator<Item = (&'static str, usize)> {
        WAYS.into_iter().filter(|(spec, _)| spec.contains(&self.only))
    }
}

fn run(args: &Args) -> Result<(), String> {
    let sample = Duration::from_millis(args.sample_ms);
    if let Some(rounds) = args.loads {
        loads::run(args.ways(), rounds, sample)?;
    }
    if let Some(rounds) = args.patterns {
        patterns::run(args.ways(), rounds, sample)?;
    }
    Ok(())
}
