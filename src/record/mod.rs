//! Records of any length from one sender to one receiver.
//!
//! A record is some bytes and a number, its kind, which the two ends agree upon and the ring does
//! not look at. What is sent as one record is received as one record, in one contiguous slice,
//! aligned as [`Options::payload_align`](crate::Options::payload_align) says.
//!
//! - In place: [`Sender::reserve`] hands out the ring's own memory, [`Receiver::recv`] shows it. To
//!   hand over 4 MiB costs no more than 64 bytes.
//! - In batches: [`Sender::batch`] publishes many records at once,
//!   [`Receiver::recv_batch`] releases many at once.
//! - As plain data: [`Sender::send_pod`], [`Record::as_pod`],
//!   [`Record::as_pods`], through [`bytemuck`].
//! - Each blocking call has a `try_` form that does not wait, and a `_timeout` and a `_deadline`
//!   form that wait no longer than told. [`Sender::send_or_drop`] gives the newest record up if
//!   the ring is full, and counts it.
//!
//! The ends of a stream of records have reasons, and ends that die are taken over, as told in
//! [`stream`](crate::stream): a receiver gets `None` only if the sender
//! [`finish`](Sender::finish)ed. A restarted receiver goes on at the first record that was not
//! released: one that was in a guard when its process died comes again. A restarted sender goes on
//! after the last record that was published.
//!
//! # Examples
//! ```
//! use shmpipe::{Options, record::{Receiver, Sender}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, receiver) = Options::new().anonymous::<Sender>()?;
//! // Usually claimed in two processes.
//! let (mut sender, mut receiver) = (sender.claim()?, receiver.claim()?);
//! const TICK: u32 = 1;
//! const TEXT: u32 = 2;
//!
//! sender.kind(TICK).send_pod(&[1_u64, 42])?;
//! let mut text = sender.kind(TEXT).reserve(5)?;
//! text.copy_from_slice(b"hello");
//! text.commit()?;
//! sender.finish()?;
//!
//! while let Some(record) = receiver.recv()? {
//!     match record.kind() {
//!         TICK => assert_eq!(record.as_pod::<[u64; 2]>()?, &[1, 42]),
//!         _ => assert_eq!(&*record, b"hello"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![allow(unsafe_code)]

mod batch;
pub(crate) mod frame;
mod one;
mod receiver;
mod sender;
pub(crate) mod topology;
mod view;

pub use crate::{ReadError, WriteError};
pub use batch::Batch;
pub use receiver::{Receiver, Record, Records};
pub use sender::{Reservation, Sender};
pub use topology::{One, Topology};
pub use view::{PodError, View};
