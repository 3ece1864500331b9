//! Bytes from one process to another: the ring against what the kernel offers, and against itself.
//!
//! - `cargo bench --bench stream` measures each rival by itself, with criterion.
//! - `cargo bench --bench stream -- --paired [N]` measures rivals in turns, N pairs of neighbouring samples; the
//!   figures in BENCHMARKS.md come from here.
//! - `cargo bench --bench stream -- --sweep [N]` measures rings of 64 KiB to 16 MiB in turns, N rounds.
//!
//! In the latter two `--sample-ms MS` sets how long a sample should take, and `--only TEXT` which comparisons to make.
//!
//! The two ends are processes of this program in hidden roles, each on a CPU of its own where there are two (with
//! `--paired` also where the scheduler puts them, which suits pipes better at times). They are started once for a
//! benchmark, begin each sample at a barrier, and check what arrived.

#[path = "stream/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod harness;
#[path = "stream/in_turns.rs"]
mod in_turns;
#[path = "stream/sweep.rs"]
mod sweep;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod transport;
#[path = "stream/work.rs"]
mod work;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// What the modes that are not criterion's are told.
#[derive(Parser)]
struct Args {
    /// Rivals in turns, so many pairs
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "11")]
    paired: Option<usize>,

    /// Ring capacities in turns, so many rounds
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "7")]
    sweep: Option<usize>,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = 200)]
    sample_ms: u64,

    /// Only comparisons whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// In turns, instead of the usual: the first of these with each other, for example ring:1M,ring:4M,pipe@free;
    /// processes are pinned but for those marked @free
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "paired")]
    rivals: Vec<String>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    harness::role::run_if_asked();
    let ours = std::env::args()
        .any(|argument| argument.starts_with("--paired") || argument.starts_with("--sweep"));
    if !ours {
        each::run();
        return ExitCode::SUCCESS;
    }
    match modes(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn modes(args: &Args) -> Result<(), Box<dyn Error>> {
    let sample = Duration::from_millis(args.sample_ms);
    if let Some(pairs) = args.paired {
        in_turns::run(pairs, sample, &args.only, &args.rivals)?;
    }
    if let Some(rounds) = args.sweep {
        sweep::run(rounds, sample, &args.only)?;
    }
    Ok(())
}
