//! A kernel pipe whose two ends change over to shared memory.
//!
//! `shmcat in | shmcat > out` is an ordinary shell line: both programs inherit an ordinary pipe. If
//! both of them speak this, they find each other over that pipe, without a name and without a byte
//! of their own in it, and what the one writes goes through a ring from then on. If only one of
//! them does, the pipe is what it always was. [`Output`] and [`Input`] are the two ends over any
//! descriptor, [`crate::stdio`] has them for standard output and standard input.
//!
//! # How it works
//! 1. The writer writes to the pipe. After the first mebibyte (shorter streams are not worth it,
//!    nor is a file of which little is left) it makes a ring in a sealed memfd and *offers* it, by
//!    a record lock on the pipe that says which descriptor of which process it is. It goes on
//!    writing to the pipe: it does not wait for anybody.
//! 2. A reader that speaks this asks for such a lock at its first bytes and every 64 KiB, later
//!    every 512 KiB. It finds the writer's pid and the descriptor's number, opens that through
//!    `/proc`, checks what it has got, and *attaches*. It goes on reading the pipe.
//! 3. The writer looks before and after each write. When it sees the reader there, it *switches*:
//!    its next byte goes into the ring. The reader reads what is in the pipe, then the ring.
//! 4. When the writer is done, it says so in the ring and waits until all is read. The reader goes
//!    back to the pipe, for the next writer or the end of the file.
//! 5. When the reader is done before the writer (or was killed), the writer gives what is left in
//!    the ring back through the pipe, for the next reader, and goes on there.
//!
//! # What stays as it was
//! The pipe stays open, so SIGPIPE, EPIPE and the end of the file mean what they always meant (but
//! for what is said below), and no flag of the descriptors is touched, for others share them. Each
//! writer's bytes arrive once and in order; those of writers that follow one another by exit, one
//! after the other. Bytes that other writers put into the pipe meanwhile are read from there.
//!
//! # What is different
//! - A writer that has finished waits for a reader that is attached, even a stopped one; with a
//!   pipe, up to 64 KiB would wait in the pipe without it. If it is killed while it waits, and its
//!   reader leaves early then, the rest is lost.
//! - So who has read a writer's last byte, and waits for the writer's process to exit before he
//!   reads on, waits for ever, unless he drops or [`leave`](Input::leave)s his end first.
//! - A process that exits waits for its reader in that way too, and one that executes another
//!   program must [`leave`](Output::leave) its output before, or it looks as if it were killed.
//! - If a writer is killed after the switch, its reader gets what was written, and then, once, an
//!   error of the kind [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) in place of an end of
//!   file that it could not tell from a proper one. Reading on reads the pipe.
//! - What a reader that leaves has not taken is more than [PIPE_BUF] bytes, as a rule: if several
//!   processes write to that pipe at once, lines of the others may come in the midst of it.
//!   (Otherwise a write of up to PIPE_BUF bytes is whole, by either way.)
//! - A descriptor that is closed behind the back of an [`Input`] leaves the
//!   writer waiting for that input.
//! - A writer's process has a second thread while its ring is in use (so unshare(2) of a user
//!   namespace fails), and a child that it forks, or that a reader forks, has the pipe only: what
//!   is in the ring is the parent's.
//! - Of several readers of one pipe, only one is served after the switch, until it leaves.
//! - That the other end was killed may be noticed a twentieth of a second late.
//!
//! # What it needs, and when it stays a pipe
//! Both processes on the same host and of the same user, in pid namespaces that see one another,
//! with a `/proc` of the reader's. It stays a pipe, silently, if
//! - the stream is short (a mebibyte; if it is a file, a few), or the other end is another program;
//! - the ends belong to different users, or one of them cannot be looked at (not dumpable; a
//!   `/proc` mounted with `hidepid`; a security module that says no);
//! - the reader cannot open its end of the pipe once more, because another user
//!   made it (`sudo -u`);
//! - the reader has no `/proc`, or one of another pid namespace;
//! - standard error goes into the same pipe (`2>&1`), for messages would overtake the data;
//! - the pipe is in packet mode (O_DIRECT), or it is a socket;
//! - there is no room for a ring: memory, `ulimit -f`, `ulimit -n`, `ulimit -u`;
//! - another writer of the same pipe has its ring on offer or in use;
//! - both ends are in the same process, or the writer's process is about to exit;
//! - it is switched off: `SHMPIPE_UPGRADE=0` in the environment of either end, `shmcat
//!   --no-upgrade`, [`Output::plain`], [`Input::plain`].
//!
//! [PIPE_BUF]: https://man7.org/linux/man-pages/man7/pipe.7.html
//!
//! Which it was is told by [`Output::traffic`] and [`Input::traffic`], and by `shmcat --stats`.

pub(crate) mod handover;
#[cfg(not(shmpipe_loom))]
mod input;
#[cfg(not(shmpipe_loom))]
mod offer;
#[cfg(not(shmpipe_loom))]
mod output;
#[cfg(not(shmpipe_loom))]
mod pipe;
#[cfg(not(shmpipe_loom))]
mod ring;
#[cfg(not(shmpipe_loom))]
pub(crate) mod watch;

#[cfg(not(shmpipe_loom))]
pub use {
    input::Input,
    output::{CopyError, Output},
};

use std::time::Duration;

/// How many bytes went which way, and how often they were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes that went by the descriptor: through the pipe, if it is one.
    pub pipe: u64,
    /// Bytes that went through shared memory.
    pub shm: u64,
    /// How often this end slept because of the other, while a ring was in use.
    pub sleeps: u64,
    /// For how long it waited for the other, while a ring was in use.
    pub blocked: Duration,
}

#[cfg(not(shmpipe_loom))]
impl Traffic {
    fn wait(&mut self, stats: &crate::Stats) {
        self.sleeps += stats.sleeps;
        self.blocked += stats.blocked;
    }
}

/// Whether pipes are upgraded: yes, unless the environment says `SHMPIPE_UPGRADE=0`.
pub fn is_enabled() -> bool {
    std::env::var_os("SHMPIPE_UPGRADE").is_none_or(|value| value != "0")
}
