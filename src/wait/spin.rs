//! What a waiting end does before it sleeps.

use crate::sys::cpu;
use crossbeam_utils::Backoff;
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Looks again for a short while, then sleeps; keeps its distance while the other end streams. Right
    /// for nearly everything.
    #[default]
    Adaptive,
    /// Looks again and again and never sleeps: a whole processor spent on it.
    Spin,
    /// Sleeps at once: the least processor time.
    Sleep,
}

impl Wait {
    /// What it comes down to here: on one processor the peer cannot run while we look.
    pub(crate) fn here(self) -> Self {
        if self == Self::Adaptive && processors() == 1 { Self::Sleep } else { self }
    }
}

/// So many looks follow upon one another as fast as they can: what comes soon is seen at once.
const EAGER: u32 = 256;

/// Of these, so many go by the clock's price.
const LOOKS_PER_CLOCK: u32 = 16;

/// One wait's looking: eagerly at first, then with pauses that grow with the time already waited.
#[derive(Debug)]
pub(crate) struct Spinner {
    policy: Wait,
    budget: Duration,
    looks: u32,
    backoff: Backoff,
    since: Option<Instant>,
}

impl Spinner {
    /// `budget` = for how long an adaptive end looks.
    pub(crate) fn new(policy: Wait, budget: Duration) -> Self {
        Self { policy, budget, looks: 0, backoff: Backoff::new(), since: None }
    }

    /// Whether this wait may ever sleep.
    pub(crate) fn sleeps(&self) -> bool {
        self.policy != Wait::Spin
    }

    /// Pauses before the next look; false when it is time to sleep. A policy that never sleeps looks for
    /// `at_most` before it is time for something else.
    #[inline]
    pub(crate) fn pause(&mut self, at_most: impl FnOnce() -> Duration) -> bool {
        if self.policy == Wait::Sleep {
            return false;
        }
        if self.looks < EAGER {
            spin_loop();
            self.looks += 1;
            if !self.looks.is_multiple_of(LOOKS_PER_CLOCK) {
                return true;
            }
        } else {
            self.backoff.spin();
        }
        let budget = if self.policy == Wait::Spin { at_most() } else { self.budget };
        self.since.get_or_insert_with(Instant::now).elapsed() < budget
    }

    /// For how long it has looked, as far as it knows.
    pub(crate) fn looked(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
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
            // Of the machine, and not those that this process may use: the peer may use others.
            let processors = cpu::online();
            PROCESSORS.store(processors, Ordering::Relaxed);
            processors
        }
        known => known,
    }
}
