//! Where rings are looked for: in /dev/shm, among the System V segments, and among the
//! descriptors of other processes.

use super::{
    info::{Place, RingInfo, Spot},
    look::{Found, look},
};
use crate::{
    segment::{
        self, Object, memfd,
        name::{Name, SysvAt, SysvName},
        posix,
        sysv::{self, Listed, Segment},
    },
    sys::OsError,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open, readlink},
    sys::stat::{Mode, SFlag, fstat, stat},
};
use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs::{self, DirEntry},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
};

/// Every ring that can be found. What goes away meanwhile, or may not be read, is left out.
pub(super) fn all() -> Result<Vec<RingInfo>, OsError> {
    let mut rings = named()?;
    rings.extend(anonymous()?);
    Ok(rings)
}

/// Those with names.
pub(super) fn named() -> Result<Vec<RingInfo>, OsError> {
    let entries = entries(posix::DIRECTORY, "opendir(/dev/shm)")?;
    let regular = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let names = entries.filter(regular).filter_map(|entry| {
        let mut name = OsString::from("/");
        name.push(entry.file_name());
        Name::new(&name).ok()
    });
    let mut names: Vec<_> = names.collect();
    names.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    let segments = sysv::list()?.into_iter().map(|Listed { key, id }| match key {
        0 => SysvName::of_id(id),
        key => SysvName::of_key(key),
    });
    names.extend(segments.map(Name::SystemV));
    Ok(names.iter().filter_map(|name| ring(by_name(name).ok()?)).collect())
}

/// Those without, of which some process has a descriptor.
fn anonymous() -> Result<Vec<RingInfo>, OsError> {
    let mut rings = Vec::new();
    let mut seen = HashSet::new();
    let mut pids: Vec<u32> =
        entries("/proc", "opendir(/proc)")?.filter_map(|entry| number(&entry)).collect();
    pids.sort_unstable();
    for pid in pids {
        // Gone, or another user's.
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let mut fds: Vec<u32> = entries.flatten().filter_map(|entry| number(&entry)).collect();
        fds.sort_unstable();
        for fd in fds {
            let path = path(pid, fd);
            if !readlink(path.as_str()).is_ok_and(|link| link == *memfd::LINK) {
                continue;
            }
            // The link's mode is how the descriptor was opened: not for writing
            // by another who only looks.
            if !fs::symlink_metadata(&path).is_ok_and(|link| link.mode() & 0o200 != 0) {
                continue;
            }
            let Ok(found) = stat(path.as_str()) else { continue };
            if seen.insert((found.st_dev, found.st_ino)) {
                rings.extend(by_descriptor(pid, fd).ok().and_then(ring));
            }
        }
    }
    Ok(rings)
}

fn ring(found: Found) -> Option<RingInfo> {
    match found {
        Found::Ring(ring) => Some(*ring),
        Found::Empty | Found::Foreign => None,
    }
}

/// Looks at what a name leads to.
pub(super) fn by_name(name: &Name) -> Result<Found, OsError> {
    let place = segment::Place::Named(name.clone());
    let object = match name {
        Name::Posix(posix) => Object::new(posix::open_to_look(posix)?, place),
        Name::SystemV(sysv) => {
            let mut segment = Segment::new(id(sysv)?, false);
            if !Segment::is_ours(&segment.facts()?) {
                return Ok(Found::Foreign);
            }
            segment.find_locks()?;
            Object::of_segment(segment, name.clone())
        }
    };
    if !object.facts()?.regular {
        return Ok(Found::Foreign);
    }
    look(&object, Place(Spot::Named(name.clone())))
}

/// The segment that a name leads to.
pub(super) fn id(name: &SysvName) -> Result<i32, OsError> {
    match name.at {
        SysvAt::Id(id) => Ok(id),
        // None that exists.
        SysvAt::Key(0) => Err(OsError::from_nix("shmget")(Errno::ENOENT)),
        SysvAt::Key(key) => sysv::find(key),
    }
}

/// Looks at what a descriptor of a process leads to, if that is a ring's memory.
///
/// The number may lead to anything at all by now, also to what must not be opened to be looked at.
pub(super) fn by_descriptor(pid: u32, fd: u32) -> Result<Found, OsError> {
    let path = path(pid, fd);
    let seen = open(path.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(OsError::from_nix("open(/proc/PID/fd)"))?;
    let stat = fstat(&seen).map_err(OsError::from_nix("fstat"))?;
    let path = format!("/proc/self/fd/{}", seen.as_raw_fd());
    let link = readlink(path.as_str()).map_err(OsError::from_nix("readlink"))?;
    if !is_regular(stat.st_mode) || link != *memfd::LINK {
        return Ok(Found::Foreign);
    }
    let fd_to_look = open(path.as_str(), OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(OsError::from_nix("open(/proc/self/fd)"))?;
    let object = Object::new(fd_to_look, segment::Place::Anonymous);
    look(&object, Place(Spot::Held { pid, fd }))
}

/// Reads `/proc/PID/fd/FD`.
pub(super) fn descriptor(place: &OsStr) -> Option<(u32, u32)> {
    let (pid, fd) = place.to_str()?.strip_prefix("/proc/")?.split_once("/fd/")?;
    Some((pid.parse().ok()?, fd.parse().ok()?))
}

fn path(pid: u32, fd: u32) -> String {
    format!("/proc/{pid}/fd/{fd}")
}

fn is_regular(mode: u32) -> bool {
    mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits()
}

fn number(entry: &DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// What is in a directory; nothing if there is none.
fn entries(directory: &str, call: &'static str) -> Result<impl Iterator<Item = DirEntry>, OsError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => None,
        Err(source) => return Err(OsError { call, source }),
    };
    Ok(entries.into_iter().flatten().filter_map(io::Result::ok))
}
