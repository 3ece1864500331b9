//! The tool itself, given by its path: `shmcat --to NAME < input` and `shmcat --from NAME > output`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::stage::{Stage, output_of};
use super::{Flow, Input, Output, Transport, Unavailable, installed};

struct Shmcat {
    path: String,
    version: String,
}

/// `shmcat` (found on PATH) or `shmcat:PATH`.
pub fn make(options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let path = if options.is_empty() { "shmcat" } else { options };
    Ok(Box::new(Shmcat { path: path.to_owned(), version: installed::version(&[path])? }))
}

impl Transport for Shmcat {
    fn title(&self) -> String {
        format!("shmcat --to, --from ({})", self.version)
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        // A name for each run: a run that failed must not be met by the next.
        static RUN: AtomicU32 = AtomicU32::new(0);
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let name = format!("/dataflow-{}-{run}", std::process::id());
        let stages = || {
            let (mut to, mut from) = (Stage::program(&self.path), Stage::program(&self.path));
            to.arg("--to").arg(&name).stdin(input.open()?);
            from.arg("--from").arg(&name).stdout(output_of(output)?);
            let guard = Leftover { program: self.path.clone(), name };
            Ok(Flow { stages: vec![to, from], guard: Some(Box::new(guard)) })
        };
        Some(stages())
    }
}

/// Removes the named ring if both ends were killed and left it.
struct Leftover {
    program: String,
    name: String,
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if Path::new(&format!("/dev/shm{}", self.name)).exists() {
            let mut remove = Command::new(&self.program);
            remove.args(["--remove", &self.name]).stdout(Stdio::null()).stderr(Stdio::null());
            // It was to tidy up after a failure that is reported already.
            let _ = remove.status();
        }
    }
}
