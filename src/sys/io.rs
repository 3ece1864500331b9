//! read(2) and write(2) on raw memory, and what goes with them: unlike the wrappers of std and nix
//! they form no slice, so they may be pointed at memory that another process shares.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// read(2), tried again when interrupted.
///
/// # Safety
/// `into..into + len` must be mapped and nothing in this process may borrow it.
pub(crate) unsafe fn read(fd: BorrowedFd<'_>, into: *mut u8, len: usize) -> io::Result<usize> {
    retry(|| {
        // SAFETY: passed on to the caller.
        unsafe { libc::read(fd.as_raw_fd(), into.cast(), len) }
    })
}

/// write(2), tried again when interrupted.
///
/// # Safety
/// `from..from + len` must be mapped.
pub(crate) unsafe fn write(fd: BorrowedFd<'_>, from: *const u8, len: usize) -> io::Result<usize> {
    retry(|| {
        // SAFETY: passed on to the caller.
        unsafe { libc::write(fd.as_raw_fd(), from.cast(), len) }
    })
}

/// ioctl(2), FIONREAD: how many bytes a read would find.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut n: libc::c_int = 0;
    // SAFETY: FIONREAD stores an int where it is told to.
    if unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut n) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(n).unwrap_or(0))
}

fn retry(mut call: impl FnMut() -> libc::ssize_t) -> io::Result<usize> {
    loop {
        if let Ok(n) = usize::try_from(call()) {
            return Ok(n);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
