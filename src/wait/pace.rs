//! How much a sleeping end leaves to the other before it is woken.
//!
//! An end that keeps up with a stream falls asleep after every piece, and the other pays for waking
//! it: a system call per piece, which can cost more than the piece. So an end that moved much since
//! its last sleep takes a nap: it asks to be woken only when as much has come together again. A nap
//! is short, and if it ends before that much is there, the next sleep is an ordinary one. Slow
//! streams and requests that wait for a reply never get there.
//!
//! ```text
//!            moved little since the last sleep
//!          +---------------------------------+
//!          v                                 |
//!      ordinary sleep -- woken, moved much --> nap --- woken in time ---> nap, for as much as
//!          ^                                     |                        was moved meanwhile
//!          +------------- nobody came -----------+
//! ```
//!
//! No clock and no shared word is in it, so recorded streams can be played to it.

use std::time::Duration;

/// Less than this is no stream.
const MUCH: u64 = 64 << 10;

/// A nap's end, if nothing comes of it. The price of a wrong guess: so much later is the last piece
/// of a burst seen that was shorter than the one before.
pub(crate) const NAP: Duration = Duration::from_micros(500);

/// What an end remembers from sleep to sleep.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The end's own position when it last slept.
    slept_at: u64,
    /// Whether the last sleep brought what was hoped for.
    content: bool,
}

/// How a wait went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// No sleep was needed.
    #[default]
    None,
    /// An ordinary sleep, or a nap that brought enough.
    Sound,
    /// A nap that was over too soon.
    Vain,
}

impl Pace {
    /// An end that takes up its work.
    pub(crate) fn new(position: u64) -> Self {
        Self { slept_at: position, content: false }
    }

    /// How many bytes to nap for, at most `most`; `None` for an ordinary sleep.
    pub(crate) fn nap(&self, position: u64, most: u64) -> Option<u64> {
        let moved = position - self.slept_at;
        (self.content && moved >= MUCH).then_some(moved.min(most))
    }

    /// Notes a wait that the end had at `position`.
    pub(crate) fn rested(&mut self, position: u64, rest: Rest) {
        if rest != Rest::None {
            self.slept_at = position;
            self.content = rest == Rest::Sound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays bursts: what was moved between one wait and the next, and how that wait went. Returns
    /// what each wait was to be.
    fn play(bursts: &[(u64, Rest)]) -> Vec<Option<u64>> {
        let (mut pace, mut position) = (Pace::new(7), 7);
        let mut naps = Vec::new();
        for (moved, rest) in bursts {
            position += moved;
            naps.push(pace.nap(position, 1 << 20));
            pace.rested(position, *rest);
        }
        naps
    }

    #[test]
    fn a_trickle_never_naps() {
        assert_eq!(play(&[(100, Rest::Sound); 4]), [None; 4]);
    }

    #[test]
    fn a_stream_naps_for_what_it_moved_and_no_more_than_it_may() {
        let bursts = [100_000, 100_000, 300_000, 5_000_000].map(|moved| (moved, Rest::Sound));
        assert_eq!(play(&bursts), [None, Some(100_000), Some(300_000), Some(1 << 20)]);
    }

    #[test]
    fn after_a_vain_nap_comes_an_ordinary_sleep() {
        let bursts = [
            (100_000, Rest::Sound),
            (100_000, Rest::Vain),
            (100_000, Rest::Sound),
            (100_000, Rest::Sound),
        ];
        assert_eq!(play(&bursts), [None, Some(100_000), None, Some(100_000)]);
    }

    #[test]
    fn what_is_moved_without_a_sleep_adds_up() {
        let bursts = [(1000, Rest::Sound), (50_000, Rest::None), (50_000, Rest::Sound)];
        assert_eq!(play(&bursts), [None, None, Some(100_000)]);
    }
}
