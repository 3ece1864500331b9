//! Whether this is still the process that made an end.
//!
//! One private page per process, which fork hands to the child wiped (madvise(2),
//! MADV_WIPEONFORK), holds a random number; an end remembers it. A forked child finds zero, or, once
//! it made ends of its own, another number. So an end that was inherited is found out by a load and
//! a comparison, without a system call.

#![allow(unsafe_code)]

use crate::sys::{OsError, memory};
use memmap2::MmapMut;
use nix::sys::mman::{MmapAdvise, madvise};
use std::{
    ptr::NonNull,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The number of no process: theirs are odd, and a page just wiped holds 0.
pub(super) const NOBODY: u64 = 2;

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
