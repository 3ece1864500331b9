//! Where the memory comes from.
//!
//! An [`Object`] is a piece of shareable memory as the kernel knows it: made by one of the backends
//! ([`posix`], [`memfd`]), with a size, an owner, a mode and perhaps a name. A
//! [`mirror::Mapping`] is its place in this process.

#![allow(unsafe_code)]

pub(crate) mod memfd;
pub(crate) mod mirror;
pub(crate) mod name;
pub(crate) mod posix;

use crate::sys::{OsError, memory};
use name::Name;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, OFlag, fallocate},
    sys::stat::{FileStat, Mode, fchmod, fstat},
    unistd::{Gid, Uid, fchown},
};
use std::{
    fmt,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};
use thiserror::Error;

/// Where the memory of a ring comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// shm_open(3): a ring with a name, `/name`, which others of this host open by it.
    #[default]
    Posix,
    /// memfd_create(2): a ring without a name, known by its descriptor and gone with its last
    /// user. Sealed: nobody can cut it short.
    Memfd,
}

/// What can go wrong with an object.
#[derive(Debug, Error)]
pub(crate) enum SegmentError {
    #[error("no memory for it: {needed} bytes are needed and {available} are there")]
    NoSpace { needed: u64, available: u64 },
    #[error(transparent)]
    Os(#[from] OsError),
}

/// What an object is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Named(Name),
    Anonymous,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Named(name) => name.fmt(f),
            Place::Anonymous => f.write_str("anonymous ring"),
        }
    }
}

/// An open object: a descriptor of its own description, and what it is known by.
#[derive(Debug)]
pub(crate) struct Object {
    file: std::fs::File,
    place: Place,
}

impl Object {
    pub(crate) fn new(fd: OwnedFd, place: Place) -> Self {
        Self { file: fd.into(), place }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn stat(&self) -> Result<FileStat, OsError> {
        fstat(&self.file).map_err(OsError::from_nix("fstat"))
    }

    /// Another description of the same object. Locks belong to descriptions, so what is locked
    /// through one is seen, and not shared, by the other.
    pub(crate) fn reopen(&self) -> Result<Self, OsError> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let fd = match nix::fcntl::open(path.as_str(), flags, Mode::empty()) {
            // No /proc: what has a name can be found by it.
            Err(Errno::ENOENT) => match &self.place {
                Place::Named(name) => posix::open(name)?,
                Place::Anonymous => {
                    return Err(OsError::from_nix("open(/proc/self/fd)")(Errno::ENOENT));
                }
            },
            opened => opened.map_err(OsError::from_nix("open(/proc/self/fd)"))?,
        };
        let again = Self::new(fd, self.place.clone());
        if same(&again.stat()?, &self.stat()?) {
            Ok(again)
        } else {
            // Only by name: it leads to another object by now.
            Err(OsError::from_nix("shm_open")(Errno::ENOENT))
        }
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), OsError> {
        fchmod(&self.file, Mode::from_bits_truncate(mode)).map_err(OsError::from_nix("fchmod"))
    }

    /// Gives the object to another user, to a group, or both.
    ///
    /// # Errors
    /// EPERM unless by root, or, for a group alone, by the owner if he is in it.
    pub(crate) fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), OsError> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        fchown(&self.file, uid, gid).map_err(OsError::from_nix("fchown"))
    }

    /// Whether there is room for `size` bytes, before any are taken: the kernel's own tmpfs, where
    /// memfds live, has no limit and would take all memory before it said no.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), SegmentError> {
        match memory::available(&self.file, size) {
            Some(available) if available < size => {
                Err(SegmentError::NoSpace { needed: size, available })
            }
            _ => Ok(()),
        }
    }

    /// Gives the object `size` bytes and makes sure that the pages are there: tmpfs is sparse, and
    /// without this a full /dev/shm would be a SIGBUS at some later store.
    pub(crate) fn allocate(&self, size: u64) -> Result<(), SegmentError> {
        let length = libc::off_t::try_from(size)
            .map_err(|_| SegmentError::NoSpace { needed: size, available: 0 })?;
        loop {
            match fallocate(&self.file, FallocateFlags::empty(), 0, length) {
                Ok(()) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOSPC | Errno::ENOMEM | Errno::EFBIG) => {
                    let available = memory::available(&self.file, size).unwrap_or(0);
                    return Err(SegmentError::NoSpace { needed: size, available });
                }
                Err(errno) => return Err(OsError::from_nix("fallocate")(errno).into()),
            }
        }
    }

    /// Cuts the object back to nothing: what a dead builder left is not built upon.
    pub(crate) fn clear(&self) -> Result<(), OsError> {
        nix::unistd::ftruncate(&self.file, 0).map_err(OsError::from_nix("ftruncate"))
    }

    /// Reads bytes at `offset`, without mapping anything: fewer if the object ends there.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, OsError> {
        self.file.read_at(bytes, offset).map_err(|source| OsError { call: "pread", source })
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OsError> {
        self.file.write_all_at(bytes, offset).map_err(|source| OsError { call: "pwrite", source })
    }

    /// Removes the name, if it still leads here. To be called under the build lock, by which
    /// everyone who makes or removes a name is kept out meanwhile.
    pub(crate) fn remove_name(&self) -> Result<(), OsError> {
        let Place::Named(name) = &self.place else { return Ok(()) };
        match posix::stat(name)? {
            Some(found) if same(&found, &self.stat()?) => posix::unlink(name),
            _ => Ok(()),
        }
    }

    /// Gives the descriptor away.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.file.into()
    }
}

impl AsFd for Object {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn same(a: &FileStat, b: &FileStat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
