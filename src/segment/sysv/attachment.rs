//! A segment attached for a moment, to be read and written by words.

use crate::sys::{OsError, memory, sysv};
use nix::errno::Errno;
use std::{
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

/// A segment in this process, for a moment.
#[derive(Debug)]
pub(super) struct Attachment {
    base: NonNull<c_void>,
    /// Up to the end of its last page.
    pub(super) size: usize,
}

// SAFETY: memory of the process, not of a thread, which is reached by atomics alone.
unsafe impl Send for Attachment {}
// SAFETY: as above.
unsafe impl Sync for Attachment {}

impl Attachment {
    pub(super) fn new(id: i32, write: bool) -> Result<Self, OsError> {
        let mut attached = Self { base: sysv::shmat(id, write)?, size: 0 };
        // As long as it is attached the id is no other's.
        attached.size = sysv::shm_stat(id)?.shm_segsz.next_multiple_of(memory::page_size());
        Ok(attached)
    }

    pub(super) fn populate(&self, length: usize) -> Result<(), Errno> {
        // SAFETY: the whole segment is attached there; the advice does not change its contents.
        let result =
            unsafe { libc::madvise(self.base.as_ptr(), length, libc::MADV_POPULATE_WRITE) };
        Errno::result(result).map(drop)
    }

    /// A byte that others may write, too. The caller keeps to the segment's size.
    pub(super) fn byte(&self, at: usize) -> &AtomicU8 {
        // SAFETY: within what is attached, for as long as `self`.
        unsafe { self.base.cast::<AtomicU8>().add(at).as_ref() }
    }

    /// Eight of them, if that is where a word begins.
    pub(super) fn word(&self, at: usize) -> Option<&AtomicU64> {
        // SAFETY: as above; and aligned.
        at.is_multiple_of(8).then(|| unsafe { self.base.byte_add(at).cast::<AtomicU64>().as_ref() })
    }

    /// Copies bytes out, whole words where there are any.
    pub(super) fn read(&self, bytes: &mut [u8], offset: usize) {
        for (n, chunk) in bytes.chunks_mut(8).enumerate() {
            let at = offset + 8 * n;
            match self.word(at).filter(|_| chunk.len() == 8) {
                // Acquire: pairs with the Release in `write`, and with that of whoever publishes.
                Some(word) => chunk.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes()),
                None => {
                    for (i, byte) in chunk.iter_mut().enumerate() {
                        *byte = self.byte(at + i).load(Ordering::Acquire);
                    }
                }
            }
        }
    }

    /// Copies bytes in, likewise.
    pub(super) fn write(&self, bytes: &[u8], offset: usize) {
        for (n, chunk) in bytes.chunks(8).enumerate() {
            let at = offset + 8 * n;
            match (self.word(at), <[u8; 8]>::try_from(chunk)) {
                // Release: what was stored before is there for who sees this.
                (Some(word), Ok(bytes)) => {
                    word.store(u64::from_ne_bytes(bytes), Ordering::Release);
                }
                _ => {
                    for (i, byte) in chunk.iter().enumerate() {
                        self.byte(at + i).store(*byte, Ordering::Release);
                    }
                }
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // SAFETY: what `new` attached; whoever had a reference had borrowed it.
        unsafe { sysv::shmdt(self.base) };
    }
}
