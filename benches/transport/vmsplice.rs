//! vmsplice(2) of memory into a pipe of 1 MiB, from which the other process reads: the sender's
//! pages are lent to the pipe, and copied once.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, vmsplice};

use super::descriptor::Stream;
use super::pipe::{self, LARGE};
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size, tally};

struct Vmsplice;

/// `vmsplice`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Vmsplice))
}

impl Transport for Vmsplice {
    fn title(&self) -> String {
        format!("vmsplice, pipe of {}", size::show(LARGE))
    }

    fn carries_files(&self) -> bool {
        false
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        pipe::connect(Some(LARGE))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        let pipe = end.descriptor()?;
        let capacity = usize::try_from(fcntl(&pipe, FcntlArg::F_GETPIPE_SZ)?).unwrap_or(0);
        Ok(Box::new(Lender { pipe, memory: MmapMut::map_anon(3 * capacity)?, at: 0, capacity }))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }
}

/// Memory that is lent to the pipe from beginning to end, again and again. The pipe has a
/// slot for each page of its capacity, and takes at most a page by each: by the time the
/// beginning is used again, at least as many slots have been used since as there are, so that
/// what was lent then has been read.
struct Lender {
    pipe: OwnedFd,
    memory: MmapMut,
    at: usize,
    capacity: usize,
}

impl Sender for Lender {
    fn send_file(&mut self, _file: BorrowedFd<'_>, _max: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        let mut left = len;
        while left > 0 {
            let len = left.min(self.capacity).min(self.memory.len() - self.at);
            let piece = &mut self.memory[self.at..self.at + len];
            fill(piece);
            lend_all(&self.pipe, piece)?;
            self.at = (self.at + len) % self.memory.len();
            left -= len;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

fn lend_all(pipe: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // What is lent is not copied here; the reader's read(2) is counted by the kernel.
        tally::count(1, 0);
        match vmsplice(pipe, &[IoSlice::new(bytes)], SpliceFFlags::empty()) {
            Err(Errno::EINTR) => (),
            result => bytes = &bytes[result?..],
        }
    }
    Ok(())
}
