//! How far an end stays behind the other, by what lies in the ring.
//!
//! Where items are sent one by one, an awake end lets a moment pass before it looks for more, if that
//! pays ([`Ground`]). Bytes come in pieces of the callers' choice, and a reader that keeps up with a
//! stream of them sleeps until more has come together ([`Pace`]).

use super::End;
use crate::{
    sys::clock,
    wait::{
        Wait,
        adaptive::Ground,
        pace::{Pace, Rest},
    },
};

/// See the module.
#[derive(Debug)]
pub(crate) enum Distance {
    OfBytes(Pace),
    OfItems(Ground),
}

impl Distance {
    /// Of an end that takes up its work at `position`, in a ring whose items are multiples of `unit`.
    pub(super) fn new(unit: u64, position: u64) -> Self {
        match unit {
            1 => Self::OfBytes(Pace::new(position)),
            _ => Self::OfItems(Ground::new(position)),
        }
    }

    /// The end is at `position` and knows of nothing more to do, having moved so many items: lets a moment
    /// pass before it looks, or not.
    #[inline]
    pub(super) fn keep(&mut self, end: &End, position: u64, items: u64) {
        if let Self::OfItems(ground) = self
            && end.wait == Wait::Adaptive
        {
            for _ in 0..ground.ran_dry(position, items, clock::monotonic_nanos) {
                std::hint::spin_loop();
            }
        }
    }

    /// How many bytes to nap for, at most `most`; `None` for an ordinary sleep.
    pub(super) fn nap(&self, position: u64, most: u64) -> Option<u64> {
        match self {
            Self::OfBytes(pace) => pace.nap(position, most),
            Self::OfItems(_) => None,
        }
    }

    /// Notes a wait that the end had at `position`.
    pub(super) fn rested(&mut self, position: u64, rest: Rest) {
        if let Self::OfBytes(pace) = self {
            pace.rested(position, rest);
        }
    }
}
