//! Two process-shared POSIX semaphores at the start of a page, by which two processes take turns:
//! one puts something somewhere, the other takes it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use super::tally;

/// So much of the page is used by the turns.
pub const LEN: usize = 128;

/// What lies there.
#[repr(C)]
struct Page {
    /// Up while nothing is there.
    room: libc::sem_t,
    /// Up while something is.
    there: libc::sem_t,
    /// How long it is.
    len: AtomicUsize,
}

const _: () = assert!(size_of::<Page>() <= LEN);

/// The turns of one of the two processes.
pub struct Turns(MmapRaw);

impl Turns {
    /// Begins on a page of `file`, with room.
    pub fn make(file: &OwnedFd) -> io::Result<()> {
        let turns = Self::on(file)?;
        for (semaphore, value) in [(turns.room(), 1), (turns.there(), 0)] {
            // SAFETY: on a mapped page that nobody uses yet, aligned and shared
            // with whoever maps the file.
            check(unsafe { libc::sem_init(semaphore, 1, value) })?;
        }
        Ok(())
    }

    /// The turns that [`make`](Self::make) began on that file.
    pub fn on(file: &OwnedFd) -> io::Result<Self> {
        Ok(Turns(MmapOptions::new().len(4096).map_raw(file)?))
    }

    /// What lies behind the turns, to the end of the page.
    pub fn rest(&self) -> *mut u8 {
        // SAFETY: within the page.
        unsafe { self.0.as_mut_ptr().add(LEN) }
    }

    /// Waits until nothing is there.
    pub fn wait_for_room(&self) -> io::Result<()> {
        wait(self.room())
    }

    /// Says that there are so many bytes now.
    pub fn give(&self, len: usize) -> io::Result<()> {
        self.len().store(len, Ordering::Relaxed);
        // SAFETY: initialized by `make`, on a page that is mapped as long as `self` lives.
        check(unsafe { libc::sem_post(self.there()) })
    }

    /// Waits until there is something; how much.
    pub fn wait_for_it(&self) -> io::Result<usize> {
        wait(self.there())?;
        Ok(self.len().load(Ordering::Relaxed))
    }

    /// Says that it has been taken.
    pub fn give_back(&self) -> io::Result<()> {
        // SAFETY: as in `give`.
        check(unsafe { libc::sem_post(self.room()) })
    }

    fn page(&self) -> *mut Page {
        self.0.as_mut_ptr().cast()
    }

    fn room(&self) -> *mut libc::sem_t {
        // SAFETY: a field of what lies on the mapped page.
        unsafe { &raw mut (*self.page()).room }
    }

    fn there(&self) -> *mut libc::sem_t {
        // SAFETY: a field of what lies on the mapped page.
        unsafe { &raw mut (*self.page()).there }
    }

    fn len(&self) -> &AtomicUsize {
        // SAFETY: mapped as long as `self` lives, aligned, and used as an atomic by all.
        unsafe { &(*self.page()).len }
    }
}

fn wait(semaphore: *mut libc::sem_t) -> io::Result<()> {
    // SAFETY: initialized by `make`, on a page that is mapped as long as the caller's `Turns`.
    if unsafe { libc::sem_trywait(semaphore) } == 0 {
        return Ok(());
    }
    tally::count(tally::CALLS_OF_A_SLEEP, 0);
    loop {
        // SAFETY: as above.
        match check(unsafe { libc::sem_wait(semaphore) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
