//! The results, for other programs: rows of the shape that `harness::row` tells, one
//! for each rival beside the first.
//!
//! Two more figures are in them, of the first and of the other: `calls_per_mb`, system
//! calls that move data by 10^6 bytes, and `crossed_per_byte`, how many bytes were copied
//! between process and kernel by byte; null where they are not known, and
//! `theirs_at_least` if theirs may have been more.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::contest::{Outcome, Setback, Standing};
use crate::harness::row::{Comparison, Unit};

/// Prints all rows to standard output, and what has none to standard error.
pub fn print(outcomes: &[Outcome]) -> io::Result<()> {
    let mut rows = Vec::new();
    for outcome in outcomes {
        for standing in &outcome.standings {
            match &standing.result {
                Ok(_) => (),
                Err(Setback::Unavailable(reason)) => {
                    eprintln!("{}: {}: {reason}", outcome.work, standing.title);
                }
                Err(Setback::Failed(reason)) => {
                    eprintln!("{}: {} FAILED: {reason}", outcome.work, standing.title);
                }
            }
        }
        let others = outcome.standings.iter().skip(1);
        rows.extend(others.flat_map(|other| rows_of(outcome, other)));
    }
    writeln!(io::stdout(), "{:#}", Value::from(rows))
}

fn rows_of(outcome: &Outcome, other: &Standing) -> Vec<Value> {
    let row = other.title.clone();
    let (table, size, unit) = (&outcome.work, outcome.len, Unit::BytesPerSecond);
    let mut rows = Comparison { table, row, size, unit }.rows(
        &outcome.pairs(other),
        |run| 1e9 * run.cost.gigabytes_per_second(size),
        Some(&|run| run.cost.cpu_per_gigabyte(size)),
    );
    let first = &outcome.standings[0];
    let both = |which: usize| {
        let of = |standing| outcome.traffic(standing).map(|(figures, _)| figures[which]);
        json!({"ours": of(first), "theirs": of(other)})
    };
    for row in &mut rows {
        row["ours_is"] = json!(first.title);
        row["calls_per_mb"] = both(0);
        row["crossed_per_byte"] = both(1);
        row["theirs_at_least"] = json!(outcome.traffic(other).is_some_and(|(_, more)| more));
    }
    rows
}
