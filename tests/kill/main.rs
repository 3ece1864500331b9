//! A producer may be killed at any instruction: the others go on, all that it had committed comes
//! exactly once and whole, nothing that it had not is ever seen, and its seat can be had again.
//!
//! A controller traces the victim (ptrace), lets it run to where a form of sending begins,
//! single-steps so many instructions of it and kills it there: [`stepped`]. Several producers are
//! killed at random moments and replaced: [`random`]. Both on real processes and the unmodified
//! library. So are receivers, of whom the next one goes on where the one before was: [`receiving`].
//!
//! A few hundred kills in `cargo test`. Every instruction of every form once,
//! and ten thousand kills in all:
//!
//! ```text
//! cargo test --release -- --ignored kill
//! cargo test --release --test kill -- --ignored --nocapture kill
//! ```
//!
//! Where a process may not trace another, the first part says so and is left out.

#[path = "../many_support/mod.rs"]
mod many_support;
#[path = "../record_support/mod.rs"]
mod record_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod forms;
mod random;
mod receiving;
mod stepped;
mod tracing;

use std::time::Duration;

/// By when the others must have gone on after a death. How long it took is printed; the bound is
/// one that holds on the busiest machine.
const GO_ON: Duration = Duration::from_secs(2);
