//! Open-file-description locks, fcntl(2) F_OFD_SETLK, on bytes far beyond the object's end.
//!
//! Such a lock belongs to an open file description. The kernel drops it when the last reference to
//! the description goes, and both a descriptor and a mapping made through it are references: an
//! end locks, maps and closes its descriptor, and from then on its mapping alone holds the lock.
//! However the process ends, the mapping goes with it and the lock is free: right across pid
//! namespaces, with no heart-beat and no pid that could be reused. As the mapping is not inherited
//! by fork, no child keeps the lock of a dead parent. (Nor by a fork *in another thread* while the
//! descriptor is open: see `crate::end::lock`.)

use crate::sys::OsError;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};
use std::os::fd::AsFd;

/// What can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockByte {
    /// Held while attaching, creating or removing.
    Build,
    /// Held by the producer as long as it lives.
    Producer,
    /// Held by the consumer as long as it lives.
    Consumer,
    /// Held by the producer that has this seat, in a ring of many.
    Seat(u8),
}

impl LockByte {
    fn offset(self) -> libc::off_t {
        match self {
            Self::Build => BASE,
            Self::Producer => BASE + 1,
            Self::Consumer => BASE + 2,
            Self::Seat(seat) => BASE + 16 + libc::off_t::from(seat),
        }
    }
}

/// Past every size that an object can have.
const BASE: libc::off_t = 1 << 62;

fn request(byte: LockByte, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte.offset(),
        l_len: 1,
        l_pid: 0,
    }
}

/// Takes the lock for the description behind `fd`; false if another description has it.
pub(crate) fn try_lock(fd: impl AsFd, byte: LockByte) -> Result<bool, OsError> {
    match fcntl(fd, FcntlArg::F_OFD_SETLK(&request(byte, libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(OsError::from_nix("fcntl(F_OFD_SETLK)")(errno)),
    }
}

/// Gives the lock back.
pub(crate) fn unlock(fd: impl AsFd, byte: LockByte) -> Result<(), OsError> {
    fcntl(fd, FcntlArg::F_OFD_SETLK(&request(byte, libc::F_UNLCK)))
        .map(drop)
        .map_err(OsError::from_nix("fcntl(F_OFD_SETLK)"))
}

/// Whether a description other than the one behind `fd` has any of the locks but the build lock.
pub(crate) fn is_any_held(fd: impl AsFd) -> Result<bool, OsError> {
    let mut answer = libc::flock { l_len: 512, ..request(LockByte::Producer, libc::F_WRLCK) };
    fcntl(fd, FcntlArg::F_OFD_GETLK(&mut answer))
        .map_err(OsError::from_nix("fcntl(F_OFD_GETLK)"))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

/// Whether a description other than the one behind `fd` has the lock.
pub(crate) fn is_held(fd: impl AsFd, byte: LockByte) -> Result<bool, OsError> {
    let mut answer = request(byte, libc::F_WRLCK);
    fcntl(fd, FcntlArg::F_OFD_GETLK(&mut answer))
        .map_err(OsError::from_nix("fcntl(F_OFD_GETLK)"))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}
