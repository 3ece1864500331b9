//! Two pipelines in turns.

use crate::harness::flow::{self, Failure};
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns};
use crate::input::Source;
use crate::output::{Inspection, Sink, compare};
use crate::transport::{Rival, Unavailable};

/// Why there is no result.
#[derive(Debug)]
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

/// Runs both `pairs` times, prints every pair, and compares all that arrives with `source`.
pub fn run(
    [first, second]: [&Rival; 2],
    source: &Source,
    sink: &Sink,
    pairs: usize,
) -> Result<Vec<Pair<Cost>>, Setback> {
    for rival in [first, second] {
        if sink.is_device() {
            inspect(rival, source)?;
        } else {
            // Not timed: files are faster into memory that was used before.
            once(rival, source, sink)?;
        }
    }
    in_turns(
        pairs,
        || once(first, source, sink),
        || once(second, source, sink),
        |index, pair| {
            let speed = |cost: &Cost| cost.gigabytes_per_second(source.len);
            let ([before, between, after], first, second) =
                (pair.trips, speed(&pair.first), speed(&pair.second));
            let (place, ratio) = (pair.place(), first / second);
            println!(
                "{:3}  {place:9}  {before}, {between}, {after}  {first:.2} and {second:.2} GB/s  {ratio:.2}",
                index + 1
            );
        },
    )
}

/// One timed run, and the comparison of the file that it made.
fn once(rival: &Rival, source: &Source, sink: &Sink) -> Result<Cost, Setback> {
    let output = sink.output();
    let cost = flow::run(rival.flow(&source.input, &output)?, None, || ())
        .map_err(|failure| failed(rival, &failure.to_string()))?;
    if !sink.is_device() {
        output.check(source).map_err(|wrong| failed(rival, &wrong))?;
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
        (Ok(()), Err(failure)) => Err(failed(rival, &failure.to_string())),
        (Err(wrong), Ok(_)) => Err(failed(rival, &wrong)),
        (Err(wrong), Err(failure)) => Err(failed(rival, &format!("{wrong} ({failure})"))),
    }
}

fn failed(rival: &Rival, what: &str) -> Setback {
    Setback::Failed(format!("{}: {what}", rival.transport.title()))
}
