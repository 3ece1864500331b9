//! Shared memory of System V guarded by semaphores of System V, as textbooks have it: lock, copy up
//! to 128 KiB in, unlock; lock, copy them out, unlock. Two semaphores say whose turn it is.

use std::io;
use std::ptr;

use super::descriptor::CAT_BUFFER;
use super::doomed::Doomed;
use super::pieces::{Carrier, Pieces};
use super::sysv::{self, Id, Segment};
use super::{End, Link, Receiver, Sender, Transport, Unavailable, tally};

/// In front of the content: how long it is.
const LENGTH: usize = size_of::<usize>();

/// The semaphore that is up while nothing is in the memory.
const ROOM: u16 = 0;

/// The one that is up while something is.
const THERE: u16 = 1;

struct Memory;

/// `sysv-memory`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Memory))
}

impl Transport for Memory {
    fn title(&self) -> String {
        "SysV memory and semaphores".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("shared memory of System V: {e}")))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Pieces::of(Guarded::take(end)?)))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Pieces::of(Guarded::take(end)?)))
    }
}

fn connect() -> io::Result<Link> {
    let segment = Segment::new(LENGTH + CAT_BUFFER)?;
    let (doomed, semaphores) = Doomed::semaphores([1, 0])?;
    let end = || End::Name(format!("{}.{semaphores}", segment.id));
    let (sender, receiver) = (end(), end());
    Ok(Link { sender, receiver, guard: Some(Box::new((segment, doomed))) })
}

struct Guarded {
    segment: Segment,
    semaphores: Id,
    room: Vec<u8>,
}

impl Guarded {
    fn take(end: End) -> io::Result<Self> {
        let name = end.name()?;
        let ids = name.split_once('.').and_then(|(segment, semaphores)| {
            Some((segment.parse().ok()?, semaphores.parse().ok()?))
        });
        let (segment, semaphores) = ids.ok_or_else(|| io::Error::other("two numbers expected"))?;
        let segment = Segment::attach(segment)?;
        Ok(Guarded { segment, semaphores, room: vec![0; CAT_BUFFER] })
    }

    fn wait_for(&self, semaphore: u16) -> io::Result<()> {
        tally::count(1, 0);
        sysv::change(self.semaphores, semaphore, -1)
    }

    fn raise(&self, semaphore: u16) -> io::Result<()> {
        tally::count(1, 0);
        sysv::change(self.semaphores, semaphore, 1)
    }
}

impl Carrier for Guarded {
    fn room(&mut self) -> &mut [u8] {
        &mut self.room
    }

    fn put(&mut self, len: usize) -> io::Result<()> {
        self.wait_for(ROOM)?;
        let bytes = &self.room[..len];
        // SAFETY: the segment is as long as that, its start is aligned, and it is our
        // turn: nobody else looks there.
        unsafe {
            self.segment.start().cast::<usize>().write(len);
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.segment.start().add(LENGTH), len);
        }
        self.raise(THERE)
    }

    fn take(&mut self) -> io::Result<usize> {
        self.wait_for(THERE)?;
        // SAFETY: as above.
        let len = unsafe { self.segment.start().cast::<usize>().read() };
        let room = &mut self.room[..len.min(CAT_BUFFER)];
        // SAFETY: as above; not more than there is room for.
        unsafe {
            let content = self.segment.start().add(LENGTH);
            ptr::copy_nonoverlapping(content, room.as_mut_ptr(), room.len());
        }
        let len = room.len();
        self.raise(ROOM)?;
        Ok(len)
    }
}
