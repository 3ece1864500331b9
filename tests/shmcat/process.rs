//! What a running process is doing, from /proc.

use std::{fs, thread, time::Duration};

use nix::unistd::Pid;

use crate::support::until;

/// The system calls in which `shmcat` can be found waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// For the other end of its ring.
    ForPeer,
    /// For its input.
    ToRead,
    /// For room in its output.
    ToWrite,
    /// Until it is time to try again.
    ToTryAgain,
}

impl Waits {
    fn system_call(self) -> libc::c_long {
        match self {
            Self::ForPeer => libc::SYS_futex,
            Self::ToRead => libc::SYS_read,
            Self::ToWrite => libc::SYS_write,
            Self::ToTryAgain => libc::SYS_clock_nanosleep,
        }
    }
}

/// Waits until `shmcat` (bash before it called exec does not count) is blocked in that way.
#[track_caller]
pub fn until_waiting(pid: Pid, how: Waits) {
    until(&format!("{pid} waits {how:?}"), || {
        assert_ne!(state(pid), Some('Z'), "{pid} has ended instead of waiting {how:?}");
        is_waiting(pid, how)
    });
}

/// Whether it is so now. Where the kernel does not tell the system call, asleep has to do.
pub fn is_waiting(pid: Pid, how: Waits) -> bool {
    if program(pid).is_none_or(|name| name != "shmcat") {
        return false;
    }
    match fs::read_to_string(format!("/proc/{pid}/syscall")) {
        Ok(call) => {
            let number = call.split(' ').next().and_then(|number| number.parse().ok());
            number == Some(how.system_call())
        }
        Err(_) => state(pid) == Some('S'),
    }
}

/// Whether its main thread is held up by a tracer, and not just stopped at a system call.
pub fn is_held_up(pid: Pid) -> bool {
    (0..50).all(|_| {
        thread::sleep(Duration::from_millis(1));
        state(pid) == Some('t')
    })
}

/// The letter of `ps`: S asleep, T stopped, Z dead and not yet waited for; none when it is gone.
pub fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The program that the process runs.
fn program(pid: Pid) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}
