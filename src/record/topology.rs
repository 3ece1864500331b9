//! What the ends of a ring of records do differently if there can be many senders.
//!
//! The ends and guards that users see are written once, on top of these; [`One`] is here, in
//! [`super::one`], and [`Many`](crate::mpsc::Many) in [`crate::mpsc`].

use super::frame::Header;
use crate::{
    Peer, ReadError, Stats, WriteError,
    end::{Settings, attach::Attached, error::OpenErrorKind, held::Held, waiting::Patience},
    layout::identity::Content,
};
use std::{fmt::Debug, ptr::NonNull};

/// How many senders a ring has: [`One`] or [`Many`](crate::mpsc::Many). Not to
/// be implemented elsewhere.
pub trait Topology: Debug + 'static + sealed::Topology {}

/// One sender and one receiver: the rings of [`record`](crate::record).
#[derive(Clone, Copy, Debug)]
pub enum One {}

impl Topology for One {}

/// Its types are public to be named in bounds, and unreachable from outside.
pub(crate) mod sealed {
    use super::*;

    pub trait Topology {
        type Outlet: Outlet;
        type Inlet: Inlet<Origin = Self::Origin>;
        /// Who sent a record, as far as there is a choice.
        type Origin: Copy + Debug;

        fn content(settings: &Settings) -> Content;
    }

    /// The sending side: a place in the ring that nobody sees, filled with records, published.
    pub trait Outlet: Sized + Debug {
        fn new(attached: Attached) -> Result<Self, OpenErrorKind>;
        fn end(&self) -> &Held;
        /// What payloads are aligned to.
        fn align(&self) -> usize;
        /// Bytes of the longest payload.
        fn max_len(&self) -> usize;
        /// Bytes of the ring that a payload of `len` bytes takes.
        fn frame(&self, len: u32) -> u64;

        /// Whether a record is ever sent at once.
        const AT_ONCE: bool = false;

        /// Sends one record if there is nothing special about that; false if
        /// there is, and nothing was sent.
        #[inline(always)]
        fn send_at_once(&mut self, _: Header, _: &[u8]) -> bool {
            false
        }

        /// Sends one record.
        fn send(
            &mut self,
            header: Header,
            bytes: &[u8],
            patience: Patience,
        ) -> Result<(), WriteError>;

        /// Makes a place of `bytes`, no more than the capacity, while none is in use.
        fn open(&mut self, bytes: u64, patience: Patience) -> Result<(), WriteError>;
        /// Makes the place larger, of which `used` bytes are in use: `bytes` in all, and if another
        /// must be made anyway `wish`. False if what is in use must be published first.
        fn extend(
            &mut self,
            used: u64,
            bytes: u64,
            wish: u64,
            patience: Patience,
        ) -> Result<bool, WriteError>;
        /// Bytes of the place.
        fn room(&self) -> u64;
        /// Whether something may have happened that a sender must know before it goes on.
        fn must_look(&self) -> bool;
        /// Where the payload of the record goes that follows `offset` bytes of others.
        fn payload(&self, offset: u64) -> NonNull<u8>;
        /// Says what that record is.
        fn describe(&mut self, offset: u64, header: Header);
        /// That record, of `frame` bytes of the ring, is there, and another is likely to follow.
        fn gathered(&self, offset: u64, frame: u64);
        /// Puts it there: all of these together.
        fn gather(&mut self, offset: u64, frame: u64, header: Header, bytes: &[u8]);
        /// Publishes so many bytes of the place, with so many records, and gives up the rest.
        fn publish(&mut self, bytes: u64, records: u64) -> Result<(), WriteError>;
        /// The same with one record of so many bytes.
        fn publish_one(&mut self, frame: u64) -> Result<(), WriteError>;

        /// A guard for the place goes out.
        fn lend(&mut self);
        /// It came back. What was not published is given up.
        fn back(&mut self);
        /// If it did not, somebody has forgotten it.
        fn note_if_leaked(&mut self);
        fn note_leak(&mut self);
        fn note_aborted(&mut self, aborted: bool);
        fn note_dropped(&mut self);

        fn say_finished(&self) -> Result<(), WriteError>;
        fn say_failed(&self, code: i32);
        fn drain(&mut self, patience: Patience) -> Result<(), WriteError>;
        fn unread(&self) -> usize;
        fn peer(&self) -> Result<Peer, WriteError>;
        fn stats(&self) -> Stats;
    }

    /// A record that was found. (All of it are whole words: beside anything smaller the compiler
    /// moves a guard by the byte, and whoever then loads a word of it waits for the bytes.)
    #[derive(Clone, Copy, Debug)]
    pub struct Found<M> {
        pub(crate) header: Header,
        /// Bytes of the ring to be released with it.
        pub(crate) frame: u64,
        /// Where its bytes are; `None` = in the copy that came with it.
        pub(crate) payload: Option<Payload>,
        pub(crate) mark: M,
    }

    /// A record is not at hand.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum NotAtHand {
        /// There is none, or something may be special about it.
        Unusual,
        /// It was looked for, for a moment, and did not come.
        InVain,
    }

    /// Where a record's bytes begin: in the ring, or in the receiver's private memory.
    #[derive(Clone, Copy, Debug)]
    pub struct Payload(pub(crate) NonNull<u8>);

    // SAFETY: it is used together with the receiver that found it, alone: where
    // that one goes, it may go, too.
    #[allow(unsafe_code)]
    unsafe impl Send for Payload {}
    // SAFETY: as above.
    #[allow(unsafe_code)]
    unsafe impl Sync for Payload {}

    /// The receiving side.
    pub trait Inlet: Sized + Debug {
        type Origin: Copy + Debug;
        /// What else must be known of a record that was found.
        type Mark: Copy + Debug;

        fn new(attached: Attached) -> Result<Self, OpenErrorKind>;
        fn end(&self) -> &Held;
        fn align(&self) -> usize;

        /// The first record, if there is nothing special about it: it may be shown where it is, or
        /// comes with a copy in the moment for which an end that converses looks for it.
        fn at_hand(&mut self, patience: Patience) -> Result<Found<Self::Mark>, NotAtHand>;
        /// The record behind `offset` bytes of a batch, of which `rest` follow, likewise.
        fn next_at_hand(&mut self, offset: u64, rest: u64) -> Option<Found<Self::Mark>>;
        /// Waits for the first record, which was not at hand; `None` at the end of a stream.
        fn first(
            &mut self,
            why: NotAtHand,
            patience: Patience,
        ) -> Result<Option<Found<Self::Mark>>, ReadError>;
        /// Waits until there is one, and says how many bytes may be looked at;
        /// `None` at the end of a stream.
        fn batch(&mut self, patience: Patience) -> Result<Option<u64>, ReadError>;
        /// Finds the record behind `offset` of those bytes, of which `rest` follow.
        fn find(&mut self, offset: u64, rest: u64) -> Result<Option<Found<Self::Mark>>, ReadError>;
        /// Who sent it.
        fn origin(&self, found: &Found<Self::Mark>) -> Self::Origin;
        /// The copy in which one was found, if it was not in the ring.
        fn copy(&self) -> &[u8];
        /// Gives bytes back that a guard stood for; none if it is of no use any more.
        fn release(&mut self, bytes: u64, records: u64);

        /// A guard for what was found goes out; `release` takes it back.
        fn lend(&mut self);

        fn say_failed(&self, code: i32);
        fn unread(&self) -> usize;
        fn peer(&self) -> Result<Peer, ReadError>;
        fn stats(&self) -> Stats;
    }
}
