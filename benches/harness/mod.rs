//! Runs what `transport` describes: whole flows of a file (`flow`), pairs of pinned workers
//! that make and use blocks in memory (`duo`), and rivals in turns (`paired`), each next to the
//! round trip of a cache line (`cpu`).
//!
//! A program that uses this calls [`role::run_if_asked`] first of all, because the processes at the
//! two ends of a link are that same program in a hidden role.

pub mod bar;
pub mod barrier;
pub mod content;
pub mod cpu;
pub mod duo;
pub mod flow;
pub mod order;
pub mod paired;
pub mod role;
pub mod row;
pub mod volume;
pub mod worker;
