//! What a report consists of: one program after another, each of which writes
//! its figures to a file.

use std::path::Path;
use std::time::Duration;

use crate::args::Work;
use crate::pipeline;

/// One program, and the part of BENCHMARKS.md that is made of what it measures.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Of the step, of the part, and of its file of figures.
    pub name: &'static str,
    /// Which program it is.
    pub program: Program,
    /// About how many comparisons it makes, by which is told beforehand how long
    /// it takes; 0 if it decides that.
    comparisons: u32,
    /// The time of one sample, if it is not what was asked for.
    sample: Option<Duration>,
}

/// Where a step's program comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Program {
    /// `cargo bench --bench`.
    Bench(&'static str),
    /// `cargo run --example`; writes its figures to its standard output.
    Example(&'static str),
    /// A command of this program.
    Own(&'static str),
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Pairs of samples.
    pub pairs: usize,
    /// Milliseconds of a sample.
    pub sample_ms: u64,
    /// Bytes of the file that is moved; a gibibyte if not told.
    pub file: Option<u64>,
}

const fn step(name: &'static str, program: Program, comparisons: u32) -> Step {
    Step { name, program, comparisons, sample: None }
}

/// One that moves a file, a gibibyte of which takes so many milliseconds.
const fn of_files(name: &'static str, program: Program, comparisons: u32, sample: u64) -> Step {
    Step { name, program, comparisons, sample: Some(Duration::from_millis(sample)) }
}

/// All steps, in the order in which they are done.
pub const ALL: [Step; 14] = [
    step("throughput", Program::Bench("throughput"), 140),
    step("latency", Program::Bench("latency"), 16),
    step("wakeup", Program::Bench("wakeup"), 4),
    of_files("dataflow", Program::Bench("dataflow"), 18, 400),
    step("mechanisms", Program::Example("dataflow"), 0),
    step("slot", Program::Bench("slot"), 24),
    step("record", Program::Bench("record"), 40),
    step("mpsc", Program::Bench("mpsc"), 16),
    step("backend", Program::Bench("backend"), 8),
    step(Work::Slots.table(), Program::Own(Work::Slots.table()), 42),
    step(Work::Records.table(), Program::Own(Work::Records.table()), 48),
    step(Work::Many.table(), Program::Own(Work::Many.table()), 12),
    step(Work::RoundTrip.table(), Program::Own(Work::RoundTrip.table()), 40),
    of_files(pipeline::TABLE, Program::Own(pipeline::TABLE), 24, 1200),
];

impl Step {
    /// The step of that name.
    ///
    /// # Errors
    ///
    /// If there is none; the message names those that there are.
    pub fn find(name: &str) -> Result<Self, String> {
        ALL.into_iter().find(|step| step.name == name).ok_or_else(|| {
            let names = ALL.map(|step| step.name).join(", ");
            format!("no step is called “{name}”; there are {names}")
        })
    }

    /// What follows the program's name, and cargo's options, to have the figures written to `json`.
    pub fn arguments(&self, extent: &Extent, json: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).into()));
        let (pairs, sample) = (extent.pairs.to_string(), extent.sample_ms.to_string());
        let file = extent.file.map(|file| file.to_string());
        match self.program {
            Program::Bench(_) => {
                add(&["--paired", &pairs, "--sample-ms", &sample, "--json", json]);
            }
            Program::Example(_) => {
                add(&["--json"]);
                if let Some(file) = &file {
                    add(&["--size", file]);
                }
            }
            Program::Own(command) => {
                add(&[command, "--pairs", &pairs, "--sample-ms", &sample, "--json", json]);
                if let Some(file) = file.as_ref().filter(|_| command == pipeline::TABLE) {
                    add(&["--size", file]);
                }
            }
        }
        arguments
    }

    /// The command by which anybody does the same, from the root of the repository.
    pub fn command(&self, extent: &Extent) -> String {
        let arguments = self.arguments(extent, "FILE").join(" ");
        match self.program {
            Program::Bench(name) => format!("cargo bench --bench {name} -- {arguments}"),
            Program::Example(name) => {
                format!("cargo run --release --example {name} -- {arguments}")
            }
            Program::Own(_) => {
                let features = if cfg!(feature = "aeron") { "--features aeron " } else { "" };
                let package = "--manifest-path rivals/Cargo.toml";
                format!("cargo run --release {package} {features}-- {arguments}")
            }
        }
    }

    /// Whether there is something to build for it.
    pub fn needs_cargo(&self) -> bool {
        !matches!(self.program, Program::Own(command) if command != pipeline::TABLE)
    }

    /// About how long it takes.
    pub fn estimate(&self, extent: &Extent) -> Duration {
        // Around a sample are two round trips of a cache line, and before the first pair two
        // processes are started and find out how much they do in a sample.
        const AROUND: Duration = Duration::from_millis(20);
        const START: Duration = Duration::from_millis(300);
        // It decides by itself how much it does.
        const EXAMPLE: Duration = Duration::from_secs(60);
        if matches!(self.program, Program::Example(_)) {
            return EXAMPLE;
        }
        let asked = Duration::from_millis(extent.sample_ms);
        let of_file = |time: Duration| match extent.file {
            Some(file) => time.mul_f64(file as f64 / f64::from(1 << 30)),
            None => time,
        };
        let sample = self.sample.map_or(asked, of_file) + AROUND;
        self.comparisons * (START + sample * (2 * extent.pairs as u32 + 2))
    }

    /// Where its figures are among those of a run.
    pub fn file(&self, directory: &Path) -> std::path::PathBuf {
        directory.join(format!("{}.json", self.name))
    }
}
