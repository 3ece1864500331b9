//! splice(2) from a file to a pipe of 1 MiB and from there to a file: no process touches a byte.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};

use super::pipe::{self, LARGE};
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size, tally};

struct Splice;

/// `splice`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Splice))
}

impl Transport for Splice {
    fn title(&self) -> String {
        format!("splice, pipe of {}", size::show(LARGE))
    }

    fn carries_memory(&self) -> bool {
        false
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        pipe::connect(Some(LARGE))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Spliced(end.descriptor()?)))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Spliced(end.descriptor()?)))
    }
}

struct Spliced(OwnedFd);

/// Moves what there is, `max` bytes at most; 0 at the end.
fn move_some(from: BorrowedFd<'_>, to: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
    loop {
        // Pages change hands, and are not copied to this process or from it.
        tally::count(1, 0);
        match splice(from, None, to, None, max.min(LARGE as usize), SpliceFFlags::empty()) {
            Err(Errno::EINTR) => (),
            result => return Ok(result?),
        }
    }
}

impl Sender for Spliced {
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        move_some(file, self.0.as_fd(), max)
    }

    fn send_block(&mut self, _len: usize, _fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver for Spliced {
    fn receive_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        move_some(self.0.as_fd(), file, max)
    }

    fn receive_block(&mut self, _max: usize, _take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
