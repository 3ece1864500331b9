//! The installed `cp`: one process, which may let the kernel copy within a file system.

use super::stage::Stage;
use super::{Flow, Input, Output, Transport, Unavailable, installed};

struct Cp {
    version: String,
}

/// `cp`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Cp { version: installed::version(&["cp"])? }))
}

impl Transport for Cp {
    fn title(&self) -> String {
        format!("cp ({})", self.version)
    }

    fn remark(&self) -> Option<String> {
        Some("what it lets the kernel copy is counted as if it crossed, twice".into())
    }

    fn carries_memory(&self) -> bool {
        false
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stages = || {
            let mut copy = Stage::program("cp");
            let made = output.path(&mut copy);
            let path =
                made.map_err(|e| Unavailable::because(format!("cannot make the output: {e}")))?;
            copy.arg("--").arg(&input.path).arg(path);
            Ok(vec![copy].into())
        };
        Some(stages())
    }
}
