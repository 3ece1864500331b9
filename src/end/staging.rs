//! Private memory for bytes that must not be shown or made in place: see [`crate::Trust::AnyUser`].

use std::ptr::NonNull;

/// A buffer that only grows, whose bytes begin where they are wanted.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
    skip: usize,
    len: usize,
}

impl Staging {
    /// `len` bytes, the first of them at a multiple of `align`, a power of two. They hold
    /// what was there before, or zeros.
    pub(crate) fn prepare(&mut self, len: usize, align: usize) -> &mut [u8] {
        let needed = len.saturating_add(align);
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        self.skip = self.bytes.as_ptr().align_offset(align).min(align);
        self.len = len;
        self.get_mut()
    }

    /// The bytes that were last prepared.
    pub(crate) fn get(&self) -> &[u8] {
        &self.bytes[self.skip..self.skip + self.len]
    }

    /// The bytes that were last prepared.
    pub(crate) fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.skip..self.skip + self.len]
    }

    /// Where they begin.
    pub(crate) fn as_ptr(&mut self) -> NonNull<u8> {
        NonNull::from(self.get_mut()).cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_and_keep_their_memory() {
        let mut staging = Staging::default();
        for align in [1, 8, 64, 4096] {
            let bytes = staging.prepare(100, align);
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % align), (100, 0));
        }
        let at = staging.bytes.as_ptr();
        staging.prepare(10, 8);
        assert_eq!((staging.get().len(), staging.bytes.as_ptr()), (10, at));
    }
}
