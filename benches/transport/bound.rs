//! A Unix stream socket as processes use it that know nothing of each other: bound to a path, and
//! connected to by it. The path goes as soon as both ends are connected.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};

use super::descriptor::Stream;
use super::doomed::Doomed;
use super::{End, Link, Receiver, Sender, Transport, Unavailable};

struct Bound;

/// `unix-bound`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Bound))
}

impl Transport for Bound {
    fn title(&self) -> String {
        "Unix socket by its path".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("Unix socket by its path: {e}")))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }
}

fn connect() -> io::Result<Link> {
    let directory = Doomed::directory_in(&std::env::temp_dir())?;
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let sender = UnixStream::connect(&path)?;
    let (receiver, _) = listener.accept()?;
    Ok(Link::of_descriptors(sender, receiver))
}
