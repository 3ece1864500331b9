//! How many processors there are.

/// Processors of the machine that are on line; 1 if nothing tells.
///
/// <https://man7.org/linux/man-pages/man3/sysconf.3.html>
pub(crate) fn online() -> usize {
    // SAFETY: takes a constant, returns a number.
    let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(processors).unwrap_or(1).max(1)
}
