//! This library's records, of one sender or of many: sent from where they are, or, with the option
//! `in-place`, made in the ring. They are read there.

use std::io;
use std::marker::PhantomData;

use bytemuck::from_bytes_mut;
use shmpipe::mpsc::Many;
use shmpipe::record::{self, One, Topology};

use super::content::message;
use super::ring::Ring;
use super::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::transport::Unavailable;

struct Records<T, const IN_PLACE: bool>(Ring, PhantomData<T>);

/// `records`, `records:SIZE`, `records:WAIT`; with `in-place` first among the
/// options, made in the ring.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    of::<One>(options)
}

/// `many`, with the same options.
pub fn make_many(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    of::<Many>(options)
}

fn of<T: Kind>(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(match options.strip_prefix("in-place") {
        Some(rest) => Box::new(Records::<T, true>(Ring::parse(rest)?, PhantomData)),
        None => Box::new(Records::<T, false>(Ring::parse(options)?, PhantomData)),
    })
}

/// How many senders there can be.
trait Kind: Topology {
    const NAMES: [&str; 2];
    const IS_MANY: bool;
}

impl Kind for One {
    const NAMES: [&str; 2] = ["records", "records, in place"];
    const IS_MANY: bool = false;
}

impl Kind for Many {
    const NAMES: [&str; 2] = ["records of many", "records of many, in place"];
    const IS_MANY: bool = true;
}

impl<T: Kind, const IN_PLACE: bool> Transport for Records<T, IN_PLACE> {
    type Sender<const N: usize> = RecordSender<T, IN_PLACE>;
    type Receiver<const N: usize> = RecordReceiver<T>;

    fn title(&self) -> String {
        self.0.title(T::NAMES[usize::from(IN_PLACE)])
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        self.0.connect::<record::Sender<T>>()
    }

    fn another<const N: usize>(&self, sender: &End) -> Option<End> {
        sender.again().filter(|_| T::IS_MANY)
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<RecordSender<T, IN_PLACE>> {
        Ok(RecordSender(self.0.take(end)?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<RecordReceiver<T>> {
        Ok(RecordReceiver(self.0.take(end)?))
    }
}

/// The sending end.
pub struct RecordSender<T: Topology, const IN_PLACE: bool>(record::Sender<T>);

impl<T: Topology, const IN_PLACE: bool, const N: usize> Sender<N> for RecordSender<T, IN_PLACE> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        if !IN_PLACE {
            return Ok(self.0.send_pod(&message::<N>(stamp))?);
        }
        let mut record = self.0.reserve(size_of::<[u64; N]>())?;
        *from_bytes_mut(&mut record) = message::<N>(stamp);
        Ok(record.commit()?)
    }

    #[inline]
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        let mut batch = self.0.batch();
        for stamp in first..first + BATCH as u64 {
            if !IN_PLACE {
                batch.send_pod(&message::<N>(stamp))?;
                continue;
            }
            let mut record = batch.reserve(size_of::<[u64; N]>())?;
            *from_bytes_mut(&mut record) = message::<N>(stamp);
            record.commit()?;
        }
        Ok(batch.commit()?)
    }
}

/// The receiving end.
pub struct RecordReceiver<T: Topology>(record::Receiver<T>);

impl<T: Topology, const N: usize> Receiver<N> for RecordReceiver<T> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let record = self.0.recv()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        take(record.as_pod().map_err(io::Error::other)?);
        Ok(1)
    }

    #[inline]
    fn receive_batch(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut records = self.0.recv_batch()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut count = 0;
        while let Some(record) = records.next()? {
            take(record.as_pod().map_err(io::Error::other)?);
            count += 1;
        }
        Ok(count)
    }
}
