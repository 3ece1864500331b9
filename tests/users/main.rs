//! Rings between users, by the kernel's rules: who is let in, whose bytes are
//! whose, who may remove what.
//!
//! With real users, which only root can be; as anybody else each test says that it is left out.

#[path = "../face_support/mod.rs"]
mod face_support;
#[path = "../support/mod.rs"]
mod support;

mod asleep;
mod copied;
mod giving;
mod killed;
mod letting_in;
mod looking;
mod shmcat;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../kill/tracing.rs"]
mod tracing;

use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};
use shmpipe::{OpenError, Options, Trust};
use support::{Child, Line, RingName, is_system_v, skip, system_v};

/// A user, and whether it is in the common [`GROUP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    in_group: bool,
}

const ALICE: User = User { uid: 54_001, in_group: true };
const BOB: User = User { uid: 54_002, in_group: true };
const STRANGER: User = User { uid: 54_003, in_group: false };
const GROUP: u32 = 54_321;

impl User {
    /// Runs a part of the test as this user.
    fn run(self, body: impl FnOnce(&mut Line)) -> Child {
        Child::fork(|line| {
            let groups = if self.in_group { vec![Gid::from_raw(GROUP)] } else { vec![] };
            setgroups(&groups).unwrap();
            setgid(Gid::from_raw(self.uid)).unwrap();
            setuid(Uid::from_raw(self.uid)).unwrap();
            // That was forgotten with the old user.
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).unwrap();
            body(line);
        })
    }
}

/// Runs a test if it can be.
fn as_root(body: impl FnOnce()) {
    match geteuid().is_root() {
        true => body(),
        false => skip("only root can be several users"),
    }
}

/// The same for a test of System V rings, whatever the others are of in this run.
fn in_system_v(body: impl FnOnce()) {
    as_root(|| match system_v::is_available() {
        true => body(),
        false => skip("this kernel has no System V IPC"),
    });
}

fn private() -> Options {
    face_support::options()
}

/// For both ends of a ring that those of the group share.
fn shared() -> Options {
    face_support::options().mode(0o660).group(GROUP).trust(Trust::AnyUser)
}

/// The owner, the group and the mode of a ring, and of its semaphores: those of
/// a POSIX ring lie in it.
fn access(name: &RingName) -> [(u32, u32, u32); 2] {
    let of_ring = (name.owner(), name.group(), name.mode());
    let of_set = |perm: libc::ipc_perm| (perm.uid, perm.gid, u32::from(perm.mode) & 0o777);
    let set = is_system_v().then(|| system_v::find_set(system_v::set_key(name.id()))).flatten();
    [of_ring, set.map_or(of_ring, |set| of_set(system_v::stat_set(set).sem_perm))]
}

/// The error, which names the ring and holds each of `reasons`.
#[track_caller]
fn refused<E>(opened: Result<E, OpenError>, name: &RingName, reasons: &[&str]) -> OpenError {
    let Err(error) = opened else { panic!("it was let in") };
    let message = error.to_string();
    for reason in reasons.iter().chain([&name.as_str()]) {
        assert!(message.contains(reason), "{reason:?} is not in: {message}");
    }
    error
}
