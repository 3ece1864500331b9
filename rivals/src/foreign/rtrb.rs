//! rtrb, between threads: `push` and `pop`; batches are made in and read from chunks.

use std::io;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::room;
use crate::message::content::message;
use crate::message::patience::Patience;
use crate::message::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::transport::Unavailable;

struct Rtrb {
    bytes: usize,
}

/// `rtrb` or `rtrb:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Rtrb { bytes: room(options)? }))
}

impl Transport for Rtrb {
    type Sender<const N: usize> = RtrbSender<N>;
    type Receiver<const N: usize> = RtrbReceiver<N>;

    fn title(&self) -> String {
        "rtrb 0.4.1 (threads)".into()
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let (producer, consumer) = RingBuffer::<[u64; N]>::new(self.bytes / (8 * N));
        Ok(Link::of_threads(producer, consumer))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<RtrbSender<N>> {
        Ok(RtrbSender(end.value()?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<RtrbReceiver<N>> {
        Ok(RtrbReceiver(end.value()?))
    }
}

/// The sending end.
pub struct RtrbSender<const N: usize>(Producer<[u64; N]>);

impl<const N: usize> Sender<N> for RtrbSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let mut patience = Patience::default();
        while let Err(PushError::Full(_)) = self.0.push(message(stamp)) {
            patience.look_again()?;
        }
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        let mut patience = Patience::default();
        loop {
            if let Ok(chunk) = self.0.write_chunk_uninit(BATCH) {
                chunk.fill_from_iter((first..).map(message));
                return Ok(());
            }
            patience.look_again()?;
        }
    }
}

/// The receiving end.
pub struct RtrbReceiver<const N: usize>(Consumer<[u64; N]>);

impl<const N: usize> Receiver<N> for RtrbReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        loop {
            if let Ok(message) = self.0.pop() {
                take(&message);
                return Ok(1);
            }
            patience.look_again()?;
        }
    }

    #[inline]
    fn receive_batch(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        loop {
            if let Ok(chunk) = self.0.read_chunk(BATCH) {
                let (first, second) = chunk.as_slices();
                first.iter().for_each(&mut take);
                second.iter().for_each(&mut take);
                chunk.commit_all();
                return Ok(BATCH);
            }
            patience.look_again()?;
        }
    }
}
