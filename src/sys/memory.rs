//! How much memory there is.

use nix::sys::{
    mman::{MapFlags, ProtFlags, mmap_anonymous, munmap},
    resource::{Resource, getrlimit},
};
use std::{num::NonZeroUsize, os::fd::AsFd};

/// What a machine is taken to have without asking.
const FEW: u64 = 8 << 20;

/// Bytes that may still be reserved through `fd` (a file in tmpfs): what its file system
/// has left, if that has a limit, what the machine has (if more than a few are `wanted`),
/// and what this process may have in one file (past which the kernel would end it by
/// SIGXFSZ). `None` if nothing tells.
pub(crate) fn available(fd: impl AsFd, wanted: u64) -> Option<u64> {
    let file_system = nix::sys::statvfs::fstatvfs(fd)
        .ok()
        // The kernel's own tmpfs, where memfds live, has no limit and says zero.
        .filter(|stat| stat.blocks() > 0)
        .map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    [file_system, of_machine(wanted), Some(file_size_limit())].into_iter().flatten().min()
}

/// Bytes that the machine has, if more than a few are wanted.
pub(crate) fn of_machine(wanted: u64) -> Option<u64> {
    let meminfo =
        (wanted > FEW).then(|| std::fs::read_to_string("/proc/meminfo").ok()).flatten()?;
    let line = meminfo.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

/// Whether so much more address space could be had at this moment (RLIMIT_AS).
pub(crate) fn has_address_space(bytes: NonZeroUsize) -> bool {
    // SAFETY: no address is asked for, so nothing that exists is replaced; and what was mapped is
    // unmapped before anybody else knows of it.
    unsafe {
        mmap_anonymous(None, bytes, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)
            .and_then(|at| munmap(at, bytes.get()))
            .is_ok()
    }
}

/// The most bytes that this process may have in a file, RLIMIT_FSIZE: to write
/// past it raises SIGXFSZ.
pub(crate) fn file_size_limit() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(soft, _)| soft)
}

/// The size of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: takes a constant, returns a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// A random number: getrandom(2), or the clock where that is refused.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the buffer is as long as said.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if n == bytes.len() as isize {
        return u64::from_ne_bytes(bytes);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.as_nanos() as u64)
}
