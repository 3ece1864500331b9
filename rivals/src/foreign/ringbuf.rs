//! ringbuf, between threads: `try_push` and `try_pop`; batches go by `push_slice`, which is several
//! times as fast as making them in the ring by `push_iter`, and by `pop_slice`, whole: an end that
//! moves what little there is on a full or an empty ring makes both move little.

use std::io;

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::room;
use crate::message::content::message;
use crate::message::patience::Patience;
use crate::message::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::transport::Unavailable;

struct Ringbuf {
    bytes: usize,
}

/// `ringbuf` or `ringbuf:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Ringbuf { bytes: room(options)? }))
}

impl Transport for Ringbuf {
    type Sender<const N: usize> = RingbufSender<N>;
    type Receiver<const N: usize> = RingbufReceiver<N>;

    fn title(&self) -> String {
        "ringbuf 0.6.0 (threads)".into()
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let (producer, consumer) = HeapRb::<[u64; N]>::new(self.bytes / (8 * N)).split();
        Ok(Link::of_threads(producer, consumer))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<RingbufSender<N>> {
        Ok(RingbufSender(end.value()?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<RingbufReceiver<N>> {
        Ok(RingbufReceiver { consumer: end.value()?, batch: vec![[0; N]; BATCH] })
    }
}

/// The sending end.
pub struct RingbufSender<const N: usize>(HeapProd<[u64; N]>);

impl<const N: usize> Sender<N> for RingbufSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let mut patience = Patience::default();
        while self.0.try_push(message(stamp)).is_err() {
            patience.look_again()?;
        }
        Ok(())
    }

    #[inline]
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        let batch: [[u64; N]; BATCH] = std::array::from_fn(|at| message(first + at as u64));
        let mut patience = Patience::default();
        while self.0.vacant_len() < BATCH {
            patience.look_again()?;
        }
        self.0.push_slice(&batch);
        Ok(())
    }
}

/// The receiving end.
pub struct RingbufReceiver<const N: usize> {
    consumer: HeapCons<[u64; N]>,
    batch: Vec<[u64; N]>,
}

impl<const N: usize> Receiver<N> for RingbufReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        loop {
            if let Some(message) = self.consumer.try_pop() {
                take(&message);
                return Ok(1);
            }
            patience.look_again()?;
        }
    }

    #[inline]
    fn receive_batch(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        while self.consumer.occupied_len() < BATCH {
            patience.look_again()?;
        }
        let count = self.consumer.pop_slice(&mut self.batch);
        self.batch[..count].iter().for_each(take);
        Ok(count)
    }
}
