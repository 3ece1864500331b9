//! The asymmetric fence: the waker's side costs nothing, the sleeper's pays for both.
//!
//! `membarrier(2)` with GLOBAL_EXPEDITED makes every processor that runs a registered process
//! execute a full barrier. So a sleeper that calls it before its re-check needs no fence on the
//! waker's side but one for the compiler: wherever in the waker's code the barrier falls, it falls
//! either before the waker's store (then the waker's later load of `parked` sees the announcement)
//! or after it (then the re-check sees the store).
//!
//! A waker that could not register uses a full fence. A sleeper does both a SeqCst fence and the
//! system call, whatever the other side says of itself; where the call is refused to the sleeper
//! (a seccomp filter, say), a registered waker's light fence is not covered, and
//! [`Fence::heavy`] says so: the sleeper then re-checks every millisecond.
//!
//! One hole is left, and nobody can see it from here. Where a process registers while one of its
//! other threads sleeps, and nothing but the kernel runs on that thread's processor until the
//! thread does, Linux (6.18) goes on to leave that processor out of the barrier: the processor
//! is marked when it changes from one process's memory to another's, and it never does. A
//! wake-up is lost then if the waker's store arrives later than the sleeper's re-check. A
//! program that is not in the tree counted them, with a store that waits for other cache lines
//! to be written: of a million publications just when the other goes to sleep 1 with 4 such
//! lines before it, up to 84 with 16, thousands with 48; none where the process had registered
//! before its second thread began. The second look of [`super::gate`] finds what was lost, or
//! the next look at whether the peer lives.

use super::gate::Fence;
use crate::{
    sync::{Ordering, fence},
    sys::membarrier,
};
use std::sync::atomic::compiler_fence;

/// This process's side of the fence, both as waker and as sleeper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsymmetricFence {
    registered: bool,
}

impl AsymmetricFence {
    /// That of a process which is known to be registered.
    pub(crate) const REGISTERED: Self = Self { registered: true };

    /// Registers the process for other processes' barriers; idempotent.
    pub(crate) fn register() -> Self {
        Self { registered: membarrier::register() }
    }

    /// Whether other processes' barriers reach this one.
    pub(crate) fn is_registered(self) -> bool {
        self.registered
    }
}

impl Fence for AsymmetricFence {
    #[inline]
    fn light(&self) {
        if self.registered {
            // Pairs with the membarrier in `heavy` of the other process.
            compiler_fence(Ordering::SeqCst);
        } else {
            // Pairs with the SeqCst fence in `heavy` of the other process.
            fence(Ordering::SeqCst);
        }
    }

    fn heavy(&self) -> bool {
        // Pairs with the SeqCst fence in `light` of a waker that is not registered.
        fence(Ordering::SeqCst);
        // Pairs with the compiler fence in `light` of a waker that is.
        membarrier::barrier()
    }
}
