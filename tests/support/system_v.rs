//! System V objects as ipcs(1) and ipcrm(1) see them, without the library under test.

use super::page_size;
use std::{
    fs, io,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::{
        OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

/// Says where rings with names are to be made: `posix`, as if it were not set, or `sysv`.
const BACKEND: &str = "SHMPIPE_TEST_BACKEND";

/// Whether rings with names are System V objects in this run of the tests.
pub fn is_system_v() -> bool {
    static SYSTEM_V: OnceLock<bool> = OnceLock::new();
    *SYSTEM_V.get_or_init(|| match std::env::var(BACKEND).as_deref() {
        Err(_) | Ok("" | "posix") => false,
        Ok("sysv") => true,
        Ok(other) => panic!("{BACKEND} is {other:?}, and can be posix or sysv"),
    })
}

/// Whether the kernel has System V IPC.
pub fn is_available() -> bool {
    fs::exists("/proc/sysvipc/shm").unwrap_or(false)
}

/// By how much a ring's segment is smaller than its pages.
pub const SHORT: usize = 77;

/// The key of the set of semaphores beside a segment.
pub fn set_key(segment: i32) -> i32 {
    0xa7_u32.cast_signed() << 24 | segment & 0xff_ffff
}

/// The id of the segment with this key.
pub fn find(key: i32) -> Option<i32> {
    // SAFETY: takes and returns numbers.
    Some(unsafe { libc::shmget(key, 0, 0) }).filter(|id| *id != -1)
}

/// The id of the set with this key.
pub fn find_set(key: i32) -> Option<i32> {
    // SAFETY: takes and returns numbers.
    Some(unsafe { libc::semget(key, 0, 0) }).filter(|id| *id != -1)
}

/// Makes a segment of so many bytes, which need not be a ring's; returns its id.
pub fn make(key: i32, bytes: usize, mode: i32) -> i32 {
    // SAFETY: takes and returns numbers.
    let id = unsafe { libc::shmget(key, bytes, libc::IPC_CREAT | libc::IPC_EXCL | mode) };
    assert_ne!(id, -1, "shmget: {}", io::Error::last_os_error());
    id
}

/// Makes a set of so many semaphores, all zero.
pub fn make_set(key: i32, count: i32, mode: i32) -> i32 {
    // SAFETY: takes and returns numbers.
    let id = unsafe { libc::semget(key, count, libc::IPC_CREAT | libc::IPC_EXCL | mode) };
    assert_ne!(id, -1, "semget: {}", io::Error::last_os_error());
    id
}

/// The value of a semaphore.
pub fn value(set: i32, number: i32) -> i32 {
    // SAFETY: GETVAL needs no further argument.
    let value = unsafe { libc::semctl(set, number, libc::GETVAL) };
    assert_ne!(value, -1, "semctl(GETVAL): {}", io::Error::last_os_error());
    value
}

/// The id of the segment with this key, if it has at least so many bytes.
pub fn get(key: i32, bytes: usize) -> io::Result<i32> {
    // SAFETY: takes and returns numbers.
    match unsafe { libc::shmget(key, bytes, 0) } {
        -1 => Err(io::Error::last_os_error()),
        id => Ok(id),
    }
}

/// What the kernel tells of a set.
pub fn stat_set(set: i32) -> libc::semid_ds {
    let mut stat = MaybeUninit::<libc::semid_ds>::zeroed();
    // SAFETY: the kernel fills in the struct that it is given; zeros are valid for it, too.
    unsafe {
        let done = libc::semctl(set, 0, libc::IPC_STAT, stat.as_mut_ptr());
        assert_eq!(done, 0, "semctl(IPC_STAT): {}", io::Error::last_os_error());
        stat.assume_init()
    }
}

/// What the kernel tells of a segment.
pub fn stat(id: i32) -> io::Result<libc::shmid_ds> {
    let mut stat = MaybeUninit::<libc::shmid_ds>::zeroed();
    // SAFETY: the kernel fills in the struct that it is given; zeros are valid for it, too.
    match unsafe { libc::shmctl(id, libc::IPC_STAT, stat.as_mut_ptr()) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        _ => Ok(unsafe { stat.assume_init() }),
    }
}

/// Changes a segment's owner, group and mode.
pub fn set_access(id: i32, change: impl FnOnce(&mut libc::ipc_perm)) {
    let mut facts = stat(id).unwrap();
    change(&mut facts.shm_perm);
    // SAFETY: the kernel reads the struct that it is given.
    let set = unsafe { libc::shmctl(id, libc::IPC_SET, &mut facts) };
    assert_eq!(set, 0, "shmctl(IPC_SET): {}", io::Error::last_os_error());
}

/// Changes a set's owner, group and mode.
pub fn set_access_of_set(set: i32, change: impl FnOnce(&mut libc::ipc_perm)) {
    let mut facts = stat_set(set);
    change(&mut facts.sem_perm);
    // SAFETY: the kernel reads the struct that it is given.
    let set = unsafe { libc::semctl(set, 0, libc::IPC_SET, &mut facts as *mut libc::semid_ds) };
    assert_eq!(set, 0, "semctl(IPC_SET): {}", io::Error::last_os_error());
}

/// How many processes sleep at a semaphore until there is a token.
pub fn sleepers(set: i32, number: i32) -> i32 {
    // SAFETY: GETNCNT needs no further argument.
    let count = unsafe { libc::semctl(set, number, libc::GETNCNT) };
    assert_ne!(count, -1, "semctl(GETNCNT): {}", io::Error::last_os_error());
    count
}

/// Removes a segment and its set, if they are there.
pub fn remove(id: i32) {
    // SAFETY: these commands need no further argument.
    unsafe {
        if let Some(set) = find_set(set_key(id)) {
            libc::semctl(set, 0, libc::IPC_RMID);
        }
        libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
    }
}

/// What stands in a column of the kernel's table of segments, by their ids.
fn column(name: &str) -> Vec<(i32, usize)> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let nth = |name| table.split_whitespace().position(|found| found == name).unwrap();
    let (ids, values) = (nth("shmid"), nth(name));
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.map(|line| (line[ids].parse().unwrap(), line[values].parse().unwrap())).collect()
}

/// Bytes of a segment that are in memory.
pub fn resident(id: i32) -> usize {
    column("rss").into_iter().find(|(found, _)| *found == id).unwrap().1
}

/// The id of a segment that a process has made.
pub fn made_by(pid: u32) -> Option<i32> {
    column("cpid").into_iter().find(|(_, found)| *found == pid as usize).map(|(id, _)| id)
}

/// A segment attached to this process, and to those that it forks.
#[derive(Debug)]
pub struct Attached {
    base: NonNull<u8>,
    /// Up to the end of its last page.
    length: usize,
}

impl Attached {
    pub fn new(id: i32) -> io::Result<Self> {
        let length = stat(id)?.shm_segsz.next_multiple_of(page_size());
        // SAFETY: no address is asked for, so nothing that exists is replaced.
        let base = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        match NonNull::new(base.cast::<u8>()) {
            Some(base) if base.as_ptr().addr() != usize::MAX => Ok(Self { base, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn length(&self) -> usize {
        self.length
    }

    fn check(&self, bytes: usize, at: u64) -> io::Result<usize> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match at.checked_add(bytes) {
            Some(end) if end <= self.length => Ok(at),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn byte(&self, at: usize) -> &AtomicU8 {
        // SAFETY: within what is attached, which `check` has seen to; used as atomics alone, here.
        unsafe { self.base.add(at).cast().as_ref() }
    }

    /// The word there, if that is where words are.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        // SAFETY: as above, and aligned.
        at.is_multiple_of(8).then(|| unsafe { self.base.add(at).cast().as_ref() })
    }

    pub fn read(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let start = self.check(bytes.len(), at)?;
        for (n, chunk) in bytes.chunks_mut(8).enumerate() {
            let at = start + 8 * n;
            match self.word(at).filter(|_| chunk.len() == 8) {
                Some(word) => chunk.copy_from_slice(&word.load(Ordering::SeqCst).to_ne_bytes()),
                None => chunk
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, byte)| *byte = self.byte(at + i).load(Ordering::SeqCst)),
            }
        }
        Ok(())
    }

    pub fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let start = self.check(bytes.len(), at)?;
        for (n, chunk) in bytes.chunks(8).enumerate() {
            let at = start + 8 * n;
            match (self.word(at), <[u8; 8]>::try_from(chunk)) {
                (Some(word), Ok(bytes)) => {
                    word.store(u64::from_ne_bytes(bytes), Ordering::SeqCst);
                }
                _ => chunk
                    .iter()
                    .enumerate()
                    .for_each(|(i, byte)| self.byte(at + i).store(*byte, Ordering::SeqCst)),
            }
        }
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: what `new` attached; whoever had a reference had borrowed it.
        unsafe { libc::shmdt(self.base.as_ptr().cast()) };
    }
}

// SAFETY: plain memory of the process, reached by atomics alone.
unsafe impl Send for Attached {}
// SAFETY: as above.
unsafe impl Sync for Attached {}
