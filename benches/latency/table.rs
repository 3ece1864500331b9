//! Medians of outcomes, one row for each way and place.

use comfy_table::{CellAlignment, Table, presets};

use crate::harness::paired::{Place, median};
use crate::message::job::Outcome;
use crate::turns::Contender;

/// What is printed at the end.
pub struct Medians(Table);

impl Medians {
    /// An empty table, whose rows are named by `what` in the first column.
    pub fn new(what: &str) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            what,
            "way",
            "CPUs",
            "samples",
            "M/s",
            "p50",
            "p99",
            "p99.9",
            "CPU of sender",
            "of receiver",
        ]);
        Medians(table)
    }

    /// Adds what came of some work.
    pub fn add(&mut self, what: &str, contenders: &[Contender]) {
        for contender in contenders {
            for place in Place::ALL {
                let here: Vec<&Outcome> = contender
                    .outcomes
                    .iter()
                    .filter(|(found, _)| *found == place)
                    .map(|(_, outcome)| outcome)
                    .collect();
                if !here.is_empty() {
                    self.add_row(what, &contender.title, place, &here);
                }
            }
        }
    }

    fn add_row(&mut self, what: &str, title: &str, place: Place, here: &[&Outcome]) {
        let of = |value: &dyn Fn(&Outcome) -> f64| {
            median(&here.iter().map(|outcome| value(outcome)).collect::<Vec<_>>())
        };
        let latency = |index: usize| match of(&|outcome| outcome.latency[index] as f64) {
            0.0 => "–".to_owned(),
            nanos if nanos < 10_000.0 => format!("{nanos:.0} ns"),
            nanos => format!("{:.0} µs", nanos / 1e3),
        };
        let share = |side: usize| format!("{:.1} %", 100.0 * of(&|all| all.cpu_shares()[side]));
        self.0.add_row([
            what.to_owned(),
            title.to_owned(),
            place.to_string(),
            here.len().to_string(),
            format!("{:.3}", of(&Outcome::millions_per_second)),
            latency(0),
            latency(1),
            latency(2),
            share(0),
            share(1),
        ]);
    }

    /// Prints it.
    pub fn print(mut self) {
        for column in self.0.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{}\n", self.0.trim_fmt());
    }
}
