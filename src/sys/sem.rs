//! Unnamed POSIX semaphores, sem_overview(7).
//!
//! The pointers come from [`crate::wait::posix_sem::Semaphore`], which keeps them
//! valid. A peer can write anything into a `sem_t`: its counter may be anything, the
//! rest is what [`is_sound`] is for.

use super::OsError;
use std::{mem::MaybeUninit, sync::OnceLock, time::Duration};

/// sem_init(3): process-shared, no tokens.
pub(crate) fn init(sem: *mut libc::sem_t) -> Result<(), OsError> {
    // SAFETY: `sem` points to writable memory of a sem_t that nobody waits on yet: the builder of
    // a segment calls this before the segment is published.
    match unsafe { libc::sem_init(sem, 1, 0) } {
        0 => Ok(()),
        _ => Err(OsError::last("sem_init")),
    }
}

/// Whether the part of a shared semaphore that never changes is as glibc wrote it.
///
/// In glibc (sysdeps/nptl/internaltypes.h, `struct new_sem`, 64 bits) that is the word after the
/// eight bytes of counter and waiters: the flag that futex(2) is called with.
pub(crate) fn is_sound(sem: *const libc::sem_t) -> bool {
    static FLAG: OnceLock<u32> = OnceLock::new();
    // SAFETY: a sem_t has 32 bytes, so the word is within it, and aligned; it is read once, as a
    // volatile, because another process may be writing it.
    let flag = |sem: *const libc::sem_t| unsafe { sem.cast::<u32>().add(2).read_volatile() };
    let expected = FLAG.get_or_init(|| {
        let mut model = MaybeUninit::<libc::sem_t>::zeroed();
        // It cannot fail for this count; and if it did, no semaphore would ever be sound.
        let _ = init(model.as_mut_ptr());
        flag(model.as_ptr())
    });
    flag(sem) == *expected
}

const _: () = assert!(size_of::<libc::sem_t>() == 32, "glibc's, on 64 bits");

/// sem_post(3). A counter at its maximum has tokens enough.
pub(crate) fn post(sem: *mut libc::sem_t) {
    // SAFETY: `sem` points to a sem_t in a live mapping.
    unsafe { libc::sem_post(sem) };
}

/// sem_trywait(3): whether there was a token.
pub(crate) fn try_wait(sem: *mut libc::sem_t) -> bool {
    loop {
        // SAFETY: `sem` points to a sem_t in a live mapping.
        if unsafe { libc::sem_trywait(sem) } == 0 {
            return true;
        }
        if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return false;
        }
    }
}

/// sem_clockwait(3) on the monotonic clock, which no one sets: whether there was a token before
/// `timeout` passed.
pub(crate) fn wait(sem: *mut libc::sem_t, timeout: Duration) -> bool {
    let deadline = from_now(timeout);
    loop {
        // SAFETY: `sem` points to a sem_t in a live mapping, `deadline` to a timespec.
        if unsafe { sem_clockwait(sem, libc::CLOCK_MONOTONIC, &deadline) } == 0 {
            return true;
        }
        if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return false;
        }
    }
}

fn from_now(timeout: Duration) -> libc::timespec {
    let now = super::clock::monotonic();
    let nanos = now.tv_nsec + libc::c_long::from(timeout.subsec_nanos() as i32);
    let carry = nanos / 1_000_000_000;
    // A year is for ever, and far from where time_t ends.
    let seconds = timeout.as_secs().min(365 * 24 * 3600) as libc::time_t;
    libc::timespec { tv_sec: now.tv_sec + seconds + carry, tv_nsec: nanos % 1_000_000_000 }
}

unsafe extern "C" {
    /// glibc 2.30; the libc crate does not declare it.
    fn sem_clockwait(
        sem: *mut libc::sem_t,
        clock: libc::clockid_t,
        deadline: *const libc::timespec,
    ) -> libc::c_int;
}
