//! A pipe between two processes that read and write 128 KiB of a file at a time:
//! `cat | cat`, but always the same `cat`. `pipe:1M` gives the pipe that buffer
//! instead of the 64 KiB it has by itself.

use std::io;

use nix::fcntl::{FcntlArg, fcntl};

use super::descriptor::Stream;
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size};

/// The largest buffer that a process without privileges can give a pipe, unless
/// the system was told otherwise.
pub const LARGE: u64 = 1 << 20;

struct Pipe {
    buffer: Option<u64>,
}

/// `pipe` or `pipe:SIZE`.
pub fn make(options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let buffer = if options.is_empty() {
        None
    } else {
        Some(size::parse(options).map_err(Unavailable::because)?)
    };
    Ok(Box::new(Pipe { buffer }))
}

impl Transport for Pipe {
    fn title(&self) -> String {
        let with = self.buffer.map(|buffer| format!(" of {}", size::show(buffer)));
        format!("pipe{}", with.unwrap_or_default())
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        connect(self.buffer)
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Stream::new(end.descriptor()?)?))
    }
}

/// A pipe, with this buffer instead of the system's default.
pub fn connect(buffer: Option<u64>) -> Result<Link, Unavailable> {
    let (receiver, sender) = io::pipe().map_err(|e| Unavailable::because(format!("pipe: {e}")))?;
    if let Some(buffer) = buffer {
        let wanted = i32::try_from(buffer).unwrap_or(i32::MAX);
        fcntl(&sender, FcntlArg::F_SETPIPE_SZ(wanted)).map_err(|e| {
            let most = std::fs::read_to_string("/proc/sys/fs/pipe-max-size").unwrap_or_default();
            Unavailable::because(format!(
                "a pipe of {buffer} bytes: {e} (the system's limit is {})",
                most.trim()
            ))
        })?;
    }
    Ok(Link::of_descriptors(sender, receiver))
}
