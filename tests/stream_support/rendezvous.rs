//! Two processes that meet, again and again, to do something at nearly the same moment.

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use std::{
    hint::spin_loop,
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// Shared with the processes that are forked after it was made.
#[derive(Clone, Copy, Debug)]
pub struct Rendezvous {
    /// How often each side has come.
    came: &'static [AtomicU64; 2],
}

impl Rendezvous {
    pub fn new() -> Self {
        let length = NonZeroUsize::new(2 * size_of::<AtomicU64>()).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let memory = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }.unwrap();
        // SAFETY: page-aligned, zeroed, as long as two words at least, never unmapped, and used as
        // atomics alone.
        Self { came: unsafe { memory.cast().as_ref() } }
    }

    /// Waits for the other side to come as often as this one.
    pub fn meet(&self, side: usize) {
        let turn = self.came[side].fetch_add(1, Ordering::AcqRel) + 1;
        let mut looks = 0_u32;
        while self.came[1 - side].load(Ordering::Acquire) < turn {
            looks += 1;
            if looks > 2000 {
                // The other may want this processor.
                thread::yield_now();
            }
            spin_loop();
        }
    }
}
