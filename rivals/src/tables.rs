//! What is printed at the end.

use comfy_table::{CellAlignment, Table, presets};

use crate::harness::paired::{Pair, summaries};
use crate::message::job::Outcome;

/// Medians and ratios, one row for each comparison and place.
pub struct Ratios {
    table: Table,
    trips: bool,
}

impl Ratios {
    /// An empty table: of round trips in nanoseconds, or of throughputs.
    pub fn new(trips: bool) -> Self {
        let unit = if trips { "ns" } else { "M/s" };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(
            ["", "CPUs", "pairs", unit, &format!("its {unit}"), "times as fast", "quartiles"]
                .map(str::to_owned),
        );
        Ratios { table, trips }
    }

    /// Adds what was measured.
    pub fn add(&mut self, name: &str, measured: &[Pair<Outcome>]) {
        for speed in summaries(measured, Outcome::millions_per_second) {
            // The median of a reciprocal is the reciprocal of the median.
            let shown = |speed: f64| {
                if self.trips { format!("{:.0}", 1e3 / speed) } else { format!("{speed:.2}") }
            };
            self.table.add_row([
                name.to_owned(),
                speed.place.to_string(),
                speed.pairs.to_string(),
                shown(speed.first),
                shown(speed.second),
                format!("{:.2}", speed.ratio[1]),
                format!("{:.2}–{:.2}", speed.ratio[0], speed.ratio[2]),
            ]);
        }
    }

    /// Prints it.
    pub fn print(mut self) {
        for column in self.table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{}", self.table.trim_fmt());
    }
}
