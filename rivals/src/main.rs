//! The same work done by shmpipe and by other libraries, in turns.
//!
//! - `cargo run --release -- slots` sends numbers and small values, one by one and in batches.
//! - `cargo run --release -- records` sends messages of 32 B to 1 KiB, one by one and in batches.
//! - `cargo run --release -- many` sends messages of 32 B from several senders
//!   to one receiver, one by one.
//! - `cargo run --release -- round-trip` sends one message at a time there and back.
//! - `cargo run --release -- pipeline` moves a file through `shmcat` and through other programs.
//! - `cargo run --release -- report` does all of these and the benches of the crate, and writes
//!   what came of it into BENCHMARKS.md.
//!
//! With `--features aeron` Aeron is built and measured too.
//!
//! shmpipe's ends are always processes. A rival's ends are processes too if it can do that, and
//! threads if not. Each has a CPU of its own, if there are so many. Whatever is received is
//! checked. Samples of two rivals follow each other directly, with the round trip of a cache line
//! between the two CPUs around each, and are compared only within such pairs.

mod args;
mod comparison;
mod foreign;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/harness/mod.rs"]
mod harness;
#[allow(dead_code, reason = "the example dataflow uses the other half")]
#[path = "../../examples/dataflow/input.rs"]
mod input;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/message/mod.rs"]
mod message;
#[allow(dead_code, reason = "the example dataflow uses the other half")]
#[path = "../../examples/dataflow/output.rs"]
mod output;
mod pipeline;
mod report;
#[path = "../../examples/dataflow/room.rs"]
mod room;
mod row;
mod tables;
mod tidy;
#[allow(dead_code, unused_imports, reason = "the benches of the crate use the other half")]
#[path = "../../benches/transport/mod.rs"]
mod transport;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use args::{Args, Command, Work};
use message::registry::Registry;
use row::Row;

/// All ways there are.
const REGISTRY: Registry = Registry(&[message::IN_TREE, foreign::FOREIGN]);

fn main() -> ExitCode {
    tidy::run_if_asked();
    message::role::run_if_asked(REGISTRY);
    pipeline::uu_cat::run_if_asked();
    harness::role::run_if_asked();
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rivals: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that can be done here was done, and rightly.
fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    let _tidy = tidy::start()?;
    let (rows, all_right) = match &args.command {
        Command::Slots => (compare(args, Work::Slots), true),
        Command::Records => (compare(args, Work::Records), true),
        Command::Many => (compare(args, Work::Many), true),
        Command::RoundTrip => (compare(args, Work::RoundTrip), true),
        Command::Pipeline(options) => pipeline::run(args, options)?,
        Command::Report(options) => report::run(args, options)?,
    };
    if let Some(path) = &args.json {
        row::write(path, &rows).map_err(|e| format!("writing {}: {e}", path.display()))?;
    }
    Ok(all_right)
}

/// Has all comparisons of a kind of work made.
fn compare(args: &Args, work: Work) -> Vec<Row> {
    let sample = Duration::from_millis(args.sample_ms);
    let mut table = tables::Ratios::new(work);
    for comparison in comparison::of(args, work) {
        if !comparison.name.contains(&args.only) {
            continue;
        }
        println!("\n{}", comparison.name);
        match comparison.run(args.pairs(), sample) {
            Ok(measured) => table.add(&comparison, &measured),
            Err(error) => println!("left out: {error}"),
        }
    }
    table.print()
}
