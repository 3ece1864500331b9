//! The protocols under loom: every interleaving and every reordering the memory model permits.
//!
//! ```text
//! RUSTFLAGS="--cfg shmpipe_loom" cargo test --release --lib
//! ```
//!
//! What loom cannot see: it treats both sides of the asymmetric fence as SeqCst fences, so it
//! proves that a fence in each place is enough, not that the light one really is one; and its
//! processes never die. `tests/stress.rs` and `tests/death.rs` cover those.

#![allow(unsafe_code)]

mod crowd;
mod gate;
mod handover;
mod newest;
mod spsc;

/// Runs a model, without a bound on preemptions or with one, and tells how many executions that took.
#[track_caller]
fn explore(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    };

    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let start = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        model();
    });
    let line = std::panic::Location::caller();
    let bound = preemptions.map_or("exhaustive".into(), |n| format!("up to {n} preemptions"));
    println!("{line}: {} executions, {bound}, {:.1?}", executions.load(Relaxed), start.elapsed());
}
