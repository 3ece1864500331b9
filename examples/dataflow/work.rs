//! What is moved, and one run of a rival at it.

use std::fmt;

use crate::contest::Setback;
use crate::harness::flow::{self, Failure, Run};
use crate::harness::role::BLOCK;
use crate::input::Source;
use crate::output::{Inspection, Sink, compare};
use crate::transport::{Rival, size};

/// Something to move.
#[derive(Clone, Copy)]
pub enum Work<'a> {
    /// A file.
    File(&'a Source, &'a Sink),
    /// So many bytes that one process makes and another uses.
    Memory(u64),
}

impl fmt::Display for Work<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::File(source, sink) => write!(f, "{} to {}", source.name, sink.name()),
            Work::Memory(len) => {
                let (len, block) = (size::show(*len), size::show(BLOCK as u64));
                write!(f, "{len} made in one process and used in another, by {block}")
            }
        }
    }
}

impl Work<'_> {
    /// How many bytes are moved.
    pub fn len(&self) -> u64 {
        match self {
            Work::File(source, _) => source.len,
            Work::Memory(len) => *len,
        }
    }

    /// Whether it is something that a rival does at all; if not, that is nothing to report.
    pub fn suits(&self, rival: &Rival) -> bool {
        match self {
            Work::File(..) => rival.transport.carries_files(),
            Work::Memory(_) => rival.transport.carries_memory(),
        }
    }

    /// Whether the first run of all is to be done once more: files are faster into memory that was
    /// used before, and the first rival should not be the one to pay for that.
    pub fn needs_a_warm_up(&self) -> bool {
        matches!(self, Work::File(_, sink) if !sink.is_device())
    }

    /// How it is seen that every byte arrived.
    pub fn how_checked(&self) -> &'static str {
        match self {
            Work::File(_, sink) if sink.is_device() => {
                "Checked in a run of its own into a pipe, not timed, because this sink cannot be read back"
            }
            Work::File(..) => "Every output was compared with the input",
            Work::Memory(_) => "Every byte was summed up by who used it",
        }
    }

    /// One timed run and the comparison of its output; where that cannot be read back, in a
    /// run of its own if `inspected`.
    pub fn once(
        &self,
        rival: &Rival,
        cpus: Option<[usize; 2]>,
        inspected: bool,
    ) -> Result<Run, Setback> {
        let Work::File(source, sink) = self else {
            return Ok(flow::observe(rival.flow_in_memory(self.len())?, cpus, || ())?);
        };
        if sink.is_device() && inspected {
            inspect(rival, source)?;
        }
        let output = sink.output();
        let run = flow::observe(rival.flow(&source.input, &output)?, cpus, || ())?;
        if !sink.is_device() {
            output.check(source).map_err(Setback::Failed)?;
        }
        Ok(run)
    }
}

/// One run, not timed, into a pipe behind which the output is compared.
fn inspect(rival: &Rival, source: &Source) -> Result<(), Setback> {
    let (output, arrived) = Inspection::new().map_err(Failure::from)?;
    let mut compared = Ok(());
    let ran = flow::run(rival.flow(&source.input, &output)?, None, || {
        compared = compare(arrived, source)
    });
    match (compared, ran) {
        (Ok(()), Ok(_)) => Ok(()),
        (Ok(()), Err(failure)) => Err(failure.into()),
        (Err(wrong), Ok(_)) => Err(Setback::Failed(wrong)),
        (Err(wrong), Err(failure)) => Err(Setback::Failed(format!("{wrong} ({failure})"))),
    }
}
