//! Messages of 32 B from one, two, four and eight processes to one: records of many senders, with
//! each way to wait, and a pipe that they all write to.
//!
//! `cargo bench --bench mpsc` measures each way by itself, with criterion; with `-- --paired [N]`
//! it compares the first with each other one in turns (see `message/against.rs`). For other
//! libraries there is the package `rivals`. How it is done is told in `message/each.rs`.

#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/against.rs"]
mod against;
#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod message;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;

use each::{Contest, shared};

fn main() {
    let contest = Contest { specs: &["many", "many:spin", "many:sleep", "pipe"], sizes: &[4] };
    // A batch is longer than what a pipe keeps together.
    let in_batches = &contest.specs[..3];
    shared(&contest, in_batches, &[1, 2, 4, 8]);
}
