//! Runs a flow of a whole file, from the start of its first process to the end of its last.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, wait, waitid, waitpid};
use nix::unistd::Pid;

use super::order::Cost;
use crate::transport::tally::Traffic;
use crate::transport::{Flow, doomed};

/// How long a process may take to end by itself when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Starts the processes, waits for them, and says what they took. This program must
/// have no other children meanwhile.
///
/// `meanwhile` runs while they do; its time counts too.
///
/// # Errors
///
/// If a process cannot be started or fails. The others are ended then: none is left.
pub fn run(
    flow: Flow,
    cpus: Option<[usize; 2]>,
    meanwhile: impl FnOnce(),
) -> Result<Cost, Failure> {
    observe(flow, cpus, meanwhile).map(|run| run.cost)
}

/// What a flow took, and what its processes asked of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What it took.
    pub cost: Cost,
    /// System calls that move data, and the bytes they copied; `None` where the
    /// kernel does not count them.
    pub traffic: Option<Traffic>,
}

/// As [`run`], and looks at what the processes asked of the kernel.
pub fn observe(
    flow: Flow,
    cpus: Option<[usize; 2]>,
    meanwhile: impl FnOnce(),
) -> Result<Run, Failure> {
    let Flow { stages, guard: _guard, ledger, counted } = flow;
    let cpu = children_cpu()?;
    let start = Instant::now();
    let mut running = Running::default();
    for (index, mut stage) in stages.into_iter().enumerate() {
        if let Some(cpus) = cpus {
            stage.pin(cpus[index % 2]);
        }
        let label = stage.label().to_owned();
        let child = stage.start().map_err(|e| Failure(format!("cannot start {label}: {e}")))?;
        running.0.push((Pid::from_raw(child.id() as i32), label));
    }
    meanwhile();
    let mut traffic = Some(Traffic { at_least: !counted, ..Traffic::default() });
    while !running.0.is_empty() {
        let of_one = running.wait_for_one().inspect_err(|_| doomed::stay_if_ending())?;
        traffic = traffic.and_then(|traffic| Some(traffic.and(of_one?)));
    }
    let cost = Cost { time: start.elapsed(), cpu: children_cpu()?.saturating_sub(cpu) };
    let own = ledger.map_or_else(Traffic::default, |ledger| ledger.sum());
    Ok(Run { cost, traffic: traffic.map(|traffic| traffic.and(own)) })
}

/// The processes that have not been waited for yet. Dropped, it ends them.
#[derive(Default)]
struct Running(Vec<(Pid, String)>);

impl Running {
    /// Waits until one has ended; what the kernel has counted of it.
    fn wait_for_one(&mut self) -> Result<Option<Traffic>, Failure> {
        let failed = |e| Failure(format!("waiting for a process: {e}"));
        let none = Some(Traffic::default());
        // What /proc says of it is final now, and gone once it has been waited for.
        let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => return Ok(none),
            status => status.map_err(failed)?.pid(),
        };
        let Some(index) = self.0.iter().position(|(pid, _)| Some(*pid) == ended) else {
            return wait().map(|_| none).map_err(failed);
        };
        let (pid, label) = self.0.swap_remove(index);
        let traffic = Traffic::of_process(pid);
        let status = waitpid(pid, None).map_err(failed)?;
        match status {
            WaitStatus::Exited(_, 0) => Ok(traffic),
            WaitStatus::Exited(_, code) => {
                Err(Failure(format!("{label} ended with status {code}")))
            }
            WaitStatus::Signaled(_, signal, _) => {
                Err(Failure(format!("{label} was ended by {signal}")))
            }
            other => Err(Failure(format!("{label} did what was not expected: {other:?}"))),
        }
    }

    fn signal_all(&self, signal: Signal) {
        for (pid, _) in &self.0 {
            let _ = kill(*pid, signal);
        }
    }

    fn reap(&mut self) {
        let gone =
            |pid| !matches!(waitpid(pid, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive));
        self.0.retain(|(pid, _)| !gone(*pid));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // First the signal that lets a process tidy up behind itself.
        self.signal_all(Signal::SIGTERM);
        let start = Instant::now();
        while start.elapsed() < GRACE {
            self.reap();
            if self.0.is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.signal_all(Signal::SIGKILL);
        for (pid, _) in self.0.drain(..) {
            let _ = waitpid(pid, None);
        }
    }
}

/// CPU seconds of all children waited for so far.
fn children_cpu() -> Result<Duration, Failure> {
    let usage =
        getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| Failure(format!("getrusage: {e}")))?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into().unwrap_or(0)))
}

/// A flow that did not reach its end, as a sentence.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure(error.to_string())
    }
}
