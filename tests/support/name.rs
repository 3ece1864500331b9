//! Names of rings that no other test uses.

use super::{
    key::Key,
    memory::Memory,
    skip,
    system_v::{self, is_system_v},
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// What the names of this crate's tests begin with, in /dev/shm.
const PREFIX: &str = "shmpipe-test";

/// Whether rings with names are POSIX objects in this run, for a test of what these alone have;
/// says that it is skipped if they are not.
pub fn posix_only(what: &str) -> bool {
    if is_system_v() {
        skip(format_args!("{what}: of POSIX objects alone"));
    }
    !is_system_v()
}

/// The name of a ring that no other test uses. Removed when dropped, if it is there.
#[derive(Debug)]
pub struct RingName {
    name: String,
    /// Of a System V object.
    key: Option<Key>,
    owner: u32,
}

impl RingName {
    /// Of a ring where this run of the tests has them.
    pub fn new(hint: &str) -> Self {
        match is_system_v() {
            true => Self::system_v(),
            false => Self::posix(hint),
        }
    }

    /// Of a POSIX object: `/shmpipe-test-...`
    pub fn posix(hint: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let (test, owner) = (test_process(), std::process::id());
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("/{PREFIX}-{test}-{owner}-{number}-{hint}");
        Self { name, key: None, owner }
    }

    /// Of a System V object: `sysv:0x...`
    pub fn system_v() -> Self {
        let key = Key::take();
        Self {
            name: format!("sysv:{:#010x}", key.number()),
            key: Some(key),
            owner: std::process::id(),
        }
    }

    /// As the library takes it.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// A POSIX object as a file.
    #[track_caller]
    pub fn path(&self) -> PathBuf {
        assert!(self.key.is_none(), "{} is no file", self.name);
        PathBuf::from(format!("/dev/shm{}", self.name))
    }

    /// The key of a System V object.
    #[track_caller]
    pub fn key(&self) -> i32 {
        self.key.as_ref().unwrap_or_else(|| panic!("{} has no key", self.name)).number()
    }

    /// The id of a System V object that is there.
    #[track_caller]
    pub fn id(&self) -> i32 {
        system_v::find(self.key()).unwrap_or_else(|| panic!("{} is gone", self.name))
    }

    /// The memory of the object, which must be there.
    #[track_caller]
    pub fn memory(&self) -> Memory {
        match self.key {
            None => Memory::File(File::options().read(true).write(true).open(self.path()).unwrap()),
            Some(_) => Memory::SystemV(system_v::Attached::new(self.id()).unwrap()),
        }
    }

    /// Makes an object with this content, which need not be a ring.
    ///
    /// A System V segment has the size of a ring's, if there are whole pages of
    /// content, and another if not; beside it is a set of locks as a ring has, if
    /// the content says that it is one.
    pub fn make(&self, content: &[u8]) {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        if self.key.is_none() {
            let file = File::options().write(true).create_new(true).mode(0o600).open(self.path());
            return file.unwrap().write_all(content).unwrap();
        }
        let is_like_a_ring = content.len().is_multiple_of(super::page_size());
        let short = if is_like_a_ring { system_v::SHORT } else { 0 };
        let id = system_v::make(self.key(), content.len() - short, 0o600);
        system_v::Attached::new(id).unwrap().write(content, 0).unwrap();
        if content.starts_with(b"shmpipe\n") {
            system_v::make_set(system_v::set_key(id), semaphores(), 0o600);
        }
    }

    /// What tells the object from others that have or had this name.
    #[track_caller]
    pub fn identity(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        match self.key {
            None => fs::metadata(self.path()).unwrap().ino(),
            Some(_) => self.id() as u64,
        }
    }

    /// What /proc/PID/maps calls it.
    pub fn mapped_as(&self) -> String {
        match &self.key {
            None => self.path().to_str().unwrap().to_owned(),
            Some(key) => format!("/SYSV{:08x}", key.number()),
        }
    }

    /// Its permission bits.
    #[track_caller]
    pub fn mode(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        match self.key {
            None => fs::metadata(self.path()).unwrap().permissions().mode() & 0o7777,
            Some(_) => u32::from(system_v::stat(self.id()).unwrap().shm_perm.mode) & 0o777,
        }
    }

    #[track_caller]
    pub fn set_mode(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        match self.key {
            None => fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap(),
            Some(_) => system_v::set_access(self.id(), |perm| perm.mode = mode as _),
        }
    }

    /// The user to whom it belongs.
    #[track_caller]
    pub fn owner(&self) -> u32 {
        use std::os::unix::fs::MetadataExt;
        match self.key {
            None => fs::metadata(self.path()).unwrap().uid(),
            Some(_) => system_v::stat(self.id()).unwrap().shm_perm.uid,
        }
    }

    /// The group to which it belongs.
    #[track_caller]
    pub fn group(&self) -> u32 {
        use std::os::unix::fs::MetadataExt;
        match self.key {
            None => fs::metadata(self.path()).unwrap().gid(),
            Some(_) => system_v::stat(self.id()).unwrap().shm_perm.gid,
        }
    }

    /// The id of the set of semaphores beside a System V object.
    #[track_caller]
    pub fn set_id(&self) -> i32 {
        let set = system_v::find_set(system_v::set_key(self.id()));
        set.unwrap_or_else(|| panic!("{} has no semaphores", self.name))
    }

    /// Gives it to another user and group.
    #[track_caller]
    pub fn set_owner(&self, user: u32) {
        match self.key {
            None => std::os::unix::fs::chown(self.path(), Some(user), Some(user)).unwrap(),
            Some(_) => system_v::set_access(self.id(), |perm| (perm.uid, perm.gid) = (user, user)),
        }
    }

    /// Removes what is there under this name; whoever has it keeps it.
    pub fn remove(&self) -> io::Result<()> {
        match self.key {
            None => fs::remove_file(self.path()),
            Some(_) => match system_v::find(self.key()) {
                Some(id) => {
                    system_v::remove(id);
                    Ok(())
                }
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }

    pub fn exists(&self) -> bool {
        match self.key {
            None => self.path().exists(),
            Some(_) => system_v::find(self.key()).is_some(),
        }
    }

    #[track_caller]
    pub fn assert_gone(&self) {
        assert!(!self.exists(), "{} was left over", self.name);
    }

    #[track_caller]
    pub fn assert_exists(&self) {
        assert!(self.exists(), "{} is gone", self.name);
    }
}

impl AsRef<OsStr> for RingName {
    fn as_ref(&self) -> &OsStr {
        self.name.as_ref()
    }
}

impl Drop for RingName {
    fn drop(&mut self) {
        // Not in a forked child: the test goes on.
        if self.owner == std::process::id() {
            let _ = self.remove();
            if let Some(key) = &self.key {
                key.give_back();
            }
        }
    }
}

/// The pid of the process that the test began in, also in those it forked.
pub(super) fn test_process() -> u32 {
    static TEST: OnceLock<u32> = OnceLock::new();
    *TEST.get_or_init(|| {
        Key::prepare();
        std::process::id()
    })
}

/// How many semaphores a ring's set has.
fn semaphores() -> i32 {
    static COUNT: OnceLock<i32> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let name = RingName::system_v();
        let options = shmpipe::Options::new().capacity(super::page_size());
        let _ring: shmpipe::stream::Writer = options.create_new(&name).unwrap();
        system_v::stat_set(system_v::find_set(system_v::set_key(name.id())).unwrap()).sem_nsems
            as i32
    })
}

/// How many objects there are by names of this test.
pub fn count_own() -> usize {
    files(test_process()).count() + segments(test_process()).count()
}

/// Removes what a test that crashed left behind.
pub(super) fn remove_leftovers(test: u32) {
    files(test).for_each(|file| drop(fs::remove_file(file)));
    segments(test).for_each(system_v::remove);
}

fn files(test: u32) -> impl Iterator<Item = PathBuf> {
    let prefix = format!("{PREFIX}-{test}-");
    let entries = fs::read_dir("/dev/shm").into_iter().flatten().flatten();
    entries
        .filter(move |entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
}

fn segments(test: u32) -> impl Iterator<Item = i32> {
    Key::all_of(test).filter_map(system_v::find)
}
