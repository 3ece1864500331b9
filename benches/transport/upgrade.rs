//! `shmcat | shmcat` over a pipe that upgrades itself: nothing is named.
//!
//! `upgrade` takes the shmcat that cargo built beside this program. `cargo run --example dataflow`
//! builds no other example, so where there is none, or one older than its sources, processes of
//! this program do the same by the library. `upgrade:PATH` takes that shmcat and no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::stage::{Stage, piped};
use super::{Flow, Input, Output, Transport, Unavailable, installed};

enum Upgrade {
    Program { path: PathBuf, version: String },
    Library { why: &'static str },
}

/// `upgrade` or `upgrade:PATH`.
pub fn make(options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let path = if options.is_empty() { built() } else { Ok(options.into()) };
    let upgrade = match path {
        Ok(path) => {
            let version = installed::version(&[&path.to_string_lossy()])?;
            Upgrade::Program { path, version }
        }
        Err(why) => Upgrade::Library { why },
    };
    Ok(Box::new(upgrade))
}

impl Transport for Upgrade {
    fn title(&self) -> String {
        match self {
            Upgrade::Program { version, .. } => format!("shmcat | shmcat ({version})"),
            Upgrade::Library { .. } => "shmcat | shmcat (in-tree)".into(),
        }
    }

    fn remark(&self) -> Option<String> {
        match self {
            Upgrade::Program { .. } => None,
            Upgrade::Library { why } => {
                Some(format!("by the library in processes of this program, for shmcat {why}"))
            }
        }
    }

    fn carries_memory(&self) -> bool {
        false
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stage = |label: &str| match self {
            Upgrade::Program { path, .. } => Stage::program(path),
            Upgrade::Library { .. } => Stage::role(label, &["upgrade"]),
        };
        Some(piped([stage("upgrading writer"), stage("upgrading reader")], input, output))
    }
}

/// The shmcat that was built as this program was, from the sources as they are; or
/// why not, as what is said of it.
pub fn built() -> Result<PathBuf, &'static str> {
    let this = std::env::current_exe().map_err(|_| "is not to be found")?;
    // An example lies beside it; a bench is in target/PROFILE/deps.
    let beside = this.with_file_name("shmcat");
    let examples = this.ancestors().nth(2).map(|profile| profile.join("examples/shmcat"));
    let found = [Some(beside), examples].into_iter().flatten().find_map(|path| {
        let modified = path.metadata().and_then(|found| found.modified()).ok()?;
        Some((path, modified))
    });
    let (path, modified) = found.ok_or("is not built")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match [root.join("src"), root.join("examples/shmcat")].iter().filter_map(|at| newest(at)).max()
    {
        Some(source) if source > modified => Err("is older than its sources"),
        _ => Ok(path),
    }
}

/// When the newest file in a directory was changed; `None` if there is none, as where
/// only the programs were copied to.
fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let changed = |entry: fs::DirEntry| match entry.file_type().ok()? {
        kind if kind.is_dir() => newest(&entry.path()),
        _ => entry.metadata().ok()?.modified().ok(),
    };
    entries.filter_map(changed).max()
}
