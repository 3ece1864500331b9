//! ipc-channel (servo's), between processes: `ipc::bytes_channel`, its way for bytes, which leaves
//! out serde. It has no batches, and a message is received as a vector of its own.
//!
//! A channel is made here and its ends are sent to the two processes over
//! ipc-channel's own one-shot servers.

use std::fmt::Display;
use std::io;
use std::thread;

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};
use serde::{Deserialize, Serialize};

use crate::message::content::message;
use crate::message::{AnyTransport, End, Link, Receiver, Sender, Transport};
use crate::tidy;
use crate::transport::Unavailable;

struct IpcChannel;

/// `ipc-channel`, without options: the socket below it decides how much is on its way.
pub fn make(_: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Ok(Box::new(IpcChannel))
}

impl Transport for IpcChannel {
    type Sender<const N: usize> = ChannelSender;
    type Receiver<const N: usize> = ChannelReceiver;

    fn title(&self) -> String {
        "ipc-channel 0.23.1, bytes_channel".into()
    }

    fn has_batches(&self) -> bool {
        false
    }

    fn connect<const N: usize>(&self) -> Result<Link, Unavailable> {
        let ends = || {
            // The servers' sockets lie there then, and are removed whatever
            // becomes of this program.
            let _ = tempfile::env::override_temp_dir(tidy::directory()?);
            let (sender, receiver) = ipc::bytes_channel()?;
            Ok::<_, io::Error>((hand_over(sender)?, hand_over(receiver)?))
        };
        let (sender, receiver) =
            ends().map_err(|e| Unavailable::because(format!("ipc-channel: {e}")))?;
        Ok(Link::of_names(&sender, &receiver, ()))
    }

    fn sender<const N: usize>(&self, end: End) -> io::Result<ChannelSender> {
        take_over(&end.name()?).map(ChannelSender)
    }

    fn receiver<const N: usize>(&self, end: End) -> io::Result<ChannelReceiver> {
        take_over(&end.name()?).map(ChannelReceiver)
    }
}

/// Has a thread wait for a process that wants `end`; the name by which it finds it.
fn hand_over<T>(end: T) -> io::Result<String>
where
    T: Serialize + for<'de> Deserialize<'de> + Send + 'static,
{
    let (server, name) = IpcOneShotServer::<IpcSender<T>>::new()?;
    thread::spawn(move || {
        // Who fails here is missed by the process that waits for the end, and says so.
        if let Ok((_, to)) = server.accept() {
            let _ = to.send(end);
        }
    });
    Ok(name)
}

/// The end that waits under that name.
fn take_over<T>(name: &str) -> io::Result<T>
where
    T: Serialize + for<'de> Deserialize<'de>,
{
    let (sender, receiver) = ipc::channel::<T>()?;
    let server = IpcSender::connect(name.to_owned())?;
    server.send(sender).map_err(failed)?;
    receiver.recv().map_err(failed)
}

/// The sending end.
pub struct ChannelSender(IpcBytesSender);

impl<const N: usize> Sender<N> for ChannelSender {
    #[inline]
    fn send(&mut self, stamp: u64) -> io::Result<()> {
        self.0.send(bytemuck::bytes_of(&message::<N>(stamp)))
    }
}

/// The receiving end.
pub struct ChannelReceiver(IpcBytesReceiver);

impl<const N: usize> Receiver<N> for ChannelReceiver {
    #[inline]
    fn receive(&mut self, mut take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        let bytes = self.0.recv().map_err(failed)?;
        take(&bytemuck::try_pod_read_unaligned(&bytes).map_err(failed)?);
        Ok(1)
    }
}

#[cold]
fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
