//! BENCHMARKS.md, made: everything that can be measured here is, step by step, and tables and
//! pictures of it go into the file between the lines that are written by hand.
//!
//! A step is a program that writes its figures to a file ([`step`]). All of them are built first
//! ([`build`]); then they run one after the other, each as a process of its own ([`child`]). A step
//! that fails is named and stops no other.

mod build;
mod child;
mod document;
mod machine;
mod markdown;
mod page;
mod picture;
mod progress;
mod run;
mod step;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::args::Args;
use crate::row::Row;
use crate::tidy;
use build::Built;
use machine::Machine;
use progress::Progress;
use run::{Figures, Outcome, Run};
use step::{Extent, Program, Step};

/// What a report is told besides what all are.
#[derive(clap::Args)]
pub struct Options {
    /// Three pairs of short samples, and a small file: to see that it works, not what is fast
    #[arg(long)]
    quick: bool,

    /// Measure nothing: make text and pictures of the figures that an earlier run kept there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["quick", "keep"])]
    from: Option<PathBuf>,

    /// Keep the figures there, for --from
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// The directory of BENCHMARKS.md, if not that of the sources
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Measures, and writes; only the steps that `args.only` names, the other parts stay as they are.
/// All rows that there are, and whether no step failed.
///
/// # Errors
///
/// If nothing can be measured at all, or what was measured cannot be written.
pub fn run(args: &Args, options: &Options) -> Result<(Vec<Row>, bool), Box<dyn Error>> {
    let root = root()?;
    let into = options.into.clone().unwrap_or_else(|| root.clone());
    let page = into.join("BENCHMARKS.md");
    // Before anything is measured for nothing.
    fs::read_to_string(&page).map_err(|e| format!("{}: {e}", page.display()))?;
    let steps = match args.only.as_str() {
        "" => step::ALL.to_vec(),
        only => only.split(',').map(Step::find).collect::<Result<_, _>>()?,
    };
    let (run, directory) = match &options.from {
        Some(directory) => (Run::read(directory)?, directory.clone()),
        None => {
            let directory = match &options.keep {
                Some(directory) => directory.clone(),
                None => tidy::directory()?.to_owned(),
            };
            fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
            (measure(args, options, &steps, &root, &directory)?, directory)
        }
    };
    let mut rows = Vec::new();
    let mut all_right = true;
    let mut text = fs::read_to_string(&page)?;
    text = document::replace(&text, "machine", &page::machine(&run))?;
    text = document::replace(&text, "commands", &page::commands(&run))?;
    for step in steps {
        let Some(outcome) = run.steps.get(step.name) else { continue };
        // Where one rival failed there are the figures of the others.
        let figures = Figures::read(&step, &directory)
            .map_err(|reason| outcome.failure.clone().unwrap_or(reason));
        if let Some(reason) = figures.as_ref().err().or(outcome.failure.as_ref()) {
            all_right = false;
            println!("FAILED: {}: {reason}", step.name);
        }
        let picture = figures.as_ref().ok().and_then(|figures| draw(&step, figures, &into));
        let part = page::part(&run, outcome, figures.as_ref(), picture.as_deref());
        text = document::replace(&text, step.name, &part)?;
        rows.extend(figures.iter().flat_map(Figures::rows).cloned());
    }
    fs::write(&page, text).map_err(|e| format!("writing {}: {e}", page.display()))?;
    println!("{} is written.", page.display());
    Ok((rows, all_right))
}

/// The directory of the sources, two levels above this package's manifest in the tree.
fn root() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().map_err(|e| format!("the sources, {}: {e}", root.display()))
}

/// Does the steps, one after the other, and leaves their figures in `directory`.
fn measure(
    args: &Args,
    options: &Options,
    steps: &[Step],
    root: &Path,
    directory: &Path,
) -> Result<Run, Box<dyn Error>> {
    const QUICK: Extent = Extent { pairs: 3, sample_ms: 20, file: Some(64 << 20) };
    let usual = Extent { pairs: args.pairs(), sample_ms: args.sample_ms, file: None };
    let extent = if options.quick { QUICK } else { usual };
    child::end_on_signals()?;
    let mut progress = Progress::start(steps, &extent);
    let machine = Machine::now(root);
    let built = Built::of(steps, root, |line| progress.say(line))?;
    progress.built();
    let mut run = Run { machine, command: command(args, options), steps: Default::default() };
    for step in steps {
        progress.begin(step);
        // Not an earlier run's.
        let _ = fs::remove_file(step.file(directory));
        let started = Instant::now();
        let done = built.program(step).and_then(|program| {
            let shmcat = built.shmcat();
            perform(step, &program, shmcat, &extent, root, directory, |line| progress.say(line))
        });
        let (failure, left_out) = done.unwrap_or_else(|reason| (Some(reason), Vec::new()));
        progress.end(step, failure.as_deref());
        let outcome = Outcome {
            command: step.command(&extent),
            seconds: started.elapsed().as_secs_f64(),
            failure,
            left_out,
        };
        run.steps.insert(step.name.to_owned(), outcome);
        // After each, so that a run that is ended leaves what it has.
        run.write(directory)?;
    }
    progress.finish();
    Ok(run)
}

/// Does one step: what became of it, but for how long that took.
fn perform(
    step: &Step,
    program: &Path,
    shmcat: Option<&Path>,
    extent: &Extent,
    root: &Path,
    directory: &Path,
    watch: impl FnMut(&str),
) -> Result<(Option<String>, Vec<String>), String> {
    let file = step.file(directory);
    let file_name = file.to_string_lossy();
    let mut command = Command::new(program);
    command.args(step.arguments(extent, &file_name)).current_dir(root);
    if let (Program::Own(_), Some(name)) = (step.program, std::env::args_os().next()) {
        command.arg0(name);
    }
    match (step.program, shmcat) {
        (Program::Bench(_), _) => {
            command.arg("--bench");
        }
        (Program::Own(crate::pipeline::TABLE), Some(shmcat)) => {
            command.arg("--shmcat").arg(shmcat);
        }
        _ => (),
    }
    let apart = matches!(step.program, Program::Example(_));
    let said = child::run(command, apart, watch).map_err(|e| format!("cannot start it: {e}"))?;
    if apart {
        fs::write(&file, &said.output).map_err(|e| format!("{file_name}: {e}"))?;
    }
    let failure = said.failure.as_ref().map(|failure| format!("{failure}: {}", said.reason()));
    let left_out = said.lines.iter().filter(|line| line.contains("not available: "));
    let left_out = left_out.map(|line| line.trim().trim_start_matches("left out: ").to_owned());
    let left_out: BTreeSet<String> = left_out.collect();
    Ok((failure, left_out.into_iter().collect()))
}

/// Draws the picture of a step, if there is one; the line by which the page shows it.
fn draw(step: &Step, figures: &Figures, into: &Path) -> Option<String> {
    let picture = picture::of(step.name, figures.rows())?;
    let written = picture.and_then(|picture| {
        let directory = into.join("benches/pictures");
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(format!("{}.svg", picture.name)), &picture.svg)?;
        Ok(picture.markdown())
    });
    written.inspect_err(|reason| println!("no picture of {}: {reason}", step.name)).ok()
}

/// The command that this program was started by, as anybody can type it.
fn command(args: &Args, options: &Options) -> String {
    let features = if cfg!(feature = "aeron") { " --features aeron" } else { "" };
    let mut command =
        format!("cargo run --release --manifest-path rivals/Cargo.toml{features} -- report");
    if options.quick {
        command += " --quick";
    } else if args.pairs() != crate::args::PAIRS || args.sample_ms != crate::args::SAMPLE_MS {
        command += &format!(" --pairs {} --sample-ms {}", args.pairs(), args.sample_ms);
    }
    if !args.only.is_empty() {
        command += &format!(" --only {}", args.only);
    }
    command
}
