//! Each way by itself, with criterion.
//!
//! The two ends are processes of the bench in a hidden role, each on a CPU of its own. They are
//! started once for a benchmark, begin each sample at a barrier, and check what arrived. The
//! round trip of a cache line between the two CPUs is printed around every group, because
//! nothing here means much without it.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

use crate::against::{Figure, Match, run_if_asked};
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

/// Measures messages one by one, and in batches. `table` is what the results are called.
pub fn throughput(table: &str, contest: &Contest<'_>) {
    role::run_if_asked(REGISTRY);
    run_if_asked(table, || {
        let of_size = |words: &usize| {
            let one_by_one = matches_of(contest.specs, "one by one", *words, Job::Stream(0));
            let in_batches = format!("in batches of {BATCH}");
            let in_batches = matches_of(contest.specs, &in_batches, *words, Job::Batches(0));
            one_by_one.into_iter().chain(in_batches)
        };
        contest.sizes.iter().flat_map(of_size).collect()
    });
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

/// Measures messages of several senders, one by one, and in batches by those ways
/// that are also among `in_batches`.
pub fn shared(contest: &Contest<'_>, in_batches: &[&'static str], senders: &[u64]) {
    role::run_if_asked(REGISTRY);
    run_if_asked("mpsc", || {
        let of = |words: &usize, senders: &u64| {
            let (share, s) = (Share::of(*senders), if *senders == 1 { "" } else { "s" });
            matches_of(contest.specs, &format!("{senders} sender{s}"), *words, Job::Shared(share))
        };
        let of_size = |words| senders.iter().flat_map(move |senders| of(words, senders));
        contest.sizes.iter().flat_map(of_size).collect()
    });
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

/// Measures round trips; in pairs, these matches. `table` is what the results are called.
pub fn round_trips(table: &str, contest: &Contest<'_>, matches: impl FnOnce() -> Vec<Match>) {
    run_if_asked(table, matches);
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
    println!("{}", cpu::model());
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
    // A batch of criterion's is one of ours; the rate is that of its messages.
    group.throughput(Throughput::Elements(job.times(1).count()));
    // Started by the first sample, and not at all if the benchmark is filtered out.
    let mut team: Option<Result<Team, Unavailable>> = None;
    group.bench_function(spec, |bencher| {
        bencher.iter_custom(|amount| {
            let started = team.get_or_insert_with(|| Team::start(spec, words, job));
            let team = started.as_mut().unwrap_or_else(|reason| panic!("{spec}: {reason}"));
            team.run(&job.times(amount)).unwrap_or_else(|error| panic!("{spec}: {error}")).time
        });
    });
}

/// Who does a job.
pub enum Team {
    /// A sender and a receiver.
    Duo(Duo),
    /// Several senders and a receiver.
    Crowd(Crowd),
}

impl Team {
    /// Starts as many as `job` has, for messages of so many numbers.
    pub fn start(spec: &str, words: usize, job: Job) -> Result<Self, Unavailable> {
        let traffic = if job.is_round_trip() { Traffic::BothWays } else { Traffic::OneWay };
        match job {
            Job::Shared(_) | Job::SharedBatches(_) => {
                Crowd::start(REGISTRY, spec, words, job.senders()).map(Team::Crowd)
            }
            _ => Duo::start(REGISTRY, spec, words, traffic).map(Team::Duo),
        }
    }

    /// Has a job done.
    pub fn run(&mut self, job: &Job) -> Result<Outcome, String> {
        match self {
            Self::Duo(duo) => duo.run(job),
            Self::Crowd(crowd) => crowd.run(job),
        }
    }

    /// How much of a job takes about `sample`.
    pub fn calibrate(&mut self, job: &Job, sample: Duration) -> Result<Job, String> {
        match self {
            Self::Duo(duo) => duo.calibrate(job, sample),
            Self::Crowd(crowd) => crowd.calibrate(job, sample),
        }
    }
}

/// The first way against each other one, at one job.
pub fn matches_of(specs: &[&'static str], what: &str, words: usize, job: Job) -> Vec<Match> {
    let figure = if job.is_round_trip() { Figure::Time } else { Figure::Rate };
    let others = specs.iter().skip(1).map(|other| [specs[0], *other]);
    others.map(|specs| Match { what: what.to_owned(), specs, words, job, figure }).collect()
}
