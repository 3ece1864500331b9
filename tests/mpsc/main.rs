//! Rings of many producers, one file per topic. What their ends have in common with those of a ring
//! of one producer is tested there.

#[path = "../many_support/mod.rs"]
mod many_support;
#[path = "../record_support/mod.rs"]
mod record_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod churn;
mod dying;
mod ending;
mod forgotten;
mod forked;
mod joining;
mod namespaces;
mod one_thread;
mod order;
mod positions;
mod receivers_killed;
mod scribbles;
mod sending;
mod stopped;
mod waiting;
