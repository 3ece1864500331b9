//! What fork would do to an end, and how that is kept from being harm.
//!
//! **Whose it is.** One private page per process, which fork hands to the child wiped (madvise(2),
//! MADV_WIPEONFORK), holds a random number; an end remembers it. A forked child finds zero, or, once
//! it made ends of its own, another number. So an end that was inherited is found out by a load and
//! a comparison, without a system call.
//!
//! **When not to.** A child forked while locks are being taken would share them: [`NoFork`] holds
//! fork back for that long.

#![allow(unsafe_code)]

use crate::sys::{OsError, memory};
use memmap2::MmapMut;
use nix::sys::mman::{MmapAdvise, madvise};
use std::{
    cell::UnsafeCell,
    ptr::NonNull,
    sync::{
        Once, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The number of no process: theirs are odd, and a page just wiped holds 0.
pub(super) const NOBODY: u64 = 2;

/// As long as one exists, fork(2) in another thread waits.
///
/// A mutex that pthread_atfork(3) handlers take around each fork. Attaching and leaving hold it, for
/// microseconds, or as long as it takes to reserve a new ring's memory. (clone(2) called without the
/// C library runs no handlers.)
///
/// So this library must not be used in a signal handler, and who registers handlers of his own that
/// take a lock must not open or drop an end while he holds that lock.
#[derive(Debug)]
pub(super) struct NoFork(());

struct ForkMutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a pthread mutex is there to be used by several threads, and is used through its functions
// alone.
unsafe impl Sync for ForkMutex {}

static FORK: ForkMutex = ForkMutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

extern "C" fn lock_fork() {
    // SAFETY: a statically initialized mutex, never destroyed; no thread takes it twice, for
    // nothing that runs while it is held forks or attaches.
    unsafe { libc::pthread_mutex_lock(FORK.0.get()) };
}

extern "C" fn unlock_fork() {
    // SAFETY: as above; locked by this thread, which in a forked child is the only one.
    unsafe { libc::pthread_mutex_unlock(FORK.0.get()) };
}

impl NoFork {
    pub(super) fn start() -> Self {
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(|| {
            // SAFETY: the handlers live as long as the program. Without memory for them, forks are
            // not held back, and what the module tells of can happen.
            unsafe { pthread_atfork(Some(lock_fork), Some(unlock_fork), Some(unlock_fork)) };
        });
        lock_fork();
        Self(())
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        unlock_fork();
    }
}

unsafe extern "C" {
    /// glibc; the libc crate does not declare it.
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> libc::c_int;
}

/// The process that made something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    page: &'static AtomicU64,
    number: u64,
}

impl Process {
    /// This one.
    pub(crate) fn current() -> Result<Self, OsError> {
        let page = page()?;
        // Relaxed, here and below: the number is compared with itself, it publishes nothing. And
        // fork copies the memory of one thread's view, which includes what that thread stored.
        let fresh = memory::random() | 1;
        let number = match page.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(number) => number,
        };
        Ok(Self { page, number })
    }

    /// Whether it is the one that runs this.
    #[inline]
    pub(crate) fn is_this(&self) -> bool {
        self.running() == self.number
    }

    /// The number of the process that runs this.
    #[inline]
    pub(crate) fn running(&self) -> u64 {
        self.page.load(Ordering::Relaxed)
    }

    /// The number of the process that made it.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

fn page() -> Result<&'static AtomicU64, OsError> {
    static PAGE: OnceLock<&'static AtomicU64> = OnceLock::new();
    if let Some(page) = PAGE.get() {
        return Ok(page);
    }
    let mapping = MmapMut::map_anon(memory::page_size())
        .map_err(|source| OsError { call: "mmap", source })?;
    // Lives as long as the process.
    let page: &'static mut MmapMut = Box::leak(Box::new(mapping));
    let length = page.len();
    let address = NonNull::from(&mut page[..]).cast::<u8>();
    // SAFETY: the range is the private anonymous mapping just made, nobody else knows it yet.
    unsafe { madvise(address.cast(), length, MmapAdvise::MADV_WIPEONFORK) }
        .map_err(OsError::from_nix("madvise(MADV_WIPEONFORK)"))?;
    // SAFETY: the page is zeroed, aligned, never unmapped, and from here on used as this atomic
    // alone.
    let word = unsafe { address.cast::<AtomicU64>().as_ref() };
    // Another thread may have been first; then this page is wasted.
    Ok(PAGE.get_or_init(|| word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let process = Process::current().unwrap();
        assert_eq!(process.running(), process.number());
        assert_ne!(process.number(), 0);
        assert_eq!(Process::current().unwrap().number(), process.number());
    }
}
