//! System V shared memory, shmget(2): objects with a key or, made with IPC_PRIVATE, with an id alone.
//!
//! Unlike a file a segment has its size from the beginning and keeps it: nobody can cut it short, and what a
//! builder left that died is of use only if it has the right size. Beside it there is a set of semaphores, its locks
//! ([`crate::peer::sysv`]), whose key is made of the segment's id. So the set of a segment is found without
//! looking into it, by whoever comes, also when its maker was killed before he could say anything; and as no two segments
//! that exist at a time have the same, one that was left behind is found and used by the next to have that key.
//!
//! ```text
//! making     segment (IPC_EXCL) -> set (IPC_EXCL) -> build lock -> header: building -> ... -> header: ready
//! removing   build lock -> header: gone -> set (IPC_RMID) -> segment (IPC_RMID)
//! ```
//!
//! Killed anywhere in between, the next to come goes on from there: a segment without a set gets one, unless its
//! header says that it is ready, or is another program's; a header that says "gone" is a removal to be finished by whoever finds it.
//! Whoever waits for the build lock of a set that goes away is told so by the kernel (EIDRM), and starts again.
//!
//! Only the user who made a segment makes its set and builds on it: another could give neither its mode nor remove it
//! again, and would wait for him ([`Facts::creator`]). Who gives the build lock back looks whether there still is a
//! segment, which ipcrm(1) may have removed, and takes the set away if not. Without the build lock something is changed in one
//! case only: who could make no set takes his segment away. The first word is changed from zero by compare-and-swap, to
//! "building" or to "gone", so he meets no builder.
//!
//! Zeros may be anybody's, so what is ours must be told from what is not before anything is written to it: a ring's
//! segment is so many bytes short of whole pages ([`SHORT`]), which the kernel keeps to the byte, and its set as many
//! semaphores too large. What is not of that size is never touched.

use super::{Facts, SegmentError, name::NameError};
use crate::{
    layout::identity::{BUILDING, GONE, READY},
    peer::{
        Lock,
        sysv::{self as locks, Locks, Set},
    },
    sys::{OsError, memory, sysv},
};
use nix::errno::Errno;
use std::{
    ffi::{CString, OsStr, OsString, c_void},
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::NonNull,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

/// What System V objects are found by, in place of a name: 32 bits.
///
/// It stands for a name in everything that takes one, and is written `sysv:0x00002a01`. See
/// [`Backend::SystemV`](crate::Backend::SystemV) for the other ways to name a ring.
///
/// # Examples
/// ```
/// use shmpipe::{Key, Options, stream::{Reader, Writer}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let project = std::process::id() as u8 | 1;
/// # let path = std::env::current_exe()?;
/// let key = Key::from_path(path, project)?;
/// let writer: Writer = Options::new().create_new(&key)?;
/// let reader: Reader = Options::new().open(&key)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    number: i32,
    name: OsString,
}

impl Key {
    /// No key: whoever makes a ring with it makes a new one (IPC_PRIVATE), which others can find by its id alone;
    /// an end says by its `name()` which that is.
    #[must_use]
    pub fn private() -> Self {
        Self::raw(0)
    }

    /// This number, with which programs agreed on some other way. 0 is [`private`](Self::private).
    #[must_use]
    pub fn raw(number: i32) -> Self {
        let name = super::name::SysvName::of_key(number);
        Self { number, name: super::name::Name::SystemV(name).as_os_str().to_owned() }
    }

    /// The key of a file that exists and a number of your own, as ftok(3) makes it: the low 16 bits of the
    /// inode's number, 8 of the device's, and these 8.
    ///
    /// What is in the file does not count, and the key stays with the inode: where a file was *replaced* (written anew and
    /// renamed, as editors and package managers do) this makes another key, and programs that were
    /// started before do not meet those that are started after. Two files can have the same key. Choose a file
    /// that stays, such as a directory of the application.
    ///
    /// # Errors
    /// [`NameError::KeyFile`] if the file cannot be looked at; [`NameError::Key`] for the number 0, for which
    /// POSIX makes no promise.
    pub fn from_path(path: impl AsRef<Path>, project: u8) -> Result<Self, NameError> {
        Self::of_path(path.as_ref(), project).map(Self::raw)
    }

    pub(super) fn of_path(path: &Path, project: u8) -> Result<i32, NameError> {
        if project == 0 {
            return Err(NameError::Key);
        }
        let c_path = CString::new(path.as_os_str().as_bytes()).map_err(|_| NameError::Nul)?;
        sysv::ftok(&c_path, project)
            .map_err(|why| NameError::KeyFile { path: path.to_owned(), why: why.to_string() })
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.number
    }
}

impl AsRef<OsStr> for Key {
    fn as_ref(&self) -> &OsStr {
        &self.name
    }
}

/// By how much a ring's segment is smaller than its pages.
const SHORT: usize = 77;

/// What the keys of rings' sets begin with. (Of those that ftok makes, so do those of project 0xa7.)
const SETS: i32 = 0xa7_u32.cast_signed() << 24;

/// The key of a segment's set. The low bits of an id are its index, which no two have at a time.
pub(crate) fn set_key(segment: i32) -> i32 {
    SETS | segment & 0xff_ffff
}

/// A segment as one description, in the sense of [`crate::peer`].
#[derive(Debug)]
pub(crate) struct Segment {
    id: i32,
    /// Whether it may be written to.
    write: bool,
    /// None as long as there is no set.
    locks: Option<Arc<Locks>>,
    /// Of one that is to be read alone: where it is attached since it was read for the first time. Who looks reads often.
    view: OnceLock<Attachment>,
}

/// Finds the segment with this key.
///
/// # Errors
/// ENOENT if there is none.
pub(crate) fn find(key: i32) -> Result<i32, OsError> {
    sysv::shmget(key, 0, 0)
}

/// Makes a segment for a ring of `size` bytes; 0 = without a key.
///
/// # Errors
/// EEXIST if the key is taken.
pub(crate) fn create(key: i32, size: u64, mode: u32) -> Result<i32, SegmentError> {
    let available = memory::of_machine(size);
    if let Some(available) = available.filter(|available| *available < size) {
        return Err(SegmentError::NoSpace { needed: size, available });
    }
    let no_space = || SegmentError::NoSpace { needed: size, available: available.unwrap_or(0) };
    let bytes = usize::try_from(size).map_err(|_| no_space())?;
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode.cast_signed();
    sysv::shmget(key, bytes - SHORT, flags).map_err(|error| match error.errno() {
        Some(libc::EINVAL) => limit("SHMMAX", "shmmax", 0).unwrap_or(error.into()),
        Some(libc::ENOSPC) => {
            let segments = limit("SHMMNI", "shmmni", 0);
            let is_it = |error: &SegmentError| {
                let SegmentError::Limit { value, .. } = error else { return false };
                table("shm").is_ok_and(|lines| lines.len() as u64 >= *value)
            };
            segments.filter(is_it).or_else(|| limit("SHMALL", "shmall", 0)).unwrap_or(error.into())
        }
        Some(libc::ENOMEM) => no_space(),
        _ => error.into(),
    })
}

/// A limit of the kernel's, by its name and where it is set, of which it is the `nth` word.
fn limit(name: &'static str, file: &'static str, nth: usize) -> Option<SegmentError> {
    let text = fs::read_to_string(format!("/proc/sys/kernel/{file}")).ok()?;
    let value = text.split_whitespace().nth(nth)?.parse().ok()?;
    Some(SegmentError::Limit { name, value, sysctl: file })
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

/// Makes a set for a segment; `None` if there is one by now.
fn create_set(segment: i32, count: usize, mode: u32) -> Result<Option<i32>, SegmentError> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | mode.cast_signed();
    match sysv::semget(set_key(segment), count, flags) {
        Ok(id) => Ok(Some(id)),
        Err(error) => match error.errno() {
            // Somebody else was faster.
            Some(libc::EEXIST) => Ok(None),
            Some(libc::EINVAL) => Err(limit("SEMMSL", "sem", 0).unwrap_or(error.into())),
            Some(libc::ENOSPC) => {
                let sets = limit("SEMMNI", "sem", 3);
                let is_it = |error: &SegmentError| {
                    let SegmentError::Limit { value, .. } = error else { return false };
                    table("sem").is_ok_and(|lines| lines.len() as u64 >= *value)
                };
                Err(sets
                    .filter(is_it)
                    .or_else(|| limit("SEMMNS", "sem", 1))
                    .unwrap_or(error.into()))
            }
            _ => Err(error.into()),
        },
    }
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

    /// Makes the set, with so many semaphores, if there is none. For who has made the segment only, and takes the build
    /// lock next.
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
                // The segment may have been removed since we looked, by who knew of no set: whoever gives the build
                // lock back finds that out.
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

    /// Gives it and its set an owner, a group, a mode, as far as they are said. What is as it shall be is left alone: it may
    /// be another user's, whose segment this one has found new.
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
    pub(super) fn allocate(&self, size: u64) -> Result<(), SegmentError> {
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
            Err(_) => {
                let available = memory::of_machine(size).unwrap_or(0);
                Err(SegmentError::NoSpace { needed: size, available })
            }
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

    /// Removes the set of a segment that is no more, or is removed and without ends. (Somebody may have it attached for a
    /// moment, to read it, who has no set yet.) To be called under the build lock: others may have come to the set for
    /// another segment, and begin anew.
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

/// A segment that may be a ring's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) key: i32,
    pub(crate) id: i32,
}

/// Those that there are: by their size, and not removed.
pub(crate) fn list() -> Result<Vec<Listed>, OsError> {
    // key shmid perms size ...: keys in decimal, permissions in octal. (sysvipc_shm_proc_show, ipc/shm.c)
    let segments = table("shm")?.into_iter().filter(|[_, _, perms, size]| {
        let is_removed = u32::from_str_radix(perms, 8).is_ok_and(|mode| mode & sysv::SHM_DEST != 0);
        let whole = |size: usize| (size + SHORT).is_multiple_of(memory::page_size());
        !is_removed && size.parse().is_ok_and(whole)
    });
    Ok(segments
        .filter_map(|[key, id, ..]| Some(Listed { key: key.parse().ok()?, id: id.parse().ok()? }))
        .collect())
}

/// Removes sets of this user that look like a ring's and whose segment there is not any more: of what was killed in the
/// middle of a removal by others. Returns how many.
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
fn remove_stray(set: Set) -> Result<bool, OsError> {
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

/// The first four words of each line of a table in /proc but its first; nothing where the kernel has no such table.
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

/// A segment in this process, for a moment.
#[derive(Debug)]
struct Attachment {
    base: NonNull<c_void>,
    /// Up to the end of its last page.
    size: usize,
}

// SAFETY: memory of the process, not of a thread, which is reached by atomics alone.
unsafe impl Send for Attachment {}
// SAFETY: as above.
unsafe impl Sync for Attachment {}

impl Attachment {
    fn new(id: i32, write: bool) -> Result<Self, OsError> {
        let mut attached = Self { base: sysv::shmat(id, write)?, size: 0 };
        // As long as it is attached the id is no other's.
        attached.size = sysv::shm_stat(id)?.shm_segsz.next_multiple_of(memory::page_size());
        Ok(attached)
    }

    fn populate(&self, length: usize) -> Result<(), Errno> {
        // SAFETY: the whole segment is attached there; the advice does not change its contents.
        let result =
            unsafe { libc::madvise(self.base.as_ptr(), length, libc::MADV_POPULATE_WRITE) };
        Errno::result(result).map(drop)
    }

    /// A byte that others may write, too. The caller keeps to the segment's size.
    fn byte(&self, at: usize) -> &AtomicU8 {
        // SAFETY: within what is attached, for as long as `self`.
        unsafe { self.base.cast::<AtomicU8>().add(at).as_ref() }
    }

    /// Eight of them, if that is where a word begins.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        // SAFETY: as above; and aligned.
        at.is_multiple_of(8).then(|| unsafe { self.base.byte_add(at).cast::<AtomicU64>().as_ref() })
    }

    /// Copies bytes out, whole words where there are any.
    fn read(&self, bytes: &mut [u8], offset: usize) {
        for (n, chunk) in bytes.chunks_mut(8).enumerate() {
            let at = offset + 8 * n;
            match self.word(at).filter(|_| chunk.len() == 8) {
                // Acquire: pairs with the Release in `write`, and with that of whoever publishes.
                Some(word) => chunk.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes()),
                None => {
                    for (i, byte) in chunk.iter_mut().enumerate() {
                        *byte = self.byte(at + i).load(Ordering::Acquire);
                    }
                }
            }
        }
    }

    /// Copies bytes in, likewise.
    fn write(&self, bytes: &[u8], offset: usize) {
        for (n, chunk) in bytes.chunks(8).enumerate() {
            let at = offset + 8 * n;
            match (self.word(at), <[u8; 8]>::try_from(chunk)) {
                // Release: what was stored before is there for who sees this.
                (Some(word), Ok(bytes)) => {
                    word.store(u64::from_ne_bytes(bytes), Ordering::Release);
                }
                _ => {
                    for (i, byte) in chunk.iter().enumerate() {
                        self.byte(at + i).store(*byte, Ordering::Release);
                    }
                }
            }
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        // SAFETY: what `new` attached; whoever had a reference had borrowed it.
        unsafe { sysv::shmdt(self.base) };
    }
}
