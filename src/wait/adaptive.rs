//! How an awake end keeps its distance, and how long it looks before it sleeps.
//!
//! # Ground
//!
//! A consumer that looks for more the moment it has used up what it knew of takes the producer's
//! line away from it again and again, and is given a few items each time: both go at the pace of
//! the cache line. If it lets some time pass first, it finds many, and the line stays where it is.
//! But who waits for a reply must not let so much time pass ([`reply`](super::reply) says how
//! much). Which of the two it is, an end finds out by trying:
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
//! A level is judged by the bytes that came by per nanosecond awake over a window of some
//! [`WINDOW`] times that the end ran dry, between two windows at the level before. (Judged by the
//! bytes per time it ran dry it would climb for ever.) The same serves a producer on a full ring,
//! and streams of bytes, where every byte counts as an item.
//!
//! # Budget
//!
//! An end that waits looks for a while and then sleeps. The while is short, about what a sleep and
//! a wake-up cost where they are cheap, so that waiting costs at most twice the better of the two
//! (the classic argument for competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991). But
//! where waking is slow, as on virtual machines, two ends that answer each other would each fall
//! asleep while the other wakes up, for ever. So after a sleep that a longer look would have saved,
//! the longer one is tried; if it was in vain (the other end takes its time), it is tried again
//! only after many more waits. And where sleeps are shorter than the look before them, because the
//! other end needs this very processor, the look is left out, likewise.
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

/// Without any distance so many bytes between one look and the next are as good as any number.
const MUCH: u64 = 16 << 10;

/// More distance that brings less than this part of the usual was out of place, as where
/// the other end waits for a reply,
const BY_FAR: f64 = 0.5;

/// and makes the next ones so much rarer.
const RARER: u32 = 16;

/// After so many items that came singly there is no stream.
const SINGLES: u32 = 8;

/// Windows between one try and the next, at most.
const RAREST: u32 = 256;

/// Windows in a row that are quite unlike the usual ones mean that something has changed.
const CHANGED: u32 = 4;

/// So many, and with far less in them, that the distance is given up at once.
const FELL: u32 = 2;

/// After so many sleeps without a window in between an end that keeps its distance comes closer.
const SLEEPS: u32 = 4;

/// How much distance an awake end keeps.
#[derive(Debug)]
pub(crate) struct Ground {
    level: usize,
    /// Bytes per nanosecond at this level, when last judged.
    usual: f64,
    /// The try that is going on.
    trying: Option<Try>,
    upwards: bool,
    /// Windows until the next try, and how many they are to be after one that was not kept.
    rest: u32,
    pause: u32,
    window: Window,
    /// Items until the end last ran dry.
    items: u64,
    /// How often in a row: an item came singly, a window was unlike the usual
    /// ones, a sleep spoilt a window.
    singles: u32,
    changed: u32,
    sleeps: u32,
}

/// Another level is judged between two windows at the old one, so that chance has less of a chance.
#[derive(Clone, Copy, Debug)]
struct Try {
    from: usize,
    to: usize,
    /// The rate at `to`, once that is judged and only the second window at `from` is missing.
    rate: Option<f64>,
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
            trying: None,
            upwards: true,
            rest: 0,
            pause: 1,
            window: Window { position, ..Window::default() },
            items: 0,
            singles: 0,
            changed: 0,
            sleeps: 0,
        }
    }

    /// The end has run dry at `position`, having moved `items` so far. Returns how many
    /// pause instructions it should let pass before it looks for more. `now` in
    /// nanoseconds is asked for now and then.
    #[inline]
    pub(crate) fn ran_dry(&mut self, position: u64, items: u64, now: impl FnOnce() -> u64) -> u32 {
        let single = items - self.items <= 1;
        self.items = items;
        self.singles = if single { self.singles.saturating_add(1) } else { 0 };
        if self.level > 0 && self.converses() {
            self.level = 0;
            self.trying = None;
        }
        self.window.dry += 1;
        if self.window.dry.is_multiple_of(WINDOW) {
            self.judge(position, now());
        }
        PAUSES[self.level]
    }

    /// The end has run dry, having moved `items` so far, and [converses](Self::converses): whether
    /// it goes on so. If it does, there is nothing to let pass and nothing to judge. If not,
    /// [`ran_dry`](Self::ran_dry) is to be told.
    #[inline]
    pub(crate) fn goes_on(&mut self, items: u64) -> bool {
        let single = items - self.items <= 1;
        if single {
            self.items = items;
        }
        single
    }

    /// Whether items come singly, again and again.
    #[inline]
    pub(crate) fn converses(&self) -> bool {
        self.singles >= SINGLES
    }

    /// The end has slept, in a wait that took so many nanoseconds: these say
    /// nothing about distances.
    pub(crate) fn slept(&mut self, nanos: u64) {
        self.window.nanos = self.window.nanos.saturating_add(nanos);
        self.sleeps += 1;
        if self.sleeps >= SLEEPS {
            self.sleeps = 0;
            if let Some(Try { from, .. }) = self.trying.take() {
                self.level = from;
            }
            self.level = self.level.saturating_sub(1);
        }
    }

    fn begin_window(&mut self, position: u64, nanos: u64) {
        self.window = Window { dry: 0, position, items: self.items, nanos };
    }

    /// A window may be over.
    fn judge(&mut self, position: u64, now: u64) {
        let nanos = now.saturating_sub(self.window.nanos);
        if nanos < WINDOW_NANOS {
            return;
        }
        let (bytes, dry) = (position - self.window.position, u64::from(self.window.dry));
        let rate = bytes as f64 / nanos as f64;
        let much = self.level == 0 && bytes >= MUCH * dry;
        let in_numbers = self.items - self.window.items >= 2 * dry && !much;
        self.begin_window(position, now);
        self.sleeps = 0;
        match self.trying.take() {
            Some(Try { rate: None, from, to }) => {
                self.trying = Some(Try { rate: Some(rate), from, to });
                self.level = from;
            }
            Some(Try { rate: Some(tried), to, .. }) => self.end_try(to, tried, rate),
            None => {
                let unlike = rate > self.usual * 1.5 || rate * 1.5 < self.usual;
                self.changed = if unlike { self.changed + 1 } else { 0 };
                if self.level > 0 && self.changed >= FELL && rate < self.usual * BY_FAR {
                    // Not to be climbed down from step by step: the other end may
                    // have begun to wait for replies.
                    self.level = 0;
                }
                if self.changed >= CHANGED {
                    (self.changed, self.pause, self.rest) = (0, 1, 0);
                }
                if !unlike || self.changed == 0 || self.usual == 0.0 {
                    self.usual = rate;
                }
                match self.rest.checked_sub(1) {
                    Some(rest) => self.rest = rest,
                    None => self.begin_try(rate, in_numbers),
                }
            }
        }
    }

    fn begin_try(&mut self, rate: f64, in_numbers: bool) {
        let up = (in_numbers && self.level + 1 < PAUSES.len()).then(|| self.level + 1);
        let down = self.level.checked_sub(1);
        let next = if self.upwards { up.or(down) } else { down.or(up) };
        if let Some(to) = next {
            self.usual = rate;
            self.trying = Some(Try { from: self.level, to, rate: None });
            self.upwards = to > self.level;
            self.level = to;
        }
    }

    /// `to` brought `tried`, between two windows at the old level, of which the
    /// second brought `rate`.
    fn end_try(&mut self, to: usize, tried: f64, rate: f64) {
        let least = if self.upwards { WORTH_IT } else { HARDLY_LESS };
        if tried >= self.usual.max(rate) * least {
            self.level = to;
            self.usual = tried;
            (self.rest, self.pause) = (0, 1);
        } else {
            // (Were a try downwards as rare after a bad one, a stream of large blocks would stay
            // where it is too far away: 30 GB/s were measured in place of 50.)
            let by_far = self.upwards && tried < self.usual.min(rate) * BY_FAR;
            self.usual = rate;
            self.upwards = !self.upwards;
            if by_far {
                self.pause = (self.pause * RARER).min(RAREST);
            }
            self.rest = self.pause;
            self.pause = (self.pause * 2).min(RAREST);
        }
    }
}

/// For how long an end looks before it sleeps,
const SHORT: Duration = Duration::from_micros(20);

/// and if that would save it a sleep.
const LONG: Duration = Duration::from_micros(120);

/// A sleep that follows a long look and is no longer than this was most likely for a peer that
/// could not run before: as long as its own look, and a little more.
const SOON: Duration = Duration::from_micros(160);

/// After so many of them in a row the look is left out.
const IN_THE_WAY: u32 = 2;

/// Waits until another budget is tried again, at most.
const RAREST_BUDGET: u32 = 64;

/// How long an end looks before it sleeps.
///
/// ```text
///              a sleep that a longer look would have saved
///       Short ---------------------------------------------> Long
///        ^ ^ <---- in vain: the next try is rarer ----------- |
///        | |                                                  | in vain, twice, and the sleep was short:
///   once | +------------- a look that found something         v the look was in the peer's way
///        +--------------------------------------------------- No
///          after some waits; back if the look is in vain
/// ```
#[derive(Debug, Default)]
pub(crate) struct Budget {
    look: Look,
    /// Waits until the long look is tried again, and how many they are to be after one in vain.
    rest: u32,
    pause: u32,
    in_the_way: u32,
    /// Waits until the look that was left out is tried again, and how many they were to be; 0 =
    /// the look is not under suspicion.
    blind: u32,
    blind_pause: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Look {
    No,
    #[default]
    Short,
    Long,
}

impl Budget {
    /// For the wait that begins.
    pub(crate) fn get(&self) -> Duration {
        match self.look {
            Look::No => Duration::ZERO,
            Look::Short => SHORT,
            Look::Long => LONG,
        }
    }

    /// A wait is over. It has looked for so long, slept or not for so long in addition, and
    /// found what it waited for or not.
    pub(crate) fn waited(
        &mut self,
        looked: Duration,
        slept_for: Duration,
        slept: bool,
        found: bool,
    ) {
        let soon = slept && found && slept_for < SOON;
        match self.look {
            Look::No => match self.blind.checked_sub(1) {
                Some(blind) => self.blind = blind,
                None => self.look = Look::Short,
            },
            Look::Short if soon && self.blind_pause > 0 => self.leave_out(),
            Look::Short if soon && looked + slept_for < LONG => match self.rest.checked_sub(1) {
                Some(rest) => self.rest = rest,
                None => self.look = Look::Long,
            },
            Look::Short if found && !slept => (self.in_the_way, self.blind_pause) = (0, 0),
            Look::Short => {}
            Look::Long if looked <= SHORT && !slept => {}
            Look::Long if found && !slept => {
                // It has saved a sleep.
                (self.pause, self.in_the_way) = (0, 0);
            }
            Look::Long => {
                self.look = Look::Short;
                self.pause = (self.pause * 2).clamp(1, RAREST_BUDGET);
                self.rest = self.pause;
                self.in_the_way = if soon { self.in_the_way + 1 } else { 0 };
                if self.in_the_way >= IN_THE_WAY {
                    self.leave_out();
                }
            }
        }
    }

    fn leave_out(&mut self) {
        self.look = Look::No;
        self.blind_pause = (self.blind_pause * 2).clamp(8, RAREST_BUDGET);
        self.blind = self.blind_pause;
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

        /// Runs dry so often; `came(level)` tells how many items of 8 bytes come by
        /// at a level before the end runs dry again, and how long that takes.
        /// Returns the level that most were at.
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
    fn a_stream_with_sleeps_in_it_finds_its_level() {
        let mut player = Player::new();
        for _ in 0..5000 {
            player.play(100, stream(NEAR.0, NEAR.1));
            player.nanos += 1_000_000;
            player.ground.slept(1_000_000);
        }
        assert!(player.play(10_000, stream(NEAR.0, NEAR.1)) > 0);
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

    /// Numbers that look like chance (xorshift), from 0 to 1.
    fn chance(state: &mut u64) -> f64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn pairs_that_wait_for_a_reply_are_not_held_up_much_although_others_take_the_processor() {
        let mut player = Player::new();
        let (mut state, mut paused, rounds) = (42, 0, 100_000);
        for _ in 0..rounds {
            // Two items each 2 us, and one time in a hundred another 0.1 to 4 ms.
            let late = chance(&mut state) < 0.01;
            let extra = if late { 100_000 + (3_900_000.0 * chance(&mut state)) as u64 } else { 0 };
            player.play(1, |level| (2, 2000 + 12 * u64::from(PAUSES[level]) + extra));
            paused += u64::from(PAUSES[player.ground.level]);
        }
        assert!(paused / rounds < 40, "{} pauses on average", paused / rounds);
    }

    #[test]
    fn long_replies_are_hardly_ever_held_up() {
        let mut player = Player::new();
        let (mut state, mut held_up, mut pace, rounds) = (42, 0, 200, 300_000);
        for _ in 0..rounds {
            // 512 bytes, of which each counts, each 0.2 us, or for some time each 0.35.
            if chance(&mut state) < 0.0003 {
                pace = 550 - pace;
            }
            player.play(1, |level| (64, pace + 12 * u64::from(PAUSES[level])));
            held_up += u32::from(player.ground.level > 0);
        }
        assert!(held_up * 50 < rounds, "{held_up} of {rounds} were held up");
    }

    #[test]
    fn a_stream_of_bytes_that_becomes_a_conversation_is_noticed_soon() {
        let mut player = Player::new();
        // Every byte an item.
        assert_eq!(player.play(200_000, stream(FAR.0, FAR.1)), 4);
        let mut late = 0;
        for _ in 0..10_000 {
            player.play(1, |level| (64, 500 + 12 * u64::from(PAUSES[level])));
            late += PAUSES[player.ground.level];
        }
        assert!(late < 110 * PAUSES[4], "{} of the longest pauses", late / PAUSES[4]);
    }

    #[test]
    fn too_much_distance_is_given_up_although_others_take_the_processor() {
        let (mut player, mut state) = (Player::new(), 42);
        assert_eq!(player.play(200_000, stream(FAR.0, FAR.1)), 4);
        let near = stream(NEAR.0, NEAR.1);
        let levels = (0..40_000).map(|_| {
            let late = chance(&mut state) < 0.01;
            let extra = if late { 4_000_000 } else { 0 };
            player.play(1, |level| (near(level).0, near(level).1 + extra));
            player.ground.level
        });
        let too_far = levels.filter(|level| *level == 4).count();
        assert!(too_far < 2_000, "{too_far} times of 40,000");
    }

    #[test]
    fn who_gets_much_at_a_time_tries_nothing() {
        let mut player = Player::new();
        let mut held_up = 0;
        for _ in 0..100_000 {
            held_up += player.play(1, |level| (4096, 700 + 12 * u64::from(PAUSES[level])));
        }
        assert_eq!(held_up, 0);
        // But with less, and then also where that becomes much.
        let growing = stream(450, [1088, 1792, 2048, 2944, 3200]);
        assert_eq!(player.play(200_000, growing), 4);
    }

    #[test]
    fn bursts_that_are_slept_for_are_not_held_up_at_all() {
        let mut player = Player::new();
        player.play(200_000, stream(FAR.0, FAR.1));
        for _ in 0..100 {
            player.play(1, |_| (100, 50_000));
            player.nanos += 1_000_000;
            player.ground.slept(1_000_000);
        }
        assert_eq!(player.ground.level, 0);
    }

    /// Plays waits for something that comes after so many microseconds if the end is awake, and
    /// after so many more once it sleeps. Returns how many slept.
    fn waits(budget: &mut Budget, times: u32, looking: u64, sleeping: u64) -> u32 {
        let micros = Duration::from_micros;
        let mut slept = 0;
        for _ in 0..times {
            let look = budget.get();
            if micros(looking) <= look {
                budget.waited(micros(looking), Duration::ZERO, false, true);
            } else {
                slept += 1;
                budget.waited(look, micros(sleeping), true, true);
            }
        }
        slept
    }

    #[test]
    fn two_ends_that_answer_each_other_do_not_stay_asleep() {
        assert_eq!(waits(&mut Budget::default(), 1000, 40, 50), 1);
    }

    #[test]
    fn two_ends_on_one_processor_look_only_now_and_then() {
        // Each looks in vain, because the other cannot run, and sleeps while
        // the other does the same.
        let micros = Duration::from_micros;
        let mut ends = [Budget::default(), Budget::default()];
        let mut spent = Duration::ZERO;
        for _ in 0..1000 {
            for end in [0, 1] {
                let (look, others) = (ends[end].get(), ends[1 - end].get());
                ends[end].waited(look, others + micros(6), true, true);
                spent += look + micros(3);
            }
        }
        assert!(spent < 2000 * micros(8), "{spent:?} for a thousand rounds");
        // Once they have a processor each, looks are worth it again.
        let [mut budget, _] = ends;
        waits(&mut budget, 200, 1, 50);
        assert_eq!(waits(&mut budget, 1000, 1, 50), 0);
    }

    #[test]
    fn a_peer_that_takes_its_time_is_looked_for_longer_only_now_and_then() {
        let mut budget = Budget::default();
        let mut long = 0;
        for _ in 0..1000 {
            long += u32::from(budget.look == Look::Long);
            waits(&mut budget, 1, 1_000_000, 50);
        }
        assert!(long < 30, "{long} of 1000");
    }

    #[test]
    fn a_time_out_in_which_nothing_came_is_no_reason_to_look_longer() {
        let micros = Duration::from_micros;
        let mut budget = Budget::default();
        for _ in 0..100 {
            budget.waited(SHORT, micros(30), true, false);
            assert_eq!(budget.get(), SHORT);
        }
        budget.waited(SHORT, micros(30), true, true);
        assert_eq!(budget.get(), LONG);
        budget.waited(micros(50), Duration::ZERO, false, false);
        assert_eq!(budget.get(), SHORT, "a longer look that was in vain without a sleep");
    }

    #[test]
    fn an_end_that_has_little_to_do_looks_shortly() {
        let mut budget = Budget::default();
        assert_eq!(waits(&mut budget, 1000, 1_000_000, 1000), 1000);
        assert_eq!(budget.get(), SHORT);
    }
}
