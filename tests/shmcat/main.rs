//! `shmcat` from end to end: the program, in bash, with real files, pipes, signals and deaths.
//!
//! `support` gives each test a directory and a ring of its own and sees to it that nothing
//! of the ring is left at the end.

mod cat;
mod death;
mod inspect;
mod many;
mod options;
mod process;
mod reports;
mod ring;
mod signals;
mod support;
