//! What a waiting end does before it sleeps.

use crossbeam_utils::Backoff;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
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

/// Looks, with pauses that double each time, before the clock is read: a short wait never does.
const LOOKS_WITHOUT_CLOCK: u32 = 7;

/// One wait's spinning.
///
/// Between two looks it pauses for longer and longer (up to 64 pause instructions): a peer that
/// streams is disturbed by every look, because it has to fetch back the line that was looked at.
#[derive(Debug)]
pub(crate) struct Spinner {
    policy: Wait,
    backoff: Backoff,
    looks: u32,
    since: Option<Instant>,
}

impl Spinner {
    pub(crate) fn new(policy: Wait) -> Self {
        // On one processor the peer cannot run while we look.
        let alone = policy == Wait::Adaptive && processors() == 1;
        let policy = if alone { Wait::Sleep } else { policy };
        Self { policy, backoff: Backoff::new(), looks: 0, since: None }
    }

    /// Whether this wait may ever sleep.
    pub(crate) fn sleeps(&self) -> bool {
        self.policy != Wait::Spin
    }

    /// Pauses before the next look; false when it is time to sleep. A policy that never sleeps
    /// spins for `at_most` before it is time for something else.
    pub(crate) fn pause(&mut self, at_most: Duration) -> bool {
        let budget = match self.policy {
            Wait::Sleep => return false,
            Wait::Adaptive => SPIN_BUDGET,
            Wait::Spin => at_most,
        };
        self.backoff.spin();
        if self.looks < LOOKS_WITHOUT_CLOCK {
            self.looks += 1;
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
    // No lock: a child forked while another thread held it would wait for ever.
    static PROCESSORS: AtomicUsize = AtomicUsize::new(0);
    match PROCESSORS.load(Ordering::Relaxed) {
        0 => {
            let processors = std::thread::available_parallelism().map_or(1, Into::into);
            PROCESSORS.store(processors, Ordering::Relaxed);
            processors
        }
        known => known,
    }
}
