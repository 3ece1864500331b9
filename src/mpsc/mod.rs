//! Records from any number of senders, in any number of processes, to one receiver.
//!
//! The ends and the guards are those of [`record`], for [`Many`] senders instead of
//! [`One`](crate::record::One); what is told there holds here, but for what follows.
//!
//! - All records have one order, in which they are received. A record takes its place when room is
//!   made for it: [`reserve`](Sender::reserve) **claims** the room, and what others send meanwhile
//!   is received after it. A sender that is stopped between the two holds the others up, once the
//!   ring is full; [`Receiver::status`] says who it is.
//! - **Any sender may die at any instruction.** What it had committed is received, what it had not
//!   is never seen, and the others go on: the receiver finds out that the owner of an unfinished
//!   claim is no more (at the latest when it has waited for 50 ms), passes it over and counts it
//!   ([`Stats::repaired`](crate::Stats::repaired)).
//! - There are as many places for senders as [`Options::producers`](crate::Options::producers)
//!   says. A place is given to another sender when all of the last one has been received; so
//!   [`Record::producer`] is never ambiguous. [`Sender::try_clone`] takes another place.
//! - Room is taken in blocks of 64 bytes, or of the payload alignment if that is
//!   more, and payloads begin with one.
//! - A [`batch`](Sender::batch) is one claim, made beforehand: [`Sender::batch_of`] says how large.
//!   What does not fit is published in portions.
//! - **A stream ends when nobody is left who writes to it**, as in a FIFO: the receiver gets `None`
//!   if all of its senders [finished](Sender::finish), else the error that says what became of the
//!   last that did not. [`Receiver::ends`] has each one's reason. The next sender begins a new
//!   stream. [`Options::resume`] and [`Options::discard`] have no meaning here;
//!   [`Options::replace`] has, for the receiver.
//!
//! - The larger a record, the longer it may have to wait for room beside others: they all take what
//!   is free behind one another, and nobody holds room back for it.
//! - Senders that send all the time leave the ring to each other by turns, of up to 32 µs (so much
//!   longer may a call take, and a `try_` form, too): together they are faster so. Who sends now
//!   and then does not wait for others.
//! - A sender that another thread [aborts](crate::Aborter) in the middle of a call may still send
//!   that record, even after the receiver was told of the end.
//!
//! How it works is told in `ring::mpsc` and `end::seat`, in the source.
//!
//! # Examples
//! ```
//! use shmpipe::{Options, mpsc::{Receiver, Sender}};
//! use std::thread;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, receiver) = Options::new().anonymous::<Sender>()?;
//! // Usually in several processes.
//! let (mut first, mut receiver) = (sender.claim()?, receiver.claim()?);
//! let mut second = first.try_clone()?;
//! let (a, b) = (first.id(), second.id());
//! let threads = [
//!     thread::spawn(move || (0..100_u32).try_for_each(|n| first.send_pod(&n)).and(first.finish())),
//!     thread::spawn(move || (0..100_u32).try_for_each(|n| second.send_pod(&n)).and(second.finish())),
//! ];
//!
//! let (mut from_a, mut from_b) = (0, 0);
//! while let Some(record) = receiver.recv()? {
//!     let next = if record.producer() == a { &mut from_a } else { &mut from_b };
//!     assert_eq!(record.as_pod::<u32>()?, next, "each sender's records come in its order");
//!     *next += 1;
//! }
//! assert_eq!((from_a, from_b), (100, 100));
//! assert!(receiver.ends().iter().all(|end| end.id == a || end.id == b));
//! # for thread in threads {
//! #     thread.join().unwrap()?;
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! [`Options::resume`]: crate::Options::resume
//! [`Options::replace`]: crate::Options::replace
//! [`Options::discard`]: crate::Options::discard

#![allow(unsafe_code)]

mod inlet;
mod outlet;
mod status;

pub use crate::{ReadError, WriteError};
pub use status::{ProducerEnd, ProducerId, ProducerStatus, Status};

use crate::{
    OpenError,
    end::{Settings, ahead, attach},
    layout::identity::Content,
    options::sealed::End as _,
    record::{
        self, Topology,
        topology::sealed::{self, Inlet as _, Outlet as _},
    },
    ring::mpsc::{Block, Geometry},
};
use std::ptr::NonNull;

/// Many senders and one receiver: the rings of this module.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

impl Topology for Many {}

impl sealed::Topology for Many {
    type Outlet = outlet::Outlet;
    type Inlet = inlet::Inlet;
    type Origin = ProducerId;

    fn content(settings: &Settings) -> Content {
        Content::many(settings.payload_align, settings.producers)
    }
}

/// A sending end of a ring that has many. See [the module](self).
pub type Sender = record::Sender<Many>;
/// The receiving end of a ring that many send to. See [the module](self).
pub type Receiver = record::Receiver<Many>;
/// A record that is being made in the ring's memory.
pub type Reservation<'a> = record::Reservation<'a, Many>;
/// Records that are published together.
pub type Batch<'a> = record::Batch<'a, Many>;
/// A record that was received.
pub type Record<'a> = record::Record<'a, Many>;
/// The records that were there when they were asked for.
pub type Records<'a> = record::Records<'a, Many>;
/// A record that is looked at.
pub type View<'a> = record::View<'a, ProducerId>;

impl record::Sender<Many> {
    /// Attaches once more, as another sender, which may go to another thread.
    ///
    /// # Errors
    /// [`OpenErrorKind::TableFull`](crate::OpenErrorKind::TableFull) if there is no place for it,
    /// and what can go wrong when a ring is opened.
    pub fn try_clone(&self) -> Result<Self, OpenError> {
        let again = || Self::from_attached(attach::another(self.outlet.end())?);
        again().map_err(|kind| OpenError { ring: None, kind })
    }

    /// By what number the receiver knows this sender.
    #[must_use]
    pub fn id(&self) -> ProducerId {
        self.outlet.id()
    }

    /// Begins to gather records that are published together, of so many bytes,
    /// payloads and padding, in all.
    ///
    /// So much room is claimed when the first of them is added; what is not used of it is released
    /// with the rest. See [`Batch`] for what happens if it is too little.
    pub fn batch_of(&mut self, bytes: usize) -> record::Batch<'_, Many> {
        record::Batch::new(self, bytes as u64)
    }

    /// What can be seen of the ring and of all who send to it. Costs a system call for each.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn status(&self) -> Result<Status, WriteError> {
        Ok(self.outlet.status()?)
    }
}

impl record::Receiver<Many> {
    /// How each sender of the stream ended whose end this receiver was last told, in the order in
    /// which they had come. (If there were more of them than places, of those whose places were
    /// taken again only the last that did not finish is listed.)
    #[must_use]
    pub fn ends(&self) -> &[ProducerEnd] {
        self.inlet.ends()
    }

    /// What can be seen of the ring and of all who send to it. Costs a system call for each.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn status(&self) -> Result<Status, ReadError> {
        Ok(status::look(self.inlet.end())?)
    }
}

impl record::Record<'_, Many> {
    /// Who sent it.
    #[inline]
    #[must_use]
    pub fn producer(&self) -> ProducerId {
        self.origin()
    }
}

impl record::View<'_, ProducerId> {
    /// Who sent it.
    #[inline]
    #[must_use]
    pub fn producer(&self) -> ProducerId {
        self.origin
    }
}

/// As [`ahead::ask_ahead`], and for the words beside what is asked for: the item begins at this
/// block, in a ring of this shape.
#[inline(always)]
fn ask_ahead(
    at: NonNull<u8>,
    (block, geometry): (&Block, Geometry),
    n: u64,
    there: u64,
    ask: impl Fn(*const u8),
) {
    ahead::ask_ahead(at, n, there, &ask);
    if there >= 2 * ahead::AHEAD {
        // At the end of the lap this is none of the words, which does no harm.
        let words = std::ptr::from_ref(block).wrapping_add(geometry.blocks(ahead::AHEAD) as usize);
        ask(words.cast());
    }
}
