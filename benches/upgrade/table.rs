//! What duels came to, for people.

use comfy_table::{CellAlignment, Table, presets};

use crate::duel::{Duel, Outcome};
use crate::harness::cpu::RoundTrip;
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, Summary, median, overall, summaries};

/// From fewer pairs no conclusion is drawn.
const ENOUGH: usize = 9;

/// Prints a line for each duel and each place it ran in, and one for all places
/// where they are several.
pub fn print(title: &str, duels: &[Duel<'_>], outcomes: &[Outcome]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "",
        "CPUs",
        "pairs",
        "ms",
        "its ms",
        "ratio",
        "quartiles",
        "19 of 20",
        "CPU ms",
        "its CPU ms",
        "CPU ratio",
        "asked",
    ]);
    let mut notes = Vec::new();
    for (duel, outcome) in duels.iter().zip(outcomes) {
        match outcome {
            Ok(pairs) => add(&mut table, duel, pairs),
            Err(error) => notes.push(format!("{}: {error}", duel.name)),
        }
    }
    for column in table.column_iter_mut().skip(2).take(9) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{title}; medians\n\n{}\n", table.trim_fmt());
    notes.iter().for_each(|note| println!("{note}"));
    let pairs: Vec<&Pair<Cost>> = outcomes.iter().flatten().flatten().collect();
    if !pairs.is_empty() {
        println!("{}", trips(&pairs));
    }
}

fn add(table: &mut Table, duel: &Duel<'_>, pairs: &[Pair<Cost>]) {
    let (times, cpus) = (summaries(pairs, time), summaries(pairs, cpu));
    let single = times.len() == 1;
    for (time, cpu) in times.iter().zip(&cpus) {
        let asked = if single { verdict(duel.asked, time) } else { String::new() };
        row(table, &duel.name, &time.place.to_string(), time, cpu, asked);
    }
    if !single {
        let (time, cpu) = (overall(pairs, time), overall(pairs, cpu));
        row(table, &duel.name, "all", &time, &cpu, verdict(duel.asked, &time));
    }
}

fn row(table: &mut Table, name: &str, place: &str, time: &Summary, cpu: &Summary, asked: String) {
    let [low, ratio, high] = time.ratio;
    let [least, most] = time.ratio_within;
    table.add_row([
        name.to_owned(),
        place.to_owned(),
        time.pairs.to_string(),
        format!("{:.2}", time.first),
        format!("{:.2}", time.second),
        format!("{ratio:.3}"),
        format!("{low:.2}–{high:.2}"),
        format!("{least:.3}–{most:.3}"),
        format!("{:.2}", cpu.first),
        format!("{:.2}", cpu.second),
        format!("{:.3}", cpu.ratio[1]),
        asked,
    ]);
}

fn time(cost: &Cost) -> f64 {
    cost.time.as_secs_f64() * 1e3
}

fn cpu(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e3
}

/// Whether the times are what was asked for.
fn verdict(asked: Option<f64>, times: &Summary) -> String {
    let Some(limit) = asked else { return String::new() };
    let found = if times.pairs < ENOUGH {
        "too few pairs"
    } else if times.ratio[1] <= limit {
        "reached"
    } else if times.ratio_within[0] <= limit {
        "too close to tell"
    } else {
        "missed"
    };
    format!("≤ {limit}: {found}")
}

/// How far the CPUs were from each other meanwhile.
fn trips(pairs: &[&Pair<Cost>]) -> String {
    let nanos: Vec<f64> = pairs
        .iter()
        .flat_map(|pair| pair.trips)
        .filter_map(|trip| match trip {
            RoundTrip::Nanos(nanos) => Some(nanos),
            RoundTrip::OneCpu => None,
        })
        .collect();
    if nanos.is_empty() {
        return "There is one CPU.".into();
    }
    let least = nanos.iter().copied().fold(f64::INFINITY, f64::min);
    let most = nanos.iter().copied().fold(0.0, f64::max);
    format!(
        "Round trips of a cache line, before and after every run: {least:.0} to {most:.0} ns, median {:.0}.\n\
         Ratio: ms / its ms, pair by pair; of 20 repetitions 19 would find its median where “19 of 20” says.",
        median(&nanos)
    )
}
