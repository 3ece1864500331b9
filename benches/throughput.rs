//! Bytes from one process to another, in messages and blocks of 8 B to 1 MiB: the ring against
//! everything that the kernel offers, and against itself.
//!
//! - `cargo bench --bench throughput` measures each rival by itself, with criterion.
//! - `cargo bench --bench throughput -- --paired [N]` measures rivals in turns, N pairs of
//!   neighbouring samples; the figures in BENCHMARKS.md come from here.
//! - `cargo bench --bench throughput -- --sweep [N]` measures rings of 64 KiB
//!   to 16 MiB in turns, N rounds.
//!
//! In the latter two `--sample-ms MS` sets how long a sample should take, and `--only TEXT` which
//! comparisons to make; `--json FILE` writes what `--paired` found as rows (see `harness/row.rs`).
//!
//! What is longer than a mechanism takes at once goes in pieces, which its title says. How
//! splice(2) carries files, and a child's standard input bytes, the example `dataflow` shows.
//!
//! The two ends are processes of this program in hidden roles, each on a CPU of its own where there
//! are two (with `--paired` also where the scheduler puts them, which suits pipes better at times).
//! They are started once for a benchmark, begin each sample at a barrier, and check what arrived.

#[path = "throughput/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod harness;
#[path = "throughput/in_turns.rs"]
mod in_turns;
#[path = "throughput/sweep.rs"]
mod sweep;
#[allow(dead_code, unused_imports, reason = "the example dataflow uses the other half")]
mod transport;
#[path = "throughput/work.rs"]
mod work;

use std::error::Error;
use std::path::PathBuf;
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

    /// In turns, instead of the usual: the first of these with each other, for example
    /// ring:1M,ring:4M,pipe@free; processes are pinned but for those marked @free
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "paired")]
    rivals: Vec<String>,

    /// Write what was found in pairs to this file, as rows
    #[arg(long, value_name = "FILE", requires = "paired")]
    json: Option<PathBuf>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    harness::role::run_if_asked();
    if let Err(error) = transport::doomed::on_signals() {
        eprintln!("throughput: {error}");
        return ExitCode::FAILURE;
    }
    let ours = std::env::args()
        .any(|argument| argument.starts_with("--paired") || argument.starts_with("--sweep"));
    if !ours {
        each::run();
        return ExitCode::SUCCESS;
    }
    match modes(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nobody lost or spoilt a byte.
fn modes(args: &Args) -> Result<bool, Box<dyn Error>> {
    let sample = Duration::from_millis(args.sample_ms);
    println!("{}", harness::cpu::model());
    let mut all_right = true;
    if let Some(pairs) = args.paired {
        let report = in_turns::run(pairs, sample, &args.only, &args.rivals);
        all_right = report.failed == 0;
        if let Some(path) = &args.json {
            harness::row::write(path, &report.rows)?;
        }
    }
    if let Some(rounds) = args.sweep {
        sweep::run(rounds, sample, &args.only)?;
    }
    Ok(all_right)
}
