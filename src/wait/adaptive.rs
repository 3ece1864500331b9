//! How an awake end keeps its distance, and how long it looks before it sleeps.
//!
//! # Ground
//!
//! A consumer that looks for more the moment it has used up what it knew of takes the producer's line
//! away from it again and again, and is given a few items each time: both go at the pace of the cache
//! line. If it lets some time pass first, it finds many, and the line stays where it is. But who waits for
//! a reply must not let any time pass. Which of the two it is, an end finds out by trying:
//!
//! ```text
//!                             items come singly, again and again
//!     +------------------------------------------------------------------------+
//!     v                                                                         |
//!  level 0 ---- try ----> level 1 ---- try ----> level 2 ---- try ----> ... ----+
//!   no pause   <--- or      pause <--- or     a longer one  <--- or
//!
//!   upwards    only if items come in numbers; kept if more bytes come by in the same time
//!   downwards  kept if hardly fewer do
//!   a try that is not kept makes the next one rarer
//! ```
//!
//! A level is judged by the bytes that came by per nanosecond over a window of some [`WINDOW`] times that
//! the end ran dry. (Judged by the bytes per time it ran dry it would climb for ever.) The same serves a
//! producer on a full ring.
//!
//! # Budget
//!
//! An end that waits looks for a while and then sleeps. The while is short, about what a sleep and a
//! wake-up cost where they are cheap, so that waiting costs at most twice the better of the two (the
//! classic argument for competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). But where waking is
//! slow, as on virtual machines, two ends that answer each other would each fall asleep while the other
//! wakes up, for ever. So after a sleep that a longer look would have saved, the longer one is tried; if it
//! was in vain (the other end needs this processor, say), it is tried again only after many more waits.
//!
//! No clock and no shared word is in either, so recorded patterns can be played to them.

use std::time::Duration;

/// Pause instructions before an end looks for more, by level.
const PAUSES: [u32; 5] = [0, 40, 160, 640, 2560];

/// A level is judged after the end has run dry at least so often,
const WINDOW: u32 = 32;

/// and so many nanoseconds have passed.
const WINDOW_NANOS: u64 = 40_000;

/// More distance must bring at least so much more,
const WORTH_IT: f64 = 1.08;

/// and less distance may cost so much.
const HARDLY_LESS: f64 = 0.97;

/// After so many items that came singly there is no stream.
const SINGLES: u32 = 8;

/// Windows between one try and the next, at most.
const RAREST: u32 = 256;

/// How much distance an awake end keeps.
#[derive(Debug)]
pub(crate) struct Ground {
    level: usize,
    /// Bytes per nanosecond at this level, when last judged.
    usual: f64,
    /// Where the level stood before the try that is going on.
    tried_from: Option<usize>,
    upwards: bool,
    /// Windows until the next try, and how many they are to be after one that was not kept.
    rest: u32,
    pause: u32,
    window: Window,
    /// Items until the end last ran dry.
    items: u64,
    singles: u32,
}

/// Where a window began.
#[derive(Debug, Default)]
struct Window {
    dry: u32,
    position: u64,
    items: u64,
    nanos: u64,
}

impl Ground {
    /// An end that takes up its work at `position`.
    pub(crate) fn new(position: u64) -> Self {
        Self {
            level: 0,
            usual: 0.0,
            tried_from: None,
            upwards: true,
            rest: 0,
            pause: 1,
            window: Window { position, ..Window::default() },
            items: 0,
            singles: 0,
        }
    }

    /// The end has run dry at `position`, having moved `items` so far. Returns how many pause
    /// instructions it should let pass before it looks for more. `now` in nanoseconds is asked for now
    /// and then.
    #[inline]
    pub(crate) fn ran_dry(&mut self, position: u64, items: u64, now: impl FnOnce() -> u64) -> u32 {
        let single = items - self.items <= 1;
        self.items = items;
        self.singles = if single { self.singles.saturating_add(1) } else { 0 };
        if self.level > 0 && self.singles >= SINGLES {
            self.level = 0;
            self.tried_from = None;
        }
        self.window.dry += 1;
        if self.window.dry.is_multiple_of(WINDOW) {
            self.judge(position, now());
        }
        PAUSES[self.level]
    }

    /// A window may be over.
    fn judge(&mut self, position: u64, now: u64) {
        let nanos = now.saturating_sub(self.window.nanos);
        if nanos < WINDOW_NANOS {
            return;
        }
        let rate = (position - self.window.position) as f64 / nanos as f64;
        let in_numbers = self.items - self.window.items >= 2 * u64::from(self.window.dry);
        self.window = Window { dry: 0, position, items: self.items, nanos: now };
        match self.tried_from.take() {
            Some(from) => self.end_try(from, rate),
            None => {
                if rate > self.usual * 1.5 || rate * 1.5 < self.usual {
                    // Something has changed.
                    self.pause = 1;
                }
                self.usual = rate;
                match self.rest.checked_sub(1) {
                    Some(rest) => self.rest = rest,
                    None => self.begin_try(in_numbers),
                }
            }
        }
    }

    fn begin_try(&mut self, in_numbers: bool) {
        let up = (in_numbers && self.level + 1 < PAUSES.len()).then(|| self.level + 1);
        let down = self.level.checked_sub(1);
        let next = if self.upwards { up.or(down) } else { down.or(up) };
        if let Some(next) = next {
            self.tried_from = Some(self.level);
            self.upwards = next > self.level;
            self.level = next;
        }
    }

    fn end_try(&mut self, from: usize, rate: f64) {
        let least = if self.level > from { WORTH_IT } else { HARDLY_LESS };
        if rate >= self.usual * least {
            self.usual = rate;
            (self.rest, self.pause) = (0, 1);
        } else {
            self.level = from;
            self.upwards = !self.upwards;
            self.rest = self.pause;
            self.pause = (self.pause * 2).min(RAREST);
        }
    }
}

/// For how long an end looks before it sleeps,
const SHORT: Duration = Duration::from_micros(20);

/// and if that would save it a sleep.
const LONG: Duration = Duration::from_micros(120);

/// How long an end looks before it sleeps.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    long: bool,
    /// Waits until the long look is tried again, and how many they are to be after one in vain.
    rest: u32,
    pause: u32,
}

impl Budget {
    /// For the wait that begins.
    pub(crate) fn get(&self) -> Duration {
        if self.long { LONG } else { SHORT }
    }

    /// A wait that slept, too, is over; it took so long altogether.
    pub(crate) fn slept(&mut self, took: Duration) {
        if self.long {
            // In vain.
            self.long = false;
            self.pause = (self.pause * 2).clamp(1, 64);
            self.rest = self.pause;
        } else if took < LONG {
            match self.rest.checked_sub(1) {
                Some(rest) => self.rest = rest,
                None => self.long = true,
            }
        }
    }

    /// Whether a look was longer than a short one.
    pub(crate) fn was_long(&self, looked: Duration) -> bool {
        self.long && looked > SHORT
    }

    /// A wait is over that a short look would not have sufficed for, and did not sleep.
    pub(crate) fn saved(&mut self) {
        self.pause = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recorded pattern: what comes by between one time of running dry and the next.
    struct Player {
        ground: Ground,
        position: u64,
        items: u64,
        nanos: u64,
    }

    impl Player {
        fn new() -> Self {
            Self { ground: Ground::new(0), position: 0, items: 0, nanos: 0 }
        }

        /// Runs dry so often; `came(level)` tells how many items of 8 bytes come by at a level before the
        /// end runs dry again, and how long that takes. Returns the level that most were at.
        fn play(&mut self, times: u32, came: impl Fn(usize) -> (u64, u64)) -> usize {
            let mut at = [0; PAUSES.len()];
            for _ in 0..times {
                let (items, nanos) = came(self.ground.level);
                self.items += items;
                self.position += 8 * items;
                self.nanos += nanos;
                self.ground.ran_dry(self.position, self.items, || self.nanos);
                at[self.ground.level] += 1;
            }
            at.iter().enumerate().max_by_key(|(_, times)| **times).unwrap().0
        }
    }

    /// A stream whose line takes so many nanoseconds: what a level yields, in M/s.
    fn stream(line: u64, rates: [u64; 5]) -> impl Fn(usize) -> (u64, u64) {
        move |level| {
            let nanos = line + 12 * u64::from(PAUSES[level]);
            (rates[level] * nanos / 1000, nanos)
        }
    }

    const NEAR: (u64, [u64; 5]) = (100, [75, 250, 263, 263, 200]);
    const FAR: (u64, [u64; 5]) = (450, [17, 28, 32, 46, 50]);

    #[test]
    fn a_stream_finds_the_level_at_which_most_comes_by() {
        assert_eq!(Player::new().play(200_000, stream(NEAR.0, NEAR.1)), 1);
        assert_eq!(Player::new().play(200_000, stream(FAR.0, FAR.1)), 4);
        assert_eq!(Player::new().play(200_000, stream(100, [40, 50, 60, 20, 20])), 2);
        assert_eq!(Player::new().play(200_000, stream(100, [50; 5])), 0);
    }

    #[test]
    fn who_waits_for_a_reply_never_pauses() {
        let mut player = Player::new();
        let ping_pong = |level: usize| (1, 100 + 12 * u64::from(PAUSES[level]));
        player.play(100_000, ping_pong);
        assert_eq!(player.ground.level, 0);
        for _ in 0..1000 {
            player.play(100, ping_pong);
            assert_eq!(player.ground.level, 0, "not even tried");
        }
    }

    #[test]
    fn a_trickle_never_pauses() {
        assert_eq!(Player::new().play(10_000, |_| (1, 1_000_000)), 0);
    }

    #[test]
    fn bursts_are_not_held_up() {
        // 256 items every 100 us, whatever the end does.
        let mut player = Player::new();
        assert_eq!(player.play(10_000, |_| (256, 100_000)), 0);
        let mut tried = 0;
        for _ in 0..10_000 {
            tried += player.play(1, |_| (256, 100_000)).min(1);
        }
        assert!(tried <= 10_000 / 128, "tried {tried} times of 10,000");
    }

    #[test]
    fn a_stream_that_becomes_a_conversation_is_noticed_at_once() {
        let mut player = Player::new();
        assert_eq!(player.play(200_000, stream(FAR.0, FAR.1)), 4);
        player.play(SINGLES, |_| (1, 30_000));
        assert_eq!(player.ground.level, 0);
    }

    #[test]
    fn a_stream_whose_processors_change_places_finds_its_level_anew() {
        let mut player = Player::new();
        player.play(200_000, stream(NEAR.0, NEAR.1));
        assert_eq!(player.play(400_000, stream(FAR.0, FAR.1)), 4);
        assert_eq!(player.play(400_000, stream(100, [50; 5])), 0);
    }

    /// Plays waits that took so long from the beginning to the end if the end sleeps, and so long if it
    /// looks for long enough. Returns how many slept.
    fn waits(budget: &mut Budget, times: u32, sleeping: u64, looking: u64) -> u32 {
        let (sleeping, looking) = (Duration::from_micros(sleeping), Duration::from_micros(looking));
        let mut slept = 0;
        for _ in 0..times {
            if looking <= budget.get() {
                if looking > SHORT {
                    budget.saved();
                }
            } else {
                slept += 1;
                budget.slept(sleeping);
            }
        }
        slept
    }

    #[test]
    fn two_ends_that_answer_each_other_do_not_stay_asleep() {
        assert_eq!(waits(&mut Budget::default(), 1000, 70, 40), 1);
    }

    #[test]
    fn an_end_whose_peer_needs_its_processor_looks_long_only_now_and_then() {
        let mut budget = Budget::default();
        let mut long = 0;
        for _ in 0..1000 {
            long += u32::from(budget.long);
            waits(&mut budget, 1, 50, 1_000_000);
        }
        assert!(long < 30, "{long} of 1000");
    }

    #[test]
    fn an_end_that_has_little_to_do_looks_shortly() {
        let mut budget = Budget::default();
        assert_eq!(waits(&mut budget, 1000, 1000, 1000), 1000);
        assert_eq!(budget.get(), SHORT);
    }
}
