//! The pipe that upgrades itself: what it costs where there is little to gain,
//! and how surely it does.
//!
//! - `cargo build --release --examples && cargo bench --bench upgrade` measures all of it, in some
//!   minutes; the figures in BENCHMARKS.md come from here. Names of parts measure only these:
//!   `cargo bench --bench upgrade -- empty sizes`.
//! - With `--test`, or without cargo's `--bench`, everything runs once or twice
//!   to see that it works.
//!
//! Every pipeline is started without a shell and its time is from the start of its first process to
//! the end of its last. Rivals run in turns, with the round trip of a cache line around every run,
//! and are compared pair by pair. How fast large files are, and what they cost beside other
//! programs, the example `dataflow` shows.

#[path = "upgrade/commands.rs"]
mod commands;
#[path = "upgrade/duel.rs"]
mod duel;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod harness;
#[path = "upgrade/part.rs"]
mod part;
#[path = "upgrade/reliability.rs"]
mod reliability;
#[path = "upgrade/table.rs"]
mod table;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod transport;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use commands::Shmcat;
use duel::Referee;
use harness::cpu;
use part::Part;

/// Measures the pipe that upgrades itself
#[derive(Parser)]
struct Args {
    /// Only these parts
    #[arg(value_enum)]
    parts: Vec<Part>,

    /// How many pairs of runs each comparison has, or runs a part without rivals
    /// [default: what the part needs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: Option<u32>,

    /// Print each pair too
    #[arg(long)]
    each: bool,

    /// Keep the first process of each pipeline on one CPU and the second on another
    #[arg(long)]
    pin: bool,

    /// The shmcat to measure [default: the one that was built beside this]
    #[arg(long, value_name = "PATH")]
    shmcat: Option<PathBuf>,

    /// Only see that everything works
    #[arg(long)]
    test: bool,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    harness::role::run_if_asked();
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("upgrade: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every pipeline did its work; how fast it was is for the tables to say.
fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let shmcat = Shmcat::find(args.shmcat.as_deref())?;
    let short = args.test || !args.bench;
    let parts = if args.parts.is_empty() { &Part::ALL[..] } else { &args.parts };
    let cpus = if args.pin { cpu::two() } else { None };
    let referee = Referee { each: args.each, cpus };
    println!("{}", shmcat.title()?);
    let mut all_right = true;
    for part in parts {
        let pairs = match args.pairs {
            Some(pairs) => pairs as usize,
            None if short => 2,
            None => part.pairs(),
        };
        all_right &= part.run(&shmcat, pairs, short, &referee).unwrap_or_else(|error| {
            eprintln!("upgrade: {part:?}: {error}");
            false
        });
    }
    Ok(all_right)
}
