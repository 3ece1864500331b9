//! What an end counts.

use super::End;
use crate::{
    sync::Ordering,
    sys::clock,
    wait::{Wait, adaptive::Budget, gate::Parked, pace::Rest},
};
use std::time::{Duration, Instant};

/// What an end has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records or values moved; in a stream of bytes, calls that moved any.
    pub operations: u64,
    /// Bytes of the ring moved: of records with their headers and padding.
    pub bytes: u64,
    /// How often it went to sleep.
    pub sleeps: u64,
    /// For how long it waited, all waits together that were longer than a few microseconds.
    pub blocked: Duration,
    /// How often nobody woke it although there was something to wake up for, and it found that
    /// itself, when it looked again or its time was up: 0, but for what was published in that
    /// instant, or a wake-up was lost. (Linux may lose one in a million for a process that attached
    /// its first ring while another of its threads slept. Such a one is late by 10 ms, or by up to
    /// 150 ms if it ends a wait that has lasted longer than the first
    /// [liveness interval](crate::Options::liveness_interval).)
    pub late_wakeups: u64,
    /// Records or values that were given up because the ring was full, by the calls that do so.
    pub dropped: u64,
    /// Guards of what was reserved or gathered (a record, some slots, a batch) that
    /// were dropped without a commit.
    pub aborted: u64,
    /// Guards that were forgotten (`mem::forget`), noticed at the next operation. What they held
    /// was not published, or is handed out again.
    pub leaked: u64,
    /// Claims of dead senders that a receiver of [`mpsc`](crate::mpsc) passed over:
    /// records that were never committed.
    pub repaired: u64,
}

/// An end's private counters.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    stats: Stats,
    since: Option<Instant>,
    rest: Rest,
    budget: Budget,
    /// Whether this wait has slept.
    slept: bool,
    /// How long the waits took that nobody has asked for yet.
    took: Duration,
}

impl Waited {
    /// `bytes` = how many moved so far.
    pub(crate) fn stats(&self, bytes: u64) -> Stats {
        Stats { bytes, ..self.stats }
    }

    /// Counts `items` that moved. (Not their bytes: positions tell, and this is
    /// done for every item.)
    #[inline]
    pub(crate) fn moved(&mut self, items: u64) {
        self.stats.operations += items;
    }

    /// How many bytes moved so far. To be said before the counters are shown to anybody.
    pub(crate) fn moved_bytes(&mut self, bytes: u64) {
        self.stats.bytes = bytes;
    }

    /// What was moved so far: records or values, or calls that moved bytes.
    pub(crate) fn items(&self) -> u64 {
        self.stats.operations
    }

    /// What the wait that begins does first, by this policy.
    pub(crate) fn eager(&self, policy: Wait) -> Wait {
        match policy {
            Wait::Adaptive if self.budget.get().is_zero() => Wait::Sleep,
            policy => policy,
        }
    }

    /// For how long the wait that begins may look before it sleeps.
    pub(crate) fn budget(&self) -> Duration {
        self.budget.get()
    }

    /// Counts a guard that came back.
    #[inline]
    pub(crate) fn aborted(&mut self, aborted: bool) {
        self.stats.aborted += u64::from(aborted);
    }

    pub(crate) fn leaked(&mut self) {
        self.stats.leaked += 1;
    }

    pub(crate) fn dropped(&mut self) {
        self.stats.dropped += 1;
    }

    /// A wait begins to be worth its clock.
    pub(crate) fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// The wait is over, having looked for so long before it slept, if it did;
    /// whether it was worth a clock.
    pub(crate) fn end(&mut self, looked: Duration, found: bool) -> bool {
        let since = self.since.take();
        let took = since.map_or(Duration::ZERO, |since| since.elapsed());
        self.stats.blocked += took;
        let slept = std::mem::take(&mut self.slept);
        self.took += looked + took;
        self.budget.waited(looked, took, slept, found);
        since.is_some()
    }

    /// A sleep or a nap is over; `found` what it was for, or for a nap anything.
    pub(crate) fn slept(&mut self, parked: Parked, nap: bool, found: bool) {
        if parked == Parked::Ready {
            return;
        }
        self.stats.sleeps += 1;
        // A nap is meant to last.
        self.slept |= !nap;
        let late = matches!(parked, Parked::Late | Parked::TimedOut) && !nap && found;
        self.stats.late_wakeups += u64::from(late);
        self.rest = match parked {
            Parked::TimedOut if nap => Rest::Vain,
            _ if self.rest == Rest::Vain => Rest::Vain,
            _ => Rest::Sound,
        };
    }

    /// How the waits since the last call went, and how long they took.
    pub(crate) fn take_rest(&mut self) -> (Rest, Duration) {
        (std::mem::take(&mut self.rest), std::mem::take(&mut self.took))
    }
}

impl End {
    /// Shows the counters to observers. Not on every operation: before it sleeps
    /// and after waits, and at the end.
    pub(crate) fn publish_stats(&self, waited: &Waited) {
        let line = self.own().stats;
        let Stats { operations, bytes, sleeps, blocked, late_wakeups, .. } = waited.stats;
        let Stats { dropped, aborted, leaked, .. } = waited.stats;
        // Relaxed: each is a number for itself.
        line.operations.store(operations, Ordering::Relaxed);
        line.bytes.store(bytes, Ordering::Relaxed);
        line.sleeps.store(sleeps, Ordering::Relaxed);
        line.blocked_nanos.store(blocked.as_nanos() as u64, Ordering::Relaxed);
        line.late_wakeups.store(late_wakeups, Ordering::Relaxed);
        line.dropped.store(dropped, Ordering::Relaxed);
        line.aborted.store(aborted, Ordering::Relaxed);
        line.leaked.store(leaked, Ordering::Relaxed);
        line.last_wait.store(clock::monotonic_nanos(), Ordering::Relaxed);
    }
}
