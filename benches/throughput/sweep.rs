//! Rings of every capacity in turns, for each kind of work.

use std::error::Error;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::harness::cpu;
use crate::harness::duo::{Duo, Placement};
use crate::harness::paired::{Place, median};
use crate::transport::{Rival, size};
use crate::work::{BLOCKS, CAPACITIES, Files, Work};

/// The length of the file.
const FILE: u64 = 256 << 20;

/// A ring with its workers and the speeds that were measured of it.
struct Ring {
    duo: Duo,
    amount: u64,
    samples: Vec<(Place, f64)>,
}

/// Runs the sweep for every kind of work whose name contains `only`.
pub fn run(rounds: usize, sample: Duration, only: &str) -> Result<(), Box<dyn Error>> {
    let files = Files::make(FILE)?;
    let mut works = files.works();
    for block in BLOCKS {
        works.push((format!("blocks of {}", size::show(block as u64)), Work::Blocks(block)));
    }
    for (name, work) in works.iter().filter(|(name, _)| name.contains(only)) {
        println!("\n{name}");
        let mut rings = CAPACITIES
            .iter()
            .map(|capacity| start(capacity, work, sample))
            .collect::<Result<Vec<_>, _>>()?;
        for round in 1..=rounds {
            for (capacity, ring) in CAPACITIES.iter().zip(&mut rings) {
                let before = cpu::round_trip();
                let cost = work.run(&mut ring.duo, ring.amount)?;
                let after = cpu::round_trip();
                let speed = cost.gigabytes_per_second(work.unit() * ring.amount);
                println!("{round:3}  {capacity:>4}  {before}, {after}  {speed:.2} GB/s");
                ring.samples.push((Place::of(&[before, after]), speed));
            }
        }
        print(name, &rings);
    }
    Ok(())
}

fn start(capacity: &str, work: &Work, sample: Duration) -> Result<Ring, String> {
    let failed = |reason: String| format!("ring:{capacity}: {reason}");
    let rival =
        Rival::parse(&format!("ring:{capacity}")).map_err(|reason| failed(reason.to_string()))?;
    let mut duo =
        Duo::start(&rival, Placement::Apart).map_err(|reason| failed(reason.to_string()))?;
    let amount = work.calibrate(&mut duo, sample).map_err(failed)?;
    Ok(Ring { duo, amount, samples: Vec::new() })
}

fn print(name: &str, rings: &[Ring]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["capacity", "near GB/s", "far GB/s", "unsettled GB/s", "one CPU GB/s"]);
    for (capacity, ring) in CAPACITIES.iter().zip(rings) {
        let of = |place: Place| {
            let here = ring.samples.iter().filter(|(found, _)| *found == place);
            let speeds: Vec<f64> = here.map(|(_, speed)| *speed).collect();
            if speeds.is_empty() {
                "–".into()
            } else {
                format!("{:.2} ({})", median(&speeds), speeds.len())
            }
        };
        table.add_row([
            (*capacity).to_owned(),
            of(Place::Near),
            of(Place::Far),
            of(Place::Unsettled),
            of(Place::OneCpu),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{name}: medians, and of how many samples\n\n{}", table.trim_fmt());
}
