//! The two ends of every transport that is read(2) and write(2) on a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::unistd;

use super::{Receiver, Sender};

/// The buffer of GNU `cat` (until coreutils 9.5), which also puts it on a page.
pub const CAT_BUFFER: usize = 128 << 10;

/// read(2), again if a signal came between.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match unistd::read(fd.as_fd(), buffer) {
            Err(Errno::EINTR) => (),
            result => return Ok(result?),
        }
    }
}

/// write(2) until all of `bytes` is written.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match unistd::write(fd.as_fd(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// One end of a byte stream, with a buffer on pages of its own that grows to the largest block.
pub struct Stream {
    fd: OwnedFd,
    buffer: MmapMut,
}

impl Stream {
    /// An end that moves at most 128 KiB of a file at a time.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Stream { fd, buffer: MmapMut::map_anon(CAT_BUFFER)? })
    }

    fn buffer(&mut self, len: usize) -> io::Result<&mut [u8]> {
        if len > self.buffer.len() {
            self.buffer = MmapMut::map_anon(len)?;
        }
        Ok(&mut self.buffer[..len])
    }
}

impl Sender for Stream {
    fn send_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        let got = read(file, self.buffer(max.min(CAT_BUFFER))?)?;
        write_all(&self.fd, &self.buffer[..got])?;
        Ok(got)
    }

    fn send_block(&mut self, len: usize, fill: &mut dyn FnMut(&mut [u8])) -> io::Result<()> {
        fill(self.buffer(len)?);
        write_all(&self.fd, &self.buffer[..len])
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver for Stream {
    fn receive_file(&mut self, file: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
        let max = max.min(CAT_BUFFER);
        self.buffer(max)?;
        let got = read(&self.fd, &mut self.buffer[..max])?;
        write_all(file, &self.buffer[..got])?;
        Ok(got)
    }

    fn receive_block(&mut self, max: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        self.buffer(max)?;
        let got = read(&self.fd, &mut self.buffer[..max])?;
        take(&self.buffer[..got]);
        Ok(got)
    }
}
