//! Who is alive.
//!
//! Every end holds a [`Lock`] of the ring's object, which the kernel gives back if its process
//! dies: [`ofd`] where the object is a file, [`sysv`] where it is a System V segment. Either
//! belongs to an [`Object`], that is to a description of the ring's memory, and to the mappings
//! made through it, and goes with the last of them.

pub(crate) mod ofd;
pub(crate) mod sysv;

use crate::{
    segment::{Memory, Object},
    sys::OsError,
};

/// What can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Held while attaching, creating or removing.
    Build,
    /// Held by the producer as long as it lives.
    Producer,
    /// Held by the consumer as long as it lives.
    Consumer,
    /// Held by the producer that has this seat, in a ring of many.
    Seat(u8),
}

/// Takes the lock for this description; false if another has it.
pub(crate) fn try_lock(object: &Object, lock: Lock) -> Result<bool, OsError> {
    match object.memory() {
        Memory::File(file) => ofd::try_lock(file, lock),
        Memory::SystemV(segment) => segment.locks().try_lock(lock),
    }
}

/// Gives the lock back.
pub(crate) fn unlock(object: &Object, lock: Lock) -> Result<(), OsError> {
    match object.memory() {
        Memory::File(file) => ofd::unlock(file, lock),
        Memory::SystemV(segment) => segment.locks().unlock(lock),
    }
}

/// Whether a description other than this has any of the locks but the build lock.
pub(crate) fn is_any_held(object: &Object) -> Result<bool, OsError> {
    Ok(match object.memory() {
        Memory::File(file) => ofd::is_any_held(file)?,
        // Without a set there is nothing that could be.
        Memory::SystemV(segment) => segment.has_locks() && segment.locks().is_any_held()?,
    })
}

/// Whether a description other than this has the lock.
pub(crate) fn is_held(object: &Object, lock: Lock) -> Result<bool, OsError> {
    Ok(match object.memory() {
        Memory::File(file) => ofd::is_held(file, lock)?,
        Memory::SystemV(segment) => segment.has_locks() && segment.locks().is_held(lock)?,
    })
}
