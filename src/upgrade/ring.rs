//! The ring that a pipe is upgraded to, as its writer has it.

use super::{
    handover::{Handover, State},
    offer,
    pipe::{self, PipeId},
    watch,
};
use crate::{
    Options, Peer, Stats, Unclaimed,
    stream::{Reader, WriteError, Writer},
    sync::Ordering,
};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

/// Bytes of a ring for a stream of which it is not known how long it will be: a larger one is
/// faster once it is warm, a smaller one is made faster.
const CAPACITY: usize = 1 << 20;

/// Bytes of a ring for a stream that is known to be [`LONG`].
const LARGE: usize = 4 << 20;

/// So many bytes to come pay for a large ring.
const LONG: u64 = 64 << 20;

/// How long the writer waits for room before it looks whether there is still
/// somebody at the other end of the pipe. (That the reader has left it is told at
/// once; that it died it looks for itself.)
const TICK: Duration = Duration::from_millis(50);

/// A ring on offer, or in use.
#[derive(Debug)]
pub(super) struct Ring {
    writer: Writer,
    /// What the offer leads to: it must stay open as long as a reader may follow it.
    memory: Unclaimed<Reader>,
}

/// Why the ring takes no more.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The reader has left, died or closed its end of the pipe.
    ReaderGone,
    /// This process is about to exit.
    Interrupted,
    /// Reading what was to be written failed, and nothing was written.
    Source(io::Error),
    /// The ring itself is of no use any more.
    Broken(WriteError),
}

impl From<WriteError> for Stopped {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ReaderLeft | WriteError::ReaderFailed(_) | WriteError::ReaderDied => {
                Self::ReaderGone
            }
            error => Self::Broken(error),
        }
    }
}

impl Ring {
    /// Makes one for this pipe, and for so many bytes if that is known. `None` if
    /// there is no room for it, or no way.
    pub(super) fn new(id: PipeId, expected: Option<u64>) -> Option<Self> {
        let long = expected.is_some_and(|bytes| bytes >= LONG);
        // A pipe that works must not come to an end for want of memory.
        let options =
            Options::new().capacity(if long { LARGE } else { CAPACITY }).preallocate(true);
        let (writer, memory) = options.anonymous::<Writer>().ok()?;
        let writer = writer.claim_with(&options).ok()?;
        let line = writer.handover_line();
        // Relaxed: `offer` publishes them.
        line.pipe_dev.store(id.dev, Ordering::Relaxed);
        line.pipe_ino.store(id.ino, Ordering::Relaxed);
        Handover(&line.state).offer();
        Some(Self { writer, memory })
    }

    /// Offers it over its pipe, or renews the offer.
    pub(super) fn offer(&self, pipe: impl AsFd) -> bool {
        offer::make(pipe, &self.memory)
    }

    fn handover(&self) -> Handover<'_> {
        Handover(&self.writer.handover_line().state)
    }

    pub(super) fn state(&self) -> State {
        self.handover().state()
    }

    /// Goes over to it; false if the reader has left meanwhile. The reader may be waiting for that.
    pub(super) fn switch(&self, pipe: BorrowedFd<'_>) -> bool {
        // What comes into the pipe after this is none of ours: should we die now, another writer's.
        let in_pipe = pipe::waiting(pipe).unwrap_or(0) as u64;
        // Relaxed: published by the switch.
        self.writer.handover_line().in_pipe.store(in_pipe, Ordering::Relaxed);
        let switched = self.handover().switch();
        self.writer.wake_reader();
        switched
    }

    /// Withdraws it; false if the writer has switched.
    pub(super) fn close(&self) -> bool {
        let closed = self.handover().close();
        self.writer.wake_reader();
        closed
    }

    /// Writes some bytes, waiting until there is room; so few that a pipe would take them
    /// at once or not at all, at once.
    pub(super) fn write(&mut self, pipe: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Stopped> {
        let whole = bytes.len() <= libc::PIPE_BUF;
        loop {
            let written = if whole {
                self.writer.reserve_timeout(bytes.len(), TICK).and_then(|mut room| {
                    room.copy_from_slice(bytes);
                    room.commit(bytes.len())?;
                    Ok(bytes.len())
                })
            } else {
                self.writer.write_timeout(bytes, TICK)
            };
            match written {
                Err(WriteError::Timeout) => check(pipe)?,
                written => return Ok(written?),
            }
        }
    }

    /// Reads some bytes from a file straight into the ring.
    pub(super) fn read_from(
        &mut self,
        pipe: BorrowedFd<'_>,
        source: BorrowedFd<'_>,
        max: usize,
    ) -> Result<usize, Stopped> {
        use crate::stream::TransferError::{Descriptor, Ring};
        loop {
            match self.writer.read_from_timeout(source, max, TICK) {
                Err(Ring(WriteError::Timeout)) => check(pipe)?,
                Err(Ring(error)) => return Err(error.into()),
                Err(Descriptor(error)) => return Err(Stopped::Source(error)),
                Ok(n) => return Ok(n),
            }
        }
    }

    /// Says that no more comes, and waits until all is read.
    pub(super) fn finish(&mut self, pipe: BorrowedFd<'_>) -> Result<(), Stopped> {
        self.writer.end_stream()?;
        loop {
            match self.writer.await_all_read(TICK) {
                Err(WriteError::Timeout) if pipe::has_no_reader(pipe) => {
                    return Err(Stopped::ReaderGone);
                }
                Err(WriteError::Timeout) => {}
                result => return Ok(result?),
            }
        }
    }

    /// Ends the reader's part in it, if it has not done so itself, and hands out what it did not
    /// take. To be called only when the reader is gone.
    pub(super) fn take_back(&mut self) -> Result<&[u8], WriteError> {
        self.handover().leave();
        self.writer.not_taken()
    }

    /// Whether the reader is gone. A system call.
    pub(super) fn has_lost_its_reader(&self) -> bool {
        !matches!(self.writer.peer(), Ok(Peer::Alive | Peer::Waiting) | Err(_))
    }

    /// Whether everything written was read.
    pub(super) fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    pub(super) fn stats(&self) -> Stats {
        self.writer.stats()
    }
}

/// Whether to wait on for room.
fn check(pipe: BorrowedFd<'_>) -> Result<(), Stopped> {
    if watch::is_exiting() {
        // So that the thread that exits gets at the ring.
        Err(Stopped::Interrupted)
    } else if pipe::has_no_reader(pipe) {
        // Although the reader's role is held.
        Err(Stopped::ReaderGone)
    } else {
        Ok(())
    }
}
