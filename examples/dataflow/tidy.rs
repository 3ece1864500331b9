//! Names in the file system that must not outlive this program, also when a signal ends it.
//!
//! Most files here have no name and need none of this; these are for programs that open their output by its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

static DOOMED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn doomed() -> MutexGuard<'static, Vec<PathBuf>> {
    DOOMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on a signal that ends this program first removes what is doomed.
pub fn on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // Locked until the end: nothing new may come into being.
            let doomed = doomed();
            doomed.iter().for_each(|path| remove(path));
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// A file or directory that is removed on drop, or when a signal ends this program.
pub struct Doomed(PathBuf);

impl Doomed {
    /// A file of that name, which need not be there yet.
    pub fn file(path: PathBuf) -> Self {
        doomed().push(path.clone());
        Doomed(path)
    }

    /// A new directory in `parent`, with all that will be in it.
    pub fn directory_in(parent: &Path) -> io::Result<Self> {
        let mut doomed = doomed();
        let path = tempfile::Builder::new().prefix("dataflow-").tempdir_in(parent)?.keep();
        doomed.push(path.clone());
        Ok(Doomed(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Lets it live.
    pub fn spare(self) {
        doomed().retain(|path| *path != self.0);
        std::mem::forget(self);
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        remove(&self.0);
        doomed().retain(|path| *path != self.0);
    }
}

fn remove(path: &Path) {
    // A file that was never made is as good as removed.
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}
