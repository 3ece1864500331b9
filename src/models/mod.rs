//! The protocols under loom: every interleaving and every reordering the memory model permits.
//!
//! ```text
//! RUSTFLAGS="--cfg shmpipe_loom" cargo test --release --lib
//! ```
//!
//! That takes some minutes. With LOOM_MAX_PREEMPTIONS=6 in the environment the models that are not
//! told otherwise try what six preemptions can do, in seconds: so does CI.
//!
//! What loom cannot see: it treats both sides of the asymmetric fence as SeqCst fences, so it
//! proves that a fence in each place is enough, not that the light one really is one; and its
//! processes die only where `crate::sync::mortal` lets them, between two steps. `tests/stress.rs`
//! and `tests/death.rs` cover those.
//!
//! What loom does not try, though nothing bounds it: of the orders of two accesses it tries the
//! second only if it notices that they race, and for each word it remembers but the last access. A
//! load that it has put before another thread's load and compare-and-swap of the same word stays
//! there. So who looks only once yields first, which has loom put the look last and then, step by
//! step, before; and [`Search::EveryOrder`] leaves nothing to what loom notices.

#![allow(unsafe_code)]

mod crowd;
mod gate;
mod handover;
mod mpsc;
mod newest;
mod spsc;

/// For a thread that looks only so often, before its look number `n`.
fn before_look(n: usize) {
    // Where every order is tried, the first look comes first and those after it
    // last, both without a preemption.
    if n > 0 || !crate::sync::mortal::is_strict() {
        loom::thread::yield_now();
    }
}

/// How loom searches.
#[derive(Clone, Copy)]
enum Search {
    /// What loom notices to differ, without a bound on preemptions.
    Exhaustive,
    /// What loom notices to differ, with so many preemptions at most.
    UpTo(usize),
    /// Every order of steps with so many preemptions at most: see `crate::sync::mortal::strict`.
    EveryOrder(usize),
}

impl Search {
    /// Runs a model; returns how many executions that took.
    fn run(self, model: impl Fn() + Sync + Send + 'static) -> u64 {
        use std::sync::{
            Arc,
            atomic::{AtomicU64, Ordering::Relaxed},
        };

        let executions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&executions);
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = match self {
            Self::Exhaustive => None,
            Self::UpTo(preemptions) | Self::EveryOrder(preemptions) => Some(preemptions),
        };
        crate::sync::mortal::strict(matches!(self, Self::EveryOrder(_)));
        builder.check(move || {
            counted.fetch_add(1, Relaxed);
            model();
        });
        executions.load(Relaxed)
    }
}

/// Runs a model and tells how many executions that took.
#[track_caller]
fn explore(search: Search, model: impl Fn() + Sync + Send + 'static) {
    let start = std::time::Instant::now();
    tell(search, search.run(model), None, start);
}

/// Runs a model in which a thread is killed after as many steps as it is told, with more and more
/// of them until it says that it was not killed in any execution.
#[track_caller]
fn explore_deaths(search: Search, model: impl Fn(u32) -> bool + Sync + Send + Copy + 'static) {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    let start = std::time::Instant::now();
    let mut executions = 0;
    for steps in 0.. {
        let killed = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&killed);
        executions += search.run(move || {
            noted.fetch_or(model(steps), Relaxed);
        });
        if !killed.load(Relaxed) {
            return tell(search, executions, Some(steps), start);
        }
    }
}

#[track_caller]
fn tell(search: Search, executions: u64, deaths: Option<u32>, start: std::time::Instant) {
    let at = std::panic::Location::caller();
    let deaths = deaths.map_or(String::new(), |n| format!(" for {n} deaths"));
    let bound = match search {
        Search::Exhaustive => "no bound".into(),
        Search::UpTo(n) => format!("up to {n} preemptions"),
        Search::EveryOrder(n) => format!("every order with up to {n} preemptions"),
    };
    let (file, line, elapsed) = (at.file(), at.line(), start.elapsed());
    println!("{file}:{line}: {executions} executions{deaths}, {bound}, {elapsed:.1?}");
}
