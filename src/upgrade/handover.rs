//! Which of the two carries the bytes, the pipe or the ring: one word, changed by compare-and-swap.
//!
//! ```text
//!                  reader              writer
//!   OFFERED ------- attaches -> ATTACHED ---- switches -> SWITCHED ---- finishes: see the stream's end
//!      |                         |   |                        |
//!      |          writer ends    |   |  reader leaves,        |  reader leaves,
//!      +----------------+--------+   |  or is found dead      |  or is found dead
//!                       v            v                        v
//!                    CLOSED         LEFT <--------------------+
//! ```
//!
//! - Until `SWITCHED` all bytes go by the pipe; from then on, by the ring. The writer
//!   decides, after a write to the pipe that is complete: what the reader then finds in the
//!   pipe goes before what is in the ring.
//! - At `LEFT` the reader has said how far it has taken the bytes. The writer gives the others back
//!   through the pipe, and forgets the ring.
//! - `LEFT` and `CLOSED` are for ever: a ring has one reader in its life. (A ring
//!   that went back to `OFFERED` could be attached to by the next reader while the
//!   rest is on its way through the pipe.)
//!
//! The one race that matters is the switch against the reader's leaving: whichever comes first, the
//! other sees it, because both are swaps of the same word. A reader that lost it leaves once more,
//! from `SWITCHED`; a writer that lost it goes on with the pipe.

use crate::sync::{AtomicU32, Ordering};

/// The word, in the ring's segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover<'a>(pub(crate) &'a AtomicU32);

/// What it says. Whatever else another process may have stored there is [`State::Closed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    Offered = 1,
    Attached = 2,
    Switched = 3,
    Left = 4,
    Closed = 5,
}

impl Handover<'_> {
    /// The writer's first word.
    pub(crate) fn offer(self) {
        // Release: pairs with the Acquire in `attach`; the ring is ready and
        // says which pipe it is for.
        self.0.store(State::Offered as u32, Ordering::Release);
    }

    #[inline]
    pub(crate) fn state(self) -> State {
        // Acquire: pairs with the Release in `change`; what its author did before comes before.
        match self.0.load(Ordering::Acquire) {
            1 => State::Offered,
            2 => State::Attached,
            3 => State::Switched,
            4 => State::Left,
            _ => State::Closed,
        }
    }

    /// The reader takes the offer; false if the writer has withdrawn it.
    pub(crate) fn attach(self) -> bool {
        self.change(State::Offered, State::Attached)
    }

    /// The writer goes over to the ring; false if the reader has left. Its next byte
    /// may be published only after this.
    pub(crate) fn switch(self) -> bool {
        self.change(State::Attached, State::Switched)
    }

    /// The reader leaves, and has published what it has taken; or the writer says so for one that
    /// died. Whether the writer had switched.
    pub(crate) fn leave(self) -> bool {
        !self.change(State::Attached, State::Left) && self.change(State::Switched, State::Left)
    }

    /// The writer withdraws: it never switched and never will. False if it has.
    pub(crate) fn close(self) -> bool {
        // The second loses only to a reader that leaves.
        self.change(State::Offered, State::Closed)
            || self.change(State::Attached, State::Closed)
            || self.state() != State::Switched
    }

    fn change(self, from: State, to: State) -> bool {
        // AcqRel: each side sees what the other did before its own change.
        self.0.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests {
    use super::*;

    fn at(state: State) -> AtomicU32 {
        AtomicU32::new(state as u32)
    }

    const ALL: [State; 5] =
        [State::Offered, State::Attached, State::Switched, State::Left, State::Closed];

    #[test]
    fn each_change_starts_where_it_may_and_nowhere_else() {
        for state in ALL {
            let word = at(state);
            assert_eq!(Handover(&word).attach(), state == State::Offered);
            let word = at(state);
            assert_eq!(Handover(&word).switch(), state == State::Attached);
        }
    }

    #[test]
    fn leaving_tells_whether_the_ring_was_in_use() {
        for (from, switched, to) in [
            (State::Attached, false, State::Left),
            (State::Switched, true, State::Left),
            (State::Closed, false, State::Closed),
            (State::Left, false, State::Left),
        ] {
            let word = at(from);
            assert_eq!(Handover(&word).leave(), switched);
            assert_eq!(Handover(&word).state(), to);
        }
    }

    #[test]
    fn only_a_switched_ring_cannot_be_closed() {
        for state in ALL {
            let word = at(state);
            assert_eq!(Handover(&word).close(), state != State::Switched);
        }
    }

    #[test]
    fn nonsense_is_a_closed_ring() {
        for word in [0, 6, u32::MAX] {
            assert_eq!(Handover(&AtomicU32::new(word)).state(), State::Closed);
        }
    }
}
