//! How far an end stays behind the other, by what lies in the ring.
//!
//! An awake end lets a moment pass before it looks for more, if that pays ([`Ground`]). Bytes come
//! in pieces of the callers' choice, and a reader that keeps up with a stream of them sleeps until
//! more has come together ([`Pace`]).

use super::End;
use crate::{
    layout::identity::Geometry,
    sys::clock,
    wait::{
        Wait,
        adaptive::Ground,
        pace::{Pace, Rest},
    },
};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(crate) struct Distance {
    ground: Ground,
    /// Of a stream of bytes.
    pace: Option<Pace>,
}

impl Distance {
    /// Of an end that takes up its work at `position`.
    pub(crate) fn new(geometry: Geometry, position: u64) -> Self {
        let pace = geometry.holds_bytes().then(|| Pace::new(position));
        Self { ground: Ground::new(position), pace }
    }

    /// The end is at `position` and knows of nothing more to do, having moved so many items: lets a
    /// moment pass before it looks, or not.
    #[inline]
    pub(crate) fn keep(&mut self, end: &End, position: u64, items: u64) {
        // How many pieces the other end made of the bytes nobody tells: each counts.
        let items = if self.pace.is_some() { position } else { items };
        let pauses = self.ground.ran_dry(position, items, clock::monotonic_nanos);
        if end.wait == Wait::Adaptive {
            for _ in 0..pauses {
                std::hint::spin_loop();
            }
        }
    }

    /// As [`keep`](Self::keep) by an end that [converses](Self::converses), if it goes on so.
    #[inline]
    pub(super) fn goes_on(&mut self, items: u64) -> bool {
        self.ground.goes_on(items)
    }

    /// Whether items come singly, again and again.
    #[inline]
    pub(crate) fn converses(&self) -> bool {
        self.pace.is_none() && self.ground.converses()
    }

    /// How many bytes a consumer naps for, in a ring of such a capacity; `None` for an ordinary
    /// sleep. (The last item of a burst would be seen late.)
    pub(crate) fn nap_for_data(&self, position: u64, capacity: u64) -> Option<u64> {
        self.pace.as_ref()?.nap(position, capacity / 2)
    }

    /// How many bytes a producer naps for, that needs room for `n` in a ring of such a capacity,
    /// and whether it looks first. Until there is more room than that the consumer has enough to
    /// do, and should not be kept from it by waking a producer for every item.
    pub(crate) fn nap_for_room(&self, position: u64, capacity: u64, n: u64) -> Option<(u64, bool)> {
        let (nap, look_first) = match &self.pace {
            Some(pace) => (pace.nap(position, capacity / 2)?, false),
            None => (capacity / 8, true),
        };
        (nap > n).then_some((nap, look_first))
    }

    /// Notes a wait that the end had at `position`, and that took so long.
    pub(crate) fn rested(&mut self, position: u64, rest: Rest, took: Duration) {
        if let Some(pace) = &mut self.pace {
            pace.rested(position, rest);
        }
        if rest != Rest::None {
            self.ground.slept(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}
