//! Messages from one process to another: records, with each way to wait, and
//! what the kernel offers.
//!
//! `cargo bench --bench record` measures each way by itself, with criterion; with `-- --paired [N]`
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

use std::time::Instant;

use criterion::{BenchmarkId, Criterion};
use each::{Contest, throughput};
use shmpipe::{Options, record::Sender};

fn main() {
    throughput(
        "record",
        &Contest {
            specs: &[
                "records",
                "records:in-place",
                "records:spin",
                "records:sleep",
                "pipe",
                "unix",
            ],
            sizes: &[1, 4, 8, 128],
        },
    );
    hand_over();
}

/// What it costs to hand a record over, made and used in place, apart from making and
/// using it: the same for one that fills whole megabytes. Both ends are in one process, so
/// that nothing else is measured.
fn hand_over() {
    let (sender, receiver) = Options::new().capacity(16 << 20).anonymous::<Sender>().expect("room");
    let (mut sender, mut receiver) =
        (sender.claim().expect("free"), receiver.claim().expect("free"));
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("hand over in place");
    for len in [64_usize, 4 << 20] {
        group.bench_function(BenchmarkId::from_parameter(len), |bench| {
            bench.iter_custom(|times| {
                let start = Instant::now();
                for n in 0..times {
                    let mut record = sender.reserve(len).expect("room");
                    record[0] = n as u8;
                    record.commit().expect("a receiver");
                    let record = receiver.recv().expect("sound").expect("not finished");
                    assert_eq!((record.len(), record[0]), (len, n as u8));
                }
                start.elapsed()
            });
        });
    }
    group.finish();
}
