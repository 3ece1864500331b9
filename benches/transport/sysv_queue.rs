//! A message queue of System V: msgsnd(2) and msgrcv(2), of messages of 8 KiB or less if
//! the system wants that. A process may not make it longer, so the default is what there
//! is: usually two such messages.

use std::fs;
use std::io;

use super::doomed::Doomed;
use super::pieces::{Carrier, Pieces};
use super::sysv::{self, Id, Message};
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size, tally};

struct Queue {
    longest: usize,
    holds: u64,
}

/// `sysv-queue`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    // Both ends ask for this too, which may be ended at any instant: so no queue is made to ask it.
    let limit = |name: &str| -> Result<u64, Unavailable> {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
        let number = text.and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| Unavailable::because("this kernel has no message queues of System V"))
    };
    let holds = limit("msgmnb")?;
    let longest = limit("msgmax")?.min(holds).min(sysv::LONGEST as u64);
    Ok(Box::new(Queue { longest: longest as usize, holds }))
}

impl Transport for Queue {
    fn title(&self) -> String {
        let (holds, longest) = (size::show(self.holds), size::show(self.longest as u64));
        format!("SysV queue of {holds}, by {longest}")
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        let made = Doomed::queue();
        let (doomed, id) =
            made.map_err(|e| Unavailable::because(format!("a message queue of System V: {e}")))?;
        let end = || End::Name(id.to_string());
        Ok(Link { sender: end(), receiver: end(), guard: Some(Box::new(doomed)) })
    }

    fn sender(&self, end: End) -> io::Result<Box<dyn Sender>> {
        Ok(Box::new(Pieces::of(self.end(end)?)))
    }

    fn receiver(&self, end: End) -> io::Result<Box<dyn Receiver>> {
        Ok(Box::new(Pieces::of(self.end(end)?)))
    }
}

impl Queue {
    fn end(&self, end: End) -> io::Result<Messages> {
        let id = end.name()?.parse().map_err(io::Error::other)?;
        Ok(Messages { id, message: Message::new(), longest: self.longest })
    }
}

struct Messages {
    id: Id,
    message: Box<Message>,
    longest: usize,
}

impl Carrier for Messages {
    fn room(&mut self) -> &mut [u8] {
        &mut self.message.text[..self.longest]
    }

    fn put(&mut self, len: usize) -> io::Result<()> {
        tally::count(1, len);
        sysv::send(self.id, &self.message, len)
    }

    fn take(&mut self) -> io::Result<usize> {
        let len = sysv::receive(self.id, &mut self.message)?;
        tally::count(1, len);
        Ok(len)
    }
}
