//! Moves a file, and data made in memory, from one process to another in all the ways there are,
//! checks what arrived, and shows how fast each was and what it cost.
//!
//! `cargo run --release --example dataflow` is all it takes; `--help` tells the rest.

mod args;
mod contest;
#[allow(dead_code, unused_imports, reason = "the benches use the other half")]
#[path = "../../benches/harness/mod.rs"]
mod harness;
mod input;
mod output;
mod paired;
mod picture;
mod room;
mod rows;
mod table;
#[allow(dead_code, reason = "the benches use the other half")]
#[path = "../../benches/transport/mod.rs"]
mod transport;
mod work;

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use nix::sys::signal::{SigHandler, Signal, signal};

use args::Args;
use contest::Outcome;
use input::Source;
use output::Sink;
use transport::{Rival, doomed};
use work::Work;

fn main() -> ExitCode {
    harness::role::run_if_asked();
    // `dataflow | head` ends quietly, as other tools do.
    // SAFETY: the default disposition runs no code of ours.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dataflow: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every rival that is available brought every byte.
fn run(args: &Args) -> Result<bool, Box<dyn Error>> {
    doomed::on_signals()?;
    let cpus = args.cpus()?;
    if let Some(path) = &args.svg {
        // Not after a minute of measuring.
        File::options().append(true).create(true).open(path).map_err(|e| named(path, e))?;
    }
    let directory = std::env::temp_dir();
    let sinks =
        args.sinks(&directory).iter().map(|path| Sink::at(path)).collect::<Result<Vec<_>, _>>()?;
    let source = if args.memory { None } else { Some(source(args, &directory, &sinks)?) };
    let rivals =
        args.rivals().into_iter().map(|spec| (Rival::parse(&spec), spec)).collect::<Vec<_>>();
    if let (Some(pairs), Some(source)) = (args.paired, &source) {
        return paired::run(&rivals, source, &sinks, pairs, cpus);
    }
    let files = source.iter().flat_map(|source| sinks.iter().map(|sink| Work::File(source, sink)));
    // Twice as much, because it takes half the time.
    let in_memory = Work::Memory(args.size.unwrap_or_else(|| 2 * input::usual_size()));
    let works = files.chain(args.in_memory().then_some(in_memory));
    let mut outcomes = Vec::new();
    for work in works {
        // Who is not available is said once.
        let said = !outcomes.is_empty() && matches!(work, Work::Memory(_));
        let suits =
            |entry: &&contest::Entry| entry.0.as_ref().map_or(!said, |rival| work.suits(rival));
        let suited = rivals.iter().filter(suits).collect::<Vec<_>>();
        let outcome = Outcome::of(work, &suited, args.rounds, cpus)?;
        if !args.json {
            table::print(&outcome, args.rounds)?;
        }
        outcomes.push(outcome);
    }
    if args.json {
        rows::print(&outcomes)?;
    }
    if let Some(path) = &args.svg {
        picture::draw(path, &outcomes)?;
    }
    doomed::stay_if_ending();
    Ok(outcomes.iter().all(Outcome::is_right))
}

/// The file to move, once it is certain that there is room for it and for what arrives.
fn source(args: &Args, directory: &Path, sinks: &[Sink]) -> Result<Source, Box<dyn Error>> {
    let Some(path) = &args.file else {
        let len = args.size.unwrap_or_else(input::usual_size);
        room::check(Some(directory), sinks, len)?;
        return Ok(Source::make(directory, len)?);
    };
    let source = Source::open(path)?;
    for sink in sinks {
        sink.is_apart_from(&source)?;
    }
    room::check(None, sinks, source.len)?;
    source.warm_up().map_err(|e| named(path, e))?;
    Ok(source)
}

fn named(path: &Path, error: io::Error) -> String {
    format!("{}: {error}", path.display())
}
