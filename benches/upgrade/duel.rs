//! Two pipelines in turns.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::harness::bar;
use crate::harness::cpu;
use crate::harness::flow;
use crate::harness::order::Cost;
use crate::harness::paired::{Pair, in_turns};
use crate::transport::{Flow, Unavailable};

type Make<'a> = Box<dyn Fn() -> Result<Flow, Unavailable> + 'a>;

/// Two pipelines to be compared.
pub struct Duel<'a> {
    /// What a table calls it: the first, a colon, the second.
    pub name: String,
    first: Make<'a>,
    second: Make<'a>,
    /// The first should take at most so many times as long as the second;
    /// `None` if this is not asked.
    pub asked: Option<f64>,
}

/// What a duel came to, or why it has no result.
pub type Outcome = Result<Vec<Pair<Cost>>, Box<dyn Error>>;

impl<'a> Duel<'a> {
    /// Of two pipelines, each made anew for every run.
    pub fn new(
        name: impl Into<String>,
        first: impl Fn() -> Result<Flow, Unavailable> + 'a,
        second: impl Fn() -> Result<Flow, Unavailable> + 'a,
    ) -> Self {
        let (first, second) = (Box::new(first), Box::new(second));
        Duel { name: name.into(), first, second, asked: None }
    }

    /// What is asked of it.
    pub fn asked(mut self, limit: f64) -> Self {
        self.asked = Some(limit);
        self
    }
}

/// Lets pipelines run.
pub struct Referee {
    /// Whether each pair is printed.
    pub each: bool,
    /// The CPUs for the two processes of a pipeline; `None` leaves that to the scheduler.
    pub cpus: Option<[usize; 2]>,
}

impl Referee {
    /// One run.
    pub fn once(&self, flow: Result<Flow, Unavailable>) -> Result<Cost, Box<dyn Error>> {
        Ok(flow::run(flow?, self.cpus, || ())?)
    }

    /// So many pairs of each duel, one duel after the other, having said about how long that takes.
    pub fn decide(&self, title: &str, duels: &[Duel<'_>], pairs: usize) -> Vec<Outcome> {
        let warmed: Vec<_> = duels.iter().map(|duel| self.warm_up(duel)).collect();
        let each: Duration = warmed.iter().flatten().sum();
        let runs = duels.len() * pairs;
        let seconds = (each * pairs as u32).as_secs_f64().ceil();
        eprintln!("{title}: {runs} pairs of runs, about {seconds} s");
        let bar = bar::of_runs(runs as u64);
        let decide = |(duel, warmed): (&Duel<'_>, Result<Duration, Box<dyn Error>>)| {
            bar.set_message(duel.name.clone());
            warmed.and_then(|_| {
                in_turns(
                    pairs,
                    || self.once((duel.first)()),
                    || self.once((duel.second)()),
                    |index, pair| {
                        if self.each {
                            bar.suspend(|| print(&duel.name, index, pair));
                        }
                        bar.inc(1);
                    },
                )
            })
        };
        let outcomes = duels.iter().zip(warmed).map(decide).collect();
        bar.finish_and_clear();
        outcomes
    }

    /// A pair of runs that do not count, and how long it took with the round
    /// trips that go with one.
    fn warm_up(&self, duel: &Duel<'_>) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        self.once((duel.first)())?;
        cpu::round_trip();
        self.once((duel.second)())?;
        cpu::round_trip();
        Ok(start.elapsed())
    }
}

fn print(name: &str, index: usize, pair: &Pair<Cost>) {
    let [before, between, after] = pair.trips;
    let [first, second] = [pair.first, pair.second].map(|cost| cost.time.as_secs_f64() * 1e3);
    println!(
        "{:3}  {:9}  {before}, {between}, {after}  {first:.2} and {second:.2} ms  {:.2}  {name}",
        index + 1,
        pair.place(),
        first / second
    );
}
