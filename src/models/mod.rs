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

mod gate;
mod handover;
mod newest;
mod spsc;
