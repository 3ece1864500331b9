//! The tool itself, given by its path: `shmcat --to NAME < input` and `shmcat
//! --from NAME > output`.

use std::sync::atomic::{AtomicU32, Ordering};

use super::doomed::Doomed;
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

    fn carries_memory(&self) -> bool {
        false
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
            // Both may be killed, and leave it.
            let guard = Some(Box::new(Doomed::ring(name)) as _);
            Ok(Flow { guard, ..vec![to, from].into() })
        };
        Some(stages())
    }
}
