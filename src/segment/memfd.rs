//! Anonymous memory, memfd_create(2): no name, and seals that nobody can lift.

use crate::sys::OsError;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use std::os::fd::{AsFd, OwnedFd};

const NAME: &std::ffi::CStr = c"shmpipe";

/// What its descriptors' links in /proc say.
pub(crate) const LINK: &str = "/memfd:shmpipe (deleted)";

/// Makes an empty object.
pub(crate) fn create() -> Result<OwnedFd, OsError> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Never executable, where the kernel knows that (6.3); older ones refuse the unknown flag.
    let never_run = flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    match memfd_create(NAME, never_run) {
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        made => made,
    }
    .map_err(OsError::from_nix("memfd_create"))
}

/// Fixes the size for ever: no user of the memory can have it cut away under him.
pub(crate) fn seal(fd: impl AsFd) -> Result<(), OsError> {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(fd, FcntlArg::F_ADD_SEALS(seals))
        .map(drop)
        .map_err(OsError::from_nix("fcntl(F_ADD_SEALS)"))
}

/// Whether the size is fixed.
pub(crate) fn is_sealed(fd: impl AsFd) -> Result<bool, OsError> {
    let found =
        fcntl(fd, FcntlArg::F_GET_SEALS).map_err(OsError::from_nix("fcntl(F_GET_SEALS)"))?;
    let seals = SealFlag::from_bits_truncate(found);
    Ok(seals.contains(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW))
}
