//! iceoryx2, between processes: publish and subscribe, without a copy. A message is loaned,
//! written in shared memory and sent.
//!
//! Sending a slice of messages as one would be its way to send a batch; then the receiver has one
//! message, so it is left out where messages go in batches.

use std::fmt::Display;
use std::io;

use iceoryx2::node::Node;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::room;
use crate::message::content::message;
use crate::message::patience::Patience;
use crate::message::{self, AnyTransport, End, Link, Transport};
use crate::tidy;
use crate::transport::Unavailable;

/// Messages in flight at most, however small they are: it keeps a table of
/// them, and more are no faster.
const MOST: usize = 4096;

struct Iceoryx {
    bytes: usize,
}

/// `iceoryx2` or `iceoryx2:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    set_log_level(LogLevel::Error);
    Ok(Box::new(Iceoryx { bytes: room(options)? }))
}

impl Transport for Iceoryx {
    type Sender<const N: usize> = IceoryxSender<N>;
    type Receiver<const N: usize> = IceoryxReceiver<N>;

    fn title(&self) -> String {
        "iceoryx2 0.10.0".into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let path = tidy::path("iceoryx2").map_err(|e| Unavailable::because(e.to_string()))?;
        let kept = Kept::<N>::open(&path, self.bytes);
        let kept = kept.map_err(|e| Unavailable::because(format!("iceoryx2: {e}")))?;
        // Kept until both ends are gone, so that it is removed by a node that was not killed.
        Ok(Link::of_names(&path, &path, kept))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<IceoryxSender<N>> {
        let kept = Kept::open(&end.name()?, self.bytes)?;
        let publisher = kept
            .service
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .max_loaned_samples(1)
            .create()
            .map_err(failed)?;
        Ok(IceoryxSender { publisher, _kept: kept })
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<IceoryxReceiver<N>> {
        let kept = Kept::open(&end.name()?, self.bytes)?;
        let subscriber = kept.service.subscriber_builder().create().map_err(failed)?;
        Ok(IceoryxReceiver { subscriber, _kept: kept })
    }
}

/// What must live as long as a port.
struct Kept<const N: usize> {
    service: PortFactory<ipc::Service, [u64; N], ()>,
    _node: Node<ipc::Service>,
}

impl<const N: usize> Kept<N> {
    /// All that it leaves lies in `directory`, or under its name in /dev/shm,
    /// where [`tidy`] finds it.
    fn open(directory: &str, bytes: usize) -> io::Result<Self> {
        let mut config = Config::default();
        let root = Path::new(directory.as_bytes()).map_err(failed)?;
        config.global.set_root_path(&root);
        let prefix = tidy::prefix_of(directory);
        config.global.prefix = FileName::new(prefix.as_bytes()).map_err(failed)?;
        let node = NodeBuilder::new()
            .config(&config)
            // A worker that is told to end has nothing to finish.
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()
            .map_err(failed)?;
        let name = ServiceName::new(directory).map_err(failed)?;
        let service = node
            .service_builder(&name)
            .publish_subscribe::<[u64; N]>()
            .enable_safe_overflow(false)
            .history_size(0)
            .max_publishers(1)
            .max_subscribers(1)
            .subscriber_max_borrowed_samples(1)
            .subscriber_max_buffer_size((bytes / (8 * N)).clamp(1, MOST))
            .open_or_create()
            .map_err(failed)?;
        Ok(Kept { service, _node: node })
    }
}

/// The sending end.
pub struct IceoryxSender<const N: usize> {
    publisher: Publisher<ipc::Service, [u64; N], ()>,
    _kept: Kept<N>,
}

impl<const N: usize> message::Sender<N> for IceoryxSender<N> {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        let sample = self.publisher.loan_uninit().map_err(failed)?;
        sample.write_payload(message(stamp)).send().map_err(failed)?;
        Ok(())
    }
}

/// The receiving end.
pub struct IceoryxReceiver<const N: usize> {
    subscriber: Subscriber<ipc::Service, [u64; N], ()>,
    _kept: Kept<N>,
}

impl<const N: usize> message::Receiver<N> for IceoryxReceiver<N> {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let mut patience = Patience::default();
        loop {
            if let Some(sample) = self.subscriber.receive().map_err(failed)? {
                take(&sample);
                return Ok(1);
            }
            patience.look_again()?;
        }
    }
}

#[cold]
fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
