//! The same work through a ring of either backend.

use std::time::Duration;

use crate::REGISTRY;
use crate::harness::paired::{in_turns, overall};
use crate::message::BATCH;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::{Job, Outcome};

/// What is compared: a face with its options, numbers in a message, the work, and what it is called.
const WORK: [(&str, usize, Job, &str); 7] = [
    ("slots", 1, Job::Stream(0), "8 B, one by one"),
    ("slots", 1, Job::Batches(0), "8 B, in batches"),
    ("records", 4, Job::Stream(0), "32 B, one by one"),
    ("many", 4, Job::Stream(0), "32 B, of many, one by one"),
    ("slots", 1, Job::RoundTrips(0), "8 B, there and back"),
    ("records", 4, Job::RoundTrips(0), "32 B, there and back"),
    ("slots:sleep", 1, Job::RoundTrips(0), "8 B, there and back, asleep in between"),
];

/// The backends, each against POSIX. The second sleeps at other semaphores, which matters asleep only.
const BACKENDS: [(&str, bool); 2] = [("sysv", false), ("sysv-shared", true)];

/// Over how many links the pairs of one line are spread.
const LINKS: usize = 7;

/// Measures, and prints a line for each.
pub fn run(pairs: usize, sample: Duration) -> Result<(), String> {
    println!("medians of {pairs} pairs; batches of {BATCH}");
    for (face, words, job, what) in WORK {
        for (backend, asleep_only) in BACKENDS {
            if asleep_only && !face.ends_with("sleep") {
                continue;
            }
            let traffic = if job.is_round_trip() { Traffic::BothWays } else { Traffic::OneWay };
            let start = |backend: &str| -> Result<(Duo, Job), String> {
                let spec = format!("{face}:{backend}");
                let duo = Duo::start(REGISTRY, &spec, words, traffic);
                let mut duo = duo.map_err(|reason| format!("{spec}: {reason}"))?;
                let job = duo.calibrate(&job, sample)?;
                Ok((duo, job))
            };
            let mut all = Vec::new();
            while all.len() < pairs {
                // How fast a link is, is in part luck that it keeps.
                let some = (pairs - all.len()).min(pairs.div_ceil(LINKS));
                let (mut first, amount) = start(backend)?;
                let (mut second, _) = start("posix")?;
                let pairs =
                    in_turns(some, || first.run(&amount), || second.run(&amount), |_, _| ());
                all.extend(pairs?);
            }
            let summary = overall(&all, Outcome::millions_per_second);
            let [low, ratio, high] = summary.ratio;
            println!(
                "{what}, {backend} : posix  {:.2} and {:.2} M/s  {ratio:.3} ({low:.3} to {high:.3})  {}",
                summary.first, summary.second, summary.place
            );
        }
    }
    Ok(())
}
