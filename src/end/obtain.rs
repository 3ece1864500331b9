//! Finding the object that a name leads to, or making one.
//!
//! That it exists does not say yet that there is a ring: see `attach`.

use super::{
    Settings, Trust,
    attach::{Existence, check_access},
    error::OpenErrorKind,
};
use crate::{
    layout::identity::{Geometry, LayoutError},
    peer,
    segment::{
        Object, Place, SegmentError,
        name::{Name, PosixName, SysvAt, SysvName},
        posix,
        sysv::{self, Segment, Stage},
    },
};
use std::time::{Duration, Instant};

/// The mode that an object is made with: nothing for the maker's group in place
/// of the one that it is for.
fn first_mode(settings: &Settings) -> u32 {
    match settings.group {
        Some(_) => settings.mode & !0o070,
        None => settings.mode,
    }
}

/// Longer than a builder takes from creating the object to giving it its mode.
pub(super) const BEING_MADE: Duration = Duration::from_millis(200);

/// So many segments whose locks' keys are another program's are given up before we are.
const TRIES: u32 = 8;

/// Opens the object that the name leads to, or makes an empty one.
pub(super) fn posix(
    name: &Name,
    posix_name: &PosixName,
    existence: Existence,
    settings: &Settings,
) -> Result<Object, OpenErrorKind> {
    let started = Instant::now();
    loop {
        let fd = match posix::open(posix_name) {
            Ok(fd) => fd,
            // Another user may be making it, and have yet to give it its mode: the umask cuts that.
            Err(error)
                if error.errno() == Some(libc::EACCES)
                    && settings.trust == Trust::AnyUser
                    && started.elapsed() < BEING_MADE =>
            {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) if error.errno() != Some(libc::ENOENT) => return Err(error.into()),
            Err(_) if existence == Existence::Required => return Err(OpenErrorKind::NotFound),
            Err(_) => match posix::create(posix_name, first_mode(settings)) {
                Ok(fd) => fd,
                // Made by another since we looked.
                Err(error) if error.errno() == Some(libc::EEXIST) => continue,
                Err(error) => return Err(error.into()),
            },
        };
        return Ok(Object::new(fd, Place::Named(name.clone())));
    }
}

/// Opens the segment with this key or id, or makes one for a ring of this geometry, and finds its
/// locks, or makes them if it is not a ring yet.
pub(super) fn sysv(
    name: &Name,
    sysv_name: &SysvName,
    existence: Existence,
    geometry: Geometry,
    settings: &Settings,
) -> Result<Object, OpenErrorKind> {
    let mut tries = 0;
    loop {
        let (id, name, made) = match sysv_name.at {
            SysvAt::Id(id) => (id, name.clone(), false),
            SysvAt::Key(0) if existence == Existence::Required => {
                return Err(OpenErrorKind::NotFound);
            }
            SysvAt::Key(0) => {
                let id = sysv::create(0, geometry.size(), first_mode(settings))?;
                (id, Name::SystemV(SysvName::of_id(id)), true)
            }
            SysvAt::Key(key) => match with_key(key, existence, geometry, settings)? {
                Some((id, made)) => (id, name.clone(), made),
                None => continue,
            },
        };
        let mut segment = Segment::new(id, true);
        match is_ready_for(&mut segment, existence, geometry, settings) {
            Ok(true) => return Ok(Object::of_segment(segment, name)),
            Ok(false) => {}
            Err(OpenErrorKind::Os(error)) if error.is_removed() => {}
            Err(error) => {
                // What we have made and could not give locks must not stay.
                if made {
                    let _ = segment.abandon();
                }
                // The next segment's locks have another key.
                tries += 1;
                let again = made && matches!(error, OpenErrorKind::LocksKey { .. });
                if !again || tries == TRIES {
                    return Err(error);
                }
            }
        }
        if matches!(sysv_name.at, SysvAt::Id(_)) {
            return Err(OpenErrorKind::NotFound);
        }
    }
}

/// Finds the segment with a key, or makes it and says so; `None` if another
/// made it since we looked.
fn with_key(
    key: i32,
    existence: Existence,
    geometry: Geometry,
    settings: &Settings,
) -> Result<Option<(i32, bool)>, OpenErrorKind> {
    match sysv::find(key) {
        Ok(id) => return Ok(Some((id, false))),
        Err(error) if error.errno() != Some(libc::ENOENT) => return Err(error.into()),
        Err(_) if existence == Existence::Required => return Err(OpenErrorKind::NotFound),
        Err(_) => {}
    }
    match sysv::create(key, geometry.size(), first_mode(settings)) {
        Ok(id) => Ok(Some((id, true))),
        Err(SegmentError::Os(error)) if error.errno() == Some(libc::EEXIST) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a segment's build lock can be taken; false if it has gone meanwhile.
fn is_ready_for(
    segment: &mut Segment,
    existence: Existence,
    geometry: Geometry,
    settings: &Settings,
) -> Result<bool, OpenErrorKind> {
    let refused = |error: OpenErrorKind| match existence {
        Existence::Refused => OpenErrorKind::AlreadyExists,
        _ => error,
    };
    let facts = segment.facts()?;
    if facts.removed {
        return Ok(false);
    }
    if !Segment::is_ours(&facts) {
        return Err(refused(LayoutError::NotARing.into()));
    }
    check_access(&facts, settings).map_err(refused)?;
    if segment.find_locks()? {
        return Ok(true);
    }
    match segment.stage()? {
        Stage::Foreign => Err(refused(LayoutError::NotARing.into())),
        Stage::New if existence == Existence::Required => Err(OpenErrorKind::NotFound),
        Stage::New => {
            segment.make_locks(peer::sysv::count(geometry.producers), first_mode(settings))?;
            Ok(true)
        }
        // Built since we looked for them; or removed since, as one that has begun to go.
        Stage::Ready if segment.find_locks()? => Ok(true),
        Stage::Ready if segment.stage()? == Stage::Ready => Err(OpenErrorKind::NoLocks),
        Stage::Ready => Ok(false),
        Stage::Gone => {
            segment.remove()?;
            Ok(false)
        }
    }
}
