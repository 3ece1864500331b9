//! A Unix stream socket. A message is one write(2) and one read(2), a batch is too.

use std::io;
use std::os::unix::net::UnixStream;

use super::descriptor::Stream;
use super::{AnyTransport, End, Link, Transport};
use crate::transport::{self, Unavailable};

struct Unix;

/// `unix`, without options.
pub fn make(_: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Unix))
}

impl Transport for Unix {
    type Sender<const N: usize> = Stream<N>;
    type Receiver<const N: usize> = Stream<N>;

    fn title(&self) -> String {
        "Unix socket".into()
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let failed = |e| Unavailable::because(format!("Unix socket: {e}"));
        let (sender, receiver) = UnixStream::pair().map_err(failed)?;
        Ok(transport::Link::of_descriptors(sender, receiver).into())
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<Stream<N>> {
        Ok(Stream::new(end.descriptor()?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<Stream<N>> {
        Ok(Stream::new(end.descriptor()?))
    }
}
