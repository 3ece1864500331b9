//! shmring, between processes: a ring of bytes, written by `write_all` and read by `read_exact`. A
//! batch is written at once, and whatever whole messages one read gives are one too.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use bytemuck::{bytes_of, bytes_of_mut, cast_slice, cast_slice_mut};
use shmring::backend::ShmStorage;
use shmring::{Options, Reader, Writer, create_shm, open_shm};

use super::room;
use crate::message::content::message;
use crate::message::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::tidy;
use crate::transport::Unavailable;

/// How long the writer may take to make the ring.
const PATIENCE: Duration = Duration::from_secs(10);

struct Shmring {
    bytes: usize,
}

/// `shmring` or `shmring:SIZE`, a power of two.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Shmring { bytes: room(options)? }))
}

impl Transport for Shmring {
    type Sender<const N: usize> = ShmringSender<N>;
    type Receiver<const N: usize> = ShmringReceiver<N>;

    fn title(&self) -> String {
        "shmring 0.4.1".into()
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let path = tidy::path("shmring").map_err(|e| Unavailable::because(e.to_string()))?;
        // The writer makes the ring when its process starts, and removes it if it is not killed.
        let name = tidy::prefix_of(&path) + path.rsplit('/').next().unwrap_or_default();
        let guard = tidy::Removed(format!("/dev/shm/{name}"));
        Ok(Link::of_names(&name, &name, guard))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<ShmringSender<N>> {
        let writer = create_shm(&end.name()?, self.bytes as u64, Options::default());
        Ok(ShmringSender(writer.map_err(failed)?, vec![[0; N]; BATCH]))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<ShmringReceiver<N>> {
        let (name, start) = (end.name()?, Instant::now());
        loop {
            match open_shm(&name, self.bytes as u64, Options::default()) {
                Ok(reader) => return Ok(ShmringReceiver(reader, vec![[0; N]; BATCH])),
                Err(error) if start.elapsed() > PATIENCE => return Err(failed(error)),
                // There is no call that waits for a ring, or for one that is being made.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// The sending end, and a batch.
pub struct ShmringSender<const N: usize>(Writer<ShmStorage>, Vec<[u64; N]>);

impl<const N: usize> Sender<N> for ShmringSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.0.write_all(bytes_of(&message::<N>(stamp)))
    }

    #[inline]
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        for (stamp, slot) in (first..).zip(&mut self.1) {
            *slot = message(stamp);
        }
        self.0.write_all(cast_slice(&self.1))
    }
}

/// The receiving end, and a batch.
pub struct ShmringReceiver<const N: usize>(Reader<ShmStorage>, Vec<[u64; N]>);

impl<const N: usize> Receiver<N> for ShmringReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut message = [0u64; N];
        self.0.read_exact(bytes_of_mut(&mut message))?;
        take(&message);
        Ok(1)
    }

    #[inline]
    fn receive_batch(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let size = size_of::<[u64; N]>();
        let bytes: &mut [u8] = cast_slice_mut(&mut self.1);
        let got = self.0.read(bytes)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // A read may end in the middle of a message.
        let whole = got.next_multiple_of(size);
        self.0.read_exact(&mut bytes[got..whole])?;
        self.1[..whole / size].iter().for_each(take);
        Ok(whole / size)
    }
}

#[cold]
fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
