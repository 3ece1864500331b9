//! Values of one type from one producer to one consumer.
//!
//! The values are plain data ([`bytemuck::Pod`]): any bytes of the right number are
//! one, so that they can lie in memory that another process writes. They have no
//! headers; eight bytes take eight.
//!
//! - One by one: [`Producer::push`], [`Consumer::pop`].
//! - In place: [`Producer::reserve`] hands out slots of the ring as `&mut [T]`,
//!   [`Consumer::pop_batch`] shows as `&[T]` all that are there; wherever in
//!   the ring they lie, contiguously.
//! - Each blocking call has a `try_` form that does not wait, and a `_timeout` and a `_deadline`
//!   form that wait no longer than told. What could not be pushed is handed back;
//!   [`Producer::push_or_drop`] gives it up instead if the ring is full, and counts it.
//!
//! Both ends must mean the same type: its size, its alignment and its name are compared when an end
//! attaches, and [`LayoutError::TypeMismatch`](crate::LayoutError::TypeMismatch) tells what
//! differs. The name is the type's own without the modules it lives in, unless
//! [`Options::type_tag`](crate::Options::type_tag) gives another.
//!
//! The ends of a stream of values have reasons, and ends that die are taken over,
//! as told in [`stream`](crate::stream): a consumer gets `None` only if the
//! producer [`finish`](Producer::finish)ed, and a restarted one goes on at the
//! first value that was not released.
//!
//! # Examples
//! ```
//! use bytemuck::{Pod, Zeroable};
//! use shmpipe::{Options, slot::{Consumer, Producer}};
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
//! #[repr(C)]
//! struct Frame {
//!     nanos: u64,
//!     axes: [f32; 4],
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (producer, consumer) = Options::new().anonymous::<Producer<Frame>>()?;
//! // Usually claimed in two processes.
//! let (mut producer, mut consumer) = (producer.claim()?, consumer.claim()?);
//!
//! producer.push(Frame { nanos: 1, axes: [0.5; 4] })?;
//! let mut slots = producer.reserve(2)?;
//! slots.fill(Frame { nanos: 2, axes: [0.25; 4] });
//! slots.commit()?;
//! producer.finish()?;
//!
//! assert_eq!(consumer.pop()?.map(|frame| frame.nanos), Some(1));
//! let mut sum = 0;
//! while let Some(frames) = consumer.pop_batch()? {
//!     sum += frames.iter().map(|frame| frame.nanos).sum::<u64>();
//! }
//! assert_eq!(sum, 4);
//! # Ok(())
//! # }
//! ```

#![allow(unsafe_code)]

mod consumer;
mod content;
mod error;
mod producer;

pub use crate::{ReadError, WriteError};
pub use consumer::{Consumer, Values};
pub use error::PushError;
pub use producer::{Producer, Slots};
