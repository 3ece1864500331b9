//! How long a producer of many that meets others leaves the ring to them.
//!
//! While one producer has the lines of the tail and of the claims, it claims again and again
//! from its own cache; two that take them from each other for each claim are together slower
//! than one of them alone (BENCHMARKS.md, "What helped, and what did not"). So whoever meets
//! another time and again stays away for a while, in which the other goes on alone, and then it
//! is the other that meets somebody. (Backing off: Anderson, "The performance of spin lock
//! alternatives", IEEE TPDS 1990.)
//!
//! Who meets another by chance, because both have something to send now and then, loses no time.

use crate::sys::clock::monotonic_nanos;

/// Nanoseconds of the first pause: many claims' time, beside which the few lines that
/// are fetched anew count little.
const FIRST: u64 = 4_000;

/// So often it is doubled at most.
const DOUBLED: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// How often the pause was doubled for those who were met of late, and once
    /// more; 0 if nobody was.
    level: u32,
    /// When the last pause was over.
    last: u64,
}

impl Backoff {
    /// Others have claimed while this producer was about to: leaves the ring to them for
    /// a while, if that happens often.
    #[cold]
    pub(crate) fn meet(&mut self) {
        let mut now = monotonic_nanos();
        let until = now + self.pause(now);
        while now < until {
            std::hint::spin_loop();
            now = monotonic_nanos();
        }
        self.last = now;
    }

    /// For how long to stay away if others are met at this time. (Twice the pause is what it takes
    /// until the other has stayed away in its turn.)
    fn pause(&mut self, now: u64) -> u64 {
        let since = now.saturating_sub(self.last);
        let is_often = since < 2 * (FIRST << self.level.saturating_sub(1));
        self.level = if is_often { (self.level + 1).min(DOUBLED + 1) } else { 0 };
        if self.level > 0 { FIRST << (self.level - 1) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_others_by_chance_does_not_wait_and_who_does_all_the_time_waits_longer_and_longer()
    {
        let mut backoff = Backoff::default();
        let mut now = 1 << 40;
        let mut meet = |after: u64| {
            now += after;
            let pause = backoff.pause(now);
            now += pause;
            backoff.last = now;
            pause
        };
        for _ in 0..3 {
            assert_eq!(meet(2 * FIRST), 0, "now and then");
        }
        let longest = FIRST << DOUBLED;
        let pauses = [FIRST, 2 * FIRST, 4 * FIRST, longest, longest, longest];
        assert_eq!(pauses.map(|_| meet(100)), pauses, "at once");
        assert_eq!(meet(2 * longest - 1), longest, "as soon as the other had stayed away as long");
        assert_eq!(meet(2 * longest), 0);
        assert_eq!([meet(FIRST), meet(FIRST), meet(9 * FIRST)], [FIRST, 2 * FIRST, 0]);
    }
}
