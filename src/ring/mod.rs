//! The algorithms, on positions alone.
//!
//! Nothing here touches a byte of the data area, a descriptor, a clock or errno: a ring is two
//! positions, a producer and a consumer are private copies of them, and what they hand out are
//! numbers of bytes. So this module forbids `unsafe` and the same code runs under loom.

#![forbid(unsafe_code)]

pub(crate) mod cursor;
pub(crate) mod mpsc;
pub(crate) mod newest;
pub(crate) mod spsc;
