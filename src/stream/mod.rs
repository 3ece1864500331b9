//! A stream of bytes from one writer to one reader.
//!
//! [`Writer`] and [`Reader`] are [`std::io::Write`] and [`std::io::Read`] + [`std::io::BufRead`]
//! with what a pipe's ends cannot do: work in place, wait no longer than wanted, and say how the
//! stream ended.
//!
//! - In place: [`Writer::reserve`] hands out the ring's own memory, [`Reader::fill_buf`] shows it.
//!   Wherever in the ring they lie, the bytes are one contiguous slice.
//! - From and to descriptors: [`Writer::read_from`] and [`Reader::write_to`] let the kernel copy
//!   straight into and out of the ring.
//! - Each blocking call has a `try_` form that does not wait, and a `_timeout` and a `_deadline`
//!   form that wait no longer than told.
//! - The end has a reason. A reader comes to the end of a file only if the writer
//!   [`finish`](Writer::finish)ed; if it failed, was dropped or died, the reader gets every byte
//!   that was written and then an error that says so.
//!
//! # As with a FIFO
//! Either side may come first. A writer without a reader fills the ring and then waits. When a
//! reader has left, writing fails (like EPIPE, but as an error and without a signal). When a
//! writer has finished and another one comes, its stream begins after the first one's end.
//!
//! # Unlike a FIFO
//! There is one writer and one reader at a time; a second one is refused. What was written and not
//! read when both sides are gone is kept for the next reader, if none was there to read it or the
//! one that was there was killed. A restarted reader goes on at the first byte not consumed.

#![allow(unsafe_code)]

mod error;
mod reader;
mod upgraded;
mod writer;

pub use crate::{ReadError, WriteError};
pub use error::TransferError;
pub use reader::Reader;
pub use writer::{Reservation, Writer};

/// The most that one read(2) or write(2) moves: short enough that the other end gets to work on
/// the first part while the rest is still being moved, long enough that the call costs nothing.
const TRANSFER: usize = 256 << 10;

/// [`Writer`]'s copying publishes this often, for the same reason.
const COPY: usize = 64 << 10;
