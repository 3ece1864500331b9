//! A pipe, with the buffer that the system gives it. A message is one write(2)
//! and one read(2), a batch is too.

use std::io;

use super::descriptor::Stream;
use super::{AnyTransport, End, Link, Transport};
use crate::transport::{self, Unavailable};

struct Pipe;

/// `pipe`, without options.
pub fn make(_: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Pipe))
}

impl Transport for Pipe {
    type Sender<const N: usize> = Stream<N>;
    type Receiver<const N: usize> = Stream<N>;

    fn title(&self) -> String {
        "pipe".into()
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let failed = |e| Unavailable::because(format!("pipe: {e}"));
        let (receiver, sender) = io::pipe().map_err(failed)?;
        Ok(transport::Link::of_descriptors(sender, receiver).into())
    }

    fn another<const N: usize>(&self, sender: &End) -> Option<End> {
        // A message is shorter than PIPE_BUF, so it stays whole; a batch may not.
        sender.again()
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<Stream<N>> {
        Ok(Stream::new(end.descriptor()?))
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<Stream<N>> {
        Ok(Stream::new(end.descriptor()?))
    }
}
