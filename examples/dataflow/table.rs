//! The results, for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Row, Table, presets};

use crate::contest::{Setback, Standing};
use crate::input::Source;
use crate::output::Sink;

const BAR: usize = 32;

/// Prints one line for each rival, the fastest first, against the first in `standings`.
pub fn print(standings: &[Standing], source: &Source, sink: &Sink, rounds: u32) -> io::Result<()> {
    let speed = |standing: &Standing| standing.median(|cost| cost.gigabytes_per_second(source.len));
    let subject = standings.first();
    let first = subject.and_then(speed);
    let most = standings.iter().filter_map(speed).fold(0.0, f64::max);

    let mut order: Vec<&Standing> = standings.iter().collect();
    order.sort_by(|a, b| speed(b).unwrap_or(0.0).total_cmp(&speed(a).unwrap_or(0.0)));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "GB/s", "", "CPU s/GB", "ratio"]);
    let mut notes = Vec::new();
    for standing in order {
        let cpu = standing.median(|cost| cost.cpu_per_gigabyte(source.len));
        match (&standing.result, speed(standing), cpu) {
            (Err(Setback::Unavailable(reason)), ..) => {
                notes.push(format!("{}: {reason}", standing.title));
                continue;
            }
            (Err(Setback::Failed(reason)), ..) => {
                notes.push(format!("{} FAILED: {reason}", standing.title));
                table.add_row([standing.title.as_str(), "", "FAILED"])
            }
            (Ok(_), Some(speed), Some(cpu)) => table.add_row(Row::from([
                standing.title.clone(),
                format!("{speed:.2}"),
                bar(speed / most),
                format!("{cpu:.2}"),
                first.map_or_else(String::new, |first| format!("{:.2}", first / speed)),
            ])),
            (Ok(_), ..) => continue,
        };
    }
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = io::stdout().lock();
    let how = if rounds == 1 {
        "one round".into()
    } else {
        format!("median of {rounds} rounds in turns")
    };
    writeln!(out, "\n{} to {}, {how}\n\n{}\n", source.name, sink.name(), table.trim_fmt())?;
    notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
    if let Some(subject) = subject.filter(|_| first.is_some()) {
        writeln!(out, "Ratio: how many times as fast as this is: {}.", subject.title)?;
    }
    match checked(standings, sink) {
        Some(checked) => writeln!(out, "{checked}"),
        None => Ok(()),
    }
}

/// A bar of `share` of its full width, in eighths of a character.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share * (8 * BAR) as f64).round().max(1.0) as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// How the outputs were checked; `None` if there were none.
fn checked(standings: &[Standing], sink: &Sink) -> Option<String> {
    let how = if sink.is_device() {
        "Checked in a run of its own into a pipe, not timed, because this sink cannot be read back"
    } else {
        "Every output was compared with the input"
    };
    let count = |wanted: &dyn Fn(&Standing) -> bool| {
        standings.iter().filter(|standing| wanted(standing)).count()
    };
    let failed = count(&|standing| matches!(standing.result, Err(Setback::Failed(_))));
    match failed {
        0 if count(&|standing| standing.result.is_ok()) == 0 => None,
        0 => Some(format!("{how}: all bytes arrived.")),
        failed => Some(format!("{how}: {failed} FAILED.")),
    }
}
