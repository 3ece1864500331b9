//! The one waiting loop: try, spin, park, and look whether the peer lives.
//!
//! ```text
//!  try -> there: done
//!   | not there
//!  spin and try, as the policy says
//!   |
//!  park on the own gate, at most until the cap ----- woken ---> spin anew
//!   |   (before that, in a stream, one nap without spinning: see `crate::wait::pace`;
//!   |   the first time with another try after a fifth of the cap: see `crate::wait::gate`)
//!   | the cap passed
//!  is the peer's role held? is the object whole? then try once more, knowing that
//!   |
//!  a longer cap, and park again
//! ```
//!
//! The cap is what bounds the time for which a peer's death goes unnoticed: 50 ms at first, growing
//! to 150 ms while nothing happens.

use super::{
    Broken, End, Role,
    epoch::{State, Word},
    stats::Waited,
    stop::Stop,
};
use crate::{
    segment::Memory,
    sync::Ordering as SharedOrdering,
    sys::clock,
    wait::{
        gate::{ANYTHING, Bounds, Parked},
        pace::NAP,
        spin::Spinner,
    },
};
use std::{
    cell::Cell,
    sync::{LazyLock, atomic::Ordering},
    time::{Duration, Instant},
};

/// For how long a caller is willing to wait. Public to be named, and unreachable from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Never,
    /// So many nanoseconds, beginning when the wait does. (A call waits once at
    /// most, or it would have them again.)
    Within(u64),
    /// So many nanoseconds after [`BEGINNING`].
    Until(u64),
    Forever,
}

/// As good as any instant. (Numbers are passed on in registers, and a call that need not wait asks
/// for no clock.)
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// In nanoseconds; centuries are for ever.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Patience {
    #[inline]
    pub(crate) fn from_timeout(timeout: Duration) -> Self {
        Self::Within(nanos(timeout))
    }

    #[inline]
    pub(crate) fn from_deadline(deadline: Instant) -> Self {
        Self::Until(nanos(deadline.saturating_duration_since(*BEGINNING)))
    }

    /// The wait begins.
    fn begun(self) -> Self {
        match self {
            Self::Within(timeout) => {
                Self::Until(nanos(BEGINNING.elapsed()).saturating_add(timeout))
            }
            begun => begun,
        }
    }

    /// Whether the time is up, or none was given.
    pub(crate) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// Whether there is no time for anything but a look.
    pub(crate) fn is_short(self) -> bool {
        self.left().is_some_and(|left| left < SHORT)
    }

    fn left(self) -> Option<Duration> {
        match self {
            Self::Never => Some(Duration::ZERO),
            Self::Within(timeout) => Some(Duration::from_nanos(timeout)),
            Self::Until(deadline) => {
                Some(Duration::from_nanos(deadline.saturating_sub(nanos(BEGINNING.elapsed()))))
            }
            Self::Forever => None,
        }
    }
}

/// What a waiting end waits for: positions of the other end.
#[derive(Debug)]
pub(crate) struct Until {
    /// From here on there is what was asked for. An attempt may find that it is further on.
    pub(crate) there: Cell<u64>,
    /// The first sleep is to be a nap.
    pub(crate) nap: Option<Nap>,
}

/// A sleep that asks for more than is needed, and is short in case that does not come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nap {
    /// From here on there is enough to end it.
    pub(crate) enough: u64,
    /// Whether it comes after a look, as any other sleep, or at once.
    pub(crate) look_first: bool,
}

impl Until {
    /// Until the other end is at `there`.
    pub(crate) fn there(there: u64) -> Self {
        Self { there: Cell::new(there), nap: None }
    }
}

/// What was found out about the peer's death, for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Nobody has looked.
    NotLooked,
    /// It is alive, or in a ring of many producers: the attempt may look
    /// itself, which costs system calls.
    Looked,
    /// A peer that is no more: its word, read before its role was found free. The attempt reads the
    /// word again. If it is the same, that peer died.
    Peer(Word),
}

/// Less than the longest pause of `end::distance` together with an eager look.
const SHORT: Duration = Duration::from_micros(200);

const FIRST_CAP: Duration = Duration::from_millis(50);
const LAST_CAP: Duration = Duration::from_millis(150);

impl End {
    /// Waits until `attempt` has something or fails.
    ///
    /// `attempt` is called often and must look at shared memory alone. It returns `None` as long
    /// as there is nothing to be had but the peer may still bring it.
    pub(crate) fn wait<T, E: From<Stop>>(
        &self,
        patience: Patience,
        until: &Until,
        waited: &mut Waited,
        mut attempt: impl FnMut(Gone) -> Result<Option<T>, E>,
    ) -> Result<T, E> {
        if let Some(there) = attempt(Gone::NotLooked)? {
            return Ok(there);
        }
        let patience = patience.begun();
        let refusal = match patience {
            Patience::Never => Some(Stop::WouldBlock),
            _ => patience.is_over().then_some(Stop::Timeout),
        };
        if let Some(refusal) = refusal {
            return self.look_for_a_death(&mut attempt)?.ok_or_else(|| refusal.into());
        }
        let mut looked = Duration::ZERO;
        let result = self.wait_long(patience, until, waited, &mut looked, attempt);
        if waited.end(looked, result.is_ok()) && self.is_mapped() {
            self.publish_stats(waited);
        }
        result
    }

    #[cold]
    fn wait_long<T, E: From<Stop>>(
        &self,
        patience: Patience,
        until: &Until,
        waited: &mut Waited,
        looked_for: &mut Duration,
        mut attempt: impl FnMut(Gone) -> Result<Option<T>, E>,
    ) -> Result<T, E> {
        let mut spinner = Spinner::new(self.wait, waited.budget());
        let mut nap = until.nap.filter(|_| spinner.sleeps());
        let mut cap = self.liveness_interval.unwrap_or(FIRST_CAP);
        let last_cap = self.liveness_interval.unwrap_or(LAST_CAP);
        // Of later sleeps a wake-up that is lost costs the cap: who waits for
        // long polls no more than it must.
        let mut doubt = cap / 5;
        let mut looked = None;
        let mut shown = false;
        loop {
            while nap.is_none_or(|nap| nap.look_first)
                && spinner.pause(|| patience.left().map_or(cap, |left| left.min(cap)))
            {
                if let Some(there) = attempt(Gone::NotLooked)? {
                    *looked_for += spinner.looked();
                    return Ok(there);
                }
                // Aborted from another thread.
                self.check()?;
            }
            *looked_for += spinner.looked();
            waited.begin();
            self.check()?;
            let left = patience.left();
            if left == Some(Duration::ZERO) {
                return self.look_for_a_death(&mut attempt)?.ok_or_else(|| Stop::Timeout.into());
            }
            let last_look = *looked.get_or_insert_with(Instant::now);
            if spinner.sleeps() {
                let napping = nap.take();
                let (wake_at, longest) =
                    napping.map_or((until.there.get(), cap), |nap| (nap.enough, NAP));
                let timeout = left.map_or(longest, |left| left.min(longest));
                // (A nap is short, and asks for more than a re-check does.)
                let doubt = napping.map_or(doubt, |_| NAP);
                let bounds = Bounds { timeout, doubt };
                // For observers: since when it waits. (Naps are part of the work.)
                if napping.is_none() && !std::mem::replace(&mut shown, true) {
                    self.publish_stats(waited);
                }
                // A peer that naps until more has come from us need not wait for it: we wait
                // too. (Of many, several may wait for the same one, and would wake each other
                // for ever; their naps are short.)
                if self.geometry.producers == 0 {
                    self.notify_peer(ANYTHING);
                }
                let mut found = None;
                let parked = self.park(bounds, wake_at, || {
                    found = attempt(Gone::NotLooked).transpose();
                    // Of many, nobody wakes a consumer but for what is at just this position; and
                    // aborting posts a token, which must not be slept past either.
                    let moved = self.is_one_to_many() && until.there.get() != wake_at;
                    found.is_some() || moved || self.check().is_err()
                });
                let found = match found {
                    // Also if the end was aborted meanwhile: what was claimed must not be dropped.
                    Some(found) => Some(found?),
                    None => {
                        self.check()?;
                        attempt(Gone::NotLooked)?
                    }
                };
                waited.slept(parked, napping.is_some(), found.is_some());
                match found {
                    Some(there) => return Ok(there),
                    None if napping.is_some() => continue,
                    None if parked == Parked::Ready => continue,
                    // However often we are woken for nothing, a death is not overlooked.
                    None if parked != Parked::TimedOut && last_look.elapsed() < cap => {
                        spinner.restart();
                        continue;
                    }
                    None => {}
                }
            }
            if let Some(there) = self.look_and_try(&mut attempt)? {
                return Ok(there);
            }
            looked = None;
            cap = (cap.saturating_mul(3) / 2).min(last_cap);
            doubt = cap;
            spinner.restart();
        }
    }

    /// For callers that never wait, or not long enough to look: they would never learn of a peer's
    /// death, so every so often one of their attempts pays for the system calls.
    fn look_for_a_death<T, E: From<Stop>>(
        &self,
        attempt: &mut impl FnMut(Gone) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let now = clock::monotonic_nanos();
        // Relaxed: only the rate of looking hangs on it.
        if now < self.next_probe.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let interval = self.liveness_interval.unwrap_or(FIRST_CAP).as_nanos();
        let interval = u64::try_from(interval).unwrap_or(u64::MAX);
        self.next_probe.store(now.saturating_add(interval), Ordering::Relaxed);
        self.look_and_try(attempt)
    }

    /// Looks after the object and the peer, and tries once more, knowing that.
    fn look_and_try<T, E: From<Stop>>(
        &self,
        attempt: &mut impl FnMut(Gone) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        match self.check_object().and_then(|()| self.gone_peer()) {
            Ok(gone) => attempt(gone),
            // Perhaps by the last end out, which said its last word before.
            Err(Stop::Removed) => match attempt(Gone::NotLooked)? {
                None => Err(Stop::Removed.into()),
                there => Ok(there),
            },
            Err(stop) => Err(stop.into()),
        }
    }

    /// A named object can be cut short by any process of its user; the next access to a
    /// page that is gone would be a SIGBUS. Found here, it is an error. And nobody comes
    /// any more to one that was removed.
    fn check_object(&self) -> Result<(), Stop> {
        let facts = self.probe.facts()?;
        if facts.size < self.geometry.size() {
            return Err(self.poison(Broken::Truncated));
        }
        match self.probe.memory() {
            Memory::SystemV(_) if facts.removed => Err(Stop::Removed),
            // Nor to one without locks.
            Memory::SystemV(segment) => Ok(segment.locks().check()?),
            Memory::File(_) if facts.removed && self.nobody_came()? => Err(Stop::Removed),
            Memory::File(_) => Ok(()),
        }
    }

    /// Whether there is no other end to be waited for: none has come, or no producer since a
    /// consumer was last told how a stream ended.
    fn nobody_came(&self) -> Result<bool, Stop> {
        let control = self.control();
        // Relaxed: used by consumers, who alone write it. The Acquire below pairs with
        // the Release in `end::seat::take`.
        let told = control.life.0.acknowledged.load(SharedOrdering::Relaxed);
        if self.is_one_to_many() {
            return Ok(told == control.many.0.joined.load(SharedOrdering::Acquire));
        }
        let word = self.peer_word()?;
        let is_over = self.role == Role::Consumer && u64::from(word.epoch) <= told;
        Ok(word.state == State::None || is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_begins_when_the_wait_does() {
        let hour = Duration::from_secs(3600);
        let patience = Patience::from_timeout(hour);
        assert_eq!(patience.left(), Some(hour));
        let begun = patience.begun();
        assert!(begun.left().unwrap() <= hour && !begun.is_short());
        assert_eq!(begun.begun(), begun, "once");
        assert!(Patience::from_timeout(Duration::ZERO).begun().is_over());
    }

    #[test]
    fn a_time_out_of_centuries_is_not_over() {
        for timeout in [Duration::MAX, Duration::from_nanos(u64::MAX)] {
            let patience = Patience::from_timeout(timeout).begun();
            assert!(patience.left().unwrap() > Duration::from_secs(1 << 32));
        }
    }

    #[test]
    fn a_deadline_is_where_it_is() {
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        assert!(Patience::from_deadline(now).is_over());
        assert!(now.checked_sub(hour).is_none_or(|past| Patience::from_deadline(past).is_over()));
        let left = Patience::from_deadline(now + hour).begun().left().unwrap();
        assert!(left <= hour && left > hour / 2, "{left:?}");
        assert!(Patience::from_deadline(now + Duration::from_secs(1 << 40)).left().unwrap() > hour);
    }
}
