//! The one file that knows loom exists.
//!
//! Under `--cfg shmpipe_loom` the algorithms of [`crate::ring`] and [`crate::wait`] run on loom's
//! atomics, which live on the heap; otherwise on the real ones, which [`crate::layout`] lays over
//! the mapped segment.

#[cfg(not(shmpipe_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(shmpipe_loom)]
pub(crate) mod mortal;

#[cfg(shmpipe_loom)]
pub(crate) use {
    loom::sync::atomic::{Ordering, fence},
    mortal::{AtomicU32, AtomicU64},
};
