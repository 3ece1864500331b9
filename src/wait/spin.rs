//! What a waiting end does before it sleeps.

use crate::sys::cpu;
use crossbeam_utils::Backoff;
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Looks again for a short while, then sleeps; keeps its distance while the other end
    /// streams. Right for nearly everything.
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

/// So many looks follow upon one another as fast as they can: two microseconds or so.
const EAGER: u32 = 128;

/// The first of them even without a pause, which takes longer than a hand-over between neighbours.
const AT_ONCE: u32 = 24;

/// What every wait begins with, but one that sleeps at once and an unhurried one (`wait::reply`):
/// looks for a moment at the word that the other end will change, and returns when it does. What
/// comes soon is seen at once, at the price of a load.
#[inline]
pub(crate) fn eagerly(policy: Wait, word: &AtomicU64, seen: u64) {
    if policy == Wait::Sleep {
        return;
    }
    for look in 0..EAGER {
        // Relaxed: a hint; what the word says is read properly afterwards.
        if word.load(Ordering::Relaxed) != seen {
            return;
        }
        if look >= AT_ONCE {
            spin_loop();
        }
    }
}

/// One wait's looking after that, with pauses that grow with the time already waited.
#[derive(Debug)]
pub(crate) struct Spinner {
    policy: Wait,
    budget: Duration,
    backoff: Backoff,
    since: Option<Instant>,
}

impl Spinner {
    /// `budget` = for how long an adaptive end looks.
    pub(crate) fn new(policy: Wait, budget: Duration) -> Self {
        Self { policy, budget, backoff: Backoff::new(), since: None }
    }

    /// Whether this wait may ever sleep.
    pub(crate) fn sleeps(&self) -> bool {
        self.policy != Wait::Spin
    }

    /// Pauses before the next look; false when it is time to sleep, or, after
    /// `at_most`, for something else.
    #[inline]
    pub(crate) fn pause(&mut self, at_most: impl FnOnce() -> Duration) -> bool {
        if self.policy == Wait::Sleep {
            return false;
        }
        self.backoff.spin();
        let budget = match self.policy {
            Wait::Spin => at_most(),
            _ => at_most().min(self.budget),
        };
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
