//! One backend beside the other: the same ring in a System V segment and in a POSIX object.
//!
//! - `cargo bench --bench backend` measures each by itself, with criterion.
//! - `cargo bench --bench backend -- --paired [N]` compares them in turns (see
//!   `message/against.rs`), as "ours" and "theirs": streams and round trips, awake and asleep.
//! - `cargo bench --bench backend -- --costs [N]` measures what it takes to make a ring and get a
//!   first record through it, to attach, to list five hundred rings, and what it costs a ring to be
//!   looked at a hundred times a second.

#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/against.rs"]
mod against;
#[path = "backend/costs.rs"]
mod costs;
#[allow(dead_code, reason = "other benches use the other half")]
#[path = "message/each.rs"]
mod each;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod harness;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod message;
#[allow(dead_code, unused_imports, reason = "other benches use the other half")]
mod transport;

use against::{Figure, Match};
use each::{Contest, REGISTRY, round_trips};
use message::job::Job;

/// What is done by either: ours, theirs, numbers in a message, and the work.
const WORK: [(&str, &str, usize, Job, &str); 8] = [
    ("slots:sysv", "slots:posix", 1, Job::Stream(0), "one by one"),
    ("slots:sysv", "slots:posix", 1, Job::Batches(0), "in batches"),
    ("records:sysv", "records:posix", 4, Job::Stream(0), "one by one"),
    ("many:sysv", "many:posix", 4, Job::Stream(0), "one by one"),
    ("slots:sysv", "slots:posix", 1, Job::RoundTrips(0), "there and back"),
    ("records:sysv", "records:posix", 4, Job::RoundTrips(0), "there and back"),
    ("slots:sysv:sleep", "slots:posix:sleep", 1, Job::RoundTrips(0), "asleep in between"),
    // The ends of this one sleep at semaphores beside it.
    ("slots:sysv-shared:sleep", "slots:posix:sleep", 1, Job::RoundTrips(0), "asleep in between"),
];

fn main() {
    message::role::run_if_asked(REGISTRY);
    costs::run_if_asked();
    let specs = ["slots:sysv", "slots:posix", "slots:sysv:sleep", "slots:posix:sleep"];
    let contest = Contest { specs: &specs, sizes: &[1] };
    round_trips("backend", &contest, || {
        let of = |(ours, theirs, words, job, what): (&'static str, _, _, Job, &str)| {
            let figure = if job.is_round_trip() { Figure::Time } else { Figure::Rate };
            let face = ours.split(':').next().unwrap_or_default();
            Match { what: format!("{face}, {what}"), specs: [ours, theirs], words, job, figure }
        };
        WORK.map(of).into()
    });
}
