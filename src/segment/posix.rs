//! POSIX shared memory, shm_overview(7): objects with a name, on Linux files in /dev/shm.

use super::name::PosixName;
use crate::sys::OsError;
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        mman::{shm_open, shm_unlink},
        stat::{FileStat, Mode, lstat},
    },
};
use std::{
    ffi::OsString,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
};

/// Opens what the name leads to.
///
/// # Errors
/// ENOENT if it leads nowhere.
pub(crate) fn open(name: &PosixName) -> Result<OwnedFd, OsError> {
    // glibc adds O_CLOEXEC and O_NOFOLLOW.
    shm_open(name.as_c_str(), OFlag::O_RDWR, Mode::empty()).map_err(OsError::from_nix("shm_open"))
}

/// Opens what the name leads to for reading alone, whatever it may be, without waiting.
///
/// # Errors
/// ENOENT if it leads nowhere.
pub(crate) fn open_to_look(name: &PosixName) -> Result<OwnedFd, OsError> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    nix::fcntl::open(path(name).as_os_str(), flags, Mode::empty())
        .map_err(OsError::from_nix("open"))
}

/// Makes an empty object.
///
/// # Errors
/// EEXIST if the name is taken.
pub(crate) fn create(name: &PosixName, mode: u32) -> Result<OwnedFd, OsError> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL;
    // Never more than asked for, not even for a moment; the builder sets the exact mode, which the
    // umask may have cut.
    shm_open(name.as_c_str(), flags, Mode::from_bits_truncate(mode))
        .map_err(OsError::from_nix("shm_open"))
}

/// What the name leads to, if anywhere. Takes no descriptor: it is asked when there may be none
/// left.
pub(crate) fn stat(name: &PosixName) -> Result<Option<FileStat>, OsError> {
    match lstat(path(name).as_os_str()) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(OsError::from_nix("lstat")(errno)),
    }
}

/// Where glibc's shm_open looks.
pub(crate) const DIRECTORY: &str = "/dev/shm";

fn path(name: &PosixName) -> OsString {
    let path = [DIRECTORY.as_bytes(), name.as_c_str().to_bytes()].concat();
    OsString::from_vec(path)
}

/// Removes the name. The object lives on until its last user is gone.
pub(crate) fn unlink(name: &PosixName) -> Result<(), OsError> {
    match shm_unlink(name.as_c_str()) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(OsError::from_nix("shm_unlink")(errno)),
    }
}
