//! Rivals in turns, in pairs of neighbouring samples.

use std::error::Error;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::harness::duo::{Duo, Placement};
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns, summaries};
use crate::transport::{Rival, size};
use crate::work::{BLOCKS, Work};

/// After a rival: its processes are not pinned.
const FREE: &str = "@free";

/// Runs every comparison whose name contains `only`, and prints a table of medians at the end. `rivals` are compared in
/// every kind of work, the first with each other one; if there are none, those that BENCHMARKS.md is about.
pub fn run(
    pairs: usize,
    sample: Duration,
    only: &str,
    rivals: &[String],
) -> Result<(), Box<dyn Error>> {
    let blocks = BLOCKS
        .map(|block| (Work::Blocks(block), format!("blocks of {}", size::show(block as u64))));
    let words = (Work::Words, "8 bytes at a time".to_owned());
    let mut comparisons: Vec<(Work, String, &str, &str)> = Vec::new();
    let rivals: Vec<&str> = rivals.iter().map(String::as_str).collect();
    for (work, name) in blocks.into_iter().chain([words]) {
        let usual: &[&str] = match work {
            Work::Words => &["ring:4M:adaptive", "ring:4M:spin"],
            _ => &["ring", "pipe", "pipe@free", "pipe:1M", "pipe:1M@free", "unix", "unix@free"],
        };
        let rivals = if rivals.is_empty() { usual } else { &rivals };
        for other in rivals.iter().skip(1) {
            comparisons.push((work.clone(), name.clone(), rivals[0], other));
        }
    }
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
            Ok(measured) => add(&mut table, &name, &measured),
            Err(error) => println!("{error}"),
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{}", table.trim_fmt());
    Ok(())
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
) -> Result<Vec<Pair<Sample>>, Box<dyn Error>> {
    let mut first = Side::start(work, first, sample)?;
    let mut second = Side::start(work, second, sample)?;
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
    )?;
    Ok(measured)
}

/// A rival with its workers, and how much they do in a sample.
struct Side {
    duo: Duo,
    amount: u64,
}

impl Side {
    fn start(work: &Work, spec: &str, sample: Duration) -> Result<Self, String> {
        let named = |what: String| format!("{spec}: {what}");
        let (transport, placement) = match spec.strip_suffix(FREE) {
            Some(transport) => (transport, Placement::Free),
            None => (spec, Placement::Apart),
        };
        let rival = Rival::parse(transport).map_err(|reason| named(reason.to_string()))?;
        let mut duo = Duo::start(&rival, placement).map_err(|reason| named(reason.to_string()))?;
        let amount = work.calibrate(&mut duo, sample).map_err(named)?;
        Ok(Side { duo, amount })
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
