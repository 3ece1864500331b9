//! A process that is traced, and goes no further than it is let.

use crate::support::{Child, Line, Shared, eventually};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    sys::{
        ptrace,
        signal::{Signal, raise},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// Which of the shared words tells how far the victim is.
const STAGE: usize = 15;
/// It has not come to what it is killed in, is in it, is through.
const BEFORE: u64 = 0;
const IN: u64 = 1;
const THROUGH: u64 = 2;

/// How long a victim may take for one instruction before it counts as asleep.
const ASLEEP: Duration = Duration::from_millis(5);

/// How a victim is let go on: to the end of that many system calls, and then so many instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub calls: usize,
    pub steps: usize,
}

/// Where a victim is after it was let go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Where it was to come.
    There,
    /// To the end, before that.
    Through,
}

/// What a victim calls around that which it is killed in.
pub struct Marks<'a>(&'a AtomicU64);

impl Marks<'_> {
    /// Here it stops, until it is let go on.
    pub fn begin(&self) {
        raise(Signal::SIGSTOP).unwrap();
        self.0.store(IN, SeqCst);
    }

    pub fn end(&self) {
        self.0.store(THROUGH, SeqCst);
    }
}

/// A process that waits at its mark.
pub struct Victim<'a> {
    child: Child,
    stage: &'a AtomicU64,
}

/// Whether this process may trace its children; if not, why.
pub fn permitted() -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        // Elsewhere a step between the two halves of an atomic instruction lets it fail for ever.
        return Err("single-stepping through atomic instructions needs x86-64".into());
    }
    let mut child = Child::fork(|line| match ptrace::traceme() {
        Ok(()) => line.say("permitted"),
        Err(error) => line.show(error),
    });
    let answer = child.hear();
    let _ = child.status();
    if answer != "permitted" {
        return Err(format!("tracing a process is not permitted here: ptrace fails with {answer}"));
    }
    Ok(())
}

/// From now on the caller, and whom it forks, run on one processor: a step
/// takes half the time then.
pub fn stay_on_this_processor() {
    let mut set = CpuSet::new();
    if sched_getcpu().and_then(|here| set.set(here)).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

impl<'a> Victim<'a> {
    /// Forks a victim, which comes to its mark.
    pub fn fork(said: &'a Shared, body: impl FnOnce(&mut Line, &Marks<'_>)) -> Self {
        let stage = &said[STAGE];
        stage.store(BEFORE, Relaxed);
        let child = Child::fork(|line| {
            ptrace::traceme().unwrap();
            body(line, &Marks(stage));
        });
        let victim = Self { child, stage };
        assert_eq!(victim.wait(), Some(Signal::SIGSTOP), "it comes to its mark");
        ptrace::setoptions(victim.pid(), ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
        victim
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.pid() as i32)
    }

    /// Waits until it has stopped; `None` = at a system call.
    fn wait(&self) -> Option<Signal> {
        match waitpid(self.pid(), Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::PtraceSyscall(_) => None,
            other => panic!("the victim came to an end by itself: {other:?}"),
        }
    }

    /// Waits until it has stopped; false if it seems to sleep.
    fn wait_a_while(&self) -> bool {
        let mut began = None;
        loop {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
            match waitpid(self.pid(), Some(flags)).unwrap() {
                WaitStatus::StillAlive => {}
                WaitStatus::Stopped(..) | WaitStatus::PtraceSyscall(_) => return true,
                other => panic!("the victim came to an end by itself: {other:?}"),
            }
            if began.get_or_insert_with(Instant::now).elapsed() > ASLEEP {
                return false;
            }
            thread::yield_now();
        }
    }

    fn is_through(&self) -> bool {
        self.stage.load(SeqCst) == THROUGH
    }

    /// Lets it execute one instruction; while it sleeps, calls `asleep`.
    fn step(&self, asleep: &mut dyn FnMut()) {
        ptrace::step(self.pid(), None).unwrap();
        self.await_stop(asleep);
    }

    fn await_stop(&self, asleep: &mut dyn FnMut()) {
        eventually("the victim to go on", || {
            let stopped = self.wait_a_while();
            if !stopped {
                asleep();
            }
            stopped.then_some(())
        });
    }

    /// Lets it go on from its mark. If it falls asleep, or is slow, `asleep`
    /// must see to it that it wakes up.
    pub fn go(&self, way: Way, asleep: &mut dyn FnMut()) -> Came {
        while self.stage.load(SeqCst) == BEFORE {
            self.step(asleep);
        }
        // Each stops it before and after.
        for _ in 0..2 * way.calls {
            ptrace::syscall(self.pid(), None).unwrap();
            self.await_stop(asleep);
            if self.is_through() {
                return Came::Through;
            }
        }
        for _ in 0..way.steps {
            self.step(asleep);
            if self.is_through() {
                return Came::Through;
            }
        }
        Came::There
    }

    /// How many instructions there are up to the first system call, between each
    /// two, and from the last to the end.
    pub fn measure(&self, asleep: &mut dyn FnMut()) -> Vec<usize> {
        let mut parts = vec![0];
        self.go(Way::default(), asleep);
        while !self.is_through() {
            if self.is_at_call() {
                parts.push(0);
            } else {
                *parts.last_mut().expect("it is never empty") += 1;
            }
            self.step(asleep);
        }
        parts
    }

    #[cfg(target_arch = "x86_64")]
    fn is_at_call(&self) -> bool {
        let at = ptrace::getregs(self.pid()).unwrap().rip;
        let code = ptrace::read(self.pid(), at as ptrace::AddressType).unwrap();
        code.to_le_bytes().starts_with(&[0x0f, 0x05])
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_at_call(&self) -> bool {
        unreachable!("not permitted")
    }

    /// Kills it where it is; returns once it is gone.
    pub fn kill(self) {
        self.child.kill();
    }
}
