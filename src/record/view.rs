//! What a receiver is shown of a record.

use bytemuck::{Pod, PodCastError};
use std::{fmt, ops::Deref};
use thiserror::Error;

/// A record that is looked at: its bytes and its kind.
///
/// The bytes lie in the ring, and the sender leaves them alone as long as the view lives. A forked
/// child must not touch those that its parent was shown: they are not mapped there.
#[derive(Clone, Copy)]
pub struct View<'a, O = ()> {
    bytes: &'a [u8],
    kind: u32,
    /// What every record of the ring is aligned to.
    align: u32,
    /// Who sent it, as far as there is a choice.
    pub(crate) origin: O,
}

/// Why a record's bytes are not the plain data that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PodError {
    /// The record is too short or too long for it.
    #[error("the record has {found} bytes where {expected} (or a multiple) were expected")]
    Size {
        /// Bytes of one value.
        expected: usize,
        /// Bytes of the record.
        found: usize,
    },
    /// The type wants an alignment that the ring's records do not have.
    #[error(
        "the type must be aligned to {needed} bytes; make the ring with such a payload alignment"
    )]
    Align {
        /// Bytes.
        needed: usize,
    },
}

impl<'a, O> View<'a, O> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], kind: u32, align: usize, origin: O) -> Self {
        // At most a page.
        Self { bytes, kind, align: align as u32, origin }
    }

    /// The number that its sender gave it.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> u32 {
        self.kind
    }

    /// The bytes, for as long as the view could live.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The record as one value, in place.
    ///
    /// # Errors
    /// [`PodError`] if its length or its alignment is not the type's.
    #[inline]
    pub fn as_pod<T: Pod>(&self) -> Result<&'a T, PodError> {
        self.check_align::<T>()?;
        bytemuck::try_from_bytes(self.bytes).map_err(|error| self.refuse::<T>(error))
    }

    /// The record as values one after another, in place.
    ///
    /// # Errors
    /// [`PodError`] if its length is no multiple of the type's, or its alignment not the type's.
    #[inline]
    pub fn as_pods<T: Pod>(&self) -> Result<&'a [T], PodError> {
        self.check_align::<T>()?;
        bytemuck::try_cast_slice(self.bytes).map_err(|error| self.refuse::<T>(error))
    }

    /// Not whether this record happens to be aligned, but whether all are.
    #[inline]
    fn check_align<T>(&self) -> Result<(), PodError> {
        if align_of::<T>() > self.align as usize {
            return Err(PodError::Align { needed: align_of::<T>() });
        }
        Ok(())
    }

    #[cold]
    fn refuse<T>(&self, error: PodCastError) -> PodError {
        match error {
            PodCastError::TargetAlignmentGreaterAndInputNotAligned
            | PodCastError::AlignmentMismatch => PodError::Align { needed: align_of::<T>() },
            PodCastError::SizeMismatch | PodCastError::OutputSliceWouldHaveSlop => {
                PodError::Size { expected: size_of::<T>(), found: self.bytes.len() }
            }
        }
    }
}

impl<O> fmt::Debug for View<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, len) = (self.kind, self.bytes.len());
        f.debug_struct("View").field("kind", &kind).field("len", &len).finish_non_exhaustive()
    }
}

impl<O> Deref for View<'_, O> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}
