//! Typed slots: each operation in each form, on each kind of ring, for types of every shape; and
//! what becomes of them when an end goes, dies, forks, forgets, or is lied to.

#[path = "../slot_support/mod.rs"]
mod slot_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod aborting;
mod attaching;
mod batches;
mod ending;
mod epochs;
mod forgotten;
mod forked;
mod killed;
mod popping;
mod positions;
mod pushing;
mod reserving;
mod scribbles;
mod slices;
mod types;
mod waiting;
