//! What the tests that kill ends have in common: when, and what is left then.

use std::{
    env,
    os::fd::OwnedFd,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{fcntl::OFlag, unistd::pipe2};

use crate::{
    scene::Scene,
    support::{DEADLINE, Running, until},
};

/// What is sent in each round: enough to be killed in every part of.
pub const SIZE: usize = 8 << 20;

/// The most that a killed reader takes with it.
pub const CHUNK: usize = 256 << 10;

/// Rounds in an ordinary run of the tests; the long form has 30 times as many.
pub const ROUNDS: usize = 100;
pub const LONG: usize = 30 * ROUNDS;

/// Numbers that look like chance, from a seed that is printed: a failure can be had again, as far
/// as time allows. `SHMPIPE_SEED` sets it.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("later than 1970");
        let seed = env::var("SHMPIPE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(now.as_nanos() as u64 | 1);
        println!("SHMPIPE_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // Xorshift; its state must not be zero.
        self.0 |= u64::from(self.0 == 0);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// A moment in the life of a stream of [`SIZE`].
    pub fn moment(&mut self) -> Moment {
        match self.below(3) {
            // A stream takes a few milliseconds, as does the start of its ends.
            0 => Moment::After(Duration::from_micros(self.below(25_000))),
            _ => Moment::Arrived(self.below(SIZE as u64) as usize),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// So long after the ends were started.
    After(Duration),
    /// When so much has arrived in `out`.
    Arrived(usize),
}

impl Moment {
    /// Waits for it, or until `running` has ended. Without sleeping in between, for
    /// much happens in a millisecond.
    pub fn wait(self, scene: &Scene, running: &Running) {
        let started = Instant::now();
        let ended = || crate::process::state(running.pid()) == Some('Z');
        let come = || match self {
            Self::After(delay) => started.elapsed() >= delay,
            Self::Arrived(size) => scene.size("out") >= size || ended(),
        };
        while !come() {
            assert!(started.elapsed() < DEADLINE, "{self:?} never came");
            thread::yield_now();
        }
    }
}

/// A pipe for ends that the test starts itself.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    pipe2(OFlag::O_CLOEXEC).expect("a pipe")
}

/// Starts an end; the descriptors that it was given are its own alone then.
#[track_caller]
pub fn start(mut command: Command) -> Running {
    Running::start(&mut command)
}

/// Kills an end, which may have ended before. Returns whether it was in time.
#[track_caller]
pub fn kill(end: Running) -> bool {
    end.signal(nix::sys::signal::Signal::SIGKILL);
    let ran = end.finish();
    assert!(ran.status.success() || ran.status.code().is_none(), "{ran:?}");
    !ran.status.success()
}

/// Waits until a file has something in it.
#[track_caller]
pub fn until_arrived(scene: &Scene, size: usize) {
    until(&format!("{size} bytes arrive"), || scene.size("out") >= size);
}
