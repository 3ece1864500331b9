//! One-way latencies at several loads.

use std::time::Duration;

use crate::harness::paired::median;
use crate::message::BATCH;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::Job;
use crate::table::Medians;
use crate::turns::{self, Contender};

/// Shares of what a way carries at most.
const LOADS: [f64; 3] = [0.1, 0.5, 0.9];

/// Of the average load in bursts.
const BURSTS_LOAD: f64 = 0.5;

/// Measures every way at every load. What it carries at most is measured first, by the same loops
/// with everything due at once, so that the clock that is read for every message counts there too.
pub fn run(
    ways: impl Iterator<Item = (&'static str, usize)>,
    rounds: usize,
    sample: Duration,
) -> Result<(), String> {
    let mut contenders = Vec::new();
    let mut most = Vec::new();
    for way in ways {
        let mut rate = 0.0;
        let plan = |duo: &mut Duo| {
            rate = most_per_second(duo, sample)?;
            Ok(Job::Stream(0))
        };
        if let Some(contender) = Contender::start(way, Traffic::OneWay, plan)? {
            println!("{}: at most {:.3} M/s", contender.title, rate / 1e6);
            contenders.push(contender);
            most.push(rate);
        }
    }
    let steady = LOADS.map(|load| (format!("{:.0} %", 100.0 * load), load, 1));
    let bursts = format!("bursts of {BATCH}, {:.0} %", 100.0 * BURSTS_LOAD);
    let mut table = Medians::new("load");
    for (name, load, burst) in steady.into_iter().chain([(bursts, BURSTS_LOAD, BATCH as u64)]) {
        for (contender, most) in contenders.iter_mut().zip(&most) {
            let per_second = load * most / burst as f64;
            contender.set(Job::Paced {
                bursts: ((per_second * sample.as_secs_f64()) as u64).max(1),
                burst,
                period: (1e12 / per_second) as u64,
            });
        }
        turns::run(&mut contenders, rounds)?;
        table.add(&name, &contenders);
    }
    table.print();
    Ok(())
}

/// How many messages a way carries in a second.
fn most_per_second(duo: &mut Duo, sample: Duration) -> Result<f64, String> {
    let at_once = duo.calibrate(&Job::Paced { bursts: 1, burst: 1, period: 0 }, sample)?;
    let rates = (0..3)
        .map(|_| duo.run(&at_once).map(|outcome| 1e6 * outcome.millions_per_second()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(median(&rates))
}
