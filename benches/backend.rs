//! One backend against the other: the same ring in a System V segment and in a POSIX object, in turns.
//!
//! `cargo bench --bench backend -- --pairs 21 --sample-ms 100` compares streams and round trips, awake and asleep, and what it takes to
//! attach, to list, and to be looked at.

#[path = "backend/costs.rs"]
mod costs;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod message;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;
#[path = "backend/turns.rs"]
mod turns;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use message::registry::Registry;
use message::{IN_TREE, role};

const REGISTRY: Registry = Registry(&[IN_TREE]);

#[derive(Parser)]
struct Args {
    /// How many pairs of samples
    #[arg(long, default_value_t = 21)]
    pairs: usize,

    /// How long a sample takes
    #[arg(long, default_value_t = 100)]
    sample_ms: u64,

    /// A short run of everything
    #[arg(long)]
    test: bool,

    /// (what cargo passes)
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    role::run_if_asked(REGISTRY);
    let args = Args::parse();
    let (pairs, sample) = match args.test {
        true => (1, Duration::from_millis(2)),
        false => (args.pairs, Duration::from_millis(args.sample_ms)),
    };
    let done = turns::run(pairs, sample).and_then(|()| costs::run(pairs, sample));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("backend: {why}");
            ExitCode::FAILURE
        }
    }
}
