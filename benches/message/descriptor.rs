//! The two ends of every way that is read(2) and write(2) on a descriptor.

use std::io;
use std::os::fd::OwnedFd;

use bytemuck::{bytes_of, cast_slice, cast_slice_mut};

use super::content::message;
use super::{BATCH, Receiver, Sender};
use crate::transport::descriptor::{read, write_all};

/// One end of a byte stream, and a batch of messages.
pub struct Stream<const N: usize> {
    fd: OwnedFd,
    batch: Vec<[u64; N]>,
}

impl<const N: usize> Stream<N> {
    /// An end.
    pub fn new(fd: OwnedFd) -> Self {
        Stream { fd, batch: vec![[0; N]; BATCH] }
    }

    /// Reads whole messages, at least one and at most `most`.
    fn read(&mut self, most: usize) -> io::Result<&[[u64; N]]> {
        let size = size_of::<[u64; N]>();
        let mut got = 0usize;
        while got == 0 || !got.is_multiple_of(size) {
            let bytes: &mut [u8] = cast_slice_mut(&mut self.batch[..most]);
            match read(&self.fd, &mut bytes[got..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => got += more,
            }
        }
        Ok(&self.batch[..got / size])
    }
}

impl<const N: usize> Sender<N> for Stream<N> {
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        write_all(&self.fd, bytes_of(&message::<N>(stamp)))
    }

    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        for (stamp, slot) in (first..).zip(&mut self.batch) {
            *slot = message(stamp);
        }
        write_all(&self.fd, cast_slice(&self.batch))
    }
}

impl<const N: usize> Receiver<N> for Stream<N> {
    fn receive(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let messages = self.read(1)?;
        messages.iter().for_each(take);
        Ok(messages.len())
    }

    fn receive_batch(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let messages = self.read(BATCH)?;
        messages.iter().for_each(take);
        Ok(messages.len())
    }
}
