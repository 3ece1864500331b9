//! A FIFO, used as a pipe is. Its name goes as soon as both ends are open.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::descriptor::Stream;
use super::doomed::Doomed;
use super::{End, Link, Receiver, Sender, Transport, Unavailable};

struct Fifo;

/// `fifo`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(Fifo))
}

impl Transport for Fifo {
    fn title(&self) -> String {
        "FIFO".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("FIFO: {e}")))
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
    let path = directory.path().join("fifo");
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Opening for reading would wait for who writes.
    let receiver = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path)?;
    let sender = File::options().write(true).open(&path)?;
    fcntl(&receiver, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(Link::of_descriptors(sender, receiver))
}
