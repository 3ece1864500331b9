//! Locks of System V objects, which have no descriptor: a semaphore for each,
//! in a set beside the segment.
//!
//! Zero is free. To take one is one semop(2) of two operations, `{wait for zero, add 1}`, which the
//! kernel does both or neither, and undoes when the process ends (SEM_UNDO), however it ends. So a
//! lock is right across pid namespaces, with no heart-beat and no pid that could be reused.
//!
//! **The race of semget and SETVAL.** Who makes a set that must begin with a value other
//! than zero sets it in a second call, and whoever comes in between finds what is not ready:
//! the well-known race (Stevens, UNIX Network Programming 2, 11.2). Here there is no second
//! call. On Linux a new set's values are zero (semget(2), notes), zero is free, and a set is
//! whole from the moment there is one.
//!
//! **What SEM_UNDO does not do.** It belongs to a process, not to a mapping: a process that
//! executes another program has lost the ring and keeps its locks. So a lock that is held is looked
//! at twice. Every end has its segment attached twice (see [`crate::segment::mirror`]); if the
//! kernel counts fewer attachments than the locks' holders must have, somebody holds one without
//! the ring, and /proc says whether that is who last touched this one. Whoever takes such a lock
//! under the build lock resets it, which also makes the kernel forget what it was to undo. Not
//! found out, and locked as long as that process runs, are: the build lock, if one thread executes
//! another program while another thread attaches an end; what a program holds that this user may
//! not look into (setuid) or that is in another pid namespace; and one of two ends that a process
//! had, if the program that it became has opened the other anew.
//!
//! Nor does it outlast the process's wish to have none of it: unshare(2) with CLONE_SYSVSEM or
//! CLONE_NEWIPC, and setns(2) into another IPC namespace, undo all at once, while the segment stays
//! mapped. Such a process is taken for dead and its ring for free; a ring of many is damaged if it
//! is in a `send` just then. So the ends of System V rings are to be left before.
//!
//! **Whose set it is.** Anybody can make a set with any key, and an id is used again some millions
//! of sets later. A ring's set was made by who made the segment ([`crate::segment::sysv`] sees to
//! that), has [`SPARE`] semaphores more than it has locks, and a key that only the segment's id
//! gives, which cannot be another's as long as the segment is attached anywhere.
//!
//! A description is a matter of this module here: [`Locks`] knows what was taken through it, and
//! gives it back when it goes. A forked child inherits no undoing and gives nothing back.

use super::Lock;
use crate::{
    segment::{mirror::VIEWS, sysv::set_key},
    sys::{OsError, sysv},
};
use libc::{c_short, sembuf};
use nix::errno::Errno;
use parking_lot::Mutex;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

/// A description of a set, and what is held through it.
#[derive(Debug)]
pub(crate) struct Locks {
    set: Set,
    held: Mutex<Vec<u16>>,
    /// Whether the segment is mapped through it, which the kernel counts
    /// whether or not a lock is held.
    mapped: AtomicBool,
    process: u32,
}

/// A set of semaphores, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set {
    pub(crate) id: i32,
    /// How many there are.
    pub(crate) count: usize,
    /// The segment's id.
    pub(crate) segment: i32,
}

const BUILD: u16 = 0;
const PRODUCER: u16 = 1;
const CONSUMER: u16 = 2;
const FIRST_SEAT: u16 = 3;

/// By how many semaphores a ring's set is larger than it need be: by that it is
/// told from other programs'.
const SPARE: usize = 77;

/// How many semaphores the set of a ring with so many seats has: the locks, behind them those at
/// which its ends may sleep, for data, for space, and for each seat, and the spare ones.
pub(crate) fn count(producers: usize) -> usize {
    usize::from(FIRST_SEAT) + 2 + 2 * producers + SPARE
}

/// Whether a ring's set could have so many.
pub(crate) fn is_count(semaphores: usize) -> bool {
    (0..=usize::from(u8::MAX)).any(|producers| count(producers) == semaphores)
}

impl Set {
    /// How many seats it is for.
    pub(crate) fn producers(self) -> usize {
        self.count.saturating_sub(count(0)) / 2
    }

    /// The first semaphore behind the locks.
    pub(crate) fn first_sleeper(self) -> usize {
        usize::from(FIRST_SEAT) + self.producers()
    }
}

fn number(lock: Lock) -> u16 {
    match lock {
        Lock::Build => BUILD,
        Lock::Producer => PRODUCER,
        Lock::Consumer => CONSUMER,
        Lock::Seat(seat) => FIRST_SEAT + u16::from(seat),
    }
}

const NOW: c_short = libc::IPC_NOWAIT as c_short;
const NOW_AND_UNDO: c_short = (libc::IPC_NOWAIT | libc::SEM_UNDO) as c_short;

fn take(set: i32, n: u16) -> Result<bool, OsError> {
    let wait_for_zero = sembuf { sem_num: n, sem_op: 0, sem_flg: NOW };
    let add_one = sembuf { sem_num: n, sem_op: 1, sem_flg: NOW_AND_UNDO };
    match sysv::semop(set, &mut [wait_for_zero, add_one], None) {
        Ok(()) => Ok(true),
        Err(error) if error.errno() == Some(libc::EAGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

fn give_back(set: i32, n: u16) -> Result<(), OsError> {
    sysv::semop(set, &mut [sembuf { sem_num: n, sem_op: -1, sem_flg: NOW_AND_UNDO }], None)
}

impl Locks {
    /// A new description, which holds nothing.
    pub(crate) fn new(set: Set) -> Self {
        let (held, mapped) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Self { set, held, mapped, process: std::process::id() }
    }

    pub(crate) fn set(&self) -> Set {
        self.set
    }

    /// Notes that a mapping is made through it, or goes.
    pub(crate) fn set_mapped(&self, mapped: bool) {
        // Relaxed: for who has made it.
        self.mapped.store(mapped, Ordering::Relaxed);
    }

    /// How many of the attachments belong to this description, without a lock of an end for them.
    fn unlocked_views(&self, held: &[u16]) -> usize {
        let is_end = held.iter().any(|n| *n != BUILD);
        if self.mapped.load(Ordering::Relaxed) && !is_end { VIEWS } else { 0 }
    }

    /// Fails with EIDRM if the set was removed, also if its id is another's by now.
    pub(crate) fn check(&self) -> Result<(), OsError> {
        match sysv::sem_stat(self.set.id)?.sem_perm.__key == set_key(self.set.segment) {
            true => Ok(()),
            false => Err(OsError::from_nix("semctl(IPC_STAT)")(Errno::EIDRM)),
        }
    }

    /// Takes a lock; false if another description has it. Whoever takes any but the build lock
    /// has that, and the segment mapped.
    pub(crate) fn try_lock(&self, lock: Lock) -> Result<bool, OsError> {
        let n = number(lock);
        let mut held = self.held.lock();
        if held.contains(&n) {
            return Ok(true);
        }
        self.check()?;
        let mut taken = take(self.set.id, n)?;
        // Nobody but who holds the build lock takes any other: between the look and the reset it is
        // the same holder's.
        if !taken && lock != Lock::Build && self.is_without_ring(n, self.unlocked_views(&held))? {
            sysv::sem_set_value(self.set.id, n, 0)?;
            taken = take(self.set.id, n)?;
        }
        if taken {
            held.push(n);
        }
        Ok(taken)
    }

    pub(super) fn unlock(&self, lock: Lock) -> Result<(), OsError> {
        let mut held = self.held.lock();
        match held.iter().position(|n| *n == number(lock)) {
            Some(at) => {
                let n = held.swap_remove(at);
                self.check()?;
                give_back(self.set.id, n)
            }
            None => Ok(()),
        }
    }

    pub(super) fn is_held(&self, lock: Lock) -> Result<bool, OsError> {
        let n = number(lock);
        let held = self.held.lock();
        if held.contains(&n) || sysv::sem_value(self.set.id, n)? == 0 {
            return Ok(false);
        }
        Ok(lock == Lock::Build || !self.is_without_ring(n, self.unlocked_views(&held))?)
    }

    /// Whether another description has any but the build lock.
    pub(crate) fn is_any_held(&self) -> Result<bool, OsError> {
        let held = self.held.lock();
        let callers = self.unlocked_views(&held);
        for n in self.numbers().filter(|n| !held.contains(n)) {
            if sysv::sem_value(self.set.id, n)? != 0 && !self.is_without_ring(n, callers)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The locks of ends.
    fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        PRODUCER..self.set.first_sleeper() as u16
    }

    /// How many ends there are, by their locks. (One by one, and without taking
    /// memory, as an end that waits looks: GETALL writes as many as the set has, and
    /// who knows whose set it is by then.)
    fn ends(&self) -> Result<usize, OsError> {
        let values = self.numbers().map(|n| sysv::sem_value(self.set.id, n));
        values.map(|value| value.map(|value| usize::from(value != 0))).sum()
    }

    /// Whether a lock that is held is that of a process that has the ring no longer. Of the
    /// attachments so many are the caller's, who has no lock for them yet.
    fn is_without_ring(&self, n: u16, callers: usize) -> Result<bool, OsError> {
        let ends = self.ends()?;
        let attached = sysv::shm_stat(self.set.segment)?.shm_nattch;
        if attached >= (VIEWS * ends + callers) as u64 {
            return Ok(false);
        }
        let pid = sysv::sem_pid(self.set.id, n)?;
        // What this process was before it executed the program that it is.
        let callers = if pid == std::process::id() as i32 { callers } else { 0 };
        Ok(pid != 0 && views(pid, self.set.segment).is_some_and(|views| views <= callers))
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        if !held.is_empty() && self.process == std::process::id() && self.check().is_ok() {
            for n in self.held.get_mut().drain(..) {
                // It can only fail because the set is gone.
                let _ = give_back(self.set.id, n);
            }
        }
    }
}

/// How often a process has a segment attached; `None` if that is not to be found out.
fn views(pid: i32, segment: i32) -> Option<usize> {
    // address perms offset dev inode path: of these the inode is the id (shm_mmap, ipc/shm.c).
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    // Of a process whose first thread has ended the others' memory is not shown there.
    let maps = Some(String::from_utf8_lossy(&maps)).filter(|maps| !maps.is_empty())?;
    let is_it = |line: &&str| {
        let mut fields = line.split_whitespace().skip(4);
        let inode = fields.next().and_then(|inode| inode.parse().ok());
        inode == Some(segment) && fields.next().is_some_and(|path| path.starts_with("/SYSV"))
    };
    Some(maps.lines().filter(is_it).count())
}
