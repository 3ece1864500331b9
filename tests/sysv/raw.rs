//! The system calls, as another program would make them, and what ipcs shows.

use std::{fs, io};

/// A line of /proc/sysvipc/shm or sem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    pub key: i32,
    pub id: i32,
    /// Permission bits, and those of the state.
    pub perms: u32,
    /// Bytes of a segment, semaphores of a set.
    pub size: usize,
}

fn list(table: &str) -> Vec<Listed> {
    let text = fs::read_to_string(format!("/proc/sysvipc/{table}")).unwrap();
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap();
        Listed {
            key: next().parse().unwrap(),
            id: next().parse().unwrap(),
            perms: u32::from_str_radix(next(), 8).unwrap(),
            size: next().parse().unwrap(),
        }
    };
    text.lines().skip(1).map(read).collect()
}

pub fn segments() -> Vec<Listed> {
    list("shm")
}

pub fn sets() -> Vec<Listed> {
    list("sem")
}

/// The segment with this key.
pub fn segment(key: i32) -> Option<i32> {
    segments().into_iter().find(|segment| segment.key == key).map(|segment| segment.id)
}

/// The key of a ring's set: as the library has it.
pub fn set_key(segment: i32) -> i32 {
    (0xa700_0000_u32 as i32) | (segment & 0xff_ffff)
}

/// The set of a segment.
pub fn set(segment: i32) -> Option<i32> {
    sets().into_iter().find(|set| set.key == set_key(segment)).map(|set| set.id)
}

fn checked(result: libc::c_int) -> io::Result<i32> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Makes a segment.
pub fn shmget(key: i32, size: usize, mode: i32) -> i32 {
    // SAFETY: numbers only.
    checked(unsafe { libc::shmget(key, size, libc::IPC_CREAT | libc::IPC_EXCL | mode) }).unwrap()
}

/// Makes a set.
pub fn semget(key: i32, count: i32, mode: i32) -> i32 {
    // SAFETY: numbers only.
    checked(unsafe { libc::semget(key, count, libc::IPC_CREAT | libc::IPC_EXCL | mode) }).unwrap()
}

/// `ipcrm -m`
pub fn shm_remove(id: i32) -> io::Result<()> {
    // SAFETY: needs no struct.
    checked(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
}

/// `ipcrm -s`
pub fn sem_remove(id: i32) -> io::Result<()> {
    // SAFETY: needs no argument.
    checked(unsafe { libc::semctl(id, 0, libc::IPC_RMID) }).map(drop)
}

pub fn sem_value(id: i32, n: i32) -> i32 {
    // SAFETY: needs no argument.
    checked(unsafe { libc::semctl(id, n, libc::GETVAL) }).unwrap()
}

pub fn set_sem_value(id: i32, n: i32, value: i32) {
    // SAFETY: takes a number.
    checked(unsafe { libc::semctl(id, n, libc::SETVAL, value) }).unwrap();
}

/// What shmctl(2) says of a segment.
pub fn shm_stat(id: i32) -> libc::shmid_ds {
    // SAFETY: zeros are valid for it, and the kernel fills it in.
    let mut facts: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the struct that the call takes.
    checked(unsafe { libc::shmctl(id, libc::IPC_STAT, &mut facts) }).unwrap();
    facts
}

/// Gives a segment away.
pub fn shm_give(id: i32, owner: u32) {
    let mut facts = shm_stat(id);
    facts.shm_perm.uid = owner;
    // SAFETY: the struct that the call takes.
    checked(unsafe { libc::shmctl(id, libc::IPC_SET, &mut facts) }).unwrap();
}

pub fn sem_stat(id: i32) -> libc::semid_ds {
    // SAFETY: zeros are valid for it, and the kernel fills it in.
    let mut facts: libc::semid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the struct that the call takes.
    checked(unsafe { libc::semctl(id, 0, libc::IPC_STAT, &mut facts) }).unwrap();
    facts
}

/// Gives a set away.
pub fn sem_give(id: i32, owner: u32) {
    let mut facts = sem_stat(id);
    facts.sem_perm.uid = owner;
    // SAFETY: the struct that the call takes.
    checked(unsafe { libc::semctl(id, 0, libc::IPC_SET, &mut facts as *mut libc::semid_ds) })
        .unwrap();
}

/// Does something to a segment's bytes.
pub fn with_bytes<T>(id: i32, act: impl FnOnce(&mut [u8]) -> T) -> T {
    // SAFETY: attached at no particular address.
    let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    assert_ne!(at as isize, -1, "shmat: {}", io::Error::last_os_error());
    // SAFETY: as many bytes as there are, of which nobody else in this process has a reference.
    let done = act(unsafe { std::slice::from_raw_parts_mut(at.cast(), shm_stat(id).shm_segsz) });
    // SAFETY: nothing points into it any more.
    checked(unsafe { libc::shmdt(at) }).unwrap();
    done
}

pub fn bytes(id: i32) -> Vec<u8> {
    with_bytes(id, |bytes| bytes.to_vec())
}

/// What this process has attached.
pub fn attached() -> Vec<i32> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let lines = maps.lines().filter(|line| line.contains(" /SYSV"));
    lines.map(|line| line.split_whitespace().nth(4).unwrap().parse().unwrap()).collect()
}
