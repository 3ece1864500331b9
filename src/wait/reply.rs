//! How soon an end looks for a reply.
//!
//! In a conversation each end waits for the other most of the time. Where the other processor's
//! cache is far away, looking all the time makes both slower: whoever waits holds the line in which
//! the reply will come, and the other end must fetch it back before it can write. If the one that
//! waits lets about that time pass first, the other can write at once; and it can fetch back,
//! meanwhile, the line of its own next message, which the other end has read by then.
//!
//! Where the caches are near, or a reply takes its time, this is only so much later. Which it is,
//! the ends find out by trying. But one that takes its time alone gains nothing: they must try
//! together, and they do by the clock that all processes share:
//!
//! ```text
//!   slots of the monotonic clock
//!   --+-----------+-------------+------------------------------------+-----------+--
//!     | unhurried | in a hurry  |  as was better, the last few times  | unhurried |
//!   --+-----------+-------------+------------------------------------+-----------+--
//! ```
//!
//! What is better is what brings more items in the same time. (Ends in different time namespaces
//! never meet, and find out that it does not pay.)
//!
//! No clock and no shared word is in [`Haste`], so recorded patterns can be played to it.

use crate::sys::cache;
use std::{
    cell::Cell,
    hint::spin_loop,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Nanoseconds of a slot: some hundred replies of those that this is for.
const SLOT: u64 = 1 << 16;

/// After so many slots both ways are tried again.
const CYCLE: u64 = 32;

/// Of those the one in which both ends are unhurried,
const UNHURRIED: u64 = 0;

/// and the next, in which they are not.
const HURRIED: u64 = 1;

/// After so many waits the clock is asked what slot it is,
const WAITS: u32 = 16;

/// and a slot counts if so many items came in it.
const ITEMS: u64 = 4 * WAITS as u64;

/// So much more must come by.
const WORTH_IT: f64 = 1.03;

/// So much more often than not.
const WINS: u32 = 2;

/// How much of a hurry an end in a conversation is in.
#[derive(Debug, Default)]
pub(crate) struct Haste {
    /// Waits until the clock is asked.
    rest: u32,
    unhurried: bool,
    slot: u64,
    /// Items so far, and nanoseconds: when the slot was first seen, and last.
    first: (u64, u64),
    last: (u64, u64),
    /// What the unhurried slot brought, a nanosecond.
    tried: Option<f64>,
    wins: u32,
    pays: bool,
}

impl Haste {
    /// Whether the end, having moved `items` so far, is to take its time with the wait that begins.
    /// `now` in nanoseconds, on a clock that the other end has, too, is asked for now and then.
    #[inline]
    pub(crate) fn is_unhurried(&mut self, items: u64, now: impl FnOnce() -> u64) -> bool {
        match self.rest.checked_sub(1) {
            Some(rest) => self.rest = rest,
            None => self.look_at_the_clock(items, now()),
        }
        self.unhurried
    }

    #[cold]
    fn look_at_the_clock(&mut self, items: u64, now: u64) {
        self.rest = WAITS - 1;
        let slot = now / SLOT;
        if slot >= self.slot + CYCLE {
            // That was another conversation.
            *self = Self { rest: self.rest, ..Self::default() };
            self.begin_slot(slot, items, now);
        } else if slot != self.slot {
            let brought = self.brought();
            match self.slot % CYCLE {
                UNHURRIED if slot == self.slot + 1 => self.tried = brought,
                HURRIED => self.judge(brought),
                _ => {}
            }
            self.begin_slot(slot, items, now);
        }
        self.last = (items, now);
    }

    fn begin_slot(&mut self, slot: u64, items: u64, now: u64) {
        (self.slot, self.first) = (slot, (items, now));
        self.unhurried = match slot % CYCLE {
            UNHURRIED => true,
            HURRIED => false,
            _ => self.pays,
        };
    }

    /// How many items came by in the slot that is over, a nanosecond; `None` if
    /// these were too few to tell.
    fn brought(&self) -> Option<f64> {
        let items = self.last.0 - self.first.0;
        let nanos = self.last.1.saturating_sub(self.first.1);
        (items >= ITEMS && nanos > 0).then(|| items as f64 / nanos as f64)
    }

    fn judge(&mut self, hurried: Option<f64>) {
        // If there is nothing to compare, it did not: nobody is unhurried without a reason.
        let won = match (self.tried.take(), hurried) {
            (Some(tried), Some(hurried)) => tried > hurried * WORTH_IT,
            _ => false,
        };
        self.wins = if won { (self.wins + 1).min(WINS) } else { self.wins.saturating_sub(1) };
        self.pays = self.wins == WINS || self.wins > 0 && self.pays;
    }
}

/// Pauses before an unhurried end looks for the first time,
const FIRST: u32 = 7;

/// and before each further look.
const NEXT: u32 = 3;

/// So many looks, which take about as long as those in a hurry.
const LOOKS: u32 = 32;

thread_local! {
    /// The line in which this thread has sent a message since it last waited for one. (It may have
    /// been unmapped meanwhile: who asks a processor for a line that is not there gets none.)
    static OWN: Cell<*const u8> = const { Cell::new(ptr::null()) };
}

/// This thread has sent a message, in the line at `line`, to an end that waits for one.
#[inline]
pub(crate) fn sent_in(line: *const u8) {
    OWN.set(line);
}

/// The line of the message that this thread waits to be answered, if it does.
#[inline]
pub(crate) fn asked_in() -> Option<*const u8> {
    let line = OWN.replace(ptr::null());
    (!line.is_null()).then_some(line)
}

/// As `spin::eagerly`, by an end that takes its time, and whose last message is in the line `own`.
#[inline]
pub(crate) fn unhurriedly(own: *const u8, word: &AtomicU64, seen: u64) {
    for _ in 0..FIRST {
        spin_loop();
    }
    for _ in 0..LOOKS {
        cache::prefetch_for_writing(own);
        // Relaxed: a hint; what the word says is read properly afterwards.
        if word.load(Ordering::Relaxed) != seen {
            return;
        }
        for _ in 0..NEXT {
            spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ends that answer each other.
    #[derive(Default)]
    struct Conversation {
        ends: [Haste; 2],
        items: u64,
        now: u64,
    }

    impl Conversation {
        /// Goes on for so many cycles; `takes` says how long a round trip takes at a time, by
        /// how many of the ends take their time. Returns the part of the round trips for which
        /// they did, both or one of them.
        fn go_on(&mut self, cycles: u64, takes: impl Fn(u64, usize) -> u64) -> [f64; 2] {
            let (mut trips, mut both, mut one) = (0, 0, 0);
            let end = self.now + cycles * CYCLE * SLOT;
            while self.now < end {
                self.items += 1;
                // They began at different times, and one of them hears of it later.
                let [a, b] = &mut self.ends;
                let unhurried = usize::from(a.is_unhurried(self.items, || self.now))
                    + usize::from(b.is_unhurried(self.items + 1000, || self.now + 50));
                trips += 1;
                both += u64::from(unhurried == 2);
                one += u64::from(unhurried == 1);
                self.now += takes(self.now, unhurried);
            }
            [both, one].map(|some| some as f64 / trips as f64)
        }
    }

    /// It pays: alone it does not.
    fn pays(_: u64, unhurried: usize) -> u64 {
        [400, 420, 300][unhurried]
    }

    fn does_not_pay(_: u64, unhurried: usize) -> u64 {
        [100, 200, 300][unhurried]
    }

    #[test]
    fn two_that_gain_by_it_find_it_out_together_and_go_back_when_they_no_longer_do() {
        let mut conversation = Conversation { now: 123_456_789, ..Conversation::default() };
        conversation.go_on(3, pays);
        let [both, one] = conversation.go_on(10, pays);
        assert!(both > 0.9 && one < 0.05, "{both} {one}");
        conversation.go_on(3, does_not_pay);
        let [both, one] = conversation.go_on(10, does_not_pay);
        assert!(both < 0.05 && one < 0.05, "{both} {one}");
    }

    #[test]
    fn who_does_not_gain_by_it_hardly_loses_by_trying() {
        for takes in [does_not_pay, |_, _| 300, |_, unhurried| [400, 410, 395][unhurried]] {
            let mut conversation = Conversation::default();
            let [both, one] = conversation.go_on(20, takes);
            assert!(both < 0.05 && one < 0.05, "{both} {one}");
        }
    }

    #[test]
    fn a_slot_that_says_otherwise_changes_nothing() {
        let odd = |now: u64| now / SLOT / CYCLE == 5;
        let mut conversation = Conversation::default();
        let [both, _] = conversation.go_on(10, |now, unhurried| match odd(now) {
            true => pays(now, unhurried),
            false => does_not_pay(now, unhurried),
        });
        assert!(both < 0.05, "{both}");
        let mut conversation = Conversation::default();
        let [both, _] = conversation.go_on(10, |now, unhurried| match odd(now) {
            true => does_not_pay(now, unhurried),
            false => pays(now, unhurried),
        });
        assert!(both > 0.7, "{both}");
    }

    #[test]
    fn slow_replies_are_a_reason_to_hurry() {
        let slow = |now, unhurried| 4 * pays(now, unhurried);
        let mut conversation = Conversation::default();
        let [both, _] = conversation.go_on(10, slow);
        assert!(both < 0.05, "{both}");
        // And who was unhurried before does not stay so.
        let mut conversation = Conversation::default();
        conversation.go_on(5, pays);
        assert!(conversation.ends[0].pays);
        conversation.go_on(3, slow);
        let [both, _] = conversation.go_on(10, slow);
        assert!(both < 0.05, "{both}");
    }

    #[test]
    fn another_conversation_begins_in_a_hurry() {
        let mut conversation = Conversation::default();
        conversation.go_on(5, pays);
        conversation.now = (conversation.now / (CYCLE * SLOT) + 2) * CYCLE * SLOT + 5 * SLOT;
        let [both, _] = conversation.go_on(1, |now, unhurried| match now / SLOT % CYCLE {
            5..20 => pays(now, unhurried),
            _ => CYCLE * SLOT,
        });
        assert!(both < 0.05, "{both}");
    }

    #[test]
    fn a_pause_between_the_two_slots_is_no_comparison() {
        let mut conversation = Conversation { now: 2 * CYCLE * SLOT, ..Conversation::default() };
        conversation.go_on(40, |now, unhurried| {
            let (cycle, slot, into) = (now / SLOT / CYCLE, now / SLOT % CYCLE, now % SLOT);
            // Nobody says anything from the end of the first slot on to the sixth, and over
            // the first one of the next cycle.
            let skipped = match slot {
                0 if cycle.is_multiple_of(2) => 5,
                slot if slot == CYCLE - 1 && cycle.is_multiple_of(2) => 2,
                _ => return pays(now, unhurried),
            };
            if into > SLOT - 1000 { skipped * SLOT - into } else { pays(now, unhurried) }
        });
        assert!(!conversation.ends[0].pays && conversation.ends[0].wins == 0);
    }

    #[test]
    fn what_came_is_seen_at_once_or_at_the_next_look() {
        assert_eq!(asked_in(), None);
        let word = AtomicU64::new(1);
        sent_in(word.as_ptr().cast());
        let own = asked_in().unwrap();
        assert_eq!(asked_in(), None, "one message, one reply");
        unhurriedly(own, &word, 0);
        // And who waits in vain comes back.
        unhurriedly(own, &word, 1);
    }
}
