//! loom's atomics, whose user can be killed after any step.
//!
//! Each operation burns the thread's fuse by one. When it is out, the thread unwinds from
//! within the operation, which has had its effect, to [`killed_after`]: as SIGKILL does,
//! it leaves everything as it is.

use loom::sync::atomic::{self, Ordering};
use std::cell::Cell;

loom::thread_local! {
    /// Steps that are left; without end where nobody is to be killed.
    static FUSE: Cell<u32> = Cell::new(u32::MAX);
}

loom::lazy_static! {
    static ref EVERY_STEP: atomic::AtomicU32 = atomic::AtomicU32::new(0);
}

std::thread_local! {
    static STRICT: Cell<bool> = const { Cell::new(false) };
    /// Lives that may end, of the model that this thread runs: elsewhere nobody
    /// need look for its fuse.
    static MORTALS: Cell<u32> = const { Cell::new(0) };
}

/// Has loom try every order of steps in the models this thread runs, within the bound on
/// preemptions. Left to itself it tries those which it notices to differ: see `crate::models`.
#[cfg(test)]
pub(crate) fn strict(strict: bool) {
    STRICT.set(strict);
}

/// See [`strict`].
#[cfg(test)]
pub(crate) fn is_strict() -> bool {
    STRICT.get()
}

/// Before each step.
fn turn() {
    if STRICT.get() {
        // To loom this depends on every other step. Relaxed: it orders nothing.
        EVERY_STEP.fetch_add(1, Ordering::Relaxed);
    }
}

/// What unwinds.
struct Killed;

/// Runs `life` up to and with its step number `steps`. `None` if that killed it. To be
/// given nothing to drop: there is no destructor after SIGKILL, and loom must not
/// switch threads while one unwinds.
#[cfg(test)]
pub(crate) fn killed_after<T>(steps: u32, life: impl FnOnce() -> T) -> Option<T> {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    if steps == 0 {
        return None;
    }
    FUSE.with(|fuse| fuse.set(steps));
    MORTALS.set(MORTALS.get() + 1);
    let lived = catch_unwind(AssertUnwindSafe(life));
    MORTALS.set(MORTALS.get() - 1);
    FUSE.with(|fuse| fuse.set(u32::MAX));
    match lived {
        Ok(lived) => Some(lived),
        Err(cause) if cause.is::<Killed>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

/// After each step.
fn step() {
    if MORTALS.get() == 0 {
        return;
    }
    let left = FUSE.with(|fuse| {
        if fuse.get() != u32::MAX {
            fuse.set(fuse.get() - 1);
        }
        fuse.get()
    });
    if left == 0 {
        std::panic::resume_unwind(Box::new(Killed));
    }
}

macro_rules! mortal {
    ($name:ident, $int:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(atomic::$name);

        // Not all of them need all.
        #[allow(dead_code)]
        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $int) -> Self {
                Self(atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $int {
                turn();
                let value = self.0.load(order);
                step();
                value
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $int, order: Ordering) {
                turn();
                self.0.store(value, order);
                step();
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                turn();
                let was = self.0.swap(value, order);
                step();
                was
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                turn();
                let was = self.0.fetch_add(value, order);
                step();
                was
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                turn();
                let was = self.0.compare_exchange(current, new, success, failure);
                step();
                was
            }
        }
    };
}

mortal!(AtomicU32, u32);
mortal!(AtomicU64, u64);
