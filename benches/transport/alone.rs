//! One process alone that reads and writes 128 KiB at a time, or makes and uses blocks itself: what could be had if
//! nothing were handed over.

use super::stage::{Stage, output_of};
use super::{Flow, Input, Output, Transport, Unavailable};

struct Alone;

/// `alone`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Alone))
}

impl Transport for Alone {
    fn title(&self) -> String {
        "one process alone".into()
    }

    fn programs(&self, input: &Input, output: &dyn Output) -> Option<Result<Flow, Unavailable>> {
        let stages = || {
            let mut copy = Stage::role("copier", &["copy"]);
            copy.stdin(input.open()?).stdout(output_of(output)?);
            Ok(Flow { counted: true, ..vec![copy].into() })
        };
        Some(stages())
    }

    fn programs_in_memory(&self, len: u64) -> Option<Flow> {
        let stages = vec![Stage::role("worker", &["work-alone", &len.to_string()])];
        Some(Flow { counted: true, ..stages.into() })
    }
}
