//! Keys of System V rings that no other test uses.

use super::{Shared, name::test_process};
use std::sync::{OnceLock, atomic::Ordering};

/// A key of a test's own: 22 bits of its process and 9 that this hands out. Keys of rings' sets
/// begin with 0xa7, and so are negative, as these never are.
#[derive(Debug)]
pub struct Key(i32);

impl Key {
    /// So many keys at a time has a test, with all its processes.
    const MOST: u32 = 512;

    /// Which of them are in use, in the words but the last; which was the last one, there.
    fn used() -> &'static Shared {
        static USED: OnceLock<Shared> = OnceLock::new();
        USED.get_or_init(Shared::new)
    }

    /// To be called before the test's process forks: those that it forks are to
    /// know which keys are used.
    pub fn prepare() {
        Self::used();
    }

    /// What can be a test's.
    pub fn all_of(test: u32) -> impl Iterator<Item = i32> {
        (0..Self::MOST).map(move |number| Self::of(test, number))
    }

    pub fn number(&self) -> i32 {
        self.0
    }

    fn of(test: u32, number: u32) -> i32 {
        i32::try_from((test * Self::MOST) | number).expect("pids have 22 bits")
    }

    /// One that no other test has, and nobody else in this one.
    pub fn take() -> Self {
        let used = Self::used();
        for _ in 0..Self::MOST {
            let number = used[15].fetch_add(1, Ordering::Relaxed) as u32 % Self::MOST;
            let bit = 1 << (number % 64);
            // 0 is no key; with a process's number in front this one is not,
            // but is not worth a thought.
            if number > 0 && used[number as usize / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
            {
                return Self(Self::of(test_process(), number));
            }
        }
        panic!("a test has {} keys", Self::MOST - 1);
    }

    /// Lets others of this test have it.
    pub fn give_back(&self) {
        let number = self.0 as u32 % Self::MOST;
        Self::used()[number as usize / 64].fetch_and(!(1 << (number % 64)), Ordering::Relaxed);
    }
}
