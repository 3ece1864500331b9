//! The build lock: held by everyone who attaches, builds or removes, for as short as that takes.
//!
//! While a process holds one it does not fork: a child would get copies of descriptors whose
//! descriptions hold locks, the build lock's and the role's that is being taken, and would keep
//! those locks for as long as it lived. (A child that execs at once, as `std::process::Command`
//! makes it, is no danger: the descriptors are close-on-exec.)

use super::{error::OpenErrorKind, fork::NoFork};
use crate::{
    layout::identity::{Abi, Identity, READY, SIZE, VERSION},
    peer::{self, Lock},
    segment::Object,
    sys::memory,
};
use bytemuck::Zeroable;
use std::{
    mem::offset_of,
    time::{Duration, Instant},
};

/// Longer than any build takes; who holds the lock for longer is stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// An object under its build lock. Unlocked when dropped.
#[derive(Debug)]
pub(crate) struct BuildLock<'a> {
    object: &'a Object,
    // After the lock has been given back; so it is the last field.
    _no_fork: NoFork,
}

impl<'a> BuildLock<'a> {
    /// Waits for the lock, with growing pauses: there is no call that waits for one of these locks
    /// with a time-out.
    pub(crate) fn take(object: &'a Object) -> Result<Self, OpenErrorKind> {
        let started = Instant::now();
        let mut pause = Duration::from_micros(20);
        loop {
            let no_fork = NoFork::start();
            if peer::try_lock(object, Lock::Build)? {
                sign(object);
                return Ok(Self { object, _no_fork: no_fork });
            }
            drop(no_fork);
            if started.elapsed() >= PATIENCE {
                return Err(OpenErrorKind::Busy { pid: holder(object), waited: PATIENCE });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    /// The locked object.
    pub(crate) fn object(&self) -> &'a Object {
        self.object
    }
}

impl Drop for BuildLock<'_> {
    fn drop(&mut self) {
        let _ = self.object.remove_stray_locks();
        // It can only fail for a descriptor that is none, or with what the lock was of.
        let _ = peer::unlock(self.object, Lock::Build);
    }
}

const PID_AT: u64 = offset_of!(Identity, builder) as u64;

/// Writes down who holds the lock, for the message of those who wait in vain: the kernel does not
/// tell whose such a lock is.
fn sign(object: &Object) {
    let mut identity = Identity::zeroed();
    let read = object.read_at(bytemuck::bytes_of_mut(&mut identity), 0);
    // Nothing is written into what is not ours.
    let ours = identity.magic == READY && identity.version == VERSION && identity.abi == Abi::OWN;
    // With a smaller limit, writing would not fail but kill.
    let may_write = memory::file_size_limit() >= SIZE as u64;
    if ours && may_write && matches!(read, Ok(SIZE)) {
        let _ = object.write_at(&std::process::id().to_ne_bytes(), PID_AT);
    }
}

fn holder(object: &Object) -> u32 {
    let mut pid = [0; 4];
    match object.read_at(&mut pid, PID_AT) {
        Ok(4) => u32::from_ne_bytes(pid),
        _ => 0,
    }
}
