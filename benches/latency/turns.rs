//! Several ways at the same work, one after the other, round after round.

use crate::each::REGISTRY;
use crate::harness::cpu;
use crate::harness::paired::Place;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::{Job, Outcome};

/// A way with its two ends, the job it does in a round, and what came of it.
pub struct Contender {
    /// What a table calls it.
    pub title: String,
    duo: Duo,
    job: Job,
    /// Every outcome, with the place where the CPUs were.
    pub outcomes: Vec<(Place, Outcome)>,
}

impl Contender {
    /// Starts both ends, and asks `plan` which job it should do. A way that is not
    /// available says so and is left out.
    pub fn start(
        (spec, words): (&str, usize),
        traffic: Traffic,
        plan: impl FnOnce(&mut Duo) -> Result<Job, String>,
    ) -> Result<Option<Self>, String> {
        let started = REGISTRY
            .make(spec)
            .and_then(|way| Ok((way.title(), Duo::start(REGISTRY, spec, words, traffic)?)));
        let (title, mut duo) = match started {
            Ok(started) => started,
            Err(reason) => {
                println!("{spec}: {reason}");
                return Ok(None);
            }
        };
        let job = plan(&mut duo).map_err(|error| format!("{spec}: {error}"))?;
        let title = format!("{title}, {} B", 8 * words);
        Ok(Some(Contender { title, duo, job, outcomes: Vec::new() }))
    }

    /// Gives it another job.
    pub fn set(&mut self, job: Job) {
        self.job = job;
        self.outcomes.clear();
    }
}

/// Has all of them do their jobs in turns.
pub fn run(contenders: &mut [Contender], rounds: usize) -> Result<(), String> {
    for _ in 0..rounds {
        for contender in &mut *contenders {
            let before = cpu::round_trip();
            let outcome = contender
                .duo
                .run(&contender.job)
                .map_err(|error| format!("{}: {error}", contender.title))?;
            let place = Place::of(&[before, cpu::round_trip()]);
            contender.outcomes.push((place, outcome));
        }
    }
    Ok(())
}
