//! One process alone that reads and writes 128 KiB at a time, or makes and uses blocks itself: what
//! could be had if nothing were handed over.
//!
//! As a link it has a sender that does nothing and a receiver for which the
//! worker makes the blocks itself.

use std::io;
use std::os::fd::BorrowedFd;

use super::stage::{Stage, output_of};
use super::{End, Flow, Input, Link, Output, Receiver, Sender, Transport, Unavailable};

struct Alone;

/// `alone`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Alone))
}

impl Transport for Alone {
    fn title(&self) -> String {
        "one process alone".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        let end = || End::Name("nothing".into());
        Ok(Link { sender: end(), receiver: end(), guard: None })
    }

    fn sender(&self, _end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Idle))
    }

    fn receiver(&self, _end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Idle))
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

struct Idle;

impl Sender for Idle {
    fn send_file(&mut self, _file: BorrowedFd<'_>, _max: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn send_block(&mut self, _len: usize, _fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver for Idle {
    fn gets_nothing(&self) -> bool {
        true
    }

    fn receive_file(&mut self, _file: BorrowedFd<'_>, _max: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn receive_block(&mut self, _max: usize, _take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
