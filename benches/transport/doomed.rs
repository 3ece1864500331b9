//! What must not outlive this program, also when a signal ends it: names of files and rings, and
//! what System V knows by a number.
//!
//! Most transports leave nothing that needs this: they remove a name as soon as it
//! has been opened, or have none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shmpipe::inspect::{self, Force};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::sysv;

/// How long the processes at the ends may take to end when they are told to.
const GRACE: Duration = Duration::from_secs(2);

/// Something that has to be removed.
#[derive(Clone, Debug, PartialEq)]
enum Object {
    /// A file, or a directory with all that is in it.
    Path(PathBuf),
    /// A ring, by its name.
    Ring(String),
    /// A message queue of System V.
    Queue(sysv::Id),
    /// A set of semaphores of System V.
    Semaphores(sysv::Id),
}

static DOOMED: Mutex<Vec<Object>> = Mutex::new(Vec::new());

fn doomed() -> MutexGuard<'static, Vec<Object>> {
    DOOMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal that ends this program first ends the processes it has
/// started and removes what is doomed.
pub fn on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // Locked until the end: nothing new may come into being, neither object nor process.
            let doomed = doomed();
            end_children();
            doomed.iter().for_each(Object::remove);
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Does not return if a signal is about to end this program: whoever finds that a process has
/// failed, or wants to start one or to exit, might otherwise report what is nothing but that.
pub fn stay_if_ending() {
    drop(doomed());
}

/// Something that is removed on drop, or when a signal ends this program.
pub struct Doomed(Object);

impl Doomed {
    /// A file of that name, which need not be there yet.
    pub fn file(path: PathBuf) -> Self {
        Self::of(Object::Path(path))
    }

    /// A ring of that name, which need not be there yet.
    pub fn ring(name: String) -> Self {
        Self::of(Object::Ring(name))
    }

    /// A new directory in `parent`, with all that will be in it.
    pub fn directory_in(parent: &Path) -> io::Result<Self> {
        Self::made(|| {
            let made = tempfile::Builder::new().prefix("dataflow-").tempdir_in(parent)?;
            Ok(Object::Path(made.keep()))
        })
    }

    /// A new message queue of System V.
    pub fn queue() -> io::Result<(Self, sysv::Id)> {
        let doomed = Self::made(|| sysv::new_queue().map(Object::Queue))?;
        let Object::Queue(id) = doomed.0 else { unreachable!("just made") };
        Ok((doomed, id))
    }

    /// New semaphores of System V, with these values.
    pub fn semaphores(values: [u16; 2]) -> io::Result<(Self, sysv::Id)> {
        let doomed = Self::made(|| sysv::new_semaphores(values).map(Object::Semaphores))?;
        let Object::Semaphores(id) = doomed.0 else { unreachable!("just made") };
        Ok((doomed, id))
    }

    /// Where it is; empty for what has no path.
    pub fn path(&self) -> &Path {
        if let Object::Path(path) = &self.0 { path } else { Path::new("") }
    }

    /// Lets it live.
    pub fn spare(self) {
        doomed().retain(|object| *object != self.0);
        std::mem::forget(self);
    }

    fn of(object: Object) -> Self {
        doomed().push(object.clone());
        Doomed(object)
    }

    /// Makes it while no signal can end this program.
    fn made(make: impl FnOnce() -> io::Result<Object>) -> io::Result<Self> {
        let mut doomed = doomed();
        let object = make()?;
        doomed.push(object.clone());
        Ok(Doomed(object))
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.remove();
        doomed().retain(|object| *object != self.0);
    }
}

impl Object {
    /// What was never made, or is gone already, is as good as removed.
    fn remove(&self) {
        match self {
            Object::Path(path) if path.is_dir() => drop(fs::remove_dir_all(path)),
            Object::Path(path) => drop(fs::remove_file(path)),
            Object::Ring(name) => drop(inspect::remove(name, Force::Yes)),
            Object::Queue(id) => drop(sysv::remove_queue(*id)),
            Object::Semaphores(id) => drop(sysv::remove_semaphores(*id)),
        }
    }
}

/// Ends the processes that this one has started, so that they make nothing that was just removed.
fn end_children() {
    let (start, mut signal) = (Instant::now(), Signal::SIGTERM);
    loop {
        let alive = living_children();
        if alive.is_empty() {
            return;
        }
        if start.elapsed() > GRACE {
            signal = Signal::SIGKILL;
        }
        for child in alive {
            // It may have ended meanwhile.
            let _ = kill(child, signal);
        }
        if start.elapsed() > 2 * GRACE {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The children of every thread, but for those that are dead and not waited for yet.
fn living_children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers: Vec<i32> = lists
        .flat_map(|list| list.split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect();
    let alive = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    numbers.into_iter().filter(alive).map(Pid::from_raw).collect()
}
