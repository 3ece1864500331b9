//! Rings seen from outside: what is told of them, what is left alone, and what
//! is removed and repaired.

#[path = "../many_support/mod.rs"]
mod many_support;
#[path = "../record_support/mod.rs"]
mod record_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod changing;
mod faces;
mod looking;
mod system_v;

use shmpipe::{
    Peer,
    inspect::{self, EndInfo, RingInfo, Role},
};
use support::RingName;

fn look(name: &RingName) -> RingInfo {
    inspect::status(name).unwrap()
}

/// The only end of a ring in this role.
#[track_caller]
fn end(ring: &RingInfo, role: Role) -> EndInfo {
    let ends: Vec<_> = ring.ends_of(role).cloned().collect();
    assert_eq!(ends.len(), 1, "{ring:?}");
    ends[0].clone()
}

#[track_caller]
fn assert_states(ring: &RingInfo, writer: Peer, reader: Peer) {
    let states = (end(ring, Role::Producer).state, end(ring, Role::Consumer).state);
    assert_eq!(states, (writer, reader), "{ring:?}");
}
