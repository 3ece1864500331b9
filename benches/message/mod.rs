//! The ways to carry messages of one size, one small file each, behind one trait,
//! and the loops that measure them.
//!
//! The benches `record`, `slot`, `mpsc`, `latency` and `wakeup` share this folder with the package
//! `rivals`, which adds the ways of other libraries. Whoever uses it has `benches/harness` and
//! `benches/transport` at its root too.
//!
//! One operation may take two nanoseconds, so the loops know the type of what they call:
//! [`Transport`] names the types of its two ends for each size, and [`AnyTransport`], which is made
//! of it for every size that is measured, is only called around a whole sample.
//!
//! **To add a way**: write its file with a `make` function, and give it a row
//! in a list such as [`IN_TREE`].

pub mod clock;
pub mod content;
pub mod crowd;
mod descriptor;
pub mod duo;
pub mod histogram;
pub mod job;
mod lines;
mod loops;
pub mod patience;
mod pipe;
mod records;
pub mod registry;
mod ring;
pub mod role;
mod semaphores;
mod slots;
mod staff;
mod unix;
mod worker;

use std::any::Any;
use std::io;

use crate::transport::{self, Unavailable};

pub use worker::{AnyTransport, Side};

/// Messages that are sent at once where a way has batches, and in a burst.
pub const BATCH: usize = 256;

/// Makes a way from what follows its name, for example `spin` in `slots:spin`;
/// empty if nothing does.
pub type Make = fn(options: &str) -> Result<Box<dyn AnyTransport>, Unavailable>;

/// The ways that need nothing but this library and the kernel.
pub const IN_TREE: &[(&str, Make)] = &[
    ("slots", slots::make),
    ("records", records::make),
    ("many", records::make_many),
    ("pipe", pipe::make),
    ("unix", unix::make),
    ("semaphores", semaphores::make),
    ("lines", lines::make),
];

/// One way to carry messages of `N` numbers of eight bytes, in one direction.
pub trait Transport: 'static {
    /// The sending end.
    type Sender<const N: usize>: Sender<N>;
    /// The receiving end.
    type Receiver<const N: usize>: Receiver<N>;

    /// What a table calls it.
    fn title(&self) -> String;

    /// Whether it has a way to send or receive many messages at once.
    fn has_batches(&self) -> bool {
        true
    }

    /// Makes a link. What it leaves in the system is removed when its
    /// [`guard`](Link::guard) is dropped.
    fn connect<const N: usize>(&self) -> Result<Link, Unavailable>;

    /// The end of another sender beside one that `connect` has made, for the
    /// ways that can have several.
    fn another<const N: usize>(&self, _sender: &End) -> Option<End> {
        None
    }

    /// Takes the sending end, in the process or the thread that sends.
    fn sender<const N: usize>(&self, end: End) -> io::Result<Self::Sender<N>>;

    /// Takes the receiving end, in the process or the thread that receives.
    fn receiver<const N: usize>(&self, end: End) -> io::Result<Self::Receiver<N>>;
}

/// The sending end of a link.
pub trait Sender<const N: usize> {
    /// Sends the message of `stamp` (see [`content::message`]), and waits for
    /// room if there is none.
    fn send(&mut self, stamp: u64) -> io::Result<()>;

    /// Sends [`BATCH`] messages at once, whose stamps begin with `first`.
    fn send_batch(&mut self, first: u64) -> io::Result<()> {
        (first..first + BATCH as u64).try_for_each(|stamp| self.send(stamp))
    }
}

/// The receiving end of a link.
pub trait Receiver<const N: usize> {
    /// Waits for a message and shows it to `take`; returns how many it were, which is one unless
    /// the way has no call for a single one.
    fn receive(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize>;

    /// Waits for a message, and shows `take` all that one call gives.
    fn receive_batch(&mut self, take: impl FnMut(&[u64; N])) -> io::Result<usize> {
        self.receive(take)
    }
}

/// A link between two processes, or two threads.
pub struct Link {
    /// For whoever sends.
    pub sender: End,
    /// For whoever receives.
    pub receiver: End,
    /// Removes on drop what the link would leave behind; `None` if that is nothing.
    pub guard: Option<Box<dyn Any>>,
}

/// One end of a link, before it is taken.
pub enum End {
    /// It goes to another process.
    Process(transport::End),
    /// It goes to a thread of this process.
    Thread(Box<dyn Any + Send>),
}

impl End {
    /// The same once more, if it goes to a process.
    pub fn again(&self) -> Option<Self> {
        match self {
            End::Process(transport::End::Descriptor(fd)) => {
                fd.try_clone().ok().map(|fd| End::Process(transport::End::Descriptor(fd)))
            }
            End::Process(transport::End::Name(name)) => {
                Some(End::Process(transport::End::Name(name.clone())))
            }
            End::Process(transport::End::Child) | End::Thread(_) => None,
        }
    }

    /// What goes to a thread, to be looked at.
    pub fn as_value<T: 'static>(&self) -> Option<&T> {
        match self {
            End::Thread(value) => value.downcast_ref(),
            End::Process(_) => None,
        }
    }

    /// The descriptor that was passed, for the ways that made it one.
    pub fn descriptor(self) -> io::Result<std::os::fd::OwnedFd> {
        match self {
            End::Process(end) => end.descriptor(),
            End::Thread(_) => Err(wrong_end()),
        }
    }

    /// The name that was passed, for the ways that made it one.
    pub fn name(self) -> io::Result<String> {
        match self {
            End::Process(transport::End::Name(name)) => Ok(name),
            _ => Err(wrong_end()),
        }
    }

    /// What was passed to a thread, for the ways that do that.
    pub fn value<T: 'static>(self) -> io::Result<T> {
        match self {
            End::Thread(value) => value.downcast().map(|value| *value).map_err(|_| wrong_end()),
            End::Process(_) => Err(wrong_end()),
        }
    }
}

impl From<transport::Link> for Link {
    fn from(link: transport::Link) -> Self {
        Link {
            sender: End::Process(link.sender),
            receiver: End::Process(link.receiver),
            guard: link.guard,
        }
    }
}

impl Link {
    /// A link between two threads.
    pub fn of_threads(sender: impl Any + Send, receiver: impl Any + Send) -> Self {
        Link {
            sender: End::Thread(Box::new(sender)),
            receiver: End::Thread(Box::new(receiver)),
            guard: None,
        }
    }

    /// A link whose ends are opened by names.
    pub fn of_names(sender: &str, receiver: &str, guard: impl Any) -> Self {
        let end = |name: &str| End::Process(transport::End::Name(name.to_owned()));
        Link { sender: end(sender), receiver: end(receiver), guard: Some(Box::new(guard)) }
    }
}

fn wrong_end() -> io::Error {
    io::Error::other("the end of the link is of another kind")
}
