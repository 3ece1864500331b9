//! The shell pipe that upgrades itself, from end to end: `shmcat | shmcat` as it is typed, in bash
//! and dash, beside every other program and in everything that can happen to a pipe.
//!
//! Every byte that arrives is compared, and where chance has no say, `--stats=json` has to name the
//! transport. The stages of a script call `$S` for a `shmcat` with those statistics.

// Parts of these serve the other target that they are shared with.
#[allow(dead_code)]
#[path = "../shmcat/process.rs"]
mod process;
#[allow(dead_code)]
#[path = "../shmcat/support.rs"]
mod support;

mod as_cat;
mod at_once;
mod closed;
mod descriptors;
mod fifo;
mod in_turn;
mod killed;
mod late;
mod leaving;
mod limits;
mod lines;
mod nonblocking;
mod pairings;
mod processes;
mod reader_killed;
mod scene;
mod sizes;
mod stats;
mod stopped;
mod strangers;
mod switched_off;
mod writer_killed;
