//! Where the memory comes from.
//!
//! An [`Object`] is a piece of shareable memory as the kernel knows it: made by one of the backends
//! ([`posix`], [`memfd`], [`sysv`]), with a size, an owner, a mode and perhaps a name. A
//! [`mirror::Mapping`] is its place in this process.

#![allow(unsafe_code)]

pub(crate) mod memfd;
pub(crate) mod mirror;
pub(crate) mod name;
pub(crate) mod posix;
pub(crate) mod stage;
pub(crate) mod sysv;

use crate::sys::{OsError, memory};
use libc::off_t;
use name::Name;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, OFlag, fallocate},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat},
    unistd::{Gid, Uid, fchown},
};
use std::{
    fmt,
    fs::File,
    ops::Range,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};
use sysv::Segment;
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
    /// shmget(2): a ring with a key or an id, which others of this host open by that, which ipcs(1)
    /// shows and ipcrm(1) removes. Its name begins with `sysv:`
    ///
    /// | name | what |
    /// |---|---|
    /// | `sysv:0x2A01` | the key, also in decimal: see [`Key::raw`](crate::Key::raw) |
    /// | `sysv:/var/lib/app:1` | the key that ftok(3) makes of a file and a number from 1 to 255: see [`Key::from_path`](crate::Key::from_path) |
    /// | `sysv:private` | a new ring without a key: see [`Key::private`](crate::Key::private) |
    /// | `sysv:id=12` | the id of one that exists |
    ///
    /// Nobody can cut it short either.
    SystemV,
}

/// How much memory one system call asks for, 50 microseconds' work. In older kernels a signal that
/// comes meanwhile makes it give back all that it has got; under a timer that is faster than that a
/// large ring would never be made.
const AT_ONCE: u64 = 256 << 10;

/// What can go wrong with an object.
#[derive(Debug, Error)]
pub(crate) enum SegmentError {
    #[error("no memory for it: {needed} bytes are needed and {available} are there")]
    NoSpace { needed: u64, available: u64 },
    #[error("the kernel's limit {name} is reached, which is {value}")]
    Limit { name: &'static str, value: u64, sysctl: &'static str },
    #[error("its semaphores must have the key {key:#010x}, which another program's have")]
    LocksKey { key: i32 },
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

/// An open object: a description of its own, and what it is known by.
#[derive(Debug)]
pub(crate) struct Object {
    memory: Memory,
    place: Place,
}

/// What a description is.
#[derive(Debug)]
pub(crate) enum Memory {
    File(File),
    SystemV(Segment),
}

/// What the kernel says of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) owner: u32,
    /// Who made it: of a System V object he may do all that its owner may, for ever.
    pub(crate) creator: u32,
    pub(crate) group: u32,
    /// The permission bits.
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Whether nobody can come to it any more by a name or a key.
    pub(crate) removed: bool,
    /// Whether it is memory at all.
    pub(crate) regular: bool,
}

impl Facts {
    /// # Errors
    /// EPERM where this user is not who made it.
    fn check_creator(&self) -> Result<(), OsError> {
        match self.creator == nix::unistd::geteuid().as_raw() {
            true => Ok(()),
            false => Err(OsError::from_nix("shmctl(IPC_SET)")(Errno::EPERM)),
        }
    }
}

impl Object {
    pub(crate) fn new(fd: OwnedFd, place: Place) -> Self {
        Self { memory: Memory::File(fd.into()), place }
    }

    pub(crate) fn of_segment(segment: Segment, name: Name) -> Self {
        Self { memory: Memory::SystemV(segment), place: Place::Named(name) }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn facts(&self) -> Result<Facts, OsError> {
        match &self.memory {
            Memory::File(file) => stat(file).map(|stat| Facts {
                owner: stat.st_uid,
                creator: stat.st_uid,
                group: stat.st_gid,
                mode: stat.st_mode & 0o7777,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                removed: stat.st_nlink == 0 && self.place != Place::Anonymous,
                regular: stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits(),
            }),
            Memory::SystemV(segment) => segment.facts(),
        }
    }

    /// Whether the object was removed, so that nobody comes to it any more. To be asked under the
    /// build lock: a removal that somebody had begun is finished here.
    pub(crate) fn is_removed(&self) -> Result<bool, OsError> {
        let removed = match self.facts() {
            Err(error) if error.is_removed() => return Ok(true),
            facts => facts?.removed,
        };
        match &self.memory {
            Memory::SystemV(segment) if !removed && segment.stage()? == sysv::Stage::Gone => {
                segment.remove()?;
                Ok(true)
            }
            _ => Ok(removed),
        }
    }

    /// Another description of the same object. Locks belong to descriptions, so what is locked
    /// through one is seen, and not shared, by the other.
    pub(crate) fn reopen(&self) -> Result<Self, OsError> {
        let file = match &self.memory {
            Memory::File(file) => file,
            Memory::SystemV(segment) => {
                let memory = Memory::SystemV(segment.reopen());
                return Ok(Self { memory, place: self.place.clone() });
            }
        };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let fd = match nix::fcntl::open(path.as_str(), flags, Mode::empty()) {
            // No /proc: what has a name can be found by it.
            Err(Errno::ENOENT) => match &self.place {
                Place::Named(Name::Posix(name)) => posix::open(name)?,
                _ => {
                    return Err(OsError::from_nix("open(/proc/self/fd)")(Errno::ENOENT));
                }
            },
            opened => opened.map_err(OsError::from_nix("open(/proc/self/fd)"))?,
        };
        let again = File::from(fd);
        if same(&stat(&again)?, &stat(file)?) {
            Ok(Self { memory: Memory::File(again), place: self.place.clone() })
        } else {
            // Only by name: it leads to another object by now.
            Err(OsError::from_nix("shm_open")(Errno::ENOENT))
        }
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) => {
                let mode = Mode::from_bits_truncate(mode);
                fchmod(file, mode).map_err(OsError::from_nix("fchmod"))
            }
            Memory::SystemV(segment) => segment.set_access(None, None, Some(mode)),
        }
    }

    /// Gives the object to another user, to a group, or both.
    ///
    /// # Errors
    /// EPERM unless by root, or, for a group alone, by the owner if he is in it.
    pub(crate) fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) => fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw))
                .map_err(OsError::from_nix("fchown")),
            Memory::SystemV(segment) => segment.set_access(uid, gid, None),
        }
    }

    /// Whether there is room for `size` bytes, before any are taken: the kernel's own tmpfs, where
    /// memfds live, has no limit and would take all memory before it said no.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), SegmentError> {
        // A segment's was looked at before there was one.
        let Memory::File(file) = &self.memory else { return Ok(()) };
        match memory::available(file, size) {
            Some(available) if available < size => {
                Err(SegmentError::NoSpace { needed: size, available })
            }
            _ => Ok(()),
        }
    }

    /// Makes the object so large. The [memory](Self::allocate) is another matter.
    pub(crate) fn resize(&self, size: u64) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) => {
                let size = off_t::try_from(size).unwrap_or(off_t::MAX);
                nix::unistd::ftruncate(file, size).map_err(OsError::from_nix("ftruncate"))
            }
            // It was made as large as it is.
            Memory::SystemV(_) => Ok(()),
        }
    }

    /// Gets the memory for these bytes: tmpfs is sparse, and without this a full /dev/shm would be
    /// a SIGBUS at some later store. (For those of a System V segment from its beginning on.)
    pub(crate) fn allocate(&self, bytes: Range<u64>) -> Result<(), OsError> {
        let file = match &self.memory {
            Memory::File(file) => file,
            Memory::SystemV(segment) => return segment.allocate(bytes.end),
        };
        let mut at = bytes.start;
        while at < bytes.end {
            let next = bytes.end.min(at + AT_ONCE);
            match fallocate(file, FallocateFlags::empty(), at as off_t, (next - at) as off_t) {
                Ok(()) => at = next,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(OsError::from_nix("fallocate")(errno)),
            }
        }
        Ok(())
    }

    /// Why there are not so many bytes, if that is why it failed.
    pub(crate) fn explain(&self, error: OsError, needed: u64) -> SegmentError {
        if !error.is_scarcity() {
            return error.into();
        }
        let available = match &self.memory {
            Memory::File(file) => memory::available(file, needed),
            Memory::SystemV(_) => memory::of_machine(needed),
        };
        SegmentError::NoSpace { needed, available: available.unwrap_or(0) }
    }

    /// Cuts the object back to nothing: what a dead builder left is not built upon. (Of a
    /// segment it is removed: see `begin`.)
    pub(crate) fn clear(&self) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) => {
                nix::unistd::ftruncate(file, 0).map_err(OsError::from_nix("ftruncate"))
            }
            Memory::SystemV(_) => Ok(()),
        }
    }

    /// Whether a new one is full of zeros, and not empty.
    pub(crate) fn begins_with_zeros(&self) -> bool {
        matches!(self.memory, Memory::SystemV(_))
    }

    /// Begins to make a ring, of this size with so many locks, of what is none yet; false if it
    /// cannot become one. To be called under the build lock.
    ///
    /// # Errors
    /// EPERM where only who made the object can.
    pub(crate) fn begin(&self, size: u64, locks: usize) -> Result<bool, OsError> {
        match &self.memory {
            Memory::File(_) => Ok(true),
            Memory::SystemV(segment) => segment.begin_ring(size, locks),
        }
    }

    /// Fixes the size of anonymous memory for ever.
    pub(crate) fn seal(&self) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) if self.place == Place::Anonymous => memfd::seal(file),
            _ => Ok(()),
        }
    }

    /// Whether nobody can cut it short.
    pub(crate) fn is_sealed(&self) -> bool {
        match &self.memory {
            Memory::File(file) => memfd::is_sealed(file).unwrap_or(false),
            Memory::SystemV(_) => true,
        }
    }

    /// Reads bytes at `offset`, without mapping anything: fewer if the object ends there.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, OsError> {
        match &self.memory {
            Memory::File(file) => {
                file.read_at(bytes, offset).map_err(|source| OsError { call: "pread", source })
            }
            Memory::SystemV(segment) => segment.read_at(bytes, offset),
        }
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(file) => {
                let written = file.write_all_at(bytes, offset);
                written.map_err(|source| OsError { call: "pwrite", source })
            }
            Memory::SystemV(segment) => segment.write_at(bytes, offset),
        }
    }

    /// Removes the name, if it still leads here. To be called under the build lock, by which
    /// everyone who makes or removes a name is kept out meanwhile.
    pub(crate) fn remove_name(&self) -> Result<(), OsError> {
        match (&self.memory, &self.place) {
            (Memory::File(file), Place::Named(Name::Posix(name))) => match posix::stat(name)? {
                Some(found) if same(&found, &stat(file)?) => posix::unlink(name),
                _ => Ok(()),
            },
            (Memory::File(_), _) => Ok(()),
            (Memory::SystemV(segment), _) => segment.remove(),
        }
    }

    /// Takes the locks away that lie beside an object which is no more. To be called under the
    /// build lock, before it is given back.
    pub(crate) fn remove_stray_locks(&self) -> Result<(), OsError> {
        match &self.memory {
            Memory::File(_) => Ok(()),
            Memory::SystemV(segment) => segment.remove_stray_locks(),
        }
    }

    /// Gives the descriptor away, if there is one.
    pub(crate) fn into_fd(self) -> Option<OwnedFd> {
        match self.memory {
            Memory::File(file) => Some(file.into()),
            Memory::SystemV(_) => None,
        }
    }
}

fn stat(file: &File) -> Result<FileStat, OsError> {
    fstat(file).map_err(OsError::from_nix("fstat"))
}

fn same(a: &FileStat, b: &FileStat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
