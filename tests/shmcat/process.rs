//! What a running process is doing, from /proc.

use std::fs;

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
}

impl Waits {
    fn system_call(self) -> libc::c_long {
        match self {
            Self::ForPeer => libc::SYS_futex,
            Self::ToRead => libc::SYS_read,
            Self::ToWrite => libc::SYS_write,
        }
    }
}

/// Waits until `shmcat` (bash before it called exec does not count) is blocked in that way.
#[track_caller]
pub fn until_waiting(pid: Pid, how: Waits) {
    until(&format!("{pid} waits {how:?}"), || {
        assert_ne!(state(pid), Some('Z'), "{pid} has ended instead of waiting {how:?}");
        program(pid).is_some_and(|name| name == "shmcat") && is_waiting(pid, how)
    });
}

/// Whether it is so now. Where the kernel does not tell the system call, asleep has to do.
fn is_waiting(pid: Pid, how: Waits) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/syscall")) {
        Ok(call) => {
            let number = call.split(' ').next().and_then(|number| number.parse().ok());
            number == Some(how.system_call())
        }
        Err(_) => state(pid) == Some('S'),
    }
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

/// Bytes that crossed between the process and the kernel: read and written.
pub fn crossed(pid: Pid) -> (u64, u64) {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("/proc/PID/io of a child");
    let field = |name: &str| {
        let line = io.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).expect("rchar and wchar in /proc/PID/io")
    };
    (field("rchar:"), field("wchar:"))
}
