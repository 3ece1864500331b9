//! What processes ask of the kernel to move data: how many system calls, and how
//! many bytes cross between the two.
//!
//! The kernel counts read(2), write(2) and their like for each process: `/proc/PID/io`, which can
//! be read of a process that has ended, as long as nobody has waited for it. It does not count
//! other calls: those a transport counts itself ([`count`]), and its processes add their sums up on
//! a page that they share ([`Ledger`]). Of programs that are not ours only what the kernel counts
//! is known: [`Traffic::at_least`] says so. (It also counts what copy_file_range(2) and sendfile(2)
//! copy, as if that crossed twice; of what is measured here `cp` alone does that.)
//!
//! Calls that put a process to sleep or wake one up count where they are: every semop(2), and
//! for each sleep on a semaphore of POSIX or in a ring the wait and the wake-up; of a ring
//! also its sleeper's membarrier(2).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{Pid, ftruncate};

/// The wait and the wake-up.
pub const CALLS_OF_A_SLEEP: u64 = 2;

/// The same with the barrier of who goes to sleep.
pub const CALLS_OF_A_RING_S_SLEEP: u64 = 3;

static CALLS: AtomicU64 = AtomicU64::new(0);
static CROSSED: AtomicU64 = AtomicU64::new(0);

/// Counts system calls that `/proc/PID/io` does not, and the bytes they copied
/// between process and kernel.
pub fn count(calls: u64, crossed: usize) {
    CALLS.fetch_add(calls, Ordering::Relaxed);
    CROSSED.fetch_add(crossed as u64, Ordering::Relaxed);
}

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// System calls.
    pub calls: u64,
    /// Bytes, in both directions.
    pub crossed: u64,
    /// Whether there may have been calls that nobody counted.
    pub at_least: bool,
}

impl Traffic {
    /// What the kernel has counted of a process that may have ended; `None`
    /// where it does not count.
    pub fn of_process(pid: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let number = |name: &str| -> Option<u64> {
            text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
        };
        Some(Traffic {
            calls: number("syscr:")? + number("syscw:")?,
            crossed: number("rchar:")? + number("wchar:")?,
            at_least: false,
        })
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Traffic {
            calls: self.calls + other.calls,
            crossed: self.crossed + other.crossed,
            at_least: self.at_least || other.at_least,
        }
    }
}

/// Where the processes of a flow write down what they counted themselves.
pub struct Ledger(MmapRaw);

impl Ledger {
    /// Makes the page; the processes get it as a descriptor.
    pub fn page() -> io::Result<OwnedFd> {
        let page = memfd_create(c"ledger", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&page, 4096)?;
        Ok(page)
    }

    /// The ledger on `page`.
    pub fn on(page: &OwnedFd) -> io::Result<Self> {
        Ok(Ledger(MmapOptions::new().len(4096).map_raw(page)?))
    }

    fn line(&self, number: usize) -> &AtomicU64 {
        assert!(number < 2, "there are two lines");
        // SAFETY: the page is mapped as long as `self` lives, its start is aligned, the lines lie
        // in it, and all use them as atomics.
        unsafe { AtomicU64::from_ptr(self.0.as_mut_ptr().cast::<u64>().add(number)) }
    }

    /// Adds what this process has counted. To be called once, at its end.
    pub fn add(&self) {
        self.line(0).fetch_add(CALLS.load(Ordering::Relaxed), Ordering::Relaxed);
        self.line(1).fetch_add(CROSSED.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The sum, once the processes have ended.
    pub fn sum(&self) -> Traffic {
        let line = |number| self.line(number).load(Ordering::Relaxed);
        Traffic { calls: line(0), crossed: line(1), at_least: false }
    }
}
