//! How a record lies in the ring.
//!
//! ```text
//!   position p, a multiple of A                       p + frame
//!   |                                                 |
//!   ......... +--------+----------------+-------------+--------+-----
//!             | header | payload        | padding     | header | ...
//!             +--------+----------------+-------------+--------+-----
//!             ^        ^                              ^
//!   memory of p + A-8  p + A                          p + frame + A-8
//!
//!   header    u32 length of the payload in bytes, u32 kind: 8 bytes
//!   frame     8 + length, rounded up to A
//! ```
//!
//! Positions are multiples of the payload's alignment `A` (8 to 4096), and all is laid `A - 8`
//! bytes further on than the position says, so that the payload and not the header is what is
//! aligned, without a gap between the two. Payload is never taken for a header: positions alone
//! tell where one is. Nothing wraps, because the memory is mapped twice.

use crate::ring::cursor::Violation;
use std::ptr::NonNull;

/// Bytes of a header.
pub(super) const HEADER: u64 = 8;

/// The alignment of a ring's payloads, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frames {
    /// A power of two, from 8 to 4096.
    align: u64,
    /// How far behind its position a header lies.
    shift: u64,
    /// A frame is the payload's length and so much more, as far as it is a
    /// multiple of the alignment.
    more: u64,
    mask: u64,
}

/// A record's header, as it lies in memory: one word, so that it is moved about as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header(u64);

impl Frames {
    /// An alignment that was checked when the ring was opened.
    pub(super) fn new(align: usize) -> Self {
        let align = align as u64;
        Self { align, shift: align - HEADER, more: HEADER + align - 1, mask: !(align - 1) }
    }

    pub(super) fn align(self) -> usize {
        self.align as usize
    }

    /// What all positions are multiples of.
    pub(super) fn unit(self) -> u64 {
        self.align
    }

    /// Bytes of the ring that a payload of `len` bytes takes.
    #[inline]
    pub(super) fn frame(self, len: u32) -> u64 {
        (u64::from(len) + self.more) & self.mask
    }

    /// How far behind its position a header lies.
    #[inline]
    pub(super) fn shift(self) -> u64 {
        self.shift
    }

    /// The longest payload of a ring.
    pub(super) fn max_len(self, capacity: usize) -> usize {
        (capacity as u64 - HEADER).min(u32::MAX.into()) as usize
    }

    /// The frame of a record whose header was read once, if it lies in the `available` bytes.
    #[inline]
    pub(super) fn check(self, header: Header, available: u64) -> Result<u64, Violation> {
        let frame = self.frame(header.len());
        if frame <= available {
            return Ok(frame);
        }
        let (found, high) = (header.len().into(), available.saturating_sub(HEADER));
        Err(Violation { what: "a record's length", found, low: 0, high, exactly: false })
    }
}

impl Header {
    #[inline]
    pub(crate) fn new(len: u32, kind: u32) -> Self {
        Self(u64::from(kind) << 32 | u64::from(len))
    }

    /// A header that was read elsewhere.
    #[inline]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The header as it is kept elsewhere.
    #[inline]
    pub(crate) fn to_word(self) -> u64 {
        self.0
    }

    /// Bytes of the payload.
    #[inline]
    pub(crate) fn len(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    pub(crate) fn kind(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Reads the header at `at`, once.
    ///
    /// # Safety
    /// `at` is aligned to 8, and 8 bytes are mapped there.
    #[inline]
    pub(super) unsafe fn read(at: NonNull<u8>) -> Self {
        // SAFETY: by the contract. Volatile: what a hostile process changes meanwhile is read once.
        Self(unsafe { at.cast::<u64>().read_volatile() })
    }

    /// Writes the header to `at`.
    ///
    /// # Safety
    /// As [`read`](Self::read), and the place is the caller's.
    #[inline]
    pub(super) unsafe fn write(self, at: NonNull<u8>) {
        // SAFETY: by the contract.
        unsafe { at.cast::<u64>().write(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_units_and_hold_header_and_payload() {
        for align in [8_u64, 16, 64, 4096] {
            let frames = Frames::new(align as usize);
            for len in [0, 1, 7, 8, 9, 56, 57, 4088, 4089, u32::MAX - 4096, u32::MAX] {
                let frame = frames.frame(len);
                assert!(frame.is_multiple_of(align) && frame >= HEADER + u64::from(len));
                assert!(frame - align < HEADER + u64::from(len), "no unit too many");
            }
        }
    }

    #[test]
    fn the_longest_record_fills_the_ring_and_one_byte_more_does_not_fit() {
        for align in [8, 64, 4096] {
            let frames = Frames::new(align);
            let max = frames.max_len(1 << 16);
            assert_eq!(frames.frame(max as u32), 1 << 16);
            assert!(frames.frame(max as u32 + 1) > 1 << 16);
        }
    }

    #[test]
    fn a_length_past_what_is_there_is_refused() {
        let frames = Frames::new(8);
        let header = |len| Header::new(len, 0);
        assert_eq!(frames.check(header(8), 16), Ok(16));
        assert!(frames.check(header(9), 16).is_err());
        assert!(frames.check(header(u32::MAX), 16).is_err());
        assert!(frames.check(header(0), 0).is_err());
    }
}
