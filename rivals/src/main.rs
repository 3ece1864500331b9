//! The same work done by shmpipe and by other libraries, in turns.
//!
//! - `cargo run --release -- slots` sends numbers and small values, one by one and in batches.
//! - `cargo run --release -- records` sends messages of 32 B to 1 KiB, one by one and in batches.
//! - `cargo run --release -- many` sends messages of 32 B from several senders to one receiver, one by one.
//! - `cargo run --release -- round-trip` sends one message at a time there and back.
//!
//! With `--features aeron` Aeron is built and measured too.
//!
//! shmpipe's ends are always processes. A rival's ends are processes too if it can do that, and threads if not. Each has
//! a CPU of its own, if there are so many. Whatever is received is checked. Samples of two rivals follow each other directly,
//! with the round trip of a cache line between the two CPUs around each, and are compared only within such pairs.

mod comparison;
mod foreign;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/harness/mod.rs"]
mod harness;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/message/mod.rs"]
mod message;
mod tables;
mod tidy;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/transport/mod.rs"]
mod transport;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use message::registry::Registry;

/// All ways there are.
const REGISTRY: Registry = Registry(&[message::IN_TREE, foreign::FOREIGN]);

/// shmpipe and other libraries, in turns.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    work: Work,

    /// So many samples of each
    #[arg(long, value_name = "N", default_value_t = 11, global = true)]
    pairs: usize,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = 200, global = true)]
    sample_ms: u64,

    /// Only comparisons whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "", global = true)]
    only: String,

    /// How shmpipe's ends wait, instead of its default
    #[arg(long, value_name = "HOW", global = true)]
    wait: Option<Wait>,

    /// How many senders there are, where there can be several
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,2,8",
        global = true
    )]
    senders: Vec<u64>,

    /// Records are made in the ring, and not copied into it
    #[arg(long, global = true)]
    in_place: bool,

    /// How many bytes a ring holds, for all that are told
    #[arg(long, value_name = "SIZE", global = true)]
    capacity: Option<String>,
}

/// What is compared.
#[derive(Clone, Copy, Subcommand)]
enum Work {
    /// Values of 8, 32 and 64 B by slots
    Slots,
    /// Messages of 32 B, 64 B and 1 KiB by records
    Records,
    /// Messages of 32 B by records of many senders
    Many,
    /// 8 and 32 B there and back
    RoundTrip,
}

#[derive(Clone, Copy, ValueEnum)]
enum Wait {
    Adaptive,
    Spin,
    Sleep,
}

fn main() -> ExitCode {
    tidy::run_if_asked();
    message::role::run_if_asked(REGISTRY);
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let _tidy = tidy::start()?;
    let sample = Duration::from_millis(args.sample_ms);
    let mut table = tables::Ratios::new(matches!(args.work, Work::RoundTrip));
    for comparison in comparison::of(args) {
        if !comparison.name.contains(&args.only) {
            continue;
        }
        println!("\n{}", comparison.name);
        match comparison.run(args.pairs, sample) {
            Ok(measured) => table.add(&comparison.name, &measured),
            Err(error) => println!("left out: {error}"),
        }
    }
    table.print();
    Ok(())
}
