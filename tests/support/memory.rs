//! A ring's memory, from outside.

use super::system_v::Attached;
use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

/// The memory of a ring, to be read and written by those who know what lies where
/// in it, whatever it is made of.
#[derive(Debug)]
pub enum Memory {
    File(File),
    SystemV(Attached),
}

impl Memory {
    /// Reads bytes at an offset, all or none.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(bytes, offset),
            Self::SystemV(attached) => attached.read(bytes, offset),
        }
    }

    /// Writes bytes at an offset. It does not grow.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(bytes, offset),
            Self::SystemV(attached) => attached.write(bytes, offset),
        }
    }

    /// How many bytes there are.
    pub fn length(&self) -> usize {
        match self {
            Self::File(file) => file.metadata().unwrap().len() as usize,
            Self::SystemV(attached) => attached.length(),
        }
    }

    /// All of them.
    pub fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length()];
        self.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }
}

impl From<OwnedFd> for Memory {
    fn from(fd: OwnedFd) -> Self {
        Self::File(fd.into())
    }
}
