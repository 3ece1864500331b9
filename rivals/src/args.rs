//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{pipeline, report};

/// How many pairs there are unless told otherwise.
pub const PAIRS: usize = 11;

/// How many milliseconds a sample should take unless told otherwise.
pub const SAMPLE_MS: u64 = 200;

/// shmpipe and other libraries, in turns.
#[derive(Parser)]
#[command(max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,

    /// So many samples of each [default: 11]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub pairs: Option<u32>,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = SAMPLE_MS, global = true)]
    pub sample_ms: u64,

    /// Only comparisons whose name contains this; of a report, only these steps, as STEP,STEP
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, global = true)]
    pub only: String,

    /// Write the medians and ratios to a file too, as an array of rows
    #[arg(long, value_name = "FILE", global = true)]
    pub json: Option<PathBuf>,

    /// How shmpipe's ends wait, instead of its default
    #[arg(long, value_name = "HOW", global = true)]
    pub wait: Option<Wait>,

    /// How many senders there are, where there can be several
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "1,2,8",
        global = true
    )]
    pub senders: Vec<u64>,

    /// Records are made in the ring, and not copied into it
    #[arg(long, global = true)]
    pub in_place: bool,

    /// How many bytes a ring holds, for all that are told
    #[arg(long, value_name = "SIZE", global = true)]
    pub capacity: Option<String>,
}

impl Args {
    /// How many samples of each.
    pub fn pairs(&self) -> usize {
        self.pairs.map_or(PAIRS, |pairs| pairs as usize)
    }
}

/// What is to be done.
#[derive(Subcommand)]
pub enum Command {
    /// Values of 8, 32 and 64 B by slots
    Slots,
    /// Messages of 32 B, 64 B and 1 KiB by records
    Records,
    /// Messages of 32 B by records of many senders
    Many,
    /// 8 and 32 B there and back
    RoundTrip,
    /// A file through shmcat, and through cat, uutils' cat, pv and mbuffer
    Pipeline(pipeline::Options),
    /// All of it and the benches of the crate, and BENCHMARKS.md made of it
    Report(report::Options),
}

/// What messages are sent for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Slots.
    Slots,
    /// Records.
    Records,
    /// Records of many senders.
    Many,
    /// Slots and records there and back.
    RoundTrip,
}

impl Work {
    /// What its table is called: as its command.
    pub const fn table(self) -> &'static str {
        match self {
            Work::Slots => "slots",
            Work::Records => "records",
            Work::Many => "many",
            Work::RoundTrip => "round-trip",
        }
    }
}

/// How an end waits.
#[derive(Clone, Copy, ValueEnum)]
pub enum Wait {
    Adaptive,
    Spin,
    Sleep,
}
