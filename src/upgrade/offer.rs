//! How the two ends find each other over a pipe that carries nothing but the user's bytes.
//!
//! The writer takes a process-associated record lock (fcntl(2), F_SETLK) on the pipe's inode. Such
//! a lock can be seen from the other end of the pipe with F_GETLK, which answers with the pid of
//! the holder *as the asker's pid namespace has it*, and with where the lock starts. The writer
//! makes it start at `MAGIC << 32 | N`, N being the number of the descriptor of its ring, which the
//! reader then opens as `/proc/PID/fd/N`. All offers end at the same place, so that two of them
//! conflict and there is one at a time.
//!
//! Nothing about life or death hangs on this lock. The kernel drops it when *any* descriptor of
//! that inode is closed in the writer's process; then the offer is lost, until it is made again.
//!
//! Whatever fails in here means: stay with the pipe, and say nothing.

use super::{
    handover::State,
    pipe::{self, PipeId},
};
use crate::{
    layout::control::HANDOVER,
    segment::{Object, Place, memfd},
};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl, open, readlink},
    sys::stat::{Mode, SFlag, fstat},
    unistd::geteuid,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// "Shmp": a place in a pipe's range of bytes where nobody else locks, and below 2^31.
const MAGIC: libc::off_t = 0x5368_6d70;

/// An offer as it is seen from the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pid: libc::pid_t,
    number: RawFd,
}

fn request(kind: libc::c_int, number: RawFd) -> libc::flock {
    let number = libc::off_t::from(number);
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: (MAGIC << 32) + number,
        l_len: (1 << 32) - number,
        l_pid: 0,
    }
}

/// Offers the ring whose descriptor in this process is `memory`; false if another process offers
/// one over this pipe, or it cannot be done. Offering again what is offered costs a system call.
pub(super) fn make(pipe: impl AsFd, memory: impl AsFd) -> bool {
    let number = memory.as_fd().as_raw_fd();
    fcntl(pipe, FcntlArg::F_SETLK(&request(libc::F_WRLCK, number))).is_ok()
}

/// Withdraws this process's offer, if there is one.
pub(super) fn withdraw(pipe: impl AsFd) {
    // Nothing is to be done if it fails: what is offered is looked at before it is used.
    let _ = fcntl(pipe, FcntlArg::F_SETLK(&request(libc::F_UNLCK, 0)));
}

/// What another process offers over this pipe.
pub(super) fn find(pipe: impl AsFd) -> Option<Offer> {
    let mut answer = request(libc::F_WRLCK, 0);
    fcntl(pipe, FcntlArg::F_GETLK(&mut answer)).ok()?;
    let held = answer.l_type != libc::F_UNLCK as libc::c_short;
    // A pid of 0 or less: the holder is not to be seen from our pid namespace.
    let ours = answer.l_start >> 32 == MAGIC && answer.l_pid > 0;
    (held && ours)
        .then_some(Offer { pid: answer.l_pid, number: (answer.l_start & 0x7fff_ffff) as RawFd })
}

impl Offer {
    /// The ring's descriptor, if everything is as it should be.
    ///
    /// The pid may be another process's by now, and the number lead to anything at all: to a
    /// device, say, for which being opened is a command. So it is first opened as a mere path,
    /// looked at, and only then opened for use; and the offer must still stand afterwards.
    pub(super) fn open(self, pipe: impl AsFd, id: PipeId) -> Option<OwnedFd> {
        let path = format!("/proc/{}/fd/{}", self.pid, self.number);
        let seen = open(path.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let stat = fstat(&seen).ok()?;
        let regular = stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        let private = stat.st_uid == geteuid().as_raw() && stat.st_mode & 0o7777 == 0o600;
        if !(regular && private) {
            return None;
        }
        let path = format!("/proc/self/fd/{}", seen.as_raw_fd());
        let link = readlink(path.as_str()).ok()?;
        if link != *memfd::LINK {
            return None;
        }
        let fd = open(path.as_str(), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let object = Object::new(fd, Place::Anonymous);
        let is_for_this_pipe = object.is_sealed() && names(&object) == Some(id);
        object.into_fd().filter(|_| is_for_this_pipe && find(pipe) == Some(self))
    }
}

/// The pipe that a ring is offered for, if it still is.
fn names(object: &Object) -> Option<PipeId> {
    let mut words = [0; 24];
    let read = object.read_at(&mut words, HANDOVER as u64).ok()?;
    let word = |at: usize| u64::from_ne_bytes(words[at..at + 8].try_into().expect("eight bytes"));
    let is_offered = word(0) as u32 == State::Offered as u32;
    (read == words.len() && is_offered).then(|| PipeId { dev: word(8), ino: word(16) })
}

/// Whether messages on standard error go through the same pipe, and would overtake the data.
pub(super) fn shares_standard_error(id: PipeId) -> bool {
    pipe::identify(std::io::stderr()) == Some(id)
}
