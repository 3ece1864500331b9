//! The first way against each other one, in pairs of neighbouring samples: `-- --paired [N]`, with
//! `--sample-ms MS`, `--only TEXT` and `--json FILE` (rows as `harness/row.rs` tells).

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::each::{REGISTRY, Team};
use crate::harness::cpu;
use crate::harness::paired::{Pair, in_turns, summaries};
use crate::harness::row::{self, Comparison, Unit};
use crate::message::job::{Job, Outcome};
use crate::transport::{doomed, size};

#[derive(Parser)]
struct Args {
    /// Rivals in turns, so many pairs
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "11")]
    paired: usize,

    /// How long a sample should take
    #[arg(long, value_name = "MS", default_value_t = 200)]
    sample_ms: u64,

    /// Only comparisons whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Write what was found to this file, as rows
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Two ways at one kind of work.
#[derive(Clone)]
pub struct Match {
    /// What they do, for people.
    pub what: String,
    /// The ways, ours first.
    pub specs: [&'static str; 2],
    /// Numbers of eight bytes in a message.
    pub words: usize,
    /// Of no amount yet, unless it has a pace of its own.
    pub job: Job,
    /// What is compared.
    pub figure: Figure,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq)]
pub enum Figure {
    /// Messages per second.
    Rate,
    /// The time of one message, or of one there and back.
    Time,
    /// The time that half of the messages took from when they were due.
    Latency,
}

impl Figure {
    /// How many a second; of times, how often they would fit into one.
    fn speed(self, outcome: &Outcome) -> f64 {
        match self {
            Figure::Rate | Figure::Time => 1e6 * outcome.millions_per_second(),
            Figure::Latency => 1e9 / outcome.latency[0] as f64,
        }
    }

    fn show(self, speed: f64) -> String {
        match self {
            Figure::Rate => format!("{:.2} M/s", speed / 1e6),
            _ => format!("{:.0} ns", 1e9 / speed),
        }
    }
}

/// Measures and exits, if the command line asks for that.
pub fn run_if_asked(table: &str, matches: impl FnOnce() -> Vec<Match>) {
    if std::env::args().any(|argument| argument.starts_with("--paired")) {
        let args = Args::parse();
        let all_right = run(table, &matches(), &args).unwrap_or_else(|error| {
            eprintln!("{table}: {error}");
            false
        });
        std::process::exit(i32::from(!all_right));
    }
}

/// Whether nobody lost or spoilt a message.
fn run(name: &str, matches: &[Match], args: &Args) -> Result<bool, String> {
    doomed::on_signals().map_err(|e| e.to_string())?;
    println!("{}", cpu::model());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "CPUs", "pairs", "ours", "theirs", "times as fast", "quartiles"]);
    let (mut rows, mut all_right) = (Vec::new(), true);
    for one in matches {
        let size = size::show(8 * one.words as u64);
        let called = format!("{size}, {}, {} : {}", one.what, one.specs[0], one.specs[1]);
        if !called.contains(&args.only) {
            continue;
        }
        println!("\n{called}");
        match one.measure(args) {
            Ok((measured, title)) => {
                one.add(&mut table, &called, &measured);
                rows.extend(one.rows(name, &format!("{size}, {}, {title}", one.what), &measured));
            }
            Err(Setback::Unavailable(reason)) => println!("{reason}"),
            Err(Setback::Failed(reason)) => {
                println!("FAILED: {reason}");
                all_right = false;
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

/// Why there is nothing to compare.
enum Setback {
    Unavailable(String),
    Failed(String),
}

impl Match {
    /// The pairs, and what a table calls the other.
    fn measure(&self, args: &Args) -> Result<(Vec<Pair<Outcome>>, String), Setback> {
        let sample = Duration::from_millis(args.sample_ms);
        let mut teams = Vec::new();
        for spec in self.specs {
            let named = |what: String| format!("{spec}: {what}");
            let started = REGISTRY
                .make(spec)
                .and_then(|way| Ok((way.title(), Team::start(spec, self.words, self.job)?)));
            let (title, mut team) =
                started.map_err(|reason| Setback::Unavailable(named(reason.to_string())))?;
            let job = match self.job {
                Job::Paced { period, .. } => {
                    let bursts = sample.as_nanos() as u64 * 1000 / period;
                    Ok(self.job.times(bursts.max(1)))
                }
                _ => team.calibrate(&self.job, sample),
            };
            let job = job.map_err(|error| Setback::Failed(named(error)))?;
            teams.push((title, team, job));
        }
        let [(_, first, ours), (title, second, theirs)] = &mut teams[..] else {
            unreachable!("there are two");
        };
        let measured = in_turns(
            args.paired,
            || first.run(ours),
            || second.run(theirs),
            |index, pair| {
                let [before, between, after] = pair.trips;
                let [a, b] = [&pair.first, &pair.second].map(|outcome| self.figure.speed(outcome));
                let (place, ratio) = (pair.place(), a / b);
                let (a, b) = (self.figure.show(a), self.figure.show(b));
                println!(
                    "{:3}  {place:9}  {before}, {between}, {after}  {a} and {b}  {ratio:.2}",
                    index + 1
                );
            },
        );
        Ok((measured.map_err(Setback::Failed)?, title.clone()))
    }

    fn add(&self, table: &mut Table, called: &str, measured: &[Pair<Outcome>]) {
        for speed in summaries(measured, |outcome| self.figure.speed(outcome)) {
            table.add_row([
                called.to_owned(),
                speed.place.to_string(),
                speed.pairs.to_string(),
                self.figure.show(speed.first),
                self.figure.show(speed.second),
                format!("{:.2}", speed.ratio[1]),
                format!("{:.2}–{:.2}", speed.ratio[0], speed.ratio[2]),
            ]);
        }
    }

    fn rows(&self, table: &str, row: &str, measured: &[Pair<Outcome>]) -> Vec<Value> {
        let size = 8 * self.words as u64;
        let unit = if self.figure == Figure::Rate { Unit::PerSecond } else { Unit::Seconds };
        let cpu = |outcome: &Outcome| {
            let cpu: Duration = outcome.cpu.iter().sum();
            cpu.as_secs_f64() / (outcome.count as f64 * size as f64 / 1e9)
        };
        // Of a time by message nobody asks what a gigabyte would cost.
        let cpu: Option<&dyn Fn(&Outcome) -> f64> =
            if self.figure == Figure::Rate { Some(&cpu) } else { None };
        Comparison { table, row: row.to_owned(), size, unit }.rows(
            measured,
            |outcome| self.figure.speed(outcome),
            cpu,
        )
    }
}
