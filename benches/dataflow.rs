//! A file from the page cache to a device, to a disk and to memory: two processes and a ring
//! against `cat | cat`, `cp` and whatever else is installed.
//!
//! - `cargo bench --bench dataflow` measures each way by itself, with criterion.
//! - `cargo bench --bench dataflow -- --paired [N]` compares the ring with each other one in N
//!   pairs of neighbouring runs; `--only TEXT` says which, `--size SIZE` how long the file is, and
//!   `--json FILE` writes rows (see `harness/row.rs`).
//!
//! A run is from the start of the first process to the end of the last, each on a CPU of its
//! own where there are two. Every output is compared with the input; what went to /dev/null
//! is, in a run of its own. What the example `dataflow` shows besides, system calls and bytes
//! that cross, is not measured here.

#[allow(dead_code, reason = "the example dataflow uses the other half")]
#[path = "../examples/dataflow/contest.rs"]
mod contest;
#[path = "dataflow/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[path = "dataflow/in_turns.rs"]
mod in_turns;
#[allow(dead_code, reason = "the example dataflow uses the other half")]
#[path = "../examples/dataflow/input.rs"]
mod input;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses and tests the other half")]
#[path = "../examples/dataflow/output.rs"]
mod output;
#[path = "../examples/dataflow/room.rs"]
mod room;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;
#[allow(dead_code, reason = "the example dataflow uses the other half")]
#[path = "../examples/dataflow/work.rs"]
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use input::Source;
use output::Sink;
use transport::{doomed, size};

/// What carries the file. The first is what the others are compared with.
const RIVALS: [&str; 7] = ["ring", "pipe", "cat", "uu-cat", "splice", "cp", "alone"];

/// How long the file is, and where all only wants to be seen to work.
const LEN: u64 = 256 << 20;
const SHORT: u64 = 1 << 20;

/// What the mode that is not criterion's is told.
#[derive(Parser)]
struct Args {
    /// Rivals in turns, so many pairs
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "11")]
    paired: usize,

    /// How long the file is
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value_t = LEN)]
    size: u64,

    /// Nothing here: a sample is one run
    #[arg(long, value_name = "MS", hide = true)]
    sample_ms: Option<u64>,

    /// Only comparisons whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Write what was found to this file, as rows
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    harness::role::run_if_asked();
    let given = |flag: &str| std::env::args().any(|argument| argument.starts_with(flag));
    let done = doomed::on_signals().map_err(|e| e.to_string()).and_then(|()| {
        println!("{}", harness::cpu::model());
        if given("--paired") {
            let args = Args::parse();
            Scene::make(args.size)?.compare(&args)
        } else {
            // `cargo test` and `-- --test` want to see that all of it works.
            let measuring = given("--bench") && !given("--test");
            each::run(&Scene::make(if measuring { LEN } else { SHORT })?).map(|()| true)
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dataflow: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The file, and where it goes.
struct Scene {
    source: Source,
    /// By what each is called.
    sinks: Vec<(String, Sink)>,
}

impl Scene {
    fn make(len: u64) -> Result<Self, String> {
        let temporary = std::env::temp_dir();
        let paths = [Path::new("/dev/null"), &temporary, Path::new("/dev/shm")];
        let sinks = paths.map(Sink::at).into_iter().collect::<Result<Vec<_>, _>>()?;
        room::check(Some(&temporary), &sinks, len)?;
        let source = Source::make(&temporary, len)?;
        let called = sinks.into_iter().map(|sink| (format!("to {}", sink.name()), sink));
        Ok(Scene { source, sinks: called.collect() })
    }
}
