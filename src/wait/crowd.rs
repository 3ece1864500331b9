//! How one waker finds, at little cost, which of many sleepers are due.
//!
//! A [`Gate`] has one sleeper. Where several wait for the same thing, each has a gate of its own,
//! and to look at all of them after each publication would cost the waker as many cache lines. So
//! there is one word more, `announced`, which counts how often anybody has gone to sleep, and the
//! waker looks no further while that is what it was and nobody it knows of is due:
//!
//! ```text
//! sleeper                                     waker (private: seen, earliest)
//!   wake_at = what it waits for                 publish (Release)
//!   parked = 1                                  light fence
//!   announced += 1 (Release)                    now = announced (Acquire)
//!   heavy fence                                 now != seen, or published >= earliest ?
//!   re-check: something there? -> un-park           seen = now, earliest = never
//!   sleep                                           each gate that is parked:
//!                                                       wake_at <= published ? wake it
//!                                                       : earliest = the least of these wake_at
//! ```
//!
//! A sleeper that the waker's load of `announced` does not count is not asleep: by the fences, as
//! in [`super::gate`], its re-check sees what was published. One that it does count is parked for
//! all the waker can see, so that the waker finds it due or keeps its `wake_at`.
//!
//! The subtle race is a sleeper that announces itself while the waker looks round, at a gate it has
//! passed: `seen` is what `announced` was **before**, so that the next publication looks round
//! again; and the publication before the look is seen by the sleeper's re-check.
//!
//! Every imprecision is on the safe side, a look round too many: a sleeper whose time ran out
//! leaves its `earliest` behind, a dead one its gate as well, until it is due.

use super::gate::{ANYTHING, Bounds, Fence, Gate, Parked, Sleeper};
use crate::sync::{AtomicU64, Ordering};

/// [`Gate::park`] at one of the gates of a crowd, whose word is `announced`.
pub(crate) fn park<S: Sleeper + Copy, F: Fence>(
    gate: Gate<'_, S, F>,
    announced: &AtomicU64,
    bounds: Bounds,
    wake_at: u64,
    ready: impl FnMut() -> bool,
) -> Parked {
    let announce = || {
        // Release: pairs with the Acquire in `notify`; the gate says what we wait for.
        announced.fetch_add(1, Ordering::Release);
    };
    gate.park_announced(bounds, wake_at, announce, ready)
}

/// What the waker knows of the sleepers.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// `announced` before the last look round.
    seen: u64,
    /// The least `wake_at` among those left asleep then.
    earliest: u64,
}

impl Crowd {
    /// For a waker that knows nothing yet: looks round at its first call. That one should come at
    /// once where there was another waker before, which may have died over its wake-ups.
    pub(crate) fn new() -> Self {
        Self { seen: 0, earliest: 0 }
    }

    /// Wakes those who wait for `published` or less. To be called after each publication; with
    /// [`ANYTHING`] if it is something else that they must know.
    #[inline]
    pub(crate) fn notify<'a, S: Sleeper + Copy + 'a, F: Fence + 'a>(
        &mut self,
        announced: &AtomicU64,
        fence: &F,
        published: u64,
        gates: impl Iterator<Item = Gate<'a, S, F>>,
    ) {
        fence.light();
        // Acquire: pairs with the Release in `park`. The fence orders it after the publication.
        let now = announced.load(Ordering::Acquire);
        if now != self.seen || published >= self.earliest {
            self.seen = now;
            self.look_round(published, gates);
        }
    }

    #[cold]
    fn look_round<'a, S: Sleeper + Copy + 'a, F: Fence + 'a>(
        &mut self,
        published: u64,
        gates: impl Iterator<Item = Gate<'a, S, F>>,
    ) {
        self.earliest = gates.fold(ANYTHING, |least, gate| least.min(gate.wake_if_due(published)));
    }
}
