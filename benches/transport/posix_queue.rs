//! A message queue of POSIX: mq_send(3) and mq_receive(3), with the length that the system gives
//! who does not ask for one: usually ten messages of 8 KiB. Its name goes as soon as it is open.

use std::fs;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_receive, mq_send, mq_unlink};
use nix::sys::stat::Mode;

use super::pieces::{Carrier, Pieces};
use super::{End, Link, Receiver, Sender, Transport, Unavailable, size, tally};

struct Queue {
    messages: i64,
    longest: i64,
}

/// `posix-queue`.
pub fn make(_options: &str) -> Result<Box<dyn Transport>, Unavailable> {
    let limit = |name: &str| -> Result<i64, Unavailable> {
        let text = fs::read_to_string(format!("/proc/sys/fs/mqueue/{name}")).ok();
        let number = text.and_then(|text| text.trim().parse().ok());
        number.ok_or_else(|| Unavailable::because("this kernel has no message queues of POSIX"))
    };
    Ok(Box::new(Queue { messages: limit("msg_default")?, longest: limit("msgsize_default")? }))
}

impl Transport for Queue {
    fn title(&self) -> String {
        let longest = self.longest.unsigned_abs();
        let holds = size::show(longest * self.messages.unsigned_abs());
        format!("POSIX queue of {holds}, by {}", size::show(longest))
    }

    fn connect(&self) -> Result<Link, Unavailable> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("/dataflow-{}-{number}", std::process::id());
        let failed = |e: String| Unavailable::because(format!("a message queue of POSIX: {e}"));
        let how = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
        let attributes = MqAttr::new(0, self.messages, self.longest, 0);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let queue = mq_open(name.as_str(), how, mode, Some(&attributes));
        let queue = queue.map_err(|e| failed(e.to_string()))?;
        let unlinked = mq_unlink(name.as_str());
        // SAFETY: on Linux it is a descriptor, and this one was just opened.
        let queue = unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) };
        unlinked.map_err(|e| failed(e.to_string()))?;
        let other = queue.try_clone().map_err(|e| failed(e.to_string()))?;
        Ok(Link::of_descriptors(queue, other))
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
        // SAFETY: the descriptor is this process's own, and closed when it ends.
        let queue = unsafe { MqdT::from_raw_fd(end.descriptor()?.into_raw_fd()) };
        Ok(Messages { queue, room: vec![0; usize::try_from(self.longest).unwrap_or(0)] })
    }
}

struct Messages {
    queue: MqdT,
    room: Vec<u8>,
}

impl Carrier for Messages {
    fn room(&mut self) -> &mut [u8] {
        &mut self.room
    }

    fn put(&mut self, len: usize) -> io::Result<()> {
        tally::count(1, len);
        uninterrupted(|| mq_send(&self.queue, &self.room[..len], 0))
    }

    fn take(&mut self) -> io::Result<usize> {
        let mut priority = 0;
        let len = uninterrupted(|| mq_receive(&self.queue, &mut self.room, &mut priority))?;
        tally::count(1, len);
        Ok(len)
    }
}

fn uninterrupted<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => (),
            result => return Ok(result?),
        }
    }
}
