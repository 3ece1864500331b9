//! All rivals in turns, some rounds of it.

use std::error::Error;

use crate::harness::bar;
use crate::harness::cpu::{self, RoundTrip};
use crate::harness::flow::{Failure, Run};
use crate::harness::paired::{Pair, median};
use crate::transport::{Rival, Unavailable};
use crate::work::Work;

/// A rival as it was asked for, or why there is none.
pub type Entry = (Result<Rival, Unavailable>, String);

/// How all did at one work.
pub struct Outcome {
    /// What was moved, for people.
    pub work: String,
    /// How many bytes.
    pub len: u64,
    /// How it was seen that they arrived.
    pub how_checked: &'static str,
    /// The round trips of a cache line before and after.
    pub trips: [RoundTrip; 2],
    /// The rivals in the order in which they were given; the first is what the
    /// others are compared with.
    pub standings: Vec<Standing>,
}

/// How a rival did.
pub struct Standing {
    /// What a table calls it.
    pub title: String,
    /// What is to be known of it besides.
    pub remark: Option<String>,
    /// Its runs, or why there are none.
    pub result: Result<Vec<Run>, Setback>,
}

/// Why a rival has no result.
#[derive(Clone, Debug)]
pub enum Setback {
    /// It cannot be used here.
    Unavailable(String),
    /// It did not bring what was sent.
    Failed(String),
}

impl From<Unavailable> for Setback {
    fn from(reason: Unavailable) -> Self {
        Setback::Unavailable(reason.to_string())
    }
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Setback::Failed(failure.to_string())
    }
}

impl Standing {
    fn of((rival, spec): &Entry) -> Self {
        let (title, remark, result) = match rival {
            Ok(rival) => (rival.transport.title(), rival.transport.remark(), Ok(Vec::new())),
            Err(reason) => (spec.clone(), None, Err(reason.clone().into())),
        };
        Standing { title, remark, result }
    }

    /// The runs, if it has no setback.
    pub fn runs(&self) -> &[Run] {
        self.result.as_deref().unwrap_or_default()
    }

    /// The middle of some figure of its runs; `None` if there are none.
    pub fn median(&self, value: impl Fn(&Run) -> f64) -> Option<f64> {
        let values: Vec<f64> = self.runs().iter().map(value).collect();
        (!values.is_empty()).then(|| median(&values))
    }

    /// Whether it did not bring what was sent.
    pub fn failed(&self) -> bool {
        matches!(self.result, Err(Setback::Failed(_)))
    }
}

impl Outcome {
    /// Runs the rivals at one work.
    pub fn of(
        work: Work<'_>,
        rivals: &[&Entry],
        rounds: u32,
        cpus: Option<[usize; 2]>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut standings: Vec<Standing> = rivals.iter().map(|entry| Standing::of(entry)).collect();
        let before = cpu::round_trip();
        if work.needs_a_warm_up() {
            warm_up(work, rivals, &mut standings, cpus);
        }
        let bar = bar::of_runs(u64::from(rounds) * rivals.len() as u64);
        for round in 1..=rounds {
            for ((rival, spec), standing) in rivals.iter().zip(&mut standings) {
                bar.set_message(format!("round {round} of {rounds}: {spec}: {work}"));
                if let (Ok(rival), Ok(runs)) = (rival, &mut standing.result) {
                    match work.once(rival, cpus, round == 1) {
                        Ok(run) => runs.push(run),
                        Err(setback) => standing.result = Err(setback),
                    }
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let trips = [before, cpu::round_trip()];
        let (name, how_checked) = (work.to_string(), work.how_checked());
        Ok(Outcome { work: name, len: work.len(), how_checked, trips, standings })
    }

    /// Whether none brought what was not sent.
    pub fn is_right(&self) -> bool {
        !self.standings.iter().any(Standing::failed)
    }

    /// 10^9 bytes per second.
    pub fn speed(&self, standing: &Standing) -> Option<f64> {
        standing.median(|run| run.cost.gigabytes_per_second(self.len))
    }

    /// CPU seconds per 10^9 bytes.
    pub fn cpu(&self, standing: &Standing) -> Option<f64> {
        standing.median(|run| run.cost.cpu_per_gigabyte(self.len))
    }

    /// System calls per 10^6 bytes, and bytes copied between process and kernel per byte; with
    /// them, whether there may have been more.
    pub fn traffic(&self, standing: &Standing) -> Option<([f64; 2], bool)> {
        let counted = standing.runs().first()?.traffic?;
        let of = |run: &Run| run.traffic.unwrap_or_default();
        let len = self.len as f64;
        let calls = standing.median(|run| of(run).calls as f64 / (len / 1e6))?;
        let crossed = standing.median(|run| of(run).crossed as f64 / len)?;
        Some(([calls, crossed], counted.at_least))
    }

    /// The first rival and another, round by round.
    pub fn pairs(&self, other: &Standing) -> Vec<Pair<Run>> {
        let first = self.standings.first().map(Standing::runs).unwrap_or_default();
        let [before, after] = self.trips;
        let pair = |(first, second): (&Run, &Run)| Pair {
            trips: [before, after, after],
            first: *first,
            second: *second,
        };
        first.iter().zip(other.runs()).map(pair).collect()
    }
}

/// One run that does not count, of the first rival that can.
fn warm_up(
    work: Work<'_>,
    rivals: &[&Entry],
    standings: &mut [Standing],
    cpus: Option<[usize; 2]>,
) {
    for ((rival, _), standing) in rivals.iter().zip(standings) {
        let Ok(rival) = rival else { continue };
        match work.once(rival, cpus, false) {
            Ok(_) => return,
            Err(setback) => standing.result = Err(setback),
        }
    }
}
