//! System V shared memory, shmget(2): objects with a key or, made with
//! IPC_PRIVATE, with an id alone.
//!
//! Unlike a file a segment has its size from the beginning and keeps it: nobody can cut it short,
//! and what a builder left that died is of use only if it has the right size. Beside it there is a
//! set of semaphores, its locks ([`crate::peer::sysv`]), whose key is made of the segment's id. So
//! the set of a segment is found without looking into it, by whoever comes, also when its maker was
//! killed before he could say anything; and as no two segments that exist at a time have the same,
//! one that was left behind is found and used by the next to have that key.
//!
//! ```text
//! making     segment (IPC_EXCL) -> set (IPC_EXCL) -> build lock -> header: building -> ... -> header: ready
//! removing   build lock -> header: gone -> set (IPC_RMID) -> segment (IPC_RMID)
//! ```
//!
//! Killed anywhere in between, the next to come goes on from there: a segment without a set gets
//! one, unless its header says that it is ready, or is another program's; a header that says "gone"
//! is a removal to be finished by whoever finds it. Whoever waits for the build lock of a set that
//! goes away is told so by the kernel (EIDRM), and starts again.
//!
//! Only the user who made a segment makes its set and builds on it: another could give neither its
//! mode nor remove it again, and would wait for him ([`Facts::creator`]). Who gives the build lock
//! back looks whether there still is a segment, which ipcrm(1) may have removed, and takes the set
//! away if not. Without the build lock something is changed in one case only: who could make no set
//! takes his segment away. The first word is changed from zero by compare-and-swap, to "building"
//! or to "gone", so he meets no builder.
//!
//! Zeros may be anybody's, so what is ours must be told from what is not before anything
//! is written to it: a ring's segment is so many bytes short of whole pages ([`SHORT`]),
//! which the kernel keeps to the byte, and its set as many semaphores too large. What is
//! not of that size is never touched.

mod attachment;
mod key;
mod make;
mod stray;

pub use key::Key;
pub(crate) use make::create;
pub(crate) use stray::{Listed, list, remove_stray_sets};

use super::{Facts, SegmentError};
use crate::{
    peer::sysv::{self as locks, Locks, Set},
    segment::stage::{BUILDING, GONE, READY},
    sys::{OsError, memory, sysv},
};
use attachment::Attachment;
use make::create_set;
use nix::errno::Errno;
use std::{
    fs,
    sync::{Arc, OnceLock, atomic::Ordering},
};

/// By how much a ring's segment is smaller than its pages.
const SHORT: usize = 77;

/// What the keys of rings' sets begin with. (Of those that ftok makes, so do
/// those of project 0xa7.)
const SETS: i32 = 0xa7_u32.cast_signed() << 24;

/// The key of a segment's set. The low bits of an id are its index, which no two have at a time.
pub(crate) fn set_key(segment: i32) -> i32 {
    SETS | segment & 0xff_ffff
}

/// Finds the segment with this key.
///
/// # Errors
/// ENOENT if there is none.
pub(crate) fn find(key: i32) -> Result<i32, OsError> {
    sysv::shmget(key, 0, 0)
}

/// What has the key of a segment's set.
enum Found {
    Nothing,
    Ours(Set),
    /// Another program's.
    Foreign,
}

/// Looks for the set of a segment, which this user has made.
fn find_set(segment: i32, creator: u32) -> Result<Found, OsError> {
    let id = match sysv::semget(set_key(segment), 0, 0) {
        Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(Found::Nothing),
        id => id?,
    };
    let facts = match sysv::sem_stat(id) {
        // Whoever may look at the segment may look at its set.
        Err(error) if error.errno() == Some(libc::EACCES) => return Ok(Found::Foreign),
        facts => facts?,
    };
    let count = facts.sem_nsems as usize;
    Ok(match facts.sem_perm.cuid == creator && locks::is_count(count) {
        true => Found::Ours(Set { id, count, segment }),
        false => Found::Foreign,
    })
}

/// What a segment's first word says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is not a ring yet: zeros, or the mark of a builder.
    New,
    Ready,
    /// Its removal has begun.
    Gone,
    /// Something else, of a ring's size.
    Foreign,
}

/// A segment as one description, in the sense of [`crate::peer`].
#[derive(Debug)]
pub(crate) struct Segment {
    id: i32,
    /// Whether it may be written to.
    write: bool,
    /// None as long as there is no set.
    locks: Option<Arc<Locks>>,
    /// Of one that is to be read alone: where it is attached since it was read for the
    /// first time. Who looks reads often.
    view: OnceLock<Attachment>,
}

impl Segment {
    /// One that exists, without a set yet. Nothing is asked of the kernel.
    pub(crate) fn new(id: i32, write: bool) -> Self {
        Self { id, write, locks: None, view: OnceLock::new() }
    }

    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    fn find_set(&self) -> Result<Found, OsError> {
        find_set(self.id, sysv::shm_stat(self.id)?.shm_perm.cuid)
    }

    /// Finds the set, if there is one.
    pub(crate) fn find_locks(&mut self) -> Result<bool, OsError> {
        self.locks = match self.find_set()? {
            Found::Ours(set) => Some(Arc::new(Locks::new(set))),
            Found::Nothing | Found::Foreign => None,
        };
        Ok(self.locks.is_some())
    }

    /// Makes the set, with so many semaphores, if there is none. For who has made the segment only,
    /// and takes the build lock next.
    ///
    /// # Errors
    /// EPERM to others; EIDRM if the segment is gone.
    pub(crate) fn make_locks(&mut self, count: usize, mode: u32) -> Result<(), SegmentError> {
        self.facts()?.check_creator()?;
        let set = loop {
            match self.find_set()? {
                Found::Ours(set) => break set,
                Found::Foreign => return Err(SegmentError::LocksKey { key: set_key(self.id) }),
                Found::Nothing => {}
            }
            if let Some(id) = create_set(self.id, count, mode)? {
                // The segment may have been removed since we looked, by who knew of no set: whoever
                // gives the build lock back finds that out.
                break Set { id, count, segment: self.id };
            }
        };
        self.locks = Some(Arc::new(Locks::new(set)));
        Ok(())
    }

    /// Takes away a segment that its maker could not give a set, unless another has and builds.
    pub(crate) fn abandon(&self) -> Result<(), OsError> {
        match self.begin(GONE) {
            Ok(true) => self.remove(),
            Ok(false) => Ok(()),
            // It cannot be looked into (no addresses are left), so nobody has begun with it here.
            Err(_) => match self.find_set()? {
                Found::Nothing | Found::Foreign => sysv::shm_remove(self.id),
                Found::Ours(_) => Ok(()),
            },
        }
    }

    /// Changes the first word from zero to this.
    fn begin(&self, magic: [u8; 8]) -> Result<bool, OsError> {
        let attached = Attachment::new(self.id, true)?;
        let word = attached.word(0).expect("a segment begins with a page");
        let magic = u64::from_ne_bytes(magic);
        // AcqRel: whoever finds it changed comes after.
        Ok(word.compare_exchange(0, magic, Ordering::AcqRel, Ordering::Acquire).is_ok())
    }

    /// # Panics
    /// Without a set; whoever looks or locks has found it before.
    pub(crate) fn locks(&self) -> &Arc<Locks> {
        self.locks.as_ref().expect("the set was found when the segment was opened")
    }

    pub(crate) fn has_locks(&self) -> bool {
        self.locks.is_some()
    }

    /// The same as another description.
    pub(super) fn reopen(&self) -> Self {
        let locks = self.locks.as_ref().map(|locks| Arc::new(Locks::new(locks.set())));
        Self { id: self.id, write: self.write, locks, view: OnceLock::new() }
    }

    pub(crate) fn facts(&self) -> Result<Facts, OsError> {
        let facts = sysv::shm_stat(self.id)?;
        let perm = facts.shm_perm;
        Ok(Facts {
            owner: perm.uid,
            creator: perm.cuid,
            group: perm.gid,
            mode: u32::from(perm.mode) & 0o777,
            size: (facts.shm_segsz + SHORT) as u64,
            removed: u32::from(perm.mode) & sysv::SHM_DEST != 0,
            regular: true,
        })
    }

    /// Whether it is of a size that no other program's has.
    pub(crate) fn is_ours(facts: &Facts) -> bool {
        facts.size.is_multiple_of(memory::page_size() as u64)
    }

    pub(crate) fn stage(&self) -> Result<Stage, OsError> {
        let mut magic = [0; 8];
        self.read_at(&mut magic, 0)?;
        Ok(match magic {
            READY => Stage::Ready,
            GONE => Stage::Gone,
            BUILDING | [0, 0, 0, 0, 0, 0, 0, 0] => Stage::New,
            _ => Stage::Foreign,
        })
    }

    /// See [`Object::begin`](super::Object::begin).
    pub(super) fn begin_ring(&self, size: u64, locks: usize) -> Result<bool, OsError> {
        let facts = self.facts()?;
        facts.check_creator()?;
        let fits = facts.size == size && self.locks().set().count == locks;
        // A builder that died may have left more than its mark.
        Ok(fits && self.begin(BUILDING)?)
    }

    /// Gives it and its set an owner, a group, a mode, as far as they are said. What is as it shall
    /// be is left alone: it may be another user's, whose segment this one has found new.
    pub(super) fn set_access(
        &self,
        owner: Option<u32>,
        group: Option<u32>,
        mode: Option<u32>,
    ) -> Result<(), OsError> {
        let changes = |perm: &mut libc::ipc_perm| {
            let mode = mode.map_or(perm.mode, |mode| mode as libc::c_ushort);
            let wanted = (owner.unwrap_or(perm.uid), group.unwrap_or(perm.gid), mode);
            let differs = wanted != (perm.uid, perm.gid, perm.mode);
            (perm.uid, perm.gid, perm.mode) = wanted;
            differs
        };
        let mut locks = sysv::sem_stat(self.locks().set().id)?;
        if changes(&mut locks.sem_perm) {
            sysv::sem_set(self.locks().set().id, &mut locks)?;
        }
        let mut segment = sysv::shm_stat(self.id)?;
        match changes(&mut segment.shm_perm) {
            true => sysv::shm_set(self.id, &mut segment),
            false => Ok(()),
        }
    }

    /// Makes sure that the pages are there.
    pub(super) fn allocate(&self, size: u64) -> Result<(), OsError> {
        let attached = Attachment::new(self.id, true)?;
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        match attached.populate(length) {
            Ok(()) => Ok(()),
            // Kernels before 5.14.
            Err(Errno::EINVAL) => {
                for at in (0..length).step_by(memory::page_size()) {
                    // Under the build lock, and not ready: nobody else is at it.
                    attached.byte(at).fetch_or(0, Ordering::Relaxed);
                }
                Ok(())
            }
            Err(_) => Err(OsError::from_nix("madvise(MADV_POPULATE_WRITE)")(Errno::ENOMEM)),
        }
    }

    /// What shmctl(2) tells of it.
    pub(crate) fn stat(&self) -> Result<libc::shmid_ds, OsError> {
        sysv::shm_stat(self.id)
    }

    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<usize, OsError> {
        let for_now;
        let attached = match self.view.get() {
            Some(attached) => attached,
            None => {
                let attached = Attachment::new(self.id, self.write)?;
                if self.write {
                    for_now = attached;
                    &for_now
                } else {
                    self.view.get_or_init(|| attached)
                }
            }
        };
        let size = attached.size;
        let offset = usize::try_from(offset).unwrap_or(size).min(size);
        let length = bytes.len().min(size - offset);
        attached.read(&mut bytes[..length], offset);
        Ok(length)
    }

    /// Attaches it, anywhere, until this is dropped.
    pub(super) fn attach(&self) -> Result<impl Sized, OsError> {
        Attachment::new(self.id, self.write)
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), OsError> {
        let attached = Attachment::new(self.id, true)?;
        attached.write(bytes, usize::try_from(offset).unwrap_or(usize::MAX));
        Ok(())
    }

    /// Removes the set of a segment that is no more, or is removed and without ends. (Somebody may
    /// have it attached for a moment, to read it, who has no set yet.) To be called under the build
    /// lock: others may have come to the set for another segment, and begin anew.
    pub(super) fn remove_stray_locks(&self) -> Result<(), OsError> {
        let locks = self.locks();
        let is_wanted = match self.facts() {
            Ok(facts) if facts.removed => locks.is_any_held(),
            facts => facts.map(|_| true),
        };
        match is_wanted {
            Ok(false) => {}
            Err(error) if error.is_removed() => {}
            is_wanted => return is_wanted.map(drop),
        }
        ignore_gone(locks.check().and_then(|()| sysv::sem_remove(locks.set().id)))
    }

    /// Removes segment and set. To be called under the build lock, or where a removal had begun.
    pub(crate) fn remove(&self) -> Result<(), OsError> {
        // First of all, whether we may: who may not must not say that it is gone.
        let mut facts = sysv::shm_stat(self.id)?;
        sysv::shm_set(self.id, &mut facts)?;
        let set = match find_set(self.id, facts.shm_perm.cuid) {
            Ok(Found::Ours(set)) => Some(set),
            Ok(Found::Nothing | Found::Foreign) => None,
            Err(error) => ignore_gone(Err(error)).map(|()| None)?,
        };
        if let Some(set) = set {
            let may =
                sysv::sem_stat(set.id).and_then(|mut facts| sysv::sem_set(set.id, &mut facts));
            ignore_gone(may)?;
        }
        if Attachment::new(self.id, true).is_ok() {
            self.write_at(&GONE, 0)?;
        }
        if let Some(set) = set {
            ignore_gone(sysv::sem_remove(set.id))?;
        }
        ignore_gone(sysv::shm_remove(self.id))
    }
}

/// The first four words of each line of a table in /proc but its first; nothing
/// where the kernel has no such table.
fn table(name: &str) -> Result<Vec<[String; 4]>, OsError> {
    let text = match fs::read_to_string(format!("/proc/sysvipc/{name}")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|source| OsError { call: "read(/proc/sysvipc)", source })?,
    };
    let words = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some([words.next()?, words.next()?, words.next()?, words.next()?])
    };
    Ok(text.lines().skip(1).filter_map(words).collect())
}

/// Somebody else was at the same.
fn ignore_gone(result: Result<(), OsError>) -> Result<(), OsError> {
    match result {
        Err(error) if error.is_removed() => Ok(()),
        result => result,
    }
}
