//! Results as rows for other programs: JSON, one object for each comparison and place.
//!
//! ```json
//! {"table": "throughput", "row": "pipe of 1 MiB", "size": 65536, "unit": "B/s", "ours": 1.2e10, "theirs": 3.1e9,
//!  "ratio": {"median": 3.9, "q1": 3.7, "q3": 4.1}, "pairs": 11, "cpu_s_per_gb": {"ours": 0.1, "theirs": 0.7},
//!  "line_ns": {"before": 62, "after": 64}}
//! ```
//!
//! The first of the two rivals is "ours". `ratio` says how many times as fast it is, pair
//! by pair, whatever the unit. `size` is in bytes; `cpu_s_per_gb` and `line_ns` are null
//! where there is no such figure.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::cpu::RoundTrip;
use super::paired::{Pair, Place, median, summaries};

/// What `ours` and `theirs` count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// Messages per second.
    PerSecond,
    /// Bytes per second.
    BytesPerSecond,
    /// Seconds; less is better.
    Seconds,
}

/// What is compared in pairs.
pub struct Comparison<'a> {
    /// The table it belongs to.
    pub table: &'a str,
    /// Against whom, and at what.
    pub row: String,
    /// Bytes of a message, a block or a file.
    pub size: u64,
    /// Of the figures.
    pub unit: Unit,
}

impl Comparison<'_> {
    /// One row for each place that has pairs. `speed` is in units per second, also where the unit
    /// is the second itself, and `cpu` in seconds per 10^9 bytes.
    pub fn rows<T>(
        &self,
        pairs: &[Pair<T>],
        speed: impl Fn(&T) -> f64,
        cpu: Option<&dyn Fn(&T) -> f64>,
    ) -> Vec<Value> {
        let shown = |speed: f64| if self.unit == Unit::Seconds { 1.0 / speed } else { speed };
        let unit = match self.unit {
            Unit::PerSecond => "1/s",
            Unit::BytesPerSecond => "B/s",
            Unit::Seconds => "s",
        };
        let costs = cpu.map(|cpu| summaries(pairs, cpu));
        let rows = summaries(pairs, speed).into_iter().enumerate().map(|(index, speed)| {
            let cpu = costs.as_ref().map(|costs| both(costs[index].first, costs[index].second));
            let [q1, median, q3] = speed.ratio;
            json!({
                "table": self.table,
                "row": self.row,
                "size": self.size,
                "unit": unit,
                "ours": shown(speed.first),
                "theirs": shown(speed.second),
                "ratio": {"median": median, "q1": q1, "q3": q3},
                "pairs": speed.pairs,
                "cpu_s_per_gb": cpu,
                "line_ns": line(pairs, speed.place),
            })
        });
        rows.collect()
    }
}

/// A figure of each of the two.
pub fn both(ours: f64, theirs: f64) -> Value {
    json!({"ours": ours, "theirs": theirs})
}

/// The medians of the round trips before and after the pairs of that place.
fn line<T>(pairs: &[Pair<T>], place: Place) -> Value {
    let of = |which: usize| {
        let here = pairs.iter().filter(|pair| pair.place() == place);
        let nanos: Vec<f64> = here
            .filter_map(|pair| match pair.trips[which] {
                RoundTrip::Nanos(nanos) => Some(nanos),
                RoundTrip::OneCpu => None,
            })
            .collect();
        (!nanos.is_empty()).then(|| median(&nanos))
    };
    match (of(0), of(2)) {
        (Some(before), Some(after)) => json!({"before": before, "after": after}),
        _ => Value::Null,
    }
}

/// Writes rows to a file, as an array.
pub fn write(path: &Path, rows: &[Value]) -> Result<(), String> {
    let text = format!("{:#}\n", Value::from(rows));
    fs::write(path, text).map_err(|e| format!("cannot write the rows to {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_shape_that_others_read() {
        let pair = |trips: [f64; 3], first: f64, second: f64| Pair {
            trips: trips.map(RoundTrip::Nanos),
            first,
            second,
        };
        let pairs = [pair([60.0, 61.0, 62.0], 4.0, 2.0), pair([400.0; 3], 1.0, 2.0)];
        let row = "pipe".to_owned();
        let comparison = Comparison { table: "wakeup", row, size: 8, unit: Unit::Seconds };
        let rows = comparison.rows(&pairs, |speed| *speed, Some(&|speed| 8.0 / speed));
        let near = json!({
            "table": "wakeup", "row": "pipe", "size": 8, "unit": "s", "ours": 0.25, "theirs": 0.5,
            "ratio": {"median": 2.0, "q1": 2.0, "q3": 2.0}, "pairs": 1,
            "cpu_s_per_gb": {"ours": 2.0, "theirs": 4.0}, "line_ns": {"before": 60.0, "after": 62.0},
        });
        assert_eq!((&rows[0], rows.len()), (&near, 2));
        let alone = [Pair { trips: [RoundTrip::OneCpu; 3], first: 1.0, second: 1.0 }];
        let rows = comparison.rows(&alone, |speed| *speed, None);
        assert!(rows[0]["line_ns"].is_null() && rows[0]["cpu_s_per_gb"].is_null());
    }
}
