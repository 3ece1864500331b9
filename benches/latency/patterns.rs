//! Kinds of traffic, and what each way to wait gets of them.

use std::time::Duration;

use crate::message::BATCH;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::Job;
use crate::table::Medians;
use crate::turns::{self, Contender};

/// From one burst to the next.
const GAP: Duration = Duration::from_micros(200);

/// From one message of a trickle to the next. Its sender sleeps in between, but
/// for the last 100 µs.
const TRICKLE: Duration = Duration::from_millis(1);

/// A trickle has to run for longer than the rest, to have some messages.
const TRICKLE_SAMPLES: u32 = 5;

/// Measures every way under every kind of traffic.
pub fn run(
    ways: impl Iterator<Item = (&'static str, usize)>,
    rounds: usize,
    sample: Duration,
) -> Result<(), String> {
    let ways: Vec<_> = ways.collect();
    let mut table = Medians::new("traffic");
    let bursts = format!("bursts of {BATCH}, every {} µs", GAP.as_micros());
    let patterns: [(&str, Traffic, &Plan); 4] = [
        ("steady", Traffic::OneWay, &|duo| duo.calibrate(&Job::Stream(0), sample)),
        (&bursts, Traffic::OneWay, &|_| Ok(paced(BATCH as u64, GAP, sample))),
        ("ping-pong", Traffic::BothWays, &|duo| duo.calibrate(&Job::TimedRoundTrips(0), sample)),
        ("trickle, 1 kHz", Traffic::OneWay, &|_| Ok(paced(1, TRICKLE, TRICKLE_SAMPLES * sample))),
    ];
    for (name, traffic, plan) in patterns {
        let mut contenders = Vec::new();
        for way in &ways {
            contenders.extend(Contender::start(*way, traffic, plan)?);
        }
        turns::run(&mut contenders, rounds)?;
        table.add(name, &contenders);
    }
    table.print();
    Ok(())
}

/// Which job makes a pattern, for the way that a duo is of.
type Plan<'a> = dyn Fn(&mut Duo) -> Result<Job, String> + 'a;

fn paced(burst: u64, period: Duration, sample: Duration) -> Job {
    let bursts = sample.as_nanos().div_ceil(period.as_nanos()) as u64;
    Job::Paced { bursts, burst, period: period.as_nanos() as u64 * 1000 }
}
