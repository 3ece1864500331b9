//! What is printed at the end.

use comfy_table::{CellAlignment, Table, presets};

use crate::args::Work;
use crate::comparison::Comparison;
use crate::harness::paired::{Pair, summaries};
use crate::message::job::Outcome;
use crate::row::{Measured, Row, Unit};

/// Medians and ratios, one row for each comparison and place.
pub struct Ratios {
    table: Table,
    work: Work,
    rows: Vec<Row>,
}

impl Ratios {
    /// An empty table: of round trips in nanoseconds, or of throughputs.
    pub fn new(work: Work) -> Self {
        let unit = if work == Work::RoundTrip { "ns" } else { "M/s" };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(
            ["", "CPUs", "pairs", unit, &format!("its {unit}"), "times as fast", "quartiles"]
                .map(str::to_owned),
        );
        Ratios { table, work, rows: Vec::new() }
    }

    /// Adds what was measured.
    pub fn add(&mut self, comparison: &Comparison, pairs: &[Pair<Outcome>]) {
        let trips = self.work == Work::RoundTrip;
        for speed in summaries(pairs, Outcome::millions_per_second) {
            // The median of a reciprocal is the reciprocal of the median.
            let shown = |speed: f64| {
                if trips { format!("{:.0}", 1e3 / speed) } else { format!("{speed:.2}") }
            };
            self.table.add_row([
                comparison.name.clone(),
                speed.place.to_string(),
                speed.pairs.to_string(),
                shown(speed.first),
                shown(speed.second),
                format!("{:.2}", speed.ratio[1]),
                format!("{:.2}–{:.2}", speed.ratio[0], speed.ratio[2]),
            ]);
        }
        let size = comparison.size();
        let cpu = |outcome: &Outcome| {
            let [sender, receiver] = outcome.cpu.map(|cpu| cpu.as_secs_f64());
            (sender + receiver) / (outcome.count * size) as f64 * 1e9
        };
        let unit = if trips { Unit::Seconds } else { Unit::PerSecond };
        let (table, row) = (self.work.table(), comparison.row.clone());
        let measured = Measured { table, row, size, unit, pairs };
        let speed = |outcome: &Outcome| 1e6 * outcome.millions_per_second();
        self.rows.extend(measured.rows(speed, if trips { None } else { Some(&cpu) }));
    }

    /// Prints it, and returns what was added.
    pub fn print(mut self) -> Vec<Row> {
        for column in self.table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{}", self.table.trim_fmt());
        self.rows
    }
}
