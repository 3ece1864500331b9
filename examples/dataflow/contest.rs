//! All rivals in turns, some rounds of it.

use std::error::Error;

use crate::harness::bar;
use crate::harness::flow::{self, Failure};
use crate::harness::order::Cost;
use crate::harness::paired::median;
use crate::input::Source;
use crate::output::{Inspection, Sink, compare};
use crate::table;
use crate::transport::{Rival, Unavailable};

/// A rival as it was asked for, or why there is none.
pub type Entry = (Result<Rival, Unavailable>, String);

/// How a rival did.
pub struct Standing {
    /// What a table calls it.
    pub title: String,
    /// What its runs took, or why there are none.
    pub result: Result<Vec<Cost>, Setback>,
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
    /// A place in the list for each rival.
    pub fn of(entry: &Entry) -> Self {
        match entry {
            (Ok(rival), _) => Standing { title: rival.transport.title(), result: Ok(Vec::new()) },
            (Err(reason), spec) => {
                Standing { title: spec.clone(), result: Err(reason.clone().into()) }
            }
        }
    }

    /// The middle of what its runs took; `None` if there are none.
    pub fn median(&self, value: impl Fn(&Cost) -> f64) -> Option<f64> {
        let costs = self.result.as_ref().ok().filter(|costs| !costs.is_empty())?;
        Some(median(&costs.iter().map(value).collect::<Vec<f64>>()))
    }

    fn failed(&self) -> bool {
        matches!(self.result, Err(Setback::Failed(_)))
    }
}

/// Runs the rivals and prints a table for each sink. Whether none failed.
pub fn run(
    rivals: &[Entry],
    source: &Source,
    sinks: &[Sink],
    rounds: u32,
    cpus: Option<[usize; 2]>,
) -> Result<bool, Box<dyn Error>> {
    let mut all_right = true;
    for sink in sinks {
        let mut standings: Vec<Standing> = rivals.iter().map(Standing::of).collect();
        if !sink.is_device() {
            warm_up(rivals, &mut standings, source, sink, cpus);
        }
        let bar = bar::of_runs(u64::from(rounds) * rivals.len() as u64);
        for round in 1..=rounds {
            for ((rival, spec), standing) in rivals.iter().zip(&mut standings) {
                bar.set_message(format!("round {round} of {rounds}: {spec} to {}", sink.name()));
                if let (Ok(rival), Ok(costs)) = (rival, &mut standing.result) {
                    let first = round == 1;
                    match once(rival, source, sink, cpus, first) {
                        Ok(cost) => costs.push(cost),
                        Err(setback) => standing.result = Err(setback),
                    }
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        table::print(&standings, source, sink, rounds)?;
        all_right &= !standings.iter().any(Standing::failed);
    }
    Ok(all_right)
}

/// One run that does not count: files are faster into memory that was used before, and the first rival should not be the
/// one to pay for that.
fn warm_up(
    rivals: &[Entry],
    standings: &mut [Standing],
    source: &Source,
    sink: &Sink,
    cpus: Option<[usize; 2]>,
) {
    for ((rival, _), standing) in rivals.iter().zip(standings) {
        let Ok(rival) = rival else { continue };
        match once(rival, source, sink, cpus, false) {
            Ok(_) => return,
            Err(setback) => standing.result = Err(setback),
        }
    }
}

/// One timed run and the comparison of its output; where that cannot be read back, in a run of its own if `inspected`.
pub fn once(
    rival: &Rival,
    source: &Source,
    sink: &Sink,
    cpus: Option<[usize; 2]>,
    inspected: bool,
) -> Result<Cost, Setback> {
    if sink.is_device() && inspected {
        inspect(rival, source)?;
    }
    let output = sink.output();
    let cost = flow::run(rival.flow(&source.input, &output)?, cpus, || ())?;
    if !sink.is_device() {
        output.check(source).map_err(Setback::Failed)?;
    }
    Ok(cost)
}

/// One run, not timed, into a pipe behind which the output is compared.
fn inspect(rival: &Rival, source: &Source) -> Result<(), Setback> {
    let (output, arrived) = Inspection::new().map_err(Failure::from)?;
    let mut compared = Ok(());
    let ran = flow::run(rival.flow(&source.input, &output)?, None, || {
        compared = compare(arrived, source)
    });
    match (compared, ran) {
        (Ok(()), Ok(_)) => Ok(()),
        (Ok(()), Err(failure)) => Err(failure.into()),
        (Err(wrong), Ok(_)) => Err(Setback::Failed(wrong)),
        (Err(wrong), Err(failure)) => Err(Setback::Failed(format!("{wrong} ({failure})"))),
    }
}
