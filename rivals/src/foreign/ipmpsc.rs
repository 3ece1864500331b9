//! ipmpsc, between processes: `send` and `recv`. It has no batches.
//!
//! Serde knows arrays of up to 32 numbers only; larger messages go as the slice of bytes they
//! are, which it can read in place.

use std::io;

use ipmpsc::SharedRingBuffer;
use serde_bytes::Bytes;

use super::room;
use crate::message::content::message;
use crate::message::{AnyTransport, End, Link, Receiver, Sender, Transport};
use crate::tidy;
use crate::transport::Unavailable;

struct Ipmpsc {
    bytes: usize,
}

/// `ipmpsc` or `ipmpsc:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Ipmpsc { bytes: room(options)? }))
}

impl Transport for Ipmpsc {
    type Sender<const N: usize> = IpmpscSender;
    type Receiver<const N: usize> = IpmpscReceiver;

    fn title(&self) -> String {
        "ipmpsc 0.5.1".into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let failed = |e: String| Unavailable::because(format!("ipmpsc: {e}"));
        let path = tidy::path("ipmpsc").map_err(|e| failed(e.to_string()))?;
        let size = u32::try_from(self.bytes).map_err(|e| failed(e.to_string()))?;
        let ring = SharedRingBuffer::create(&path, size).map_err(|e| failed(e.to_string()))?;
        Ok(Link::of_names(&path, &path, (ring, tidy::Removed(path.clone()))))
    }

    fn another<const N: usize>(&self, sender: &End) -> Option<End> {
        sender.again()
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<IpmpscSender> {
        let ring = SharedRingBuffer::open(&end.name()?).map_err(io::Error::other)?;
        Ok(IpmpscSender(ipmpsc::Sender::new(ring)))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<IpmpscReceiver> {
        let ring = SharedRingBuffer::open(&end.name()?).map_err(io::Error::other)?;
        Ok(IpmpscReceiver(ipmpsc::Receiver::new(ring)))
    }
}

/// The sending end.
pub struct IpmpscSender(ipmpsc::Sender);

impl<const N: usize> Sender<N> for IpmpscSender {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let message = message::<N>(stamp);
        let bytes = Bytes::new(bytemuck::bytes_of(&message));
        self.0.send(&bytes).map_err(io::Error::other)
    }
}

/// The receiving end.
pub struct IpmpscReceiver(ipmpsc::Receiver);

impl<const N: usize> Receiver<N> for IpmpscReceiver {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut context = self.0.zero_copy_context();
        let bytes: &Bytes = context.recv().map_err(io::Error::other)?;
        let message = bytemuck::try_pod_read_unaligned::<[u64; N]>(bytes)
            .map_err(|e| io::Error::other(e.to_string()))?;
        take(&message);
        Ok(1)
    }
}
