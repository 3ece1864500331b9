//! System V rings among processes that come, go, are killed and are robbed of what they use, and
//! among objects that are not theirs.
//!
//! Each test has an IPC namespace of its own where that is permitted ([`place`]): what it leaves
//! there nobody else sees, and it is checked that it leaves nothing.

#[path = "../face_support/mod.rs"]
mod face_support;
#[path = "../support/mod.rs"]
mod support;
#[path = "../kill/tracing.rs"]
#[allow(dead_code, reason = "of what victims can do, a part is used")]
mod tracing;

mod beside;
mod builders;
mod foreign;
mod forked;
mod keys;
mod limits;
mod orphaned;
mod overtaken;
mod place;
mod processes;
mod raw;
mod removed;
mod replaced;
mod stepped;
mod storm;
mod strangers;

use place::Place;
use shmpipe::Options;
use std::time::Duration;

/// Small rings, and deaths that are noticed soon.
fn options() -> Options {
    Options::new().capacity(support::page_size()).liveness_interval(Duration::from_millis(5))
}
