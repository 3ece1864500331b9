//! The results, for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Row, Table, presets};

use crate::contest::{Outcome, Setback, Standing};
use crate::harness::cpu::RoundTrip;

/// How many characters the longest bar has: with it the table is no wider than 100.
const BAR: usize = 12;

/// Prints one line for each rival, the fastest first, against the first.
pub fn print(outcome: &Outcome, rounds: u32) -> io::Result<()> {
    let subject = outcome.standings.first();
    let first = subject.and_then(|subject| outcome.speed(subject));
    let speed = |standing: &Standing| outcome.speed(standing).unwrap_or(0.0);
    let most = outcome.standings.iter().map(speed).fold(0.0, f64::max);

    let mut order: Vec<&Standing> = outcome.standings.iter().collect();
    order.sort_by(|a, b| speed(b).total_cmp(&speed(a)));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "GB/s", "", "CPU s/GB", "calls/MB", "crossed", "ratio"]);
    let mut notes = Vec::new();
    for standing in order {
        let title = &standing.title;
        notes.extend(standing.remark.iter().map(|remark| format!("{title}: {remark}")));
        match &standing.result {
            Err(Setback::Unavailable(reason)) => notes.push(format!("{title}: {reason}")),
            Err(Setback::Failed(reason)) => {
                notes.push(format!("{title} FAILED: {reason}"));
                table.add_row([title.as_str(), "", "FAILED"]);
            }
            Ok(_) => {
                table.add_row(row(outcome, standing, first, most));
            }
        }
    }
    for column in [1, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = io::stdout().lock();
    let how = match rounds {
        1 => "one round".into(),
        _ => format!("median of {rounds} rounds in turns"),
    };
    writeln!(out, "\n{}, {how}\n\n{}\n", outcome.work, table.trim_fmt())?;
    notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    if let Some(subject) = subject.filter(|_| first.is_some()) {
        writeln!(out, "Ratio: how many times as fast as this is: {}.", subject.title)?;
    }
    match outcome.trips {
        [RoundTrip::OneCpu, _] => writeln!(
            out,
            "This process may use one CPU only: all processes took turns on it, so nothing ran side by side."
        )?,
        [before, after] => {
            writeln!(
                out,
                "A cache line went to the other CPU and back in {before}, {after} after."
            )?;
        }
    }
    checked(outcome).map_or(Ok(()), |checked| writeln!(out, "{checked}"))
}

fn row(outcome: &Outcome, standing: &Standing, first: Option<f64>, most: f64) -> Row {
    let number = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.2}"));
    let (speed, traffic) = (outcome.speed(standing), outcome.traffic(standing));
    let counted = |which: usize| match traffic {
        Some((figures, more)) => {
            format!("{}{}", if more { "≥" } else { "" }, number(Some(figures[which])))
        }
        None => "–".to_owned(),
    };
    Row::from([
        standing.title.clone(),
        number(speed),
        bar(speed.unwrap_or(0.0) / most),
        number(outcome.cpu(standing)),
        counted(0),
        counted(1),
        first.zip(speed).map_or_else(String::new, |(first, speed)| format!("{:.2}", first / speed)),
    ])
}

/// A bar of `share` of its full width, in eighths of a character.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share * (8 * BAR) as f64).round().max(1.0) as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// How the outputs were checked; `None` if there were none.
fn checked(outcome: &Outcome) -> Option<String> {
    let failed = outcome.standings.iter().filter(|standing| standing.failed()).count();
    match failed {
        0 if outcome.standings.iter().all(|standing| standing.result.is_err()) => None,
        0 => Some(format!("{}: all bytes arrived.", outcome.how_checked)),
        failed => Some(format!("{}: {failed} FAILED.", outcome.how_checked)),
    }
}
