//! How far a report is, on a terminal as a bar, elsewhere as a line for each step.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::step::{Extent, Step};

/// To build all benches and examples from nothing, on two CPUs.
const BUILDING: Duration = Duration::from_secs(120);

/// Where it stands.
pub struct Progress {
    bar: ProgressBar,
    extent: Extent,
    /// What the steps so far were thought to take.
    done: Duration,
    began: Instant,
    current: String,
    number: usize,
    of: usize,
}

impl Progress {
    /// Says how long it will take.
    pub fn start(steps: &[Step], extent: &Extent) -> Self {
        let estimate: Duration = steps.iter().map(|step| step.estimate(extent)).sum();
        println!(
            "{} steps, {} pairs of samples of {} ms: about {} of measuring, and up to {} of building.",
            steps.len(),
            extent.pairs,
            extent.sample_ms,
            shown(estimate),
            shown(BUILDING),
        );
        println!("Nothing else should run meanwhile.");
        let style = ProgressStyle::with_template("{bar:24} {elapsed} of {prefix}  {wide_msg}");
        let bar = ProgressBar::new((BUILDING + estimate).as_secs().max(1))
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(shown(BUILDING + estimate));
        bar.enable_steady_tick(Duration::from_millis(500));
        let mut progress = Progress {
            bar,
            extent: *extent,
            done: Duration::ZERO,
            began: Instant::now(),
            current: "building".into(),
            number: 0,
            of: steps.len(),
        };
        progress.announce("building");
        progress
    }

    /// The building is done.
    pub fn built(&mut self) {
        self.done = BUILDING;
    }

    /// A step begins.
    pub fn begin(&mut self, step: &Step) {
        self.number += 1;
        self.began = Instant::now();
        let estimate = shown(step.estimate(&self.extent));
        self.announce(&format!("{} of {}: {}, about {estimate}", self.number, self.of, step.name));
        self.current = format!("{} of {}: {}", self.number, self.of, step.name);
    }

    /// What the program of the step says.
    pub fn say(&mut self, line: &str) {
        let line = line.trim();
        if !line.is_empty() {
            let position = self.done + self.began.elapsed();
            self.bar.set_position(position.as_secs());
            self.bar.set_message(format!("{}: {line}", self.current));
        }
    }

    /// A step is done, or has failed for that reason.
    pub fn end(&mut self, step: &Step, failure: Option<&str>) {
        self.done += step.estimate(&self.extent);
        let took = shown(self.began.elapsed());
        match failure {
            None => self.print(&format!("    {} done in {took}", step.name)),
            Some(reason) => self.print(&format!("    {} FAILED after {took}: {reason}", step.name)),
        }
    }

    /// All is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn announce(&mut self, what: &str) {
        self.bar.set_position(self.done.as_secs());
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            println!("{what}");
        }
    }

    fn print(&self, line: &str) {
        if self.bar.is_hidden() {
            println!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

/// `35 s`, `12 min`.
pub fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}
