//! The sleeper in the segment: an unnamed process-shared POSIX semaphore.

use super::gate::Sleeper;
use crate::sys::{OsError, sem};
use std::{cell::UnsafeCell, fmt, time::Duration};

/// A `sem_t` that lies in shared memory.
///
/// It only wakes, it never owns: a token too many wakes somebody for nothing, a token too few is
/// found at the end of a capped sleep. So nothing worse can come of another process scribbling on
/// it than a wait that spins or sleeps out its cap, but for one thing: glibc ends the process if
/// the kernel refuses a futex call, which the kernel does if the part of the semaphore that says
/// "shared" holds nonsense. So that part is looked at before each call. (A peer that changes it
/// after the look, or during a sleep, can still end this process or keep it asleep. One of the same
/// user can do that by other means; see [`crate::Trust::AnyUser`] for others.)
#[repr(transparent)]
pub(crate) struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: a semaphore made with sem_init is made to be used from several threads and processes.
unsafe impl Send for Semaphore {}
// SAFETY: as above; all access goes through the sem_* calls.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    /// Builds the semaphore in place, without tokens, shared between processes.
    pub(crate) fn init(&self) -> Result<(), OsError> {
        sem::init(self.0.get())
    }
}

impl Sleeper for Semaphore {
    fn sleep(&self, timeout: Duration) -> bool {
        if sem::is_sound(self.0.get()) {
            return sem::wait(self.0.get(), timeout);
        }
        // Nobody can wake us through it: look again soon.
        std::thread::sleep(timeout.min(Duration::from_millis(1)));
        false
    }

    fn take_token(&self) -> bool {
        sem::try_wait(self.0.get())
    }

    fn post_token(&self) {
        // The sleeper of a semaphore that is not sound does without.
        if sem::is_sound(self.0.get()) {
            sem::post(self.0.get());
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Semaphore")
    }
}
