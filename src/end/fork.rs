//! What fork would do to an end, and how that is kept from being harm.
//!
//! **Whose it is.** Private pages which fork hands to the child wiped (madvise(2),
//! MADV_WIPEONFORK) hold a word of each end ([`Mark`]), which says that it may be used. A forked
//! child finds zero there. So an end that was inherited is found out by a load and a comparison
//! with a constant, without a system call. What has no end to ask compares a random number of the
//! process's own, kept likewise ([`Process`]).
//!
//! **When not to.** A child forked while locks are being taken would share them: [`NoFork`] holds
//! fork back for that long.

#![allow(unsafe_code)]

use crate::sys::{OsError, memory};
use memmap2::MmapMut;
use nix::sys::mman::{MmapAdvise, madvise};
use parking_lot::Mutex;
use std::{
    cell::UnsafeCell,
    ops::Deref,
    ptr::NonNull,
    sync::{
        Once, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// As long as one exists, fork(2) in another thread waits.
///
/// A mutex that pthread_atfork(3) handlers take around each fork. Attaching and leaving hold it,
/// for microseconds, or as long as it takes to reserve a new ring's memory. (clone(2) called
/// without the C library runs no handlers.)
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

/// In a mark: the end is this process's and in good order,
const USABLE: u64 = 1;

/// or it is this process's and was aborted or broken. Anything else, which is
/// 0: it was inherited by fork.
const UNUSABLE: u64 = 2;

/// What an end is to the process that runs this: a word that a forked child finds wiped.
#[derive(Debug)]
pub(super) struct Mark(Sign);

/// A mark to look at, for who does not outlive the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign(&'static AtomicU64);

/// Words that no end uses. Never waited for: in a child it may have been locked for ever.
static UNUSED: Mutex<Vec<&'static AtomicU64>> = Mutex::new(Vec::new());

impl Mark {
    /// Of an end of this process.
    pub(super) fn new() -> Result<Self, OsError> {
        let unused = UNUSED.try_lock().and_then(|mut unused| unused.pop());
        let word = match unused {
            Some(word) => word,
            None => {
                let [word, rest @ ..] = wiped_words()?;
                if let Some(mut unused) = UNUSED.try_lock() {
                    unused.extend(rest);
                }
                word
            }
        };
        // Relaxed, here and below: the word stands for itself, it publishes nothing.
        word.store(USABLE, Ordering::Relaxed);
        Ok(Self(Sign(word)))
    }
}

impl Deref for Mark {
    type Target = Sign;

    #[inline]
    fn deref(&self) -> &Sign {
        &self.0
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // What was inherited stays wiped: aborters may still look at it.
        if self.is_own() {
            let word = self.0.0;
            word.store(0, Ordering::Relaxed);
            if let Some(mut unused) = UNUSED.try_lock() {
                unused.push(word);
            }
        }
    }
}

impl Sign {
    #[inline]
    pub(super) fn is_usable(self) -> bool {
        self.0.load(Ordering::Relaxed) == USABLE
    }

    /// Whether the end is this process's.
    #[inline]
    pub(super) fn is_own(self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Makes an end unusable for good. In a forked child it is that already.
    pub(super) fn spoil(self) {
        let _ = self.0.compare_exchange(USABLE, UNUSABLE, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn page() -> Result<&'static AtomicU64, OsError> {
    static PAGE: OnceLock<&'static AtomicU64> = OnceLock::new();
    if let Some(page) = PAGE.get() {
        return Ok(page);
    }
    let [word, ..] = wiped_words()?;
    // Another thread may have been first; then this page is wasted.
    Ok(PAGE.get_or_init(|| word))
}

/// As many as the smallest page holds.
const WORDS: usize = 4096 / size_of::<AtomicU64>();

/// New words, zeros, in a page that fork wipes.
fn wiped_words() -> Result<&'static [AtomicU64; WORDS], OsError> {
    let mapping = MmapMut::map_anon(memory::page_size())
        .map_err(|source| OsError { call: "mmap", source })?;
    // Lives as long as the process.
    let page: &'static mut MmapMut = Box::leak(Box::new(mapping));
    let length = page.len();
    let address = NonNull::from(&mut page[..]).cast::<u8>();
    // SAFETY: the range is the private anonymous mapping just made, nobody else knows it yet.
    unsafe { madvise(address.cast(), length, MmapAdvise::MADV_WIPEONFORK) }
        .map_err(OsError::from_nix("madvise(MADV_WIPEONFORK)"))?;
    // SAFETY: the page is zeroed, aligned, never unmapped, and from here on used as these atomics
    // alone.
    Ok(unsafe { address.cast::<[AtomicU64; WORDS]>().as_ref() })
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

    #[test]
    fn a_mark_is_one_end_s_alone_and_stays_what_it_became() {
        let (mark, other) = (Mark::new().unwrap(), Mark::new().unwrap());
        assert!(mark.is_usable() && mark.is_own() && !std::ptr::eq(mark.0.0, other.0.0));
        mark.spoil();
        assert!(!mark.is_usable() && mark.is_own() && other.is_usable());
        // What fork leaves of it.
        other.0.0.store(0, Ordering::Relaxed);
        other.spoil();
        assert!(!other.is_usable() && !other.is_own(), "wiped stays wiped");
    }
}
