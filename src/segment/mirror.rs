//! The double mapping.
//!
//! ```text
//! object     | control |        data        |
//!
//! addresses  | control |        data        |        data again        |
//!            base      data                 data + capacity            data + 2 * capacity
//! ```
//!
//! The second view shows the same pages, so every span of up to `capacity` bytes is one contiguous
//! slice wherever in the ring it starts. (Known as the magic or virtual ring buffer; Phil Howard's
//! VRB of 2002 is an early one.)

use crate::sys::OsError;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use std::{ffi::c_void, num::NonZeroUsize, os::fd::AsFd, ptr::NonNull};

/// An object's place in this process. Unmapped when dropped; never inherited by fork.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<c_void>,
    control: usize,
    capacity: usize,
    /// The data area's first byte; worked out once, because every operation asks for it.
    data: NonNull<u8>,
}

// SAFETY: the mapping is plain memory of the process, not of a thread. What may be done with it at
// a time is up to those who hold the pointers it hands out.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared Mapping hands out pointers and addresses only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `control + capacity` bytes of `fd`, the last `capacity` of them twice. Both sizes are
    /// whole pages, the capacity a power of two. The kernel keeps the description behind `fd` open for as long as this lives,
    /// and with it the locks that were taken through it.
    pub(crate) fn new(fd: impl AsFd, control: usize, capacity: usize) -> Result<Self, OsError> {
        let too_large = || OsError::from_nix("mmap")(nix::errno::Errno::ENOMEM);
        let whole = capacity
            .checked_mul(2)
            .and_then(|data| data.checked_add(control))
            .and_then(NonZeroUsize::new)
            .ok_or_else(too_large)?;
        let once = NonZeroUsize::new(control + capacity).ok_or_else(too_large)?;
        let twice = NonZeroUsize::new(capacity).ok_or_else(too_large)?;

        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let base = unsafe {
            mmap_anonymous(None, whole, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)
                .map_err(OsError::from_nix("mmap"))?
        };
        // From here on dropping it unmaps everything.
        // SAFETY: within the address space just reserved.
        let data = unsafe { base.cast::<u8>().add(control) };
        let mapping = Self { base, control, capacity, data };

        let view = |at: usize, length: NonZeroUsize, offset: usize| {
            let address = NonZeroUsize::new(base.addr().get() + at);
            let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
            let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            // SAFETY: the views lie inside the address space reserved above, which is ours alone.
            unsafe { mmap(address, length, access, flags, &fd, offset as libc::off_t) }
                .map(drop)
                .map_err(OsError::from_nix("mmap"))
        };
        view(0, once, 0)?;
        view(control + capacity, twice, control)?;

        // A forked child must not hold the description, or it would keep a dead owner's role.
        // SAFETY: the range is exactly what was mapped; the advice does not change its contents.
        unsafe { madvise(base, whole.get(), MmapAdvise::MADV_DONTFORK) }
            .map_err(OsError::from_nix("madvise(MADV_DONTFORK)"))?;
        Ok(mapping)
    }

    /// The first byte of the control area.
    pub(crate) fn control(&self) -> NonNull<u8> {
        self.base.cast()
    }

    /// The byte at a position of the stream. From there on `capacity` bytes may be reached.
    #[inline]
    pub(crate) fn at(&self, position: u64) -> NonNull<u8> {
        // The capacity is a power of two.
        let offset = position as usize & (self.capacity - 1);
        // SAFETY: within the mapping, of which 2 * capacity bytes are data; `offset` is less than the
        // capacity, whatever the position.
        unsafe { self.data.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` reserved; whoever owns the mapping has dropped what pointed
        // into it. An error can only mean that it is not mapped.
        let _ = unsafe { munmap(self.base, self.control + 2 * self.capacity) };
    }
}
