//! A file through two processes: `shmcat` against other programs that copy their standard
//! input to their standard output.
//!
//! Each pipeline is started without a shell, left to the scheduler, and timed from the start of its
//! first process to the end of its last. Everything that arrives is compared with what was sent:
//! files after each run, and what goes to a device in a run of its own, not timed, into a pipe.

mod duel;
mod rivals;
pub mod shmcat;
pub mod uu_cat;

use std::error::Error;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};

use crate::args::Args;
use crate::harness::order::Cost;
use crate::harness::paired::Pair;
use crate::harness::volume;
use crate::input::{Source, usual_size};
use crate::output::Sink;
use crate::room;
use crate::row::{Both, Measured, Row, Unit};
use crate::transport::{Rival, size};
use duel::Setback;

/// The name of the table.
pub const TABLE: &str = "pipeline";

/// The file that is made, if memory has room for some of them.
const LEN: u64 = 1 << 30;

/// What a pipeline is told besides what all are.
#[derive(clap::Args)]
pub struct Options {
    /// Make a file of this size; a gibibyte, or a quarter of the memory that is
    /// free if that is less, unless told
    #[arg(long, value_parser = size::parse)]
    pub size: Option<u64>,

    /// Where to: a device, or a directory for a file that is removed again. Can be repeated
    /// [default: /dev/null, the directory of temporary files, and /dev/shm]
    #[arg(long, value_name = "PATH")]
    pub to: Vec<PathBuf>,

    /// The shmcat to measure; built by cargo unless told
    #[arg(long, value_name = "PATH")]
    pub shmcat: Option<PathBuf>,

    /// Another program that copies its standard input to its standard output, twice with a
    /// pipe in between. Can be repeated
    #[arg(long, value_name = "PATH")]
    pub with: Vec<PathBuf>,
}

/// Compares every rival with `shmcat | shmcat` and with `shmcat --to` and `--from`. What was
/// measured, and whether every program that is installed brought every byte.
///
/// # Errors
///
/// If the file cannot be made, there is no room for what arrives, or shmcat cannot be built.
pub fn run(args: &Args, options: &Options) -> Result<(Vec<Row>, bool), Box<dyn Error>> {
    let shmcat = shmcat::find(options.shmcat.as_deref())?;
    let subjects = [format!("upgrade:{shmcat}"), format!("shmcat:{shmcat}")]
        .map(|spec| Rival::parse(&spec).map_err(|reason| format!("{shmcat} is {reason}")));
    let subjects = subjects.into_iter().collect::<Result<Vec<_>, _>>()?;
    let rivals = rivals::all(&options.with);
    let temporary = std::env::temp_dir();
    let to = if options.to.is_empty() {
        vec!["/dev/null".into(), temporary.clone(), "/dev/shm".into()]
    } else {
        options.to.clone()
    };
    let sinks = to.iter().map(|path| sink(path)).collect::<Result<Vec<_>, _>>()?;
    let len = options.size.unwrap_or_else(|| LEN.min(usual_size() * 4));
    room::check(Some(&temporary), &sinks, len)?;
    let source = Source::make(&temporary, len)?;
    println!("{}, left to the scheduler", source.name);
    let mut table = Standings::new(source.len);
    for (sink, path) in sinks.iter().zip(&to) {
        for subject in &subjects {
            for (rival, name) in &rivals {
                let place = destination(path);
                let subject_name = short(&subject.transport.title());
                let comparison = format!("{place}, {subject_name} : {name}");
                if !comparison.contains(&args.only) {
                    continue;
                }
                println!("\n{comparison}");
                let rival = match rival {
                    Ok(rival) => rival,
                    Err(reason) => {
                        println!("left out: {name}: {reason}");
                        continue;
                    }
                };
                println!("{} : {}", subject.transport.title(), rival.transport.title());
                match duel::run([subject, rival], &source, sink, args.pairs()) {
                    Ok(pairs) => {
                        let row = format!("{place}, {subject_name}, {}", rival.transport.title());
                        table.add(&comparison, row, &pairs);
                    }
                    Err(Setback::Unavailable(reason)) => println!("left out: {name}: {reason}"),
                    Err(Setback::Failed(reason)) => table.fail(&comparison, &reason),
                }
            }
        }
    }
    Ok(table.print())
}

/// A device, or a directory for files without a name, of which nothing is left
/// however this program ends.
fn sink(path: &Path) -> Result<Sink, String> {
    match Sink::at(path)? {
        Sink::File(_) => Err(format!("{}: not a directory or a device", path.display())),
        sink => Ok(sink),
    }
}

/// What rows call it: no path of this machine but the usual ones.
fn destination(path: &Path) -> String {
    match path.to_str() {
        Some(known @ ("/dev/null" | "/dev/shm")) => format!("to {known}"),
        _ if path.is_dir() => format!("to a file on {}", volume::kind(path)),
        _ => "to a device".into(),
    }
}

/// The title without the version.
fn short(title: &str) -> String {
    title.split(" (").next().unwrap_or(title).to_owned()
}

/// What came of it so far.
struct Standings {
    len: u64,
    table: Table,
    rows: Vec<Row>,
    all_right: bool,
}

impl Standings {
    fn new(len: u64) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(
            ["", "pairs", "GB/s", "its", "times as fast", "quartiles", "CPU s/GB", "its"]
                .map(str::to_owned),
        );
        Standings { len, table, rows: Vec::new(), all_right: true }
    }

    fn add(&mut self, name: &str, row: String, pairs: &[Pair<Cost>]) {
        let len = self.len;
        let speed = |cost: &Cost| cost.gigabytes_per_second(len);
        let measured = Measured { table: TABLE, row, size: len, unit: Unit::BytesPerSecond, pairs };
        // Not kept on one CPU each, so that it says little how near these were.
        let row = measured.row_of_all(|cost| 1e9 * speed(cost), |cost| cost.cpu_per_gigabyte(len));
        let cpu = row.cpu_s_per_gb.unwrap_or(Both { ours: f64::NAN, theirs: f64::NAN });
        self.table.add_row([
            name.to_owned(),
            row.pairs.to_string(),
            format!("{:.2}", row.ours / 1e9),
            format!("{:.2}", row.theirs / 1e9),
            format!("{:.2}", row.ratio.median),
            format!("{:.2}–{:.2}", row.ratio.q1, row.ratio.q3),
            format!("{:.2}", cpu.ours),
            format!("{:.2}", cpu.theirs),
        ]);
        self.rows.push(row);
    }

    fn fail(&mut self, name: &str, reason: &str) {
        println!("FAILED: {reason}");
        self.all_right = false;
        self.table.add_row([name, "", "FAILED"]);
    }

    fn print(mut self) -> (Vec<Row>, bool) {
        for column in self.table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{}", self.table.trim_fmt());
        (self.rows, self.all_right)
    }
}
