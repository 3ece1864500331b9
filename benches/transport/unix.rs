//! A Unix stream socket between two processes. `unix:1M` asks for that much room in it
//! instead of the system's default.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::descriptor::Stream;
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size};

struct Unix {
    buffer: Option<u64>,
}

/// `unix` or `unix:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let buffer = if options.is_empty() {
        None
    } else {
        Some(size::parse(options).map_err(Unavailable::because)?)
    };
    Ok(Box::new(Unix { buffer }))
}

impl Transport for Unix {
    fn title(&self) -> String {
        let with = self.buffer.map(|buffer| format!(" of {}", size::show(buffer)));
        format!("Unix socket{}", with.unwrap_or_default())
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        let failed = |e| Unavailable::because(format!("Unix socket: {e}"));
        let (sender, receiver) = UnixStream::pair().map_err(failed)?;
        if let Some(buffer) = self.buffer {
            // What a stream socket holds on its way counts against the sender alone.
            set_send_buffer(&sender, buffer).map_err(failed)?;
        }
        Ok(Link::of_descriptors(sender, receiver))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }
}

/// Sets SO_SNDBUF, and fails where the system would quietly give less.
fn set_send_buffer(socket: &UnixStream, bytes: u64) -> io::Result<()> {
    let limit = std::fs::read_to_string("/proc/sys/net/core/wmem_max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if limit.is_some_and(|limit: u64| bytes > limit) {
        return Err(io::Error::other(format!(
            "{bytes} bytes of room pass the system's limit, net.core.wmem_max"
        )));
    }
    let value = libc::c_int::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: the option's value is an int, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
