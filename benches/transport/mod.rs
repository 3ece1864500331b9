//! The ways to carry bytes from one process to another, one small file each, behind one trait.
//!
//! Benches and examples share this folder: `#[path = ".../benches/transport/mod.rs"] mod
//! transport;`, next to `benches/harness`, which runs what is described here.
//!
//! **To add a transport**: write its file with a `make` function, and give it a `mod` line and
//! a row in [`TRANSPORTS`]. If its ends are descriptors for read(2) and write(2),
//! [`descriptor`] already has the sender and the receiver; if it moves pieces of a limited
//! size, [`pieces`] has. What would stay in the system when this program is ended by a signal
//! is kept as a [`doomed::Doomed`], and calls that the kernel does not count are counted by
//! [`tally`]. What this machine cannot do is [`Unavailable`], with the reason; it is said
//! below the tables and is no failure.

mod alone;
mod bound;
mod cp;
pub mod descriptor;
pub mod doomed;
mod fifo;
pub mod installed;
mod link;
pub mod pieces;
mod pipe;
mod popen;
mod posix_queue;
mod ring;
mod rival;
mod seqpacket;
mod shared_file;
mod shmcat;
pub mod size;
mod splice;
pub mod stage;
mod sysv;
mod sysv_memory;
mod sysv_queue;
pub mod tally;
pub mod turns;
mod unix;
pub mod upgrade;
mod vmsplice;

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub use link::{End, Link};
pub use rival::Rival;
use stage::Stage;

/// Makes a transport from what follows its name, for example `1M` in `pipe:1M`; empty if
/// nothing does. Every process that has an end does so, and may be ended meanwhile: nothing is
/// made that would be left behind.
type Make = fn(options: &str) -> Result<Box<dyn Transport>, Unavailable>;

/// Every transport, in the order in which they are offered.
const TRANSPORTS: &[(&str, Make)] = &[
    ("ring", ring::make),
    ("pipe", pipe::make),
    ("popen", popen::make),
    ("fifo", fifo::make),
    ("unix", unix::make),
    ("unix-bound", bound::make),
    ("seqpacket", seqpacket::make),
    ("sysv-queue", sysv_queue::make),
    ("posix-queue", posix_queue::make),
    ("shared-file", shared_file::make),
    ("sysv-memory", sysv_memory::make),
    ("splice", splice::make),
    ("vmsplice", vmsplice::make),
    ("alone", alone::make),
    ("upgrade", upgrade::make),
    ("cat", installed::cat),
    ("uu-cat", installed::uu_cat),
    ("pv", installed::pv),
    ("mbuffer", installed::mbuffer),
    ("cp", cp::make),
    ("shmcat", shmcat::make),
];

/// One way to carry bytes from one process to another.
///
/// There are two kinds. A *link* joins two processes of this program and carries files and blocks
/// made in memory; it has [`connect`](Transport::connect), [`sender`](Transport::sender) and
/// [`receiver`](Transport::receiver). *Programs* carry whole files only; they have
/// [`programs`](Transport::programs).
pub trait Transport {
    /// What a table calls it.
    fn title(&self) -> String;

    /// What is to be known of it besides, as a part of a sentence.
    fn remark(&self) -> Option<String> {
        None
    }

    /// Makes a link. The ends are given to two processes; what the link leaves in the system (a
    /// name, an identifier) is removed when its [`guard`](Link::guard) is dropped.
    fn connect(&self) -> Result<Link, Unavailable> {
        Err(Unavailable::because("it carries whole files only"))
    }

    /// Takes the sending end, in the process that sends.
    fn sender(&self, _end: End) -> io::Result<Box<dyn Sender>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes the receiving end, in the process that receives.
    fn receiver(&self, _end: End) -> io::Result<Box<dyn Receiver>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether it carries files.
    fn carries_files(&self) -> bool {
        true
    }

    /// Whether it carries what a program makes in memory.
    fn carries_memory(&self) -> bool {
        true
    }

    /// The programs that carry `input` to `output`; `None` for a link.
    fn programs(&self, _input: &Input, _output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        None
    }

    /// The programs that make and use so many bytes in memory; `None` for a
    /// link, and where there are none.
    fn programs_in_memory(&self, _len: u64) -> Option<Flow> {
        None
    }
}

/// Processes that carry a file, in the order of the flow.
pub struct Flow {
    /// The processes.
    pub stages: Vec<Stage>,
    /// Removes on drop, after the processes have ended, what they may have left
    /// behind; `None` if that is nothing.
    pub guard: Option<Box<dyn Any>>,
    /// Where its processes write down what they counted; `None` if they do not.
    pub ledger: Option<tally::Ledger>,
    /// Whether all calls of its processes that move data are counted, by the
    /// kernel or by themselves.
    pub counted: bool,
}

impl From<Vec<Stage>> for Flow {
    fn from(stages: Vec<Stage>) -> Self {
        Flow { stages, guard: None, ledger: None, counted: false }
    }
}

/// The sending end of a link.
pub trait Sender {
    /// Sends what one read of `file` gives, `max` bytes at most; 0 at the end of the file.
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize>;

    /// Sends `len` bytes made by `fill`, which is called on consecutive parts of them, in order.
    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()>;

    /// Sends the numbers below `count`, eight bytes each, every one by an operation of its own.
    fn send_words(&mut self, count: u64) -> io::Result<()> {
        for word in 0..count {
            self.send_block(8, &mut |part| part.copy_from_slice(&word.to_le_bytes()))?;
        }
        Ok(())
    }

    /// Ends the stream: the receiver sees its end once it has everything.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// The receiving end of a link.
pub trait Receiver {
    /// Whether nobody hands anything over: who would receive blocks makes them.
    fn gets_nothing(&self) -> bool {
        false
    }

    /// Writes to `file` what one read of the link gives, `max` bytes at most; 0
    /// at the end of the stream.
    fn receive_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize>;

    /// Shows `take` what is there, `max` bytes at most, and lets go of it; 0 at
    /// the end of the stream.
    fn receive_block(&mut self, max: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<usize>;

    /// Receives `count` numbers of eight bytes, every one by an operation of its own,
    /// and returns their sum (mod 2^64).
    fn receive_words(&mut self, count: u64) -> io::Result<u64> {
        let mut sum = 0u64;
        for _ in 0..count {
            let (mut word, mut got) = ([0; 8], 0);
            while got < word.len() {
                match self.receive_block(word.len() - got, &mut |part| {
                    word[got..got + part.len()].copy_from_slice(part);
                })? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => got += n,
                }
            }
            sum = sum.wrapping_add(u64::from_le_bytes(word));
        }
        Ok(sum)
    }
}

/// The file that programs read.
pub struct Input {
    /// For a program's standard input: reopened for each, so that each has its own position.
    pub path: PathBuf,
}

impl Input {
    /// Opens the file at its beginning.
    pub fn open(&self) -> Result<File, Unavailable> {
        File::open(&self.path)
            .map_err(|e| Unavailable::because(format!("cannot open {}: {e}", self.path.display())))
    }
}

/// Where programs write. It is made on demand, in the form a program needs.
pub trait Output {
    /// An open file for standard output.
    fn descriptor(&self) -> io::Result<OwnedFd>;

    /// A path for a program that opens its output itself, once `stage` has been made ready for
    /// that. There is no file of this name yet, unless it is a device.
    fn path(&self, stage: &mut Stage) -> io::Result<PathBuf>;
}

/// Why a transport cannot be used here; not a failure.
#[derive(Clone, Debug)]
pub struct Unavailable(String);

impl Unavailable {
    /// `reason` is a part of a sentence: "the program cat is not installed".
    pub fn because(reason: impl Into<String>) -> Self {
        Unavailable(reason.into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not available: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}
