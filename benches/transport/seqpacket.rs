//! A pair of Unix sockets that keep packets apart, of 64 KiB each: longer ones need more memory in
//! one piece than the kernel may have.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::descriptor::{read, write_all};
use super::pieces::{Carrier, Pieces};
use super::{End, Link, Receiver, Sender, Transport, Unavailable};

const PACKET: usize = 64 << 10;

struct SeqPacket;

/// `seqpacket`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    Ok(Box::new(SeqPacket))
}

impl Transport for SeqPacket {
    fn title(&self) -> String {
        "Unix seqpacket, by 64 KiB".into()
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        let kind = (AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (sender, receiver) = socketpair(kind.0, kind.1, None, kind.2)
            .map_err(|e| Unavailable::because(format!("a socket of packets: {e}")))?;
        Ok(Link::of_descriptors(sender, receiver))
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Pieces::of(Packets { socket: end.descriptor()?, room: vec![0; PACKET] })))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Pieces::of(Packets { socket: end.descriptor()?, room: vec![0; PACKET] })))
    }
}

struct Packets {
    socket: OwnedFd,
    room: Vec<u8>,
}

impl Carrier for Packets {
    fn room(&mut self) -> &mut [u8] {
        &mut self.room
    }

    fn put(&mut self, len: usize) -> io::Result<()> {
        // Nothing is the end, and that comes by itself when the socket is closed.
        write_all(&self.socket, &self.room[..len])
    }

    fn take(&mut self) -> io::Result<usize> {
        read(&self.socket, &mut self.room)
    }
}
