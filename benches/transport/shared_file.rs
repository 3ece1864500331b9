//! A file that both processes have open, and semaphores of POSIX by which they take turns: one
//! writes 128 KiB to it, the other reads them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::descriptor::CAT_BUFFER;
use super::pieces::{Carrier, Pieces};
use super::turns::Turns;
use super::{End, Link, Receiver, Sender, Transport, Unavailable};

/// The page of the semaphores comes first.
const CONTENT: u64 = 4096;

struct SharedFile;

/// `shared-file`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(SharedFile))
}

impl Transport for SharedFile {
    fn title(&self) -> String {
        "shared file and semaphores".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("a shared file: {e}")))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Pieces::of(Shared::take(end)?)))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Pieces::of(Shared::take(end)?)))
    }
}

fn connect() -> io::Result<Link> {
    let file = tempfile::tempfile()?;
    file.set_len(CONTENT)?;
    let file = file.into();
    Turns::make(&file)?;
    Ok(Link::of_descriptors(file.try_clone()?, file))
}

struct Shared {
    file: File,
    turns: Turns,
    room: Vec<u8>,
}

impl Shared {
    fn take(end: End) -> io::Result<Self> {
        let file = end.descriptor()?;
        let turns = Turns::on(&file)?;
        Ok(Shared { file: file.into(), turns, room: vec![0; CAT_BUFFER] })
    }
}

impl Carrier for Shared {
    fn room(&mut self) -> &mut [u8] {
        &mut self.room
    }

    fn put(&mut self, len: usize) -> io::Result<()> {
        self.turns.wait_for_room()?;
        self.file.write_all_at(&self.room[..len], CONTENT)?;
        self.turns.give(len)
    }

    fn take(&mut self) -> io::Result<usize> {
        let len = self.turns.wait_for_it()?.min(self.room.len());
        self.file.read_exact_at(&mut self.room[..len], CONTENT)?;
        self.turns.give_back()?;
        Ok(len)
    }
}
