//! What is measured, and for how long.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::duo::Duo;
use crate::harness::order::{Cost, Order};
use crate::harness::volume;

/// The capacities of the sweep.
pub const CAPACITIES: [&str; 9] = ["64K", "128K", "256K", "512K", "1M", "2M", "4M", "8M", "16M"];

/// The blocks that are made and used in memory where capacities are compared.
pub const BLOCKS: [usize; 2] = [64 << 10, 1 << 20];

/// The messages and blocks that are made and used in memory where rivals are.
pub const SIZES: [usize; 7] = [8, 64, 512, 1 << 10, 4 << 10, 64 << 10, 1 << 20];

/// What moves them. The first is what the others are compared with.
pub const RIVALS: [&str; 14] = [
    "ring",
    "ring:posix",
    "ring:sysv",
    "pipe",
    "pipe:1M",
    "fifo",
    "unix",
    "unix-bound",
    "seqpacket",
    "sysv-queue",
    "posix-queue",
    "shared-file",
    "sysv-memory",
    "vmsplice",
];

/// One kind of work, of any amount.
#[derive(Clone)]
pub enum Work {
    /// Blocks of a size.
    Blocks(usize),
    /// Numbers of eight bytes, one by one.
    Words,
    /// A file, whole.
    File {
        /// The file.
        from: PathBuf,
        /// Its length.
        len: u64,
        /// A device, or the directory for a file.
        to: PathBuf,
    },
}

impl Work {
    /// So many blocks, numbers, or passes over the file as one order; a file's
    /// passes are `run` one by one.
    fn order(&self, amount: u64) -> Order {
        match self {
            Work::Blocks(size) => Order::Blocks { size: *size, count: amount },
            Work::Words => Order::Words { count: amount },
            Work::File { from, len, to } => {
                Order::File { len: *len, from: from.clone(), to: to.clone() }
            }
        }
    }

    /// The bytes of one unit.
    pub fn unit(&self) -> u64 {
        match self {
            Work::Blocks(size) => *size as u64,
            Work::Words => 8,
            Work::File { len, .. } => *len,
        }
    }

    /// Has so many units of it done.
    pub fn run(&self, duo: &mut Duo, amount: u64) -> Result<Cost, String> {
        let orders = if matches!(self, Work::File { .. }) { amount } else { 1 };
        let order = self.order(amount);
        let mut total = Cost::default();
        for _ in 0..orders {
            let cost = duo.run(&order)?;
            total.time += cost.time;
            total.cpu += cost.cpu;
        }
        Ok(total)
    }

    /// How many units take about `sample`.
    pub fn calibrate(&self, duo: &mut Duo, sample: Duration) -> Result<u64, String> {
        let mut amount = 1;
        loop {
            let took = self.run(duo, amount)?.time;
            if took * 4 >= sample {
                let scale = sample.as_secs_f64() / took.as_secs_f64();
                return Ok(((amount as f64 * scale).round() as u64).max(1));
            }
            amount *= 2;
        }
    }
}

/// A file without a name to be moved, and where to.
pub struct Files {
    _file: File,
    from: PathBuf,
    len: u64,
}

impl Files {
    /// Makes the file among the temporary ones.
    pub fn make(len: u64) -> io::Result<Self> {
        const PIECE: u64 = 1 << 20;
        let mut file = tempfile::tempfile()?;
        let piece: Vec<u8> = (0..PIECE).map(|at| ((at * at) >> 7) as u8).collect();
        for _ in 0..len / PIECE {
            file.write_all(&piece)?;
        }
        file.sync_data()?;
        let from = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into();
        Ok(Files { _file: file, from, len: len / PIECE * PIECE })
    }

    /// The work of moving it, by the name of its destination: a device, memory,
    /// and where temporary files are.
    pub fn works(&self) -> Vec<(String, Work)> {
        let temporary = std::env::temp_dir();
        let to = |name: &str, to: &Path| {
            (
                format!("file to {name}"),
                Work::File { from: self.from.clone(), len: self.len, to: to.to_owned() },
            )
        };
        vec![
            to("/dev/null", Path::new("/dev/null")),
            to(
                &format!("/dev/shm ({})", volume::kind(Path::new("/dev/shm"))),
                Path::new("/dev/shm"),
            ),
            to(&format!("{} ({})", temporary.display(), volume::kind(&temporary)), &temporary),
        ]
    }
}
