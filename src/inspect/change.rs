//! Removing and repairing: under the build lock, as everybody who removes, and
//! only what is this user's.

use super::{
    Error, ErrorKind, find,
    info::{Condition, RingInfo},
    look::Found,
};
use crate::{
    OpenErrorKind,
    end::{
        lock::BuildLock,
        replace,
        seat::{self, Many},
    },
    layout::identity::{self, Content, Identity, LayoutError},
    peer,
    segment::{
        Object, Place,
        mirror::Mapping,
        name::{Name, SysvName},
        posix,
        sysv::{self, Segment, Stage},
    },
};
use bytemuck::Zeroable;
use nix::sys::stat::SFlag;

/// Whether ends that are alive are to lose the name of their ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// No: a ring that is in use is left alone.
    #[default]
    No,
    /// Yes. They go on with what they have, and nobody else can come to them.
    Yes,
}

/// What was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repair {
    /// Remains of somebody who was making the ring, or replacing it, and died: the name is gone.
    RemainsRemoved,
    /// In a ring of many senders: the place of one that died was noted to be free. It can be taken
    /// as soon as what that one has sent is received.
    SeatFreed {
        /// Its process, as that knew itself.
        pid: u32,
    },
}

/// Opens what the name leads to, if it is this user's.
fn open(name: &Name) -> Result<Object, ErrorKind> {
    match name {
        Name::Posix(posix_name) => {
            let stat = posix::stat(posix_name)?.ok_or(ErrorKind::NotFound)?;
            check_owner(stat.st_uid, stat.st_uid)?;
            if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
                return Err(LayoutError::NotARing.into());
            }
            let fd = posix::open(posix_name).map_err(super::gone)?;
            let object = Object::new(fd, Place::Named(name.clone()));
            let facts = object.facts()?;
            check_owner(facts.owner, facts.creator)?;
            Ok(object)
        }
        Name::SystemV(sysv) => {
            let segment = open_segment(find::id(sysv).map_err(super::gone)?);
            segment.map(|segment| Object::of_segment(segment, name.clone()))
        }
    }
}

/// Opens a segment, and finds its locks, or makes them where there is no ring yet.
fn open_segment(id: i32) -> Result<Segment, ErrorKind> {
    let mut segment = Segment::new(id, true);
    let facts = segment.facts().map_err(super::gone)?;
    if facts.removed {
        return Err(ErrorKind::NotFound);
    }
    if !Segment::is_ours(&facts) {
        return Err(LayoutError::NotARing.into());
    }
    check_owner(facts.owner, facts.creator)?;
    if !segment.find_locks()? {
        match segment.stage()? {
            Stage::Foreign => return Err(LayoutError::NotARing.into()),
            // Built since we looked for them; or removed since, as one that has begun to go.
            Stage::Ready if segment.find_locks()? => {}
            Stage::Ready if segment.stage()? == Stage::Ready => {
                return Err(OpenErrorKind::NoLocks.into());
            }
            Stage::Ready => return open_segment(id),
            Stage::New => {
                segment.make_locks(peer::sysv::count(0), facts.mode).map_err(OpenErrorKind::from)?
            }
            Stage::Gone => {
                segment.remove()?;
                return Err(ErrorKind::NotFound);
            }
        }
    }
    Ok(segment)
}

fn check_owner(owner: u32, creator: u32) -> Result<(), ErrorKind> {
    let own = nix::unistd::geteuid().as_raw();
    match owner == own || creator == own {
        true => Ok(()),
        false => Err(ErrorKind::NotOwner { owner, own }),
    }
}

/// What an object says it is, as far as it is to be removed or repaired.
enum State {
    Empty,
    /// Somebody who was making it has died, if its build lock can be had.
    Building,
    /// What it says of itself was not checked, and may be cut short.
    Ready(Box<Identity>),
}

fn state(object: &Object) -> Result<State, ErrorKind> {
    let mut identity = Identity::zeroed();
    match (object.read_at(bytemuck::bytes_of_mut(&mut identity), 0)?, identity.magic) {
        (0, _) => Ok(State::Empty),
        (8.., identity::BUILDING) => Ok(State::Building),
        (8.., identity::READY) => Ok(State::Ready(Box::new(identity))),
        (8.., magic) if object.begins_with_zeros() && magic == [0; 8] => Ok(State::Building),
        (8.., identity::GONE) => Ok(State::Building),
        _ => Err(LayoutError::NotARing.into()),
    }
}

/// Does something to what the name leads to, under its build lock.
fn locked<T>(
    name: &Name,
    act: impl Fn(&Object, State) -> Result<T, ErrorKind>,
) -> Result<T, ErrorKind> {
    loop {
        match try_locked(name, &act) {
            Ok(Some(done)) => return Ok(done),
            // Removed meanwhile, and perhaps made anew.
            Ok(None) => {}
            Err(ErrorKind::Os(error)) if error.is_removed() => {}
            Err(error) => return Err(error),
        }
    }
}

/// The same, once; `None` if what was found is not there any more.
fn try_locked<T>(
    name: &Name,
    act: impl Fn(&Object, State) -> Result<T, ErrorKind>,
) -> Result<Option<T>, ErrorKind> {
    let object = open(name)?;
    if matches!(name, Name::Posix(_)) {
        // Before the lock: what is not ours is not locked either. (Other segments have no locks.)
        state(&object)?;
    }
    let lock = BuildLock::take(&object)?;
    if lock.object().is_removed()? {
        return Ok(None);
    }
    act(lock.object(), state(lock.object())?).map(Some)
}

pub(super) fn remove(name: &Name, force: Force) -> Result<(), ErrorKind> {
    let removed = locked(name, |object, state| {
        if force == Force::No {
            if peer::is_any_held(object)? {
                return Err(in_use(name));
            }
            if matches!(state, State::Empty) {
                // Who made it and what for cannot be told.
                return Err(LayoutError::NotARing.into());
            }
        }
        Ok(object.remove_name()?)
    });
    match (removed, name) {
        // There is no lock to be taken, and nobody who relies on one.
        (Err(ErrorKind::Ring(OpenErrorKind::NoLocks)), Name::SystemV(sysv))
            if force == Force::Yes =>
        {
            remove_without_locks(sysv, force).map(drop)
        }
        (removed, _) => removed,
    }
}

/// Who is there, for the message.
fn in_use(name: &Name) -> ErrorKind {
    let pids = match find::by_name(name) {
        Ok(Found::Ring(ring)) => {
            ring.ends.iter().filter(|end| end.attached).map(|end| end.pid).collect()
        }
        _ => Vec::new(),
    };
    ErrorKind::InUse { pids }
}

pub(super) fn remove_orphaned(prefix: &[u8]) -> Result<Vec<RingInfo>, Error> {
    let own = nix::unistd::geteuid().as_raw();
    sysv::remove_stray_sets(own).map_err(|error| Error { ring: None, kind: error.into() })?;
    let mut removed = Vec::new();
    for ring in find::named().map_err(|error| Error { ring: None, kind: error.into() })? {
        let Some(name) = ring.place.name() else { continue };
        let is_dead = match ring.condition {
            Condition::Orphaned => !ring.persistent,
            Condition::Abandoned | Condition::Replaced => true,
            _ => false,
        };
        let is_meant = name.as_encoded_bytes().starts_with(prefix);
        if !(is_dead && is_meant && ring.owner == own) {
            continue;
        }
        let result = Name::new(name)
            .map_err(ErrorKind::from)
            .and_then(|name| remove_if_orphaned(&name, ring.nonce));
        match result {
            Ok(true) => removed.push(ring),
            // Somebody else was faster, or is at it: then it is not orphaned.
            Ok(false) | Err(ErrorKind::NotFound | ErrorKind::Ring(OpenErrorKind::Busy { .. })) => {}
            Err(kind) => return Err(Error { ring: Some(name.to_owned()), kind }),
        }
    }
    Ok(removed)
}

/// Removes it, if it is that ring, or was never ready, and nobody is there.
fn remove_if_orphaned(name: &Name, nonce: u64) -> Result<bool, ErrorKind> {
    let removed = locked(name, |object, state| {
        // It may be another by now, or in use.
        let is_it = match state {
            State::Empty => false,
            State::Building => true,
            State::Ready(identity) => identity.nonce == nonce,
        };
        let remove = is_it && !peer::is_any_held(object)?;
        if remove {
            object.remove_name()?;
        }
        Ok(remove)
    });
    match (removed, name) {
        (Err(ErrorKind::Ring(OpenErrorKind::NoLocks)), Name::SystemV(sysv)) => {
            remove_without_locks(sysv, Force::No)
        }
        (removed, _) => removed,
    }
}

/// Removes a ring whose locks somebody has removed: nobody can come to it, but
/// there may still be ends.
fn remove_without_locks(name: &SysvName, force: Force) -> Result<bool, ErrorKind> {
    let mut segment = Segment::new(find::id(name).map_err(super::gone)?, true);
    // In this order: one that is ready has had locks, and never gets others.
    let is_it = segment.stage()? == Stage::Ready && !segment.find_locks()?;
    let remove = is_it && (force == Force::Yes || segment.stat()?.shm_nattch == 0);
    if remove {
        segment.remove()?;
    }
    Ok(remove)
}

pub(super) fn repair(name: &Name) -> Result<Vec<Repair>, ErrorKind> {
    locked(name, |object, state| {
        let identity = match state {
            State::Empty => return Err(LayoutError::NotARing.into()),
            State::Building => {
                object.remove_name()?;
                return Ok(vec![Repair::RemainsRemoved]);
            }
            State::Ready(identity) => identity,
        };
        let facts = object.facts()?;
        let found = Ok(Some(*identity));
        // As below: nobody else may be able to cut what is mapped.
        let is_safe = facts.mode & 0o022 == 0 || object.is_sealed();
        if is_safe && replace::is_unfinished(object, &found)? {
            return Ok(vec![Repair::RemainsRemoved]);
        }
        let content = Content::of(&identity)?;
        let geometry = identity.validate(&content, facts.size)?;
        if geometry.producers == 0 {
            // The next to attach takes over from the dead.
            return Ok(Vec::new());
        }
        // To be mapped: nobody else may be able to cut it short.
        if facts.mode & 0o022 != 0 && !object.is_sealed() {
            return Err(OpenErrorKind::Mode { found: facts.mode, asked: 0o600 }.into());
        }
        // It holds a seat's lock only for a moment, under the build lock.
        let own = object.reopen()?;
        let mapping = Mapping::new(&own, geometry.control, geometry.capacity)?;
        let dead = seat::look_after_all(&Many::new(&mapping, geometry), geometry, &own)?;
        Ok(dead.into_iter().map(|pid| Repair::SeatFreed { pid }).collect())
    })
}
