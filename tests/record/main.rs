//! Records, one file per topic.

#[path = "../record_support/mod.rs"]
mod record_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod aborting;
mod attaching;
mod batches;
mod conversing;
mod ending;
mod epochs;
mod forgotten;
mod forked;
mod killed;
mod mortal;
mod pods;
mod positions;
mod receiving;
mod reserving;
mod scribbles;
mod sending;
mod sizes;
mod stopped;
mod takeover;
mod torn;
mod waiting;
