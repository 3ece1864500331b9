//! Rivals in turns, in pairs of neighbouring samples.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::harness::duo::{Duo, Placement};
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns, summaries};
use crate::harness::row::{Comparison, Unit};
use crate::transport::{Rival, size};
use crate::work::{BLOCKS, RIVALS, SIZES, Work};

/// After a rival: its processes are not pinned.
const FREE: &str = "@free";

/// Beside large blocks: what suits some better, left to the scheduler, and what
/// could be had without handing over.
const OF_BLOCKS: [&str; 4] = ["pipe@free", "pipe:1M@free", "unix@free", "alone"];

/// What [`run`] came to.
#[derive(Default)]
pub struct Report {
    /// For other programs.
    pub rows: Vec<Value>,
    /// How many rivals did not bring what was sent.
    pub failed: usize,
}

/// Runs every comparison whose name contains `only`, and prints a table of medians at the end.
/// `rivals` are compared in every kind of work, the first with each other one; if there are none,
/// those that BENCHMARKS.md is about.
pub fn run(pairs: usize, sample: Duration, only: &str, rivals: &[String]) -> Report {
    let mut comparisons: Vec<(Work, String, &str, &str)> = Vec::new();
    let rivals: Vec<&str> = rivals.iter().map(String::as_str).collect();
    let works = SIZES.map(Work::Blocks).into_iter().chain([Work::Words]);
    for work in works {
        let (name, usual) = match work {
            Work::Blocks(block) => {
                let more = if BLOCKS.contains(&block) { &OF_BLOCKS[..] } else { &[] };
                (format!("blocks of {}", size::show(block as u64)), [&RIVALS[..], more].concat())
            }
            _ => ("8 bytes at a time".to_owned(), vec!["ring:4M:adaptive", "ring:4M:spin"]),
        };
        let rivals = if rivals.is_empty() { &usual } else { &rivals };
        for other in rivals.iter().skip(1) {
            comparisons.push((work.clone(), name.clone(), rivals[0], other));
        }
    }
    let mut report = Report::default();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "",
        "CPUs",
        "pairs",
        "GB/s",
        "its GB/s",
        "ratio",
        "quartiles",
        "CPU s/GB",
        "its CPU s/GB",
    ]);
    for (work, name, first, second) in comparisons {
        let name = format!("{name}, {first} : {second}");
        if !name.contains(only) {
            continue;
        }
        println!("\n{name}");
        match compare(&work, first, second, pairs, sample) {
            Ok((measured, row)) => {
                add(&mut table, &name, &measured);
                let (size, unit) = (work.unit(), Unit::BytesPerSecond);
                let comparison = Comparison { table: "throughput", row, size, unit };
                report.rows.extend(comparison.rows(
                    &measured,
                    |sample| 1e9 * sample.speed(),
                    Some(&|sample| sample.cost.cpu_per_gigabyte(sample.bytes)),
                ));
            }
            Err(Setback::Unavailable(reason)) => println!("{reason}"),
            Err(Setback::Failed(reason)) => {
                println!("FAILED: {reason}");
                report.failed += 1;
            }
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{}", table.trim_fmt());
    report
}

/// Why there is nothing to compare, as a sentence.
enum Setback {
    /// A rival cannot be used here.
    Unavailable(String),
    /// One did not bring what was sent.
    Failed(String),
}

/// What a sample took, and how many bytes it moved.
#[derive(Clone, Copy)]
struct Sample {
    cost: Cost,
    bytes: u64,
}

impl Sample {
    fn speed(&self) -> f64 {
        self.cost.gigabytes_per_second(self.bytes)
    }
}

fn compare(
    work: &Work,
    first: &str,
    second: &str,
    pairs: usize,
    sample: Duration,
) -> Result<(Vec<Pair<Sample>>, String), Setback> {
    let mut first = Side::start(work, first, sample)?;
    let mut second = Side::start(work, second, sample)?;
    let row = second.title.clone();
    let measured = in_turns(
        pairs,
        || first.sample(work),
        || second.sample(work),
        |index, pair| {
            let ([before, between, after], first, second) =
                (pair.trips, pair.first.speed(), pair.second.speed());
            let (place, ratio) = (pair.place(), first / second);
            println!(
                "{:3}  {place:9}  {before}, {between}, {after}  {first:.2} and {second:.2} GB/s  {ratio:.2}",
                index + 1
            );
        },
    );
    Ok((measured.map_err(Setback::Failed)?, row))
}

/// A rival with its workers, and how much they do in a sample.
struct Side {
    title: String,
    duo: Duo,
    amount: u64,
}

impl Side {
    fn start(work: &Work, spec: &str, sample: Duration) -> Result<Self, Setback> {
        let (transport, placement) = match spec.strip_suffix(FREE) {
            Some(transport) => (transport, Placement::Free),
            None => (spec, Placement::Apart),
        };
        let started = Rival::parse(transport).and_then(|rival| {
            let free = if placement == Placement::Free { ", free" } else { "" };
            let title = format!("{}{free}", rival.transport.title());
            Ok((title, Duo::start(&rival, placement)?))
        });
        let (title, mut duo) =
            started.map_err(|reason| Setback::Unavailable(format!("{spec}: {reason}")))?;
        let amount = work.calibrate(&mut duo, sample);
        let amount = amount.map_err(|error| Setback::Failed(format!("{spec}: {error}")))?;
        Ok(Side { title, duo, amount })
    }

    fn sample(&mut self, work: &Work) -> Result<Sample, String> {
        let cost = work.run(&mut self.duo, self.amount)?;
        Ok(Sample { cost, bytes: work.unit() * self.amount })
    }
}

fn add(table: &mut Table, name: &str, measured: &[Pair<Sample>]) {
    let speeds = summaries(measured, Sample::speed);
    let costs = summaries(measured, |sample| sample.cost.cpu_per_gigabyte(sample.bytes));
    for (speed, cpu) in speeds.iter().zip(&costs) {
        table.add_row([
            name.to_owned(),
            speed.place.to_string(),
            speed.pairs.to_string(),
            format!("{:.2}", speed.first),
            format!("{:.2}", speed.second),
            format!("{:.2}", speed.ratio[1]),
            format!("{:.2}–{:.2}", speed.ratio[0], speed.ratio[2]),
            format!("{:.3}", cpu.first),
            format!("{:.3}", cpu.second),
        ]);
    }
}
