//! The byte stream, both ends in one process: each method's behaviour on each kind of ring.

#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod aborting;
mod copying;
mod descriptors;
mod ending;
mod epochs;
mod finish_and_wait;
mod looking;
mod owed;
mod reserving;
mod waiting;
