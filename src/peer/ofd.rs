//! Open-file-description locks, fcntl(2) F_OFD_SETLK, on bytes far beyond the object's end.
//!
//! Such a lock belongs to an open file description. The kernel drops it when the last reference to
//! the description goes, and both a descriptor and a mapping made through it are references: an
//! end locks, maps and closes its descriptor, and from then on its mapping alone holds the lock.
//! However the process ends, the mapping goes with it and the lock is free: right across pid
//! namespaces, with no heart-beat and no pid that could be reused. As the mapping is not inherited
//! by fork, no child keeps the lock of a dead parent. (Nor by a fork *in another thread* while the
//! descriptor is open: see `crate::end::lock`.)

use super::Lock;
use crate::sys::OsError;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};
use std::os::fd::AsFd;

fn offset(lock: Lock) -> libc::off_t {
    match lock {
        Lock::Build => BASE,
        Lock::Producer => BASE + 1,
        Lock::Consumer => BASE + 2,
        Lock::Seat(seat) => BASE + 16 + libc::off_t::from(seat),
    }
}

/// Past every size that an object can have.
const BASE: libc::off_t = 1 << 62;

fn request(lock: Lock, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset(lock),
        l_len: 1,
        l_pid: 0,
    }
}

/// Takes the lock for the description behind `fd`; false if another description has it.
pub(crate) fn try_lock(fd: impl AsFd, lock: Lock) -> Result<bool, OsError> {
    match fcntl(fd, FcntlArg::F_OFD_SETLK(&request(lock, libc::F_WRLCK))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(OsError::from_nix("fcntl(F_OFD_SETLK)")(errno)),
    }
}

/// Gives the lock back.
pub(crate) fn unlock(fd: impl AsFd, lock: Lock) -> Result<(), OsError> {
    fcntl(fd, FcntlArg::F_OFD_SETLK(&request(lock, libc::F_UNLCK)))
        .map(drop)
        .map_err(OsError::from_nix("fcntl(F_OFD_SETLK)"))
}

/// Whether a description other than the one behind `fd` has any of the locks but the build lock.
pub(crate) fn is_any_held(fd: impl AsFd) -> Result<bool, OsError> {
    let mut answer = libc::flock { l_len: 512, ..request(Lock::Producer, libc::F_WRLCK) };
    fcntl(fd, FcntlArg::F_OFD_GETLK(&mut answer))
        .map_err(OsError::from_nix("fcntl(F_OFD_GETLK)"))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

/// Whether a description other than the one behind `fd` has the lock.
pub(crate) fn is_held(fd: impl AsFd, lock: Lock) -> Result<bool, OsError> {
    let mut answer = request(lock, libc::F_WRLCK);
    fcntl(fd, FcntlArg::F_OFD_GETLK(&mut answer))
        .map_err(OsError::from_nix("fcntl(F_OFD_GETLK)"))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}
