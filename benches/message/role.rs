//! The hidden role: what a program does when it was started as one end of a link.

use std::fs::File;
use std::io::{self, BufRead, Write};

use nix::sys::resource::UsageWho;

use super::End;
use super::job::Job;
use super::registry::Registry;
use super::worker::{Ends, Side};
use crate::harness::barrier::Barrier;
use crate::transport;
use crate::transport::stage::{ROLE_FLAG, take_passed};

/// The name of the role.
pub const ROLE: &str = "message";

/// What a worker says once it has its ends.
pub const READY: &str = "ready";

/// In the place of an end that a worker does not have.
pub const NO_END: &str = "-";

/// Plays the role if this process was started for it, and exits; returns if it was not.
pub fn run_if_asked(registry: Registry) {
    let arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [program, ROLE_FLAG, ROLE, role @ ..] = &arguments[..] else {
        return;
    };
    let program = program.rsplit('/').next().unwrap_or_default();
    // Started through /proc/self/exe, it would be called `exe` in lists of processes.
    let _ = std::fs::write("/proc/self/comm", program);
    if let Err(error) = play(registry, role) {
        eprintln!("{program} ({}): {error}", role.first().unwrap_or(&""));
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn play(registry: Registry, role: &[&str]) -> io::Result<()> {
    let [spec, words, side, page, sides, out, back] = role[..] else {
        return Err(io::Error::other("the role is not complete"));
    };
    let side = if side == "send" { Side::Sender } else { Side::Receiver };
    let words = words.parse().map_err(io::Error::other)?;
    let page = take_passed(page).ok_or_else(|| io::Error::other("no page for the barrier"))?;
    let sides = sides.parse().map_err(io::Error::other)?;
    let mut barrier = Barrier::of(&File::from(page).into(), sides)?;
    let transport = registry.make(spec).map_err(io::Error::other)?;
    let mut worker = transport.worker(words, side, Ends { out: end(out)?, back: end(back)? })?;
    writeln!(io::stdout(), "{READY}")?;
    for line in io::stdin().lock().lines() {
        let job = Job::from_line(&line?).ok_or_else(|| io::Error::other("no such job"))?;
        let answer = match worker.carry_out(&job, &mut barrier, UsageWho::RUSAGE_SELF) {
            Ok(answer) => answer.to_line(),
            Err(error) => error.to_string(),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn end(argument: &str) -> io::Result<Option<End>> {
    if argument == NO_END {
        return Ok(None);
    }
    let end = transport::End::from_argument(argument)
        .ok_or_else(|| io::Error::other("the end of the link was not handed over"))?;
    Ok(Some(End::Process(end)))
}
