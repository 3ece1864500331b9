//! The two CPUs that measurements run on, and how near to each other they are at the moment.

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The first two CPUs this process may use; `None` if it is one alone.
pub fn two() -> Option<[usize; 2]> {
    all()[..].first_chunk().copied()
}

/// The CPUs this process may use.
pub fn all() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

/// What the processor calls itself.
pub fn model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    named.map_or("a processor that does not say its name", |(_, name)| name).to_owned()
}

/// Keeps the calling thread on one CPU.
pub fn pin(cpu: usize) -> nix::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)
}

/// The time in which a cache line goes from one CPU to the other and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RoundTrip {
    /// In nanoseconds.
    Nanos(f64),
    /// There is one CPU.
    OneCpu,
}

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoundTrip::Nanos(nanos) => write!(f, "{nanos:.0} ns"),
            RoundTrip::OneCpu => write!(f, "one CPU"),
        }
    }
}

/// A line of its own, also where CPUs fetch two at a time.
#[repr(align(128))]
struct Line(AtomicU32);

impl Line {
    fn give(&self, turn: u32) {
        self.0.store(turn, Ordering::Release);
    }

    fn wait_for(&self, turn: u32) {
        while self.0.load(Ordering::Acquire) != turn {
            spin_loop();
        }
    }
}

/// Measures the round trip; some milliseconds, on CPUs that are otherwise idle.
pub fn round_trip() -> RoundTrip {
    const TRIPS: u32 = 4_000;
    const BATCHES: usize = 5;
    let Some([near, far]) = two() else {
        return RoundTrip::OneCpu;
    };
    let line = &Line(AtomicU32::new(0));
    thread::scope(|scope| {
        let last = TRIPS * (BATCHES as u32 + 1);
        scope.spawn(move || {
            let _ = pin(far);
            for trip in 0..last {
                line.wait_for(2 * trip + 1);
                line.give(2 * trip + 2);
            }
        });
        let measure = scope.spawn(move || {
            let _ = pin(near);
            let mut batches = Vec::with_capacity(BATCHES + 1);
            for batch in 0..=BATCHES as u32 {
                let start = Instant::now();
                for trip in batch * TRIPS..(batch + 1) * TRIPS {
                    line.give(2 * trip + 1);
                    line.wait_for(2 * trip + 2);
                }
                batches.push(start.elapsed().as_nanos() as f64 / f64::from(TRIPS));
            }
            // The first batch woke the CPUs up.
            super::paired::median(&batches[1..])
        });
        RoundTrip::Nanos(measure.join().expect("the measuring thread does not panic"))
    })
}
