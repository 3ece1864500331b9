//! clock_gettime(2).

/// Nanoseconds on the monotonic clock, which all processes of a host share and no one sets.
pub(crate) fn monotonic_nanos() -> u64 {
    let now = monotonic();
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The same as a timespec.
pub(crate) fn monotonic() -> libc::timespec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec; the monotonic clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now
}
