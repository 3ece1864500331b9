//! The first way against each other one, in pairs of neighbouring runs.

use comfy_table::{CellAlignment, Table, presets};

use crate::contest::Setback;
use crate::harness::cpu;
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns, summaries};
use crate::harness::row::{self, Comparison, Unit};
use crate::transport::Rival;
use crate::work::Work;
use crate::{Args, RIVALS, Scene};

impl Scene {
    /// Runs every comparison that was asked for, prints a table, and says
    /// whether nobody lost or spoilt a byte.
    pub fn compare(&self, args: &Args) -> Result<bool, String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["", "CPUs", "pairs", "GB/s", "its GB/s", "ratio", "quartiles", "CPU"]);
        let (mut rows, mut all_right) = (Vec::new(), true);
        let len = self.source.len;
        let speed = |cost: &Cost| cost.gigabytes_per_second(len);
        let cpu = |cost: &Cost| cost.cpu_per_gigabyte(len);
        for (name, sink) in &self.sinks {
            for other in &RIVALS[1..] {
                let called = format!("{name}, {} : {other}", RIVALS[0]);
                if !called.contains(&args.only) {
                    continue;
                }
                println!("\n{called}");
                match compare(&Work::File(&self.source, sink), other, args.paired) {
                    Ok((pairs, title)) => {
                        let costs = summaries(&pairs, cpu);
                        for (speed, cpu) in summaries(&pairs, speed).iter().zip(costs) {
                            let [low, middle, high] = speed.ratio;
                            table.add_row([
                                called.clone(),
                                speed.place.to_string(),
                                speed.pairs.to_string(),
                                format!("{:.2}", speed.first),
                                format!("{:.2}", speed.second),
                                format!("{middle:.2}"),
                                format!("{low:.2}–{high:.2}"),
                                format!("{:.2} and {:.2} s/GB", cpu.first, cpu.second),
                            ]);
                        }
                        let (row, unit) = (format!("{name}, {title}"), Unit::BytesPerSecond);
                        let comparison = Comparison { table: "dataflow", row, size: len, unit };
                        rows.extend(comparison.rows(&pairs, |c| 1e9 * speed(c), Some(&cpu)));
                    }
                    Err(Setback::Unavailable(reason)) => println!("{other}: {reason}"),
                    Err(Setback::Failed(reason)) => {
                        println!("FAILED: {reason}");
                        all_right = false;
                    }
                }
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{}", table.trim_fmt());
        if let Some(path) = &args.json {
            row::write(path, &rows)?;
        }
        Ok(all_right)
    }
}

/// The pairs, and what a table calls the other.
fn compare(
    work: &Work<'_>,
    other: &str,
    pairs: usize,
) -> Result<(Vec<Pair<Cost>>, String), Setback> {
    let (ours, other) = (Rival::parse(RIVALS[0])?, Rival::parse(other)?);
    let once = |rival, inspected| work.once(rival, cpu::two(), inspected).map(|run| run.cost);
    // Inspected on its first run, which is not that of a pair.
    once(&ours, true)?;
    once(&other, true)?;
    let show = |index: usize, pair: &Pair<Cost>| {
        let [before, between, after] = pair.trips;
        let [a, b] = [pair.first, pair.second].map(|cost| cost.gigabytes_per_second(work.len()));
        let place = pair.place();
        println!(
            "{:3}  {place:9}  {before}, {between}, {after}  {a:.2} and {b:.2} GB/s  {:.2}",
            index + 1,
            a / b
        );
    };
    let measured = in_turns(pairs, || once(&ours, false), || once(&other, false), show)?;
    Ok((measured, other.transport.title()))
}
