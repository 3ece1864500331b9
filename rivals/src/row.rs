//! One line of a table, as it is written to a file and read from it again.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::harness::cpu::RoundTrip;
use crate::harness::paired::{Pair, Summary, median, overall, summaries};

/// What was measured of this library and of one rival, in pairs of neighbouring
/// samples that ran in the same place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The table it belongs to: the name of the bench or of the command.
    pub table: String,
    /// What was done, and with whom this library is compared.
    pub row: String,
    /// Bytes of a message, a block or a file.
    pub size: u64,
    /// Of `ours` and `theirs`.
    pub unit: Unit,
    /// The median of this library.
    pub ours: f64,
    /// The median of the rival.
    pub theirs: f64,
    /// How many times as fast as the rival this library is, pair by pair; above 1
    /// it is faster, whatever the unit.
    pub ratio: Ratio,
    /// How many pairs there are.
    pub pairs: usize,
    /// CPU seconds of all processes that took part, by 10^9 bytes; `None` if that
    /// says nothing, as of round trips.
    pub cpu_s_per_gb: Option<Both>,
    /// The round trip of a cache line, in nanoseconds; `None` on one CPU.
    pub line_ns: Option<Line>,
    /// System calls that move data, by 10^6 bytes; of the example dataflow alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_mb: Option<Counted>,
    /// How often each byte was copied between a process and the kernel; of the
    /// example dataflow alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crossed_per_byte: Option<Counted>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Unit {
    /// Messages per second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Bytes per second.
    #[serde(rename = "B/s")]
    BytesPerSecond,
    /// Seconds; less is better.
    #[serde(rename = "s")]
    Seconds,
}

/// A median and its quartiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Half of the pairs are above it.
    pub median: f64,
    /// Three quarters are above it.
    pub q1: f64,
    /// A quarter is above it.
    pub q3: f64,
}

/// A figure of each of the two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Both {
    /// This library's.
    pub ours: f64,
    /// The rival's.
    pub theirs: f64,
}

/// What was counted of each of the two; `None` where that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// This library's.
    pub ours: Option<f64>,
    /// The rival's.
    pub theirs: Option<f64>,
}

/// Medians of what was measured before the first and after the second sample of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
}

/// What makes rows of pairs.
pub struct Measured<'a, T> {
    /// As in [`Row`].
    pub table: &'a str,
    /// As in [`Row`].
    pub row: String,
    /// As in [`Row`].
    pub size: u64,
    /// As in [`Row`].
    pub unit: Unit,
    /// The pairs, this library's samples first.
    pub pairs: &'a [Pair<T>],
}

impl<T> Measured<'_, T> {
    /// One row for each place that has pairs. `speed` is in units per second, also where the unit
    /// is a second; `cpu` in seconds by 10^9 bytes.
    pub fn rows(&self, speed: impl Fn(&T) -> f64, cpu: Option<&dyn Fn(&T) -> f64>) -> Vec<Row> {
        let costs = cpu.map(|cpu| summaries(self.pairs, cpu));
        let speeds = summaries(self.pairs, speed).into_iter().enumerate();
        speeds.map(|(n, speed)| self.row(&speed, costs.as_ref().map(|costs| &costs[n]))).collect()
    }

    /// One row of all pairs, wherever they ran: for what is not kept on one CPU.
    /// Arguments as of [`rows`](Self::rows).
    pub fn row_of_all(&self, speed: impl Fn(&T) -> f64, cpu: impl Fn(&T) -> f64) -> Row {
        let line = self.line(|_| true);
        Row {
            line_ns: line,
            ..self.row(&overall(self.pairs, speed), Some(&overall(self.pairs, cpu)))
        }
    }

    fn row(&self, speed: &Summary, cost: Option<&Summary>) -> Row {
        let shown = |speed: f64| if self.unit == Unit::Seconds { 1.0 / speed } else { speed };
        let [q1, median, q3] = speed.ratio;
        Row {
            table: self.table.to_owned(),
            row: self.row.clone(),
            size: self.size,
            unit: self.unit,
            ours: shown(speed.first),
            theirs: shown(speed.second),
            ratio: Ratio { median, q1, q3 },
            pairs: speed.pairs,
            cpu_s_per_gb: cost.map(|cost| Both { ours: cost.first, theirs: cost.second }),
            line_ns: self.line(|pair| pair.place() == speed.place),
            calls_per_mb: None,
            crossed_per_byte: None,
        }
    }

    fn line(&self, which: impl Fn(&&Pair<T>) -> bool) -> Option<Line> {
        let here = || self.pairs.iter().filter(&which);
        let nanos = |trip: RoundTrip| match trip {
            RoundTrip::Nanos(nanos) => Some(nanos),
            RoundTrip::OneCpu => None,
        };
        let middle = |at: usize| {
            let trips: Option<Vec<f64>> = here().map(|pair| nanos(pair.trips[at])).collect();
            trips.map(|trips| median(&trips))
        };
        Some(Line { before: middle(0)?, after: middle(2)? })
    }
}

/// Writes rows to a file, as an array.
pub fn write(path: &Path, rows: &[Row]) -> io::Result<()> {
    fs::write(path, serde_json::to_string_pretty(rows)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(nanos: [f64; 3], first: f64, second: f64) -> Pair<f64> {
        Pair { trips: nanos.map(RoundTrip::Nanos), first, second }
    }

    #[test]
    fn rows_are_of_one_place_each_and_have_the_agreed_shape() {
        let pairs = [
            pair([60.0, 0.0, 62.0], 4.0, 2.0),
            pair([64.0, 0.0, 66.0], 4.0, 2.0),
            pair([400.0, 400.0, 410.0], 1.0, 2.0),
        ];
        let row = "8 B, aeron".to_owned();
        let measured =
            Measured { table: "records", row, size: 8, unit: Unit::Seconds, pairs: &pairs };
        let [near, far] = &measured.rows(|speed| *speed, Some(&|speed| 8.0 / speed))[..] else {
            panic!("two places have pairs")
        };
        let json = serde_json::to_value(near).expect("numbers and names");
        let expected = serde_json::json!({
            "table": "records", "row": "8 B, aeron", "size": 8, "unit": "s", "ours": 0.25,
            "theirs": 0.5, "ratio": {"median": 2.0, "q1": 2.0, "q3": 2.0}, "pairs": 2,
            "cpu_s_per_gb": {"ours": 2.0, "theirs": 4.0}, "line_ns": {"before": 62.0, "after": 64.0},
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Row>(json).expect("the same shape"), *near);
        assert_eq!((far.ratio.median, far.line_ns.map(|line| line.after)), (0.5, Some(410.0)));
        let all = measured.row_of_all(|speed| *speed, |speed| 8.0 / speed);
        assert_eq!((all.pairs, all.line_ns.map(|line| line.before)), (3, Some(64.0)));
        let alone = [Pair { trips: [RoundTrip::OneCpu; 3], first: 1.0, second: 1.0 }];
        let measured = Measured { pairs: &alone, ..measured };
        let [row] = &measured.rows(|speed| *speed, None)[..] else { panic!("one place") };
        assert_eq!((row.line_ns, row.cpu_s_per_gb), (None, None));
    }
}
