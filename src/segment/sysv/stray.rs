//! Which segments there are that may be rings, and what is left of those that are no more.

use super::{SETS, SHORT, ignore_gone, set_key, table};
use crate::{
    peer::{
        Lock,
        sysv::{self as locks, Locks, Set},
    },
    sys::{OsError, memory, sysv},
};

/// A segment that may be a ring's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) key: i32,
    pub(crate) id: i32,
}

/// Those that there are: by their size, and not removed.
pub(crate) fn list() -> Result<Vec<Listed>, OsError> {
    // key shmid perms size ...: keys in decimal, permissions in octal.
    // (sysvipc_shm_proc_show, ipc/shm.c)
    let segments = table("shm")?.into_iter().filter(|[_, _, perms, size]| {
        let is_removed = u32::from_str_radix(perms, 8).is_ok_and(|mode| mode & sysv::SHM_DEST != 0);
        let whole = |size: usize| (size + SHORT).is_multiple_of(memory::page_size());
        !is_removed && size.parse().is_ok_and(whole)
    });
    Ok(segments
        .filter_map(|[key, id, ..]| Some(Listed { key: key.parse().ok()?, id: id.parse().ok()? }))
        .collect())
}

/// Removes sets of this user that look like a ring's and whose segment there is not any more: of
/// what was killed in the middle of a removal by others. Returns how many.
pub(crate) fn remove_stray_sets(own: u32) -> Result<usize, OsError> {
    let mut removed = 0;
    for [key, id, _, count] in table("sem")? {
        let (Ok(key), Ok(id), Ok(count)) = (key.parse::<i32>(), id.parse(), count.parse()) else {
            continue;
        };
        if key & !0xff_ffff != SETS || !locks::is_count(count) || has_segment(key)? {
            continue;
        }
        // It may be another's by now.
        let is_it = sysv::sem_stat(id)
            .is_ok_and(|facts| facts.sem_perm.uid == own && facts.sem_perm.__key == key);
        let set = Set { id, count, segment: key & 0xff_ffff };
        removed += usize::from(is_it && remove_stray(set)?);
    }
    Ok(removed)
}

/// Removes a set unless it has a segment by now, or somebody is at it; false if so.
pub(super) fn remove_stray(set: Set) -> Result<bool, OsError> {
    let locks = Locks::new(set);
    // Who has made a segment that gives this key uses the set, and builds under its lock.
    match locks.try_lock(Lock::Build) {
        Err(error) if error.is_removed() => return Ok(false),
        Err(error) => return Err(error),
        Ok(false) => return Ok(false),
        Ok(true) => {}
    }
    if has_segment(set_key(set.segment))? {
        return Ok(false);
    }
    ignore_gone(sysv::sem_remove(set.id)).map(|()| true)
}

/// Whether there is a segment whose set has this key.
fn has_segment(key: i32) -> Result<bool, OsError> {
    let is_it = |[_, id, ..]: &[String; 4]| id.parse().is_ok_and(|id| set_key(id) == key);
    Ok(table("shm")?.iter().any(is_it))
}
