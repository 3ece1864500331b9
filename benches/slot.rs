//! Values of one size from one process to another: typed slots, with each way to
//! wait, and what the kernel offers.
//!
//! `cargo bench --bench slot` measures each way by itself, with criterion; with `-- --paired [N]`
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

use each::{Contest, throughput};

fn main() {
    throughput(
        "slot",
        &Contest {
            specs: &["slots", "slots:spin", "slots:sleep", "pipe", "unix"],
            sizes: &[1, 4, 8],
        },
    );
}
