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

use super::{Memory, Object};
use crate::{
    peer::sysv::Locks,
    sys::{OsError, sysv},
};
use nix::sys::mman::{
    MRemapFlags, MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, mremap, munmap,
};
use std::{ffi::c_void, fs::File, num::NonZeroUsize, ptr::NonNull, sync::Arc};

/// Of how many views a mapping consists, each of which the kernel counts as an
/// attachment of a System V segment.
pub(crate) const VIEWS: usize = 2;

/// An object's place in this process. Unmapped when dropped; never inherited by fork.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<c_void>,
    control: usize,
    capacity: usize,
    /// The data area's first byte; worked out once, because every operation asks for it.
    data: NonNull<u8>,
    /// Of a System V segment, whose mappings hold no locks by themselves.
    locks: Option<Arc<Locks>>,
}

// SAFETY: the mapping is plain memory of the process, not of a thread. What may be done with it at
// a time is up to those who hold the pointers it hands out.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared Mapping hands out pointers and addresses only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `control + capacity` bytes of an object, the last `capacity` of them twice. Both sizes
    /// are whole pages, the capacity a power of two. This description's locks, which were or will
    /// be taken through it, are held for as long as this lives.
    pub(crate) fn new(object: &Object, control: usize, capacity: usize) -> Result<Self, OsError> {
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
        let mut mapping = Self { base, control, capacity, data, locks: None };
        match object.memory() {
            Memory::File(file) => {
                mapping.view(file, 0, once, 0)?;
                mapping.view(file, control + capacity, twice, control)?;
            }
            Memory::SystemV(segment) => {
                // As long as it is attached the id is no other's.
                let _attached = segment.attach()?;
                // One that is larger would take the place of what lies behind.
                if segment.facts()?.size != (control + capacity) as u64 {
                    return Err(OsError::from_nix("shmat")(nix::errno::Errno::EINVAL));
                }
                mapping.attach(segment.id())?;
                segment.locks().set_mapped(true);
                mapping.locks = Some(Arc::clone(segment.locks()));
            }
        }

        // A forked child must not hold the description, or it would keep a dead owner's role.
        // SAFETY: the range is exactly what was mapped; the advice does not change its contents.
        unsafe { madvise(base, whole.get(), MmapAdvise::MADV_DONTFORK) }
            .map_err(OsError::from_nix("madvise(MADV_DONTFORK)"))?;
        Ok(mapping)
    }

    /// Shows so much of a file, from `offset` on, `at` bytes behind the base.
    fn view(
        &self,
        file: &File,
        at: usize,
        length: NonZeroUsize,
        offset: usize,
    ) -> Result<(), OsError> {
        let address = NonZeroUsize::new(self.base.addr().get() + at);
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the views lie inside the address space that was reserved, which is ours alone.
        unsafe { mmap(address, length, access, flags, file, offset as libc::off_t) }
            .map(drop)
            .map_err(OsError::from_nix("mmap"))
    }

    /// Attaches a segment, whose data area mremap(2) shows once more: without a length of its own
    /// to take from a shared mapping it makes a second one of the same pages.
    fn attach(&self, id: i32) -> Result<(), OsError> {
        // SAFETY: the segment was found to be as large as control area and data area, for which
        // address space was reserved, and once more the data area.
        unsafe {
            sysv::shmat_over(id, self.base)?;
            let again = self.data.byte_add(self.capacity).cast();
            let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
            mremap(self.data.cast(), 0, self.capacity, flags, Some(again))
                .map(drop)
                .map_err(OsError::from_nix("mremap"))
        }
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
        // SAFETY: within the mapping, of which 2 * capacity bytes are data; `offset` is less than
        // the capacity, whatever the position.
        unsafe { self.data.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Locks first: nobody holds one who has not the ring.
        if let Some(locks) = self.locks.take() {
            locks.set_mapped(false);
        }
        // SAFETY: exactly what `new` reserved; whoever owns the mapping has dropped what pointed
        // into it. An error can only mean that it is not mapped.
        let _ = unsafe { munmap(self.base, self.control + 2 * self.capacity) };
    }
}
