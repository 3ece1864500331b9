//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::harness::cpu;
use crate::transport::{Rival, size};

/// What is compared when nothing else is asked for. The first is what the others are compared with.
const RIVALS: [&str; 8] = ["ring", "upgrade", "pipe", "cat", "uu-cat", "pv", "mbuffer", "alone"];

/// Moves a file from one process to another in several ways, checks what arrived, and shows how fast each was
///
/// Without FILE it makes one of 1 GiB, or a quarter of the memory that is free if that is less, in TMPDIR. The file has
/// no name, so it is gone however dataflow ends. Every rival runs in turns with the others, reading from the page cache;
/// the times are from the start of its first process to the end of its last, and the figures are medians.
///
/// Every output file is compared with the input afterwards. What went to a device such as /dev/null cannot be: there,
/// each rival first runs once, not timed, into a pipe behind which its output is compared.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = TRANSPORTS)]
pub struct Args {
    /// The file to move; it is not changed
    pub file: Option<PathBuf>,

    /// Where to: a device, a directory for a file that is removed again, or the name of a file, which is replaced and
    /// kept. Can be repeated [default: /dev/null, and a file in TMPDIR]
    #[arg(long, value_name = "PATH")]
    to: Vec<PathBuf>,

    /// Make a file of this size, for example 64M
    #[arg(long, value_parser = size::parse, conflicts_with = "file")]
    pub size: Option<u64>,

    /// How often each rival runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// Compare the first rival with each other one in N pairs of neighbouring runs, with the round trip of a cache line
    /// between the CPUs around every run
    #[arg(long, value_name = "N", conflicts_with = "rounds", value_parser = clap::value_parser!(u32).range(1..))]
    pub paired: Option<u32>,

    /// Only these rivals, for example ring:1M,pipe,cp; the first is what the others are compared with
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = Rival::check_name)]
    only: Vec<String>,

    /// One more rival. Can be repeated
    #[arg(long, value_name = "TRANSPORT", value_parser = Rival::check_name)]
    with: Vec<String>,

    /// The shmcat to compare too, as `shmcat --to` and `shmcat --from`; before all others
    #[arg(long, value_name = "PATH")]
    shmcat: Option<PathBuf>,

    /// Keep the first process of each flow on one CPU and the second on another
    #[arg(long)]
    pin: bool,
}

/// The end of the help.
const TRANSPORTS: &str = "\
Transports:
  ring[:SIZE][:WAIT]  the ring of this library, of SIZE, waiting adaptive, spin or sleep
  pipe[:SIZE]         a pipe between two processes that read and write 128 KiB, as GNU cat does
  unix[:SIZE]         a Unix socket between the same two
  alone               one process that reads and writes 128 KiB: nothing is handed over
  upgrade[:PATH]      shmcat | shmcat, over a pipe that upgrades itself
  cat, uu-cat         the installed cat | cat, and uutils'
  pv, mbuffer         the installed pv | pv, and mbuffer | mbuffer
  cp                  the installed cp
  shmcat:PATH         shmcat --to and shmcat --from

Exit status: 0 if every byte arrived, by every transport that is available here; 1 otherwise.";

impl Args {
    /// The specifications of the rivals, in order.
    pub fn rivals(&self) -> Vec<String> {
        let mut rivals: Vec<String> = Vec::new();
        rivals.extend(self.shmcat.iter().map(|path| format!("shmcat:{}", path.display())));
        if self.only.is_empty() {
            rivals.extend(RIVALS.map(str::to_owned));
        }
        rivals.extend(self.only.iter().chain(&self.with).cloned());
        rivals
    }

    /// Where to; a file in `directory` and /dev/null unless told otherwise.
    pub fn sinks(&self, directory: &Path) -> Vec<PathBuf> {
        if self.to.is_empty() {
            vec!["/dev/null".into(), directory.to_owned()]
        } else {
            self.to.clone()
        }
    }

    /// The CPUs to keep the processes on.
    ///
    /// # Errors
    ///
    /// If that is asked for, and there is one CPU.
    pub fn cpus(&self) -> Result<Option<[usize; 2]>, String> {
        match self.pin.then(cpu::two) {
            Some(None) => Err("--pin needs two CPUs, and this process may use one".into()),
            other => Ok(other.flatten()),
        }
    }
}
