//! crossbeam-channel, bounded, between threads: `send` and `recv`, which wait. It has no batches.

use std::io;

use crossbeam_channel::bounded;

use super::room;
use crate::message::content::message;
use crate::message::{AnyTransport, End, Link, Receiver, Sender, Transport};
use crate::transport::Unavailable;

struct Crossbeam {
    bytes: usize,
}

/// `crossbeam` or `crossbeam:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Crossbeam { bytes: room(options)? }))
}

impl Transport for Crossbeam {
    type Sender<const N: usize> = CrossbeamSender<N>;
    type Receiver<const N: usize> = CrossbeamReceiver<N>;

    fn title(&self) -> String {
        "crossbeam-channel 0.5.17 (threads)".into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let (sender, receiver) = bounded::<[u64; N]>(self.bytes / (8 * N));
        Ok(Link::of_threads(sender, receiver))
    }

    fn another<const N: usize>(&self, sender: &End) -> Option<End> {
        let sender = sender.as_value::<crossbeam_channel::Sender<[u64; N]>>()?;
        Some(End::Thread(Box::new(sender.clone())))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<CrossbeamSender<N>> {
        Ok(CrossbeamSender(end.value()?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<CrossbeamReceiver<N>> {
        Ok(CrossbeamReceiver(end.value()?))
    }
}

/// The sending end.
pub struct CrossbeamSender<const N: usize>(crossbeam_channel::Sender<[u64; N]>);

impl<const N: usize> Sender<N> for CrossbeamSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.0.send(message(stamp)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The receiving end.
pub struct CrossbeamReceiver<const N: usize>(crossbeam_channel::Receiver<[u64; N]>);

impl<const N: usize> Receiver<N> for CrossbeamReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        take(&self.0.recv().map_err(|_| io::ErrorKind::UnexpectedEof)?);
        Ok(1)
    }
}
