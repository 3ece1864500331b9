//! How many processors there are.

/// Processors of the machine that are on line; 1 if nothing tells.
///
/// <https://man7.org/linux/man-pages/man3/sysconf.3.html>
pub(crate) fn online() -> usize {
    // SAFETY: takes a constant, returns a number.
    let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(processors).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use nix::{
        sched::{CpuSet, sched_getaffinity, sched_setaffinity},
        unistd::Pid,
    };

    /// A process that may use one processor only still waits for a peer on another.
    #[test]
    fn what_this_thread_may_use_does_not_count() {
        let (all, this) = (super::online(), Pid::from_raw(0));
        let may = sched_getaffinity(this).unwrap();
        let first = (0..CpuSet::count()).find(|cpu| may.is_set(*cpu).unwrap()).unwrap();
        let mut one = CpuSet::new();
        one.set(first).unwrap();
        // Of this thread, which ends with the test.
        sched_setaffinity(this, &one).unwrap();
        assert_eq!(super::online(), all);
    }
}
