//! A clock that both ends of a link can compare, and that costs less than a message.
//!
//! On x86 it is the time stamp counter, where the processor says that it neither stops nor
//! changes its pace and the kernel itself keeps time by it; elsewhere CLOCK_MONOTONIC,
//! which all processes share as well.

use std::fs;
use std::time::{Duration, Instant};

/// Reads ticks and knows their length.
#[derive(Clone, Copy)]
pub struct Clock {
    counter: bool,
    ticks_per_nano: f64,
}

impl Clock {
    /// The best clock of this machine; takes some milliseconds to find out its pace.
    pub fn new() -> Self {
        let mut clock = Clock { counter: counter_is_reliable(), ticks_per_nano: 1.0 };
        if clock.counter {
            let (start, ticks) = (Instant::now(), clock.now());
            while start.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            let nanos = start.elapsed().as_nanos() as f64;
            clock.ticks_per_nano = clock.now().wrapping_sub(ticks) as f64 / nanos;
        }
        clock
    }

    /// The time in ticks, since a moment that is the same for all processes.
    #[inline]
    pub fn now(self) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.counter {
            // SAFETY: every x86-64 processor has the instruction, and the kernel
            // allows it: it tells the time by it.
            return unsafe { std::arch::x86_64::_rdtsc() };
        }
        monotonic_nanos()
    }

    /// So many nanoseconds, in ticks.
    pub fn ticks(self, nanos: f64) -> f64 {
        nanos * self.ticks_per_nano
    }

    /// So many ticks, in nanoseconds.
    pub fn nanos(self, ticks: u64) -> u64 {
        (ticks as f64 / self.ticks_per_nano) as u64
    }
}

fn counter_is_reliable() -> bool {
    let source =
        fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cfg!(target_arch = "x86_64")
        && source.is_ok_and(|source| source.trim() == "tsc")
        && ["constant_tsc", "nonstop_tsc"].iter().all(|flag| flags.contains(flag))
}

fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` may be written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
