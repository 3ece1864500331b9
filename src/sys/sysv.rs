//! System V shared memory and semaphore sets, sysvipc(7).
//!
//! Ids and keys are the kernel's. What is done to an id that is gone fails with EIDRM or, once
//! nothing has it any more, EINVAL; here both are EIDRM.

use super::OsError;
use libc::{c_int, sembuf, semid_ds, shmid_ds};
use std::{
    ffi::{CStr, c_void},
    io,
    mem::MaybeUninit,
    ptr::NonNull,
    time::Duration,
};

/// Fails with EIDRM for an id that there is not.
fn of_id(call: &'static str) -> OsError {
    let error = OsError::last(call);
    match error.errno() {
        Some(libc::EINVAL) => OsError { call, source: io::Error::from_raw_os_error(libc::EIDRM) },
        _ => error,
    }
}

/// shmget(2). Size 0 finds what exists.
pub(crate) fn shmget(key: i32, size: usize, flags: c_int) -> Result<c_int, OsError> {
    // SAFETY: takes and returns numbers.
    match unsafe { libc::shmget(key, size, flags) } {
        -1 => Err(OsError::last("shmget")),
        id => Ok(id),
    }
}

/// shmat(2): for reading alone, or also for writing, where the kernel likes.
pub(crate) fn shmat(id: c_int, write: bool) -> Result<NonNull<c_void>, OsError> {
    let flags = if write { 0 } else { libc::SHM_RDONLY };
    // SAFETY: no address is asked for, so nothing that exists is replaced.
    attached(unsafe { libc::shmat(id, std::ptr::null(), flags) })
}

/// shmat(2) for reading and writing, in place of what is mapped at `address`.
///
/// # Safety
/// What is there, for as long as the segment is large, is the caller's to replace.
pub(crate) unsafe fn shmat_over(id: c_int, address: NonNull<c_void>) -> Result<(), OsError> {
    // SAFETY: the caller's promise.
    attached(unsafe { libc::shmat(id, address.as_ptr(), libc::SHM_REMAP) }).map(drop)
}

fn attached(address: *mut c_void) -> Result<NonNull<c_void>, OsError> {
    match NonNull::new(address) {
        Some(address) if address.as_ptr().addr() != usize::MAX => Ok(address),
        _ => Err(of_id("shmat")),
    }
}

/// shmdt(2).
///
/// # Safety
/// `address` is what [`shmat`] returned, and nothing points into it any more.
pub(crate) unsafe fn shmdt(address: NonNull<c_void>) {
    // SAFETY: the caller's promise. It can only fail for an address that is none.
    unsafe { libc::shmdt(address.as_ptr()) };
}

/// shmctl(2), IPC_STAT.
pub(crate) fn shm_stat(id: c_int) -> Result<shmid_ds, OsError> {
    let mut facts = MaybeUninit::zeroed();
    // SAFETY: the kernel fills in the struct that it is given; zeros are valid for it, too.
    match unsafe { libc::shmctl(id, libc::IPC_STAT, facts.as_mut_ptr()) } {
        -1 => Err(of_id("shmctl(IPC_STAT)")),
        // SAFETY: as above.
        _ => Ok(unsafe { facts.assume_init() }),
    }
}

/// shmctl(2), IPC_SET: owner, group and mode.
pub(crate) fn shm_set(id: c_int, facts: &mut shmid_ds) -> Result<(), OsError> {
    // SAFETY: the kernel reads the struct that it is given.
    match unsafe { libc::shmctl(id, libc::IPC_SET, facts) } {
        -1 => Err(of_id("shmctl(IPC_SET)")),
        _ => Ok(()),
    }
}

/// shmctl(2), IPC_RMID.
pub(crate) fn shm_remove(id: c_int) -> Result<(), OsError> {
    // SAFETY: needs no struct.
    match unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) } {
        -1 => Err(of_id("shmctl(IPC_RMID)")),
        _ => Ok(()),
    }
}

/// Unmapped when the last of those who have it attached detaches; in `shm_perm.mode`. (ipc/shm.c)
pub(crate) const SHM_DEST: u32 = 0o1000;

/// semget(2).
pub(crate) fn semget(key: i32, count: usize, flags: c_int) -> Result<c_int, OsError> {
    let count = c_int::try_from(count).unwrap_or(c_int::MAX);
    // SAFETY: takes and returns numbers.
    match unsafe { libc::semget(key, count, flags) } {
        -1 => Err(OsError::last("semget")),
        id => Ok(id),
    }
}

/// semtimedop(2), without a time limit if there is none; an interruption is the caller's to judge.
pub(crate) fn semop(
    set: c_int,
    operations: &mut [sembuf],
    timeout: Option<Duration>,
) -> Result<(), OsError> {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |timeout| timeout as *const _);
    let (first, count) = (operations.as_mut_ptr(), operations.len());
    // SAFETY: the operations are as many as said; the time is valid for the call. (The libc
    // crate does not declare semtimedop.)
    match unsafe { libc::syscall(libc::SYS_semtimedop, set, first, count, timeout) } {
        -1 => Err(of_id("semtimedop")),
        _ => Ok(()),
    }
}

fn semctl(
    call: &'static str,
    set: c_int,
    number: u16,
    command: c_int,
    value: c_int,
) -> Result<c_int, OsError> {
    // SAFETY: these commands take a number, or nothing, as their last argument.
    match unsafe { libc::semctl(set, c_int::from(number), command, value) } {
        -1 => Err(of_id(call)),
        answer => Ok(answer),
    }
}

/// semctl(2), GETVAL.
pub(crate) fn sem_value(set: c_int, number: u16) -> Result<c_int, OsError> {
    semctl("semctl(GETVAL)", set, number, libc::GETVAL, 0)
}

/// semctl(2), GETPID: who last did something to it, as this process's pid namespace knows him, or 0.
pub(crate) fn sem_pid(set: c_int, number: u16) -> Result<c_int, OsError> {
    semctl("semctl(GETPID)", set, number, libc::GETPID, 0)
}

/// semctl(2), SETVAL. The kernel forgets what it was to undo for others.
pub(crate) fn sem_set_value(set: c_int, number: u16, value: c_int) -> Result<(), OsError> {
    semctl("semctl(SETVAL)", set, number, libc::SETVAL, value).map(drop)
}

/// semctl(2), IPC_STAT.
pub(crate) fn sem_stat(set: c_int) -> Result<semid_ds, OsError> {
    let mut facts = MaybeUninit::<semid_ds>::zeroed();
    // SAFETY: the kernel fills in the struct that it is given; zeros are valid for it, too.
    match unsafe { libc::semctl(set, 0, libc::IPC_STAT, facts.as_mut_ptr()) } {
        -1 => Err(of_id("semctl(IPC_STAT)")),
        // SAFETY: as above.
        _ => Ok(unsafe { facts.assume_init() }),
    }
}

/// semctl(2), IPC_SET: owner, group and mode.
pub(crate) fn sem_set(set: c_int, facts: &mut semid_ds) -> Result<(), OsError> {
    // SAFETY: the kernel reads the struct that it is given.
    match unsafe { libc::semctl(set, 0, libc::IPC_SET, facts as *mut semid_ds) } {
        -1 => Err(of_id("semctl(IPC_SET)")),
        _ => Ok(()),
    }
}

/// semctl(2), IPC_RMID.
pub(crate) fn sem_remove(set: c_int) -> Result<(), OsError> {
    semctl("semctl(IPC_RMID)", set, 0, libc::IPC_RMID, 0).map(drop)
}

/// ftok(3): a key made of a file's inode and device numbers, of which it takes
/// a part, and `project`.
pub(crate) fn ftok(path: &CStr, project: u8) -> io::Result<i32> {
    // SAFETY: the path ends with NUL.
    match unsafe { libc::ftok(path.as_ptr(), c_int::from(project)) } {
        -1 => Err(io::Error::last_os_error()),
        key => Ok(key),
    }
}
