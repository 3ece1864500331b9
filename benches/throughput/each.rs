//! Each rival by itself, with criterion.

use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use crate::harness::content::{Checker, Maker};
use crate::harness::cpu;
use crate::harness::duo::{Duo, Placement};
use crate::transport::{Rival, Unavailable, size};
use crate::work::{BLOCKS, CAPACITIES, Files, RIVALS, SIZES, Work};

/// The length of the file in the sweep of capacities, and where `cargo test` only
/// wants to see that all of it works.
const FILE: [u64; 2] = [256 << 20, 1 << 20];

/// Runs what criterion's command line asks for.
pub fn run() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    println!("{}", cpu::model());
    for block in SIZES {
        let name = format!("blocks of {}", size::show(block as u64));
        group(&mut criterion, &name, |group| {
            one_process(group, block);
            for spec in RIVALS {
                two_processes(group, spec, &Work::Blocks(block));
            }
        });
    }
    group(&mut criterion, "8 bytes at a time", |group| {
        for spec in ["ring:4M:adaptive", "ring:4M:spin"] {
            two_processes(group, spec, &Work::Words);
        }
    });
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let files = match Files::make(FILE[usize::from(!measuring)]) {
        Ok(files) => files,
        Err(error) => return println!("moving files is not available: {error}"),
    };
    let mut works = files.works();
    works.push(("blocks".into(), Work::Blocks(BLOCKS[0])));
    for (name, work) in works {
        group(&mut criterion, &format!("capacity, {name}"), |group| {
            if matches!(work, Work::File { .. }) {
                group.sample_size(10).sampling_mode(SamplingMode::Flat);
            }
            for capacity in CAPACITIES {
                two_processes(group, &format!("ring:{capacity}"), &work);
            }
        });
    }
    criterion.final_summary();
}

fn group(
    criterion: &mut Criterion,
    name: &str,
    benchmarks: impl FnOnce(&mut BenchmarkGroup<'_, WallTime>),
) {
    println!("{name}: round trip of a cache line before: {}", cpu::round_trip());
    let mut group = criterion.benchmark_group(name);
    benchmarks(&mut group);
    group.finish();
    println!("{name}: round trip of a cache line after: {}\n", cpu::round_trip());
}

/// The same work without handing anything over: made and used by one process, block by block.
fn one_process(group: &mut BenchmarkGroup<'_, WallTime>, size: usize) {
    let mut block = vec![0; size];
    group.throughput(Throughput::Bytes(size as u64)).bench_function("one process", |bencher| {
        bencher.iter_custom(|count| {
            let (mut maker, mut checker) = (Maker::default(), Checker::default());
            let start = Instant::now();
            for _ in 0..count {
                maker.fill(&mut block);
                checker.take(&block);
            }
            assert!(checker.is_right(count * size as u64), "what was read is not what was written");
            start.elapsed()
        });
    });
}

fn two_processes(group: &mut BenchmarkGroup<'_, WallTime>, spec: &str, work: &Work) {
    // Tried here, because criterion does not let a benchmark say that it cannot be run.
    let usable = Rival::parse(spec).and_then(|rival| rival.transport.connect().map(|_| rival));
    let rival = match usable {
        Ok(rival) => rival,
        Err(reason) => return println!("{spec}: {reason}"),
    };
    group.throughput(match work {
        Work::Words => Throughput::Elements(1),
        _ => Throughput::Bytes(work.unit()),
    });
    // Started by the first sample, and not at all if the benchmark is filtered out.
    let mut duo: Option<Result<Duo, Unavailable>> = None;
    group.bench_function(spec, |bencher| {
        bencher.iter_custom(|amount| {
            let started = duo.get_or_insert_with(|| Duo::start(&rival, Placement::Apart));
            let duo = started.as_mut().unwrap_or_else(|reason| panic!("{spec}: {reason}"));
            work.run(duo, amount).unwrap_or_else(|error| panic!("{spec}: {error}")).time
        });
    });
}
