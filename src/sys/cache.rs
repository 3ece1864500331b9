//! Hints to the processor's caches.

/// Bytes of a cache line, near enough for hints.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// Asks for the line at `at` in order to write to it, without waiting.
#[inline]
pub(crate) fn prefetch_for_writing(at: *const u8) {
    // SAFETY: a prefetch reads and writes nothing that a program could see and never faults;
    // processors that do not know this one take it for a no-op.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for the line at `at` in order to read it, without waiting.
#[inline]
pub(crate) fn prefetch_for_reading(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that a program could see and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for `len` bytes at `from` to be brought near, without waiting for them.
///
/// Bytes that another processor has just written come one by one over the chip's interconnect, and
/// a loop that needs each before it asks for the next gets no more than a fraction of what the
/// interconnect could carry; hardware prefetchers stop at every page.
#[inline]
pub(crate) fn prefetch(from: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        for offset in (0..len).step_by(LINE) {
            // SAFETY: a prefetch reads nothing that a program could see and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(offset).cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, len);
}
