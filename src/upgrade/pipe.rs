//! The kernel's pipe: what an inherited descriptor leads to, and reading and writing it as it is.
//!
//! The descriptor's flags are never changed: its description is shared with whoever else inherited
//! it. A non-blocking one is waited for by poll(2).

#![allow(unsafe_code)]

use crate::sys;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, pthread_sigmask},
        stat::{FileStat, Mode, SFlag, fstat},
    },
    unistd::{Whence, lseek},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

/// Which pipe: the same at both ends, and in all processes of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PipeId {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

/// The pipe or FIFO behind a descriptor, if it is one.
pub(super) fn identify(fd: impl AsFd) -> Option<PipeId> {
    let stat = fstat(fd).ok()?;
    is(&stat, SFlag::S_IFIFO).then_some(PipeId { dev: stat.st_dev, ino: stat.st_ino })
}

/// Whether reading the descriptor takes no longer than the disk does: it waits for no other
/// process. (What the kernel makes up as it is read, in /proc or /sys, has no size.)
pub(super) fn is_file(fd: impl AsFd) -> bool {
    fstat(fd).is_ok_and(|stat| {
        is(&stat, SFlag::S_IFREG) && stat.st_size > 0 || is(&stat, SFlag::S_IFBLK)
    })
}

/// How many bytes there are to be read from a regular file from where its description
/// stands; `None` of everything else.
pub(super) fn left(fd: impl AsFd) -> Option<u64> {
    let stat = fstat(&fd).ok().filter(|stat| is(stat, SFlag::S_IFREG))?;
    let position = lseek(fd, 0, Whence::SeekCur).ok()?;
    u64::try_from(stat.st_size.saturating_sub(position)).ok()
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == kind.bits()
}

/// Whether the pipe is in packet mode (pipe2(2), O_DIRECT): each write is a packet of
/// its own, and to be read as one.
pub(super) fn is_packets(fd: impl AsFd) -> bool {
    fcntl(fd, FcntlArg::F_GETFL)
        .is_ok_and(|flags| OFlag::from_bits_retain(flags).contains(OFlag::O_DIRECT))
}

/// How many bytes the pipe can hold.
pub(super) fn capacity(fd: impl AsFd) -> usize {
    fcntl(fd, FcntlArg::F_GETPIPE_SZ).map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0))
}

/// How many bytes are in the pipe.
pub(super) fn waiting(fd: impl AsFd) -> io::Result<usize> {
    sys::io::readable(fd.as_fd())
}

/// Whether nobody has the reading end open any more.
pub(super) fn has_no_reader(fd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0);
    polled && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR))
}

/// Waits until there is something to read, or its end, but no longer than `timeout`.
pub(super) fn await_readable(fd: impl AsFd, timeout: Duration) {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
    // Whatever it says, the caller looks for himself.
    let _ = poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout);
}

/// The reading end once more, as a description of our own that does not block. `None` where that is
/// not to be had: no /proc, or another user's pipe.
pub(super) fn reopen_quiet(fd: impl AsFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).ok()
}

/// read(2), once, waiting until there is something.
pub(super) fn read(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    let fd = fd.as_fd();
    loop {
        match read_once(fd, into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                await_ready(fd, PollFlags::POLLIN)?
            }
            result => return result,
        }
    }
}

/// read(2), once, as the descriptor is.
pub(super) fn read_once(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the slice is ours alone.
    unsafe { sys::io::read(fd.as_fd(), into.as_mut_ptr(), into.len()) }
}

/// write(2), once, waiting until there is room for something.
pub(super) fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let fd = fd.as_fd();
    loop {
        // SAFETY: the slice is borrowed for the call, so it is mapped.
        match unsafe { sys::io::write(fd, bytes.as_ptr(), bytes.len()) } {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                await_ready(fd, PollFlags::POLLOUT)?
            }
            result => return result,
        }
    }
}

/// Makes a call that may write to a pipe without readers; in this thread that
/// is EPIPE and no SIGPIPE.
pub(super) fn without_sigpipe<T>(call: impl FnOnce() -> T) -> T {
    let sigpipe = SigSet::from(Signal::SIGPIPE);
    let mut before = SigSet::empty();
    let blocked = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&sigpipe), Some(&mut before)).is_ok();
    let was_pending = is_pending(Signal::SIGPIPE);
    let result = call();
    if blocked {
        if !was_pending && is_pending(Signal::SIGPIPE) {
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: a live signal set and a live time-out; no information is asked for.
            unsafe { libc::sigtimedwait(sigpipe.as_ref(), std::ptr::null_mut(), &at_once) };
        }
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }
    result
}

fn is_pending(signal: Signal) -> bool {
    // SAFETY: a signal set is plain integers, and zeros are one.
    let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: both calls get a live signal set; the first fills it.
    unsafe { libc::sigpending(&mut pending) == 0 && libc::sigismember(&pending, signal as _) == 1 }
}

fn await_ready(fd: BorrowedFd<'_>, events: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(fd, events)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
