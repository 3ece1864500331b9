//! A bare pair of POSIX semaphores that two processes share, and one message on the page behind
//! them: what it takes to wake a process up, and nothing else.

use std::io;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use super::content::message;
use super::{AnyTransport, End, Link, Receiver, Sender, Transport};
use crate::transport::turns::{LEN, Turns};
use crate::transport::{self, Unavailable};

struct Semaphores;

/// `semaphores`, without options.
pub fn make(_: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(Semaphores))
}

impl Transport for Semaphores {
    type Sender<const N: usize> = Mailbox<N>;
    type Receiver<const N: usize> = Mailbox<N>;

    fn title(&self) -> String {
        "bare semaphores".into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        connect().map_err(|e| Unavailable::because(format!("semaphores: {e}")))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<Mailbox<N>> {
        Mailbox::take(end)
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<Mailbox<N>> {
        Mailbox::take(end)
    }
}

fn connect() -> io::Result<Link> {
    let page = memfd_create(c"semaphores", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&page, 4096)?;
    Turns::make(&page)?;
    Ok(transport::Link::of_descriptors(page.try_clone()?, page).into())
}

/// One end.
pub struct Mailbox<const N: usize>(Turns);

impl<const N: usize> Mailbox<N> {
    const FITS: () = assert!(LEN + size_of::<[u64; N]>() <= 4096, "a message lies on the page");

    fn take(end: End) -> io::Result<Self> {
        let () = Self::FITS;
        Turns::on(&end.descriptor()?).map(Mailbox)
    }

    fn place(&self) -> *mut [u64; N] {
        self.0.rest().cast()
    }
}

impl<const N: usize> Sender<N> for Mailbox<N> {
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.0.wait_for_room()?;
        // SAFETY: aligned, on the page as `FITS` has seen, and it is our turn:
        // nobody else looks there.
        unsafe { self.place().write(message(stamp)) };
        self.0.give(size_of::<[u64; N]>())
    }
}

impl<const N: usize> Receiver<N> for Mailbox<N> {
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        self.0.wait_for_it()?;
        // SAFETY: as above; any bytes are numbers.
        let message = unsafe { self.place().read() };
        self.0.give_back()?;
        take(&message);
        Ok(1)
    }
}
