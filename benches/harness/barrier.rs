//! A barrier for two processes or more, on a page that they share.

use std::fs::File;
use std::hint::spin_loop;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// A peer that has not come by then is taken for dead.
const PATIENCE: Duration = Duration::from_secs(20);

/// All wait here until the others have come.
pub struct Barrier {
    page: MmapRaw,
    sides: u32,
    rounds: u32,
}

impl Barrier {
    /// Makes the page; both processes get it as a descriptor.
    pub fn page() -> io::Result<OwnedFd> {
        let page = memfd_create(c"barrier", MFdFlags::MFD_CLOEXEC)?;
        File::from(page.try_clone()?).set_len(4096)?;
        Ok(page)
    }

    /// One of the two sides of the barrier on `page`.
    pub fn on(page: &OwnedFd) -> io::Result<Self> {
        Self::of(page, 2)
    }

    /// One of so many sides of the barrier on `page`.
    pub fn of(page: &OwnedFd, sides: u32) -> io::Result<Self> {
        Ok(Barrier { page: MmapOptions::new().len(4096).map_raw(page)?, sides, rounds: 0 })
    }

    /// Waits for the other sides, awake.
    pub fn wait(&mut self) -> io::Result<()> {
        // SAFETY: the page is mapped as long as `self` lives, its start is
        // aligned, and all use it as an atomic.
        let arrived = unsafe { AtomicU32::from_ptr(self.page.as_mut_ptr().cast()) };
        self.rounds += 1;
        // AcqRel, and Acquire below: what either did before the barrier happened
        // before what the other does after it.
        arrived.fetch_add(1, Ordering::AcqRel);
        let start = Instant::now();
        let mut looks = 0u32;
        while arrived.load(Ordering::Acquire) < self.sides * self.rounds {
            looks += 1;
            if !looks.is_multiple_of(4096) {
                spin_loop();
                continue;
            }
            if start.elapsed() > PATIENCE {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the other side did not come to the barrier",
                ));
            }
            // On one CPU it could not come otherwise.
            thread::yield_now();
        }
        Ok(())
    }
}
