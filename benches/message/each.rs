//! Each way by itself, with criterion.
//!
//! The two ends are processes of the bench in a hidden role, each on a CPU of its own. They are started once for a
//! benchmark, begin each sample at a barrier, and check what arrived. The round trip of a cache line between the two
//! CPUs is printed around every group, because nothing here means much without it.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

use crate::harness::cpu;
use crate::message::crowd::Crowd;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::{Job, Outcome, Share};
use crate::message::registry::Registry;
use crate::message::{BATCH, IN_TREE, role};
use crate::transport::{Unavailable, size};

/// The ways in the tree.
pub const REGISTRY: Registry = Registry(&[IN_TREE]);

/// Which ways are measured, and with messages of how many numbers.
pub struct Contest<'a> {
    /// The ways.
    pub specs: &'a [&'static str],
    /// The sizes, in numbers of eight bytes.
    pub sizes: &'a [usize],
}

/// Measures messages one by one, and in batches.
pub fn throughput(contest: &Contest<'_>) {
    role::run_if_asked(REGISTRY);
    let mut criterion = criterion();
    for words in contest.sizes {
        let size = size::show(8 * *words as u64);
        group(&mut criterion, &format!("{size}, one by one"), |group| {
            for spec in contest.specs {
                measure(group, spec, *words, Job::Stream(0));
            }
        });
        group(&mut criterion, &format!("{size}, in batches of {BATCH}"), |group| {
            for spec in contest.specs {
                measure(group, spec, *words, Job::Batches(0));
            }
        });
    }
    criterion.final_summary();
}

/// Measures messages of several senders, one by one, and in batches by those ways that are also among `in_batches`.
pub fn shared(contest: &Contest<'_>, in_batches: &[&'static str], senders: &[u64]) {
    role::run_if_asked(REGISTRY);
    let mut criterion = criterion();
    for words in contest.sizes {
        let size = size::show(8 * *words as u64);
        for senders in senders {
            let share = Share::of(*senders);
            group(&mut criterion, &format!("{size}, {senders} senders, one by one"), |group| {
                for spec in contest.specs {
                    measure(group, spec, *words, Job::Shared(share));
                }
            });
            let name = format!("{size}, {senders} senders, in batches of {BATCH}");
            group(&mut criterion, &name, |group| {
                for spec in in_batches {
                    measure(group, spec, *words, Job::SharedBatches(share));
                }
            });
        }
    }
    criterion.final_summary();
}

/// Measures round trips.
pub fn round_trips(contest: &Contest<'_>) {
    let mut criterion = criterion();
    for words in contest.sizes {
        let name = format!("round trip, {}", size::show(8 * *words as u64));
        group(&mut criterion, &name, |group| {
            for spec in contest.specs {
                measure(group, spec, *words, Job::RoundTrips(0));
            }
        });
    }
    criterion.final_summary();
}

fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args()
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

/// Measures `job`, of as many messages, batches or trips as criterion asks for.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, spec: &str, words: usize, job: Job) {
    // Tried here, because criterion does not let a benchmark say that it cannot be run.
    if let Err(reason) = REGISTRY.make(spec).and_then(|way| way.connect(words).map(drop)) {
        return println!("{spec}: {reason}");
    }
    let traffic = if job.is_round_trip() { Traffic::BothWays } else { Traffic::OneWay };
    // A batch of criterion's is one of ours; the rate is that of its messages.
    group.throughput(Throughput::Elements(job.times(1).count()));
    // Started by the first sample, and not at all if the benchmark is filtered out.
    let mut team: Option<Result<Team, Unavailable>> = None;
    group.bench_function(spec, |bencher| {
        bencher.iter_custom(|amount| {
            let started = team.get_or_insert_with(|| match job {
                Job::Shared(_) | Job::SharedBatches(_) => {
                    Crowd::start(REGISTRY, spec, words, job.senders()).map(Team::Crowd)
                }
                _ => Duo::start(REGISTRY, spec, words, traffic).map(Team::Duo),
            });
            let team = started.as_mut().unwrap_or_else(|reason| panic!("{spec}: {reason}"));
            team.run(&job.times(amount)).unwrap_or_else(|error| panic!("{spec}: {error}")).time
        });
    });
}

/// Who does a job.
enum Team {
    Duo(Duo),
    Crowd(Crowd),
}

impl Team {
    fn run(&mut self, job: &Job) -> Result<Outcome, String> {
        match self {
            Self::Duo(duo) => duo.run(job),
            Self::Crowd(crowd) => crowd.run(job),
        }
    }
}
