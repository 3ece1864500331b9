//! Sees that nothing is left over, however this program ends.
//!
//! Some rivals keep files, and none of them removes all of them when its processes are killed. They
//! keep them in one directory of this run, or under its name in /dev/shm. A process of its own
//! waits until this program is gone, by whatever end, and removes both: it reads from a pipe that
//! nobody but this program can write to.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, signal};

use crate::transport::stage::{ROLE_FLAG, Stage};

const ROLE: &str = "tidy";
const SHARED_MEMORY: &str = "/dev/shm";

/// Time for the workers to end when they hear that this program has.
const LAST_WORDS: Duration = Duration::from_millis(300);

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// While this lives there is a directory; when it is dropped, nothing is left.
pub struct Tidy {
    waiting: Child,
}

/// Makes the directory, and has somebody wait for the end. To be called once.
pub fn start() -> io::Result<Tidy> {
    let directory = Path::new(SHARED_MEMORY).join(format!("shmpipe-rivals-{}", std::process::id()));
    let mut stage = Stage::role(ROLE, &[ROLE]);
    stage.arg(&directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut waiting = stage.start()?;
    // From the first byte on it cannot be ended any more by what may end this program.
    waiting.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.read_exact(&mut [0])?;
    fs::create_dir(&directory)?;
    DIRECTORY.set(directory).map_err(|_| io::Error::other("there is a directory already"))?;
    Ok(Tidy { waiting })
}

impl Drop for Tidy {
    fn drop(&mut self) {
        if let Some(mut input) = self.waiting.stdin.take() {
            // A byte says that the workers are gone already.
            let _ = input.write_all(b"x");
        }
        let _ = self.waiting.wait();
    }
}

/// The directory, which is removed whatever becomes of this program.
pub fn directory() -> io::Result<&'static Path> {
    let directory = DIRECTORY.get().map(PathBuf::as_path);
    directory.ok_or_else(|| io::Error::other("there is no directory"))
}

/// A name in the directory that nothing has yet.
pub fn path(what: &str) -> io::Result<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(directory()?.join(format!("{what}-{number}")).to_string_lossy().into_owned())
}

/// With what the names of objects in /dev/shm have to begin that go with a [`path`].
pub fn prefix_of(path: &str) -> String {
    let directory = Path::new(path).parent().and_then(Path::file_name).unwrap_or_default();
    format!("{}-", directory.to_string_lossy())
}

/// Removes a file when it is dropped.
pub struct Removed(pub String);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Waits and removes if this process was started for that, and exits; returns if it was not.
pub fn run_if_asked() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, flag, role, directory] = &arguments[..] else {
        return;
    };
    if flag == ROLE_FLAG && role == ROLE {
        let result = wait_and_remove(Path::new(directory));
        std::process::exit(i32::from(result.is_err()));
    }
}

fn wait_and_remove(directory: &Path) -> io::Result<()> {
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: nothing is called by a signal that is ignored.
        unsafe { signal(end, SigHandler::SigIgn) }?;
    }
    io::stdout().write_all(b"x")?;
    io::stdout().flush()?;
    if io::stdin().read(&mut [0])? == 0 {
        thread::sleep(LAST_WORDS);
    }
    let prefix = prefix_of(&directory.join("any").to_string_lossy());
    for entry in fs::read_dir(SHARED_MEMORY)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
