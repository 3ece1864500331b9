//! This library's slots: one by one by `push` and `pop`, in batches made and read in the ring.

use std::io;

use shmpipe::slot::{Consumer, Producer};

use super::content::message;
use super::ring::Ring;
use super::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::transport::Unavailable;

struct Slots(Ring);

/// `slots`, `slots:SIZE`, `slots:WAIT`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Slots(Ring::parse(options)?)))
}

impl Transport for Slots {
    type Sender<const N: usize> = SlotSender<N>;
    type Receiver<const N: usize> = SlotReceiver<N>;

    fn title(&self) -> String {
        self.0.title("slots")
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        self.0.connect::<Producer<[u64; N]>>()
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<SlotSender<N>> {
        Ok(SlotSender(self.0.take(end)?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<SlotReceiver<N>> {
        Ok(SlotReceiver(self.0.take(end)?))
    }
}

/// The sending end.
pub struct SlotSender<const N: usize>(Producer<[u64; N]>);

impl<const N: usize> Sender<N> for SlotSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        Ok(self.0.push(message(stamp))?)
    }

    #[inline]
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        let mut slots = self.0.reserve(BATCH)?;
        for (stamp, slot) in (first..).zip(slots.iter_mut()) {
            *slot = message(stamp);
        }
        Ok(slots.commit()?)
    }
}

/// The receiving end.
pub struct SlotReceiver<const N: usize>(Consumer<[u64; N]>);

impl<const N: usize> Receiver<N> for SlotReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        take(&self.0.pop()?.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(1)
    }

    #[inline]
    fn receive_batch(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let values = self.0.pop_batch()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        values.iter().for_each(take);
        Ok(values.len())
    }
}
