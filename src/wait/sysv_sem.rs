//! The sleeper beside the segment: a semaphore of a System V set.
//!
//! It takes a system call for each token where the one in the segment takes one for a token that
//! somebody waits for, and has two uses. Nothing of it lies in memory that a peer can write to, so
//! nobody can make the C library give up (see [`super::posix_sem`]): rings that other users may
//! write to sleep here. And when the set is removed, its sleepers are woken (EIDRM).

use super::gate::Sleeper;
use crate::sys::sysv;
use libc::{c_short, sembuf};
use std::time::{Duration, Instant};

/// A semaphore of a set, by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SysvSemaphore {
    pub(crate) set: i32,
    pub(crate) number: u16,
}

impl SysvSemaphore {
    fn operation(self, add: c_short, flags: i32) -> [sembuf; 1] {
        [sembuf { sem_num: self.number, sem_op: add, sem_flg: flags as c_short }]
    }
}

impl Sleeper for SysvSemaphore {
    fn sleep(&self, timeout: Duration) -> bool {
        let started = Instant::now();
        loop {
            let left = timeout.saturating_sub(started.elapsed());
            match sysv::semop(self.set, &mut self.operation(-1, 0), Some(left)) {
                Err(error) if error.errno() == Some(libc::EINTR) => {}
                // The time is up; or the set is gone, which the sleeper finds out when it looks.
                taken => return taken.is_ok(),
            }
        }
    }

    fn take_token(&self) -> bool {
        sysv::semop(self.set, &mut self.operation(-1, libc::IPC_NOWAIT), None).is_ok()
    }

    fn post_token(&self) {
        // It fails if there are tokens enough (ERANGE), or the set is gone and
        // with it whoever sleeps.
        let _ = sysv::semop(self.set, &mut self.operation(1, libc::IPC_NOWAIT), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A set of one, gone at the end.
    struct Set(i32);

    impl Set {
        fn new() -> Self {
            Self(sysv::semget(libc::IPC_PRIVATE, 1, 0o600).unwrap())
        }

        fn semaphore(&self) -> SysvSemaphore {
            SysvSemaphore { set: self.0, number: 0 }
        }
    }

    impl Drop for Set {
        fn drop(&mut self) {
            let _ = sysv::sem_remove(self.0);
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_token_is_taken_once() {
        let set = Set::new();
        let semaphore = set.semaphore();
        assert!(!semaphore.take_token());
        semaphore.post_token();
        assert!(semaphore.take_token());
        assert!(!semaphore.take_token());
        semaphore.post_token();
        assert!(semaphore.sleep(LONG));
        assert!(!semaphore.sleep(Duration::from_millis(1)));
        assert!(!semaphore.sleep(Duration::ZERO));
    }

    #[test]
    fn a_sleeper_is_woken_by_a_token_and_by_the_end_of_the_set() {
        let set = Set::new();
        let semaphore = set.semaphore();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| (semaphore.sleep(LONG), semaphore.sleep(LONG)));
            semaphore.post_token();
            while sysv::sem_value(set.0, 0).unwrap() != 0 {
                thread::yield_now();
            }
            sysv::sem_remove(set.0).unwrap();
            assert_eq!(sleeper.join().unwrap(), (true, false));
        });
    }
}
