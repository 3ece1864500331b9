//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::harness::cpu;
use crate::transport::{Rival, size};

/// What is compared when nothing else is asked for. The first is what the others are compared with.
const RIVALS: [&str; 22] = [
    "ring",
    "ring:posix",
    "ring:sysv",
    "upgrade",
    "pipe",
    "pipe:1M",
    "popen",
    "fifo",
    "unix",
    "unix-bound",
    "seqpacket",
    "sysv-queue",
    "posix-queue",
    "shared-file",
    "sysv-memory",
    "splice",
    "vmsplice",
    "cat",
    "uu-cat",
    "pv",
    "mbuffer",
    "alone",
];

/// Moves a file, and data made in memory, from one process to another in all the ways there are,
/// checks what arrived, and shows how fast each was and what it cost
///
/// Without FILE it makes one of 256 MiB, or a quarter of the memory that is free if that is less,
/// in TMPDIR. The file has no name, so it is gone however dataflow ends. Every rival runs in turns
/// with the others, reading from the page cache; the times are from the start of its first process
/// to the end of its last, and the figures are medians. Twice as many bytes are made by one process
/// (blocks of 64 KiB, a memset), and summed up by another.
///
/// calls/MB are system calls that move data, of all processes; crossed is how many bytes were
/// copied between process and kernel for each byte moved. read(2), write(2) and their like are
/// those that the kernel counts (/proc/PID/io); splice, vmsplice, messages, semaphores and the
/// sleeps of a ring, which it does not count, the transports count themselves. Of installed
/// programs the latter are not known, which a ≥ says.
///
/// Every output file is compared with the input afterwards. What went to a device such
/// as /dev/null cannot be: there, each rival first runs once, not timed, into a pipe
/// behind which its output is compared.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_help = TRANSPORTS)]
pub struct Args {
    /// The file to move; it is not changed
    pub file: Option<PathBuf>,

    /// Where to: a device, a directory for a file that is removed again, or the name of a file,
    /// which is replaced and kept. Can be repeated [default: /dev/null, and a file in TMPDIR]
    #[arg(long, value_name = "PATH")]
    to: Vec<PathBuf>,

    /// Only what is made and used in memory
    #[arg(long, conflicts_with_all = ["file", "to", "paired"])]
    pub memory: bool,

    /// Make a file of this size, for example 64M
    #[arg(long, value_parser = size::parse, conflicts_with = "file")]
    pub size: Option<u64>,

    /// How often each rival runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// Compare the first rival with each other one in N pairs of neighbouring runs, with the round
    /// trip of a cache line between the CPUs around every run
    #[arg(long, value_name = "N", conflicts_with = "rounds", value_parser = clap::value_parser!(u32).range(1..))]
    pub paired: Option<u32>,

    /// Only these rivals, for example ring:1M,pipe,cp; the first is what the
    /// others are compared with
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

    /// Instead of tables, print an array of rows; what is not available or
    /// fails is told on standard error
    #[arg(long, conflicts_with = "paired")]
    pub json: bool,

    /// Draw the tables, too, into this file
    #[arg(long, value_name = "FILE", conflicts_with = "paired")]
    pub svg: Option<PathBuf>,
}

/// The end of the help.
const TRANSPORTS: &str = "\
Transports:
  ring[:SIZE][:WAIT]  the ring of this library, of SIZE, waiting adaptive, spin or sleep
  ring:posix[...]     the same with a name, in shared memory of POSIX
  pipe[:SIZE]         a pipe between two processes that read and write 128 KiB, as GNU cat does
  popen               the same from a process to a child that it starts by popen(3)
  fifo                the same through a FIFO
  unix[:SIZE]         a Unix stream socket between the same two
  unix-bound          the same, connected by a path
  seqpacket           Unix sockets that keep packets, of 64 KiB, apart
  sysv-queue          a message queue of System V, with the limits that the system sets
  posix-queue         a message queue of POSIX, likewise
  shared-file         a file that both have open, and semaphores: 128 KiB in turns
  sysv-memory         shared memory and semaphores of System V: lock, copy 128 KiB, unlock
  splice              splice(2) from file to pipe to file; files only
  vmsplice            vmsplice(2) from memory to a pipe, and read(2); memory only
  alone               one process that does all of it: nothing is handed over
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
        if self.memory {
            Vec::new()
        } else if self.to.is_empty() {
            vec!["/dev/null".into(), directory.to_owned()]
        } else {
            self.to.clone()
        }
    }

    /// Whether what is made and used in memory is asked for: unless the user says
    /// what else to move, or where to.
    pub fn in_memory(&self) -> bool {
        self.memory || self.file.is_none() && self.to.is_empty() && self.paired.is_none()
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
