//! Moves a file from one process to another in several ways, checks what arrived, and shows how fast each was.
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
mod table;
mod tidy;
#[allow(dead_code, reason = "the benches use the other half")]
#[path = "../../benches/transport/mod.rs"]
mod transport;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use nix::sys::signal::{SigHandler, Signal, signal};

use args::Args;
use input::Source;
use output::Sink;
use transport::Rival;

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
    tidy::on_signals()?;
    let rivals =
        args.rivals().into_iter().map(|spec| (Rival::parse(&spec), spec)).collect::<Vec<_>>();
    let directory = std::env::temp_dir();
    let sinks =
        args.sinks(&directory).iter().map(|path| Sink::at(path)).collect::<Result<Vec<_>, _>>()?;
    let source = match &args.file {
        Some(path) => Source::open(path)?,
        None => Source::make(&directory, args.size, sinks.iter().any(Sink::needs_room))?,
    };
    for sink in &sinks {
        sink.is_apart_from(&source)?;
    }
    match args.paired {
        Some(pairs) => paired::run(&rivals, &source, &sinks, pairs, args.cpus()?),
        None => contest::run(&rivals, &source, &sinks, args.rounds, args.cpus()?),
    }
}
