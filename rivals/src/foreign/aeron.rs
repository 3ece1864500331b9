//! Aeron's shared memory, between processes, by its C client: an exclusive publication and a
//! subscription, as in the sample that Aeron measures its own throughput with; for several
//! senders a concurrent publication of each. A message is offered, which copies it into the
//! publication's buffer; to claim room and make it there takes two calls from Rust to C, and was
//! slower up to 64 B and no faster at 1 KiB.
//!
//! Its media driver runs in the process that gives the orders, on whichever CPU is free, in one
//! thread that sleeps when it has nothing to do: it is not on the way of the messages, but tells
//! the publication how far the subscription is.

use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytemuck::{bytes_of, try_from_bytes};
use rusteron_client::{
    Aeron, AeronExclusivePublication, AeronPublication, AeronSubscription, Handlers,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED;
use rusteron_media_driver::testing::EmbeddedDriver;

use crate::message::content::message;
use crate::message::patience::Patience;
use crate::message::{AnyTransport, BATCH, End, Link, Receiver, Sender, Transport};
use crate::tidy;
use crate::transport::{Unavailable, size};

/// How long a client may take to find its driver, and a publication its subscription.
const PATIENCE: Duration = Duration::from_secs(10);

struct AeronIpc {
    term: usize,
    shared: bool,
}

/// `aeron` or `aeron:SIZE`, the size of a term; a publication has three of
/// them, and room for half of one.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    of(options, false)
}

/// `aeron-shared`, with the same options: there can be several senders.
pub fn make_shared(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    of(options, true)
}

fn of(options: &str, shared: bool) -> Result<Box<dyn AnyTransport>, Unavailable> {
    let term = size::parse(if options.is_empty() { "8M" } else { options });
    Ok(Box::new(AeronIpc { term: term.map_err(Unavailable::because)? as usize, shared }))
}

impl Transport for AeronIpc {
    type Sender<const N: usize> = AeronSender;
    type Receiver<const N: usize> = AeronReceiver;

    fn title(&self) -> String {
        let how = if self.shared { ", concurrent publications" } else { "" };
        format!("Aeron IPC (rusteron 0.2.16{how})")
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        static STREAM: AtomicI32 = AtomicI32::new(1001);
        let driver = Driver::running().map_err(|e| Unavailable::because(format!("Aeron: {e}")))?;
        let stream = STREAM.fetch_add(1, Ordering::Relaxed);
        let end = format!("{} {stream} {}", driver.0.dir(), self.term);
        Ok(Link::of_names(&end, &end, driver))
    }

    fn another<const N: usize>(&self, sender: &End) -> Option<End> {
        sender.again().filter(|_| self.shared)
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<AeronSender> {
        let (client, channel, stream) = client(&end.name()?)?;
        let publication = if self.shared {
            let adding = client.async_add_publication(&channel, stream).map_err(failed)?;
            Publication::Shared(adding.poll_blocking(PATIENCE).map_err(failed)?)
        } else {
            let adding =
                client.async_add_exclusive_publication(&channel, stream).map_err(failed)?;
            Publication::Exclusive(adding.poll_blocking(PATIENCE).map_err(failed)?)
        };
        Ok(AeronSender { publication, _client: client })
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<AeronReceiver> {
        let (client, channel, stream) = client(&end.name()?)?;
        let adding = client
            .async_add_subscription(&channel, stream, Handlers::NONE, Handlers::NONE)
            .map_err(failed)?;
        Ok(AeronReceiver {
            subscription: adding.poll_blocking(PATIENCE).map_err(failed)?,
            _client: client,
        })
    }
}

/// The driver of all links that there are.
struct Driver(EmbeddedDriver);

impl Driver {
    fn running() -> io::Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<Driver>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = running.upgrade() {
            return Ok(driver);
        }
        let directory = std::ffi::CString::new(tidy::path("aeron")?)?;
        let driver = EmbeddedDriver::launch_with(|context| {
            context.set_dir(&directory)?;
            context.set_threading_mode(AERON_THREADING_MODE_SHARED)?;
            // Pages are there before anything is measured.
            context.set_term_buffer_sparse_file(false)?;
            Ok(())
        });
        let driver = Arc::new(Driver(driver.map_err(failed)?));
        *running = Arc::downgrade(&driver);
        Ok(driver)
    }
}

fn client(end: &str) -> io::Result<(Aeron, std::ffi::CString, i32)> {
    let fields: Vec<&str> = end.split(' ').collect();
    let &[directory, stream, term] = &fields[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let client = Aeron::connect_dir(directory).map_err(failed)?;
    let channel = std::ffi::CString::new(format!("aeron:ipc?term-length={term}"))?;
    Ok((client, channel, stream.parse().map_err(io::Error::other)?))
}

/// The sending end.
pub struct AeronSender {
    publication: Publication,
    _client: Aeron,
}

enum Publication {
    Exclusive(AeronExclusivePublication),
    Shared(AeronPublication),
}

impl<const N: usize> Sender<N> for AeronSender {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let mut patience = Patience::default();
        loop {
            let message = message::<N>(stamp);
            let offered = match &self.publication {
                Publication::Exclusive(publication) => publication.offer(bytes_of(&message)),
                Publication::Shared(publication) => publication.offer(bytes_of(&message)),
            };
            match offered {
                Ok(_) => return Ok(()),
                Err(error) if error.is_retryable() => patience.look_again()?,
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

/// The receiving end.
pub struct AeronReceiver {
    subscription: AeronSubscription,
    _client: Aeron,
}

impl<const N: usize> Receiver<N> for AeronReceiver {
    /// Its call for messages shows as many as there are, up to a limit.
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        loop {
            let mut wrong = false;
            let poll = self.subscription.poll_fn(
                |payload, _| match try_from_bytes(payload) {
                    Ok(message) => take(message),
                    Err(_) => wrong = true,
                },
                BATCH,
            );
            match poll.map_err(failed)? {
                _ if wrong => return Err(io::Error::other("a message of another size")),
                0 => patience.look_again()?,
                count => return Ok(count as usize),
            }
        }
    }
}

#[cold]
fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
