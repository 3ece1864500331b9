//! What a waiting end does before it sleeps.

use std::hint::spin_loop;
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Looks again for a short while, then sleeps. Right for nearly everything.
    #[default]
    Adaptive,
    /// Looks again and again and never sleeps: the fastest hand-over where each end has a
    /// processor to itself, and a whole processor spent on it.
    Spin,
    /// Sleeps at once: the least processor time.
    Sleep,
}

/// How long an adaptive end looks before it sleeps: about what a sleep and a wake-up cost
/// together, so that waiting never costs more than twice the better of the two (the classic
/// argument for competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991).
const SPIN_BUDGET: Duration = Duration::from_micros(20);

/// Pauses between two looks, at most. A peer that streams is disturbed by every look: it has to
/// fetch the line back that we looked at.
const MAX_PAUSES: u32 = 64;

/// One wait's spinning.
#[derive(Debug)]
pub(crate) struct Spinner {
    policy: Wait,
    pauses: u32,
    /// Set at the first look that is not the first pauses: short waits never read the clock.
    since: Option<Instant>,
}

impl Spinner {
    pub(crate) fn new(policy: Wait) -> Self {
        // On one processor the peer cannot run while we look.
        let policy =
            if policy == Wait::Adaptive && processors() == 1 { Wait::Sleep } else { policy };
        Self { policy, pauses: 1, since: None }
    }

    /// Whether this wait may ever sleep.
    pub(crate) fn sleeps(&self) -> bool {
        self.policy != Wait::Spin
    }

    /// Pauses before the next look; false when it is time to sleep (or, for [`Wait::Spin`], time
    /// to look whether the peer is alive at all).
    pub(crate) fn pause(&mut self, budget_of_spin: Duration) -> bool {
        let budget = match self.policy {
            Wait::Sleep => return false,
            Wait::Adaptive => SPIN_BUDGET,
            Wait::Spin => budget_of_spin,
        };
        for _ in 0..self.pauses {
            spin_loop();
        }
        if self.pauses < MAX_PAUSES {
            self.pauses *= 2;
            return true;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() < budget
    }

    /// Starts the budget anew.
    pub(crate) fn restart(&mut self) {
        self.since = None;
    }
}

fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into))
}
