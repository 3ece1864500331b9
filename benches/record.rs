//! Messages from one process to another: records, with each way to wait, and what the kernel offers.
//!
//! `cargo bench --bench record` measures each way by itself, with criterion; to compare them in turns, and with other
//! libraries, there is the package `rivals`. How it is done is told in `message/each.rs`.

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
    throughput(&Contest {
        specs: &["records", "records:in-place", "records:spin", "records:sleep", "pipe", "unix"],
        sizes: &[1, 4, 8, 128],
    });
}
