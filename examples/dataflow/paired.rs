//! The first rival against each other one, in pairs of neighbouring runs.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write};

use comfy_table::{CellAlignment, Table, presets};

use crate::contest::{Entry, Setback};
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns, summaries};
use crate::input::Source;
use crate::output::Sink;
use crate::transport::Rival;
use crate::work::Work;

/// Runs the pairs, prints each as it comes, and a table at the end. Whether no rival failed.
pub fn run(
    rivals: &[Entry],
    source: &Source,
    sinks: &[Sink],
    pairs: u32,
    cpus: Option<[usize; 2]>,
) -> Result<bool, Box<dyn Error>> {
    let Some(((subject, spec), others)) = rivals.split_first() else {
        return Err("there is nothing to compare".into());
    };
    let subject = subject.as_ref().map_err(|reason| format!("{spec} is {reason}"))?;
    let mut all_right = true;
    for sink in sinks {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "against",
            "CPUs",
            "pairs",
            "GB/s",
            "its GB/s",
            "ratio",
            "quartiles",
            "CPU s/GB",
            "its CPU s/GB",
        ]);
        for (rival, spec) in others {
            writeln!(io::stdout(), "\n{}, {} to {}", source.name, subject.spec, sink.name())?;
            let measured =
                rival.as_ref().map_err(|reason| Setback::from(reason.clone())).and_then(|rival| {
                    writeln!(io::stdout(), "against {}", rival.transport.title())
                        .map_err(crate::harness::flow::Failure::from)?;
                    measure(subject, rival, source, sink, pairs, cpus)
                });
            match measured {
                Ok(measured) => add(&mut table, spec, &measured, source.len),
                Err(Setback::Unavailable(reason)) => writeln!(io::stdout(), "{spec} is {reason}")?,
                Err(Setback::Failed(reason)) => {
                    all_right = false;
                    writeln!(io::stdout(), "FAILED: {reason}")?;
                }
            }
        }
        writeln!(
            io::stdout(),
            "\n{}, {} to {}; medians\n\n{}",
            source.name,
            subject.spec,
            sink.name(),
            table.trim_fmt()
        )?;
    }
    Ok(all_right)
}

fn measure(
    subject: &Rival,
    rival: &Rival,
    source: &Source,
    sink: &Sink,
    pairs: u32,
    cpus: Option<[usize; 2]>,
) -> Result<Vec<Pair<Cost>>, Setback> {
    let work = Work::File(source, sink);
    let once = |rival, inspected| work.once(rival, cpus, inspected).map(|run| run.cost);
    // Inspected on its first run, which is not that of a pair.
    once(subject, true)?;
    once(rival, true)?;
    let speed = |cost: &Cost| cost.gigabytes_per_second(source.len);
    let printed = Cell::new(Ok(()));
    let measured = in_turns(
        pairs as usize,
        || once(subject, false),
        || once(rival, false),
        |index, pair| {
            let ([before, between, after], first, second) =
                (pair.trips, speed(&pair.first), speed(&pair.second));
            let (place, ratio) = (pair.place(), first / second);
            let line = format!(
                "{:3}  {place:9}  {before}, {between}, {after}  {first:.2} and {second:.2} GB/s  {ratio:.2}",
                index + 1
            );
            printed.set(writeln!(io::stdout(), "{line}"));
        },
    )?;
    printed.into_inner().map_err(crate::harness::flow::Failure::from)?;
    Ok(measured)
}

fn add(table: &mut Table, spec: &str, measured: &[Pair<Cost>], len: u64) {
    let speeds = summaries(measured, |cost| cost.gigabytes_per_second(len));
    let costs = summaries(measured, |cost| cost.cpu_per_gigabyte(len));
    for (speed, cpu) in speeds.iter().zip(&costs) {
        table.add_row([
            spec.to_owned(),
            speed.place.to_string(),
            speed.pairs.to_string(),
            format!("{:.2}", speed.first),
            format!("{:.2}", speed.second),
            format!("{:.2}", speed.ratio[1]),
            format!("{:.2}–{:.2}", speed.ratio[0], speed.ratio[2]),
            format!("{:.2}", cpu.first),
            format!("{:.2}", cpu.second),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
