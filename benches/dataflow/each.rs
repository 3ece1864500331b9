//! Each way by itself, with criterion.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};

use crate::harness::cpu;
use crate::transport::Rival;
use crate::work::Work;
use crate::{RIVALS, Scene};

/// Runs what criterion's command line asks for.
pub fn run(scene: &Scene) -> Result<(), String> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(10)
        .configure_from_args();
    for (name, sink) in &scene.sinks {
        let work = Work::File(&scene.source, sink);
        println!("{name}: round trip of a cache line before: {}", cpu::round_trip());
        let mut group = criterion.benchmark_group(name);
        group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(work.len()));
        for spec in RIVALS {
            let rival = match Rival::parse(spec) {
                Ok(rival) => rival,
                Err(reason) => {
                    println!("{spec}: {reason}");
                    continue;
                }
            };
            let mut inspected = false;
            group.bench_function(spec, |bencher| {
                bencher.iter_custom(|runs| {
                    let mut total = Duration::ZERO;
                    for _ in 0..runs {
                        let run = work.once(&rival, cpu::two(), !inspected);
                        let run = run.unwrap_or_else(|setback| panic!("{spec}: {setback:?}"));
                        inspected = true;
                        total += run.cost.time;
                    }
                    total
                });
            });
        }
        group.finish();
        println!("{name}: round trip of a cache line after: {}\n", cpu::round_trip());
    }
    criterion.final_summary();
    Ok(())
}
