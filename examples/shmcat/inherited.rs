//! What the parent handed over, looked at before Rust's runtime tidies it up.
//!
//! Before `main` the runtime opens `/dev/null` in place of a closed standard stream and sets
//! SIGPIPE to ignored. Both are right for most programs and wrong for a `cat`: it has to report
//! `<&-` and `>&-`, to die of SIGPIPE where the shell left it alone, and to report EPIPE where
//! the shell said `trap '' PIPE`. So a function in `.init_array`, which the loader calls before
//! the runtime starts, takes notes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::errno::Errno;

/// Set for each of the descriptors 0 to 2 that was closed.
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
/// Set where SIGPIPE was ignored by the parent.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section holds pointers to C functions, which is what the loader takes them
// for; it calls them on the only thread there is. The arguments it passes besides are not
// looked at, as the C ABI permits.
#[used]
#[unsafe(link_section = ".init_array")]
static TAKE_NOTES: extern "C" fn() = take_notes;

/// Runs before the runtime is up, so it only makes system calls and stores to atomics.
extern "C" fn take_notes() {
    for (fd, closed) in (0..).zip(&CLOSED) {
        // SAFETY: F_GETFD takes a number and touches no memory.
        closed.store(unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1, Relaxed);
    }
    SIGPIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Relaxed);
}

/// Whether the signal is ignored now.
pub fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all-zero bytes are a valid sigaction (it is made of integers and a nullable handler).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null new action only queries; `action` is a live out-parameter of the right type.
    let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
    known && action.sa_sigaction == libc::SIG_IGN
}

/// Standard input, unless the parent had closed it.
pub fn stdin() -> io::Result<BorrowedFd<'static>> {
    open_stream(libc::STDIN_FILENO)
}

/// Standard output, unless the parent had closed it.
pub fn stdout() -> io::Result<BorrowedFd<'static>> {
    open_stream(libc::STDOUT_FILENO)
}

/// Standard output, to be closed when it has done its work. To be called once, and
/// nothing else is to use it afterwards.
pub fn take_stdout() -> io::Result<OwnedFd> {
    let fd = stdout()?;
    // SAFETY: it is open, and by this function's contract nobody else closes or
    // uses it from here on.
    Ok(unsafe { OwnedFd::from_raw_fd(fd.as_raw_fd()) })
}

fn open_stream(fd: RawFd) -> io::Result<BorrowedFd<'static>> {
    if CLOSED[fd as usize].load(Relaxed) {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: it was open at start, and nothing in this program closes descriptors 0 to 2 but
    // who took one, at the end.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Whether a broken pipe is to end this process by SIGPIPE, which is the parent's choice.
pub fn dies_of_broken_pipe() -> bool {
    !SIGPIPE_IGNORED.load(Relaxed)
}
