//! The four faces as one: each moves numbers. For tests of what is the same for all.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use shmpipe::{
    Aborter, End, Options, Peer, ReadError, Stats, WriteError, mpsc, record, slot, stream,
};
use std::time::Duration;

/// A face, and how a number goes in at one end and comes out at the other.
pub trait Face: 'static {
    type Out: End + Send + 'static;
    type In: End + Send + 'static;
    const NAME: &'static str;

    fn put(out: &mut Self::Out, number: u64) -> Result<(), WriteError>;
    fn try_put(out: &mut Self::Out, number: u64) -> Result<(), WriteError>;
    /// `None` at the end of a stream that was finished.
    fn take(from: &mut Self::In, timeout: Duration) -> Result<Option<u64>, ReadError>;
    fn finish_and_wait(out: Self::Out) -> Result<(), WriteError>;
    fn peer_of_out(out: &Self::Out) -> Peer;
    fn peer_of_in(from: &Self::In) -> Peer;
    fn stats_of_out(out: &Self::Out) -> Stats;
    fn stats_of_in(from: &Self::In) -> Stats;
    fn aborter_of_out(out: &Self::Out) -> Aborter;
    fn aborter_of_in(from: &Self::In) -> Aborter;

    /// Puts numbers from 0 on until the ring is full; returns how many.
    fn fill(out: &mut Self::Out) -> u64 {
        let mut number = 0;
        loop {
            match Self::try_put(out, number) {
                Ok(()) => number += 1,
                // Perhaps with a dead reader, which is looked for when there is no room.
                Err(WriteError::Full | WriteError::ReaderDied) => return number,
                Err(error) => panic!("{}: {error:?}", Self::NAME),
            }
        }
    }
}

pub struct Stream;
pub struct Record;
pub struct Slot;
pub struct Many;

/// What each end has itself.
macro_rules! own_methods {
    () => {
        fn stats_of_out(out: &Self::Out) -> Stats {
            out.stats()
        }

        fn stats_of_in(from: &Self::In) -> Stats {
            from.stats()
        }

        fn aborter_of_out(out: &Self::Out) -> Aborter {
            out.aborter()
        }

        fn aborter_of_in(from: &Self::In) -> Aborter {
            from.aborter()
        }
    };
}

impl Face for Stream {
    type Out = stream::Writer;
    type In = stream::Reader;
    const NAME: &'static str = "stream";

    fn put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
        let mut span = out.reserve(8)?;
        span.copy_from_slice(&number.to_ne_bytes());
        span.commit(8)
    }

    fn try_put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
        let mut span = out.try_reserve(8)?;
        span.copy_from_slice(&number.to_ne_bytes());
        span.commit(8)
    }

    fn take(from: &mut Self::In, timeout: Duration) -> Result<Option<u64>, ReadError> {
        let bytes = from.fill_buf_timeout(timeout)?;
        let number = bytes.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
        from.consume(8 * usize::from(number.is_some()));
        Ok(number)
    }

    fn finish_and_wait(out: Self::Out) -> Result<(), WriteError> {
        out.finish_and_wait()
    }

    fn peer_of_out(out: &Self::Out) -> Peer {
        out.peer().unwrap()
    }

    fn peer_of_in(from: &Self::In) -> Peer {
        from.peer().unwrap()
    }

    own_methods!();
}

macro_rules! records {
    ($face:ident, $name:literal, $module:ident) => {
        impl Face for $face {
            type Out = $module::Sender;
            type In = $module::Receiver;
            const NAME: &'static str = $name;

            fn put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
                out.send(&number.to_ne_bytes())
            }

            fn try_put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
                out.try_send(&number.to_ne_bytes())
            }

            fn take(from: &mut Self::In, timeout: Duration) -> Result<Option<u64>, ReadError> {
                let record = from.recv_timeout(timeout)?;
                Ok(record.map(|record| u64::from_ne_bytes(record[..].try_into().unwrap())))
            }

            fn finish_and_wait(out: Self::Out) -> Result<(), WriteError> {
                out.finish_and_wait()
            }

            fn peer_of_out(out: &Self::Out) -> Peer {
                out.peer().unwrap()
            }

            fn peer_of_in(from: &Self::In) -> Peer {
                from.peer().unwrap()
            }

            own_methods!();
        }
    };
}

records!(Record, "record", record);
records!(Many, "many", mpsc);

impl Face for Slot {
    type Out = slot::Producer<u64>;
    type In = slot::Consumer<u64>;
    const NAME: &'static str = "slot";

    fn put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
        Ok(out.push(number)?)
    }

    fn try_put(out: &mut Self::Out, number: u64) -> Result<(), WriteError> {
        Ok(out.try_push(number)?)
    }

    fn take(from: &mut Self::In, timeout: Duration) -> Result<Option<u64>, ReadError> {
        from.pop_timeout(timeout)
    }

    fn finish_and_wait(out: Self::Out) -> Result<(), WriteError> {
        out.finish_and_wait()
    }

    fn peer_of_out(out: &Self::Out) -> Peer {
        out.peer().unwrap()
    }

    fn peer_of_in(from: &Self::In) -> Peer {
        from.peer().unwrap()
    }

    own_methods!();
}

/// Runs a generic function for each face.
#[macro_export]
macro_rules! for_each_face {
    ($function:ident) => {{
        $crate::for_each_single_face!($function);
        $function::<$crate::face_support::Many>();
    }};
}

/// Runs a generic function for each face with one producer.
#[macro_export]
macro_rules! for_each_single_face {
    ($function:ident) => {{
        $function::<$crate::face_support::Stream>();
        $function::<$crate::face_support::Record>();
        $function::<$crate::face_support::Slot>();
    }};
}

/// Small rings.
pub fn options() -> Options {
    Options::new().capacity(page())
}

pub fn page() -> usize {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.unwrap().unwrap() as usize
}
