//! `shmcat`: `cat`, and both ends of a ring in shared memory, for the command line.
//!
//! This file says what happens; how it happens is in the module that is named.

mod args;
mod cat;
mod either;
mod exit;
mod from;
mod inherited;
mod input;
mod inspect;
mod lines;
mod many;
mod progress;
mod quote;
mod report;
mod show;
mod signals;
mod stats;
mod to;

use std::process::ExitCode;

use args::Cli;
use report::Console;
use stats::{Totals, Transport};

fn main() -> ExitCode {
    match Cli::from_env() {
        Ok(cli) => run(&cli),
        Err(error) => exit::with_usage(&error),
    }
}

fn run(cli: &Cli) -> ExitCode {
    if let Some(outcome) = inspect::run(&cli.inspect) {
        return exit::with(outcome);
    }
    let mut totals = Totals::new(match (&cli.to, &cli.from) {
        (None, None) => cat::transport(&cli.files),
        _ => Transport::Shm,
    });
    let console = Console::new(&cli.reports, || match cli.from {
        Some(_) => None,
        None => input::total_size(&cli.files),
    });

    let (many, options) = (cli.ring.many, cli.options());
    let outcome = match (&cli.to, &cli.from) {
        (Some(ring), _) => to::send(ring, &cli.files, many, &options, &console, &mut totals),
        (None, Some(ring)) => from::receive(ring, many, &options, &console, &mut totals),
        (None, None) => cat::copy(&cli.files, !cli.no_upgrade, &console, &mut totals),
    };

    console.finish();
    if let Some(format) = cli.reports.stats {
        totals.print(format);
    }
    exit::with(outcome)
}
