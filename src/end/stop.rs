//! What can stop an end that is open: in writing, in reading, in either.

use super::epoch::EndReason;
use crate::{ring::cursor::Violation, sys::OsError};
use std::io;
use thiserror::Error;

/// Why something could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no room at the moment (`try_` forms only).
    #[error("the ring is full")]
    Full,
    /// There was no room in time.
    #[error("the ring was full until the time was up")]
    Timeout,
    /// More than the ring can ever hold, or more than was reserved.
    #[error("{requested} bytes are more than the {limit} there can be")]
    TooLarge {
        /// Bytes asked for.
        requested: usize,
        /// The most there can be.
        limit: usize,
    },
    /// The reader left in good order and wants no more.
    #[error("the reader has left")]
    ReaderLeft,
    /// The reader gave up, with this code.
    #[error("the reader failed with code {0}")]
    ReaderFailed(i32),
    /// The reader's process is gone. Another reader may attach and go on where it was.
    #[error("the reader died")]
    ReaderDied,
    /// The ring was replaced by a new one of the same name, see
    /// [`Options::replace`](crate::Options::replace). What was not read is not read any more.
    #[error("the ring was replaced; open its name again, for the one that came after it")]
    Replaced,
    /// This end belongs to the process that forked this one.
    #[error("this end belongs to the parent process; a forked child must open its own")]
    Forked,
    /// The end was aborted, see [`crate::Aborter`].
    #[error("this end was aborted")]
    Aborted,
    /// The receiver took this sender for dead and passed its claim over: nothing was sent. It can
    /// only be that its lock was taken away from it.
    #[error("the receiver took this sender for dead: what it had claimed is void")]
    Revoked,
    /// There was no memory for a part of an anonymous ring that had not been used
    /// yet, see [`Options::anonymous`](crate::Options::anonymous). Nothing was
    /// written, and it can be tried again.
    #[error("no memory for more of the ring: {0}")]
    NoMemory(OsError),
    /// The position would pass 2^64.
    #[error("the ring has carried 2^64 bytes and can carry no more; make a new one")]
    Exhausted,
    /// The other process wrote something impossible into the ring. This end works no longer.
    #[error("the ring is damaged: {0}")]
    Corrupt(Violation),
    /// Somebody cut the shared memory object short.
    #[error("the ring's memory was cut short by another process")]
    Truncated,
    /// Somebody removed the ring under its ends (EIDRM): a System V one, or one
    /// to which nobody had come.
    #[error("the ring was removed: nobody can come to it any more")]
    Removed,
    /// A system call failed.
    #[error("{0}")]
    Os(OsError),
}

/// Why something could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing at the moment (`try_` forms only).
    #[error("the ring is empty")]
    Empty,
    /// There was nothing in time.
    #[error("the ring was empty until the time was up")]
    Timeout,
    /// All bytes were read; the writer gave up, with this code.
    #[error("the writer failed with code {0}: the stream is not whole")]
    Failed(i32),
    /// All bytes were read; the writer was dropped without finishing.
    #[error("the writer was dropped before it finished: the stream is not whole")]
    Dropped,
    /// All bytes were read; the writer's process is gone.
    #[error("the writer died before it finished: the stream is not whole")]
    Died,
    /// All bytes were read; the ring was replaced by a new one of the same
    /// name, see [`Options::replace`](crate::Options::replace). (The stream was
    /// not finished, or was told to be.)
    #[error("the ring was replaced; open its name again, for the one that came after it")]
    Replaced,
    /// This end belongs to the process that forked this one.
    #[error("this end belongs to the parent process; a forked child must open its own")]
    Forked,
    /// The end was aborted, see [`crate::Aborter`].
    #[error("this end was aborted")]
    Aborted,
    /// The other process wrote something impossible into the ring. This end works no longer.
    #[error("the ring is damaged: {0}")]
    Corrupt(Violation),
    /// Somebody cut the shared memory object short.
    #[error("the ring's memory was cut short by another process")]
    Truncated,
    /// Somebody removed the ring under its ends (EIDRM): a System V one, or one
    /// to which nobody had come.
    #[error("the ring was removed: nobody can come to it any more")]
    Removed,
    /// A system call failed.
    #[error("{0}")]
    Os(OsError),
}

/// What stops an operation of either end for reasons of its own.
#[derive(Debug)]
pub(crate) enum Stop {
    WouldBlock,
    Timeout,
    Forked,
    Aborted,
    Corrupt(Violation),
    Truncated,
    Removed,
    Os(OsError),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Corrupt(violation)
    }
}

impl From<OsError> for Stop {
    fn from(error: OsError) -> Self {
        if error.is_removed() { Self::Removed } else { Self::Os(error) }
    }
}

impl WriteError {
    pub(crate) fn reader_gone(reason: EndReason) -> Self {
        match reason {
            EndReason::Finished | EndReason::Dropped => Self::ReaderLeft,
            EndReason::Failed(code) => Self::ReaderFailed(code),
            EndReason::Died => Self::ReaderDied,
            EndReason::Replaced => Self::Replaced,
        }
    }
}

impl ReadError {
    /// `None` for a stream that is whole.
    pub(crate) fn stream_ended(reason: EndReason) -> Option<Self> {
        match reason {
            EndReason::Finished => None,
            EndReason::Failed(code) => Some(Self::Failed(code)),
            EndReason::Dropped => Some(Self::Dropped),
            EndReason::Died => Some(Self::Died),
            EndReason::Replaced => Some(Self::Replaced),
        }
    }
}

impl From<Stop> for WriteError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::WouldBlock => Self::Full,
            Stop::Timeout => Self::Timeout,
            Stop::Forked => Self::Forked,
            Stop::Aborted => Self::Aborted,
            Stop::Corrupt(violation) => Self::Corrupt(violation),
            Stop::Truncated => Self::Truncated,
            Stop::Removed => Self::Removed,
            Stop::Os(error) => Self::Os(error),
        }
    }
}

impl From<Stop> for ReadError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::WouldBlock => Self::Empty,
            Stop::Timeout => Self::Timeout,
            Stop::Forked => Self::Forked,
            Stop::Aborted => Self::Aborted,
            Stop::Corrupt(violation) => Self::Corrupt(violation),
            Stop::Truncated => Self::Truncated,
            Stop::Removed => Self::Removed,
            Stop::Os(error) => Self::Os(error),
        }
    }
}

impl From<WriteError> for io::Error {
    fn from(error: WriteError) -> Self {
        use io::ErrorKind as Kind;
        let kind = match &error {
            WriteError::Full => Kind::WouldBlock,
            WriteError::Timeout => Kind::TimedOut,
            WriteError::TooLarge { .. } => Kind::InvalidInput,
            WriteError::ReaderLeft
            | WriteError::ReaderFailed(_)
            | WriteError::ReaderDied
            | WriteError::Replaced => Kind::BrokenPipe,
            WriteError::Corrupt(_) | WriteError::Truncated => Kind::InvalidData,
            WriteError::Os(error) => error.source.kind(),
            WriteError::NoMemory(_) => Kind::OutOfMemory,
            WriteError::Forked
            | WriteError::Aborted
            | WriteError::Removed
            | WriteError::Revoked
            | WriteError::Exhausted => Kind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        use io::ErrorKind as Kind;
        let kind = match &error {
            ReadError::Empty => Kind::WouldBlock,
            ReadError::Timeout => Kind::TimedOut,
            ReadError::Failed(_) | ReadError::Dropped | ReadError::Died | ReadError::Replaced => {
                Kind::UnexpectedEof
            }
            ReadError::Corrupt(_) | ReadError::Truncated => Kind::InvalidData,
            ReadError::Os(error) => error.source.kind(),
            ReadError::Forked | ReadError::Aborted | ReadError::Removed => Kind::Other,
        };
        Self::new(kind, error)
    }
}
