//! A link between two processes, and its ends before they are taken.

use std::any::Any;
use std::io;
use std::os::fd::OwnedFd;

use super::stage::{self, Stage};

/// A link between two processes.
pub struct Link {
    /// For the process that sends.
    pub sender: End,
    /// For the process that receives.
    pub receiver: End,
    /// Removes on drop what the link would leave behind; `None` if that is nothing.
    pub guard: Option<Box<dyn Any>>,
}

impl Link {
    /// A link whose ends are descriptors, which leave nothing behind.
    pub fn of_descriptors(sender: impl Into<OwnedFd>, receiver: impl Into<OwnedFd>) -> Self {
        Link {
            sender: End::Descriptor(sender.into()),
            receiver: End::Descriptor(receiver.into()),
            guard: None,
        }
    }
}

/// One end of a link, as it is handed to another process.
pub enum End {
    /// Inherited.
    Descriptor(OwnedFd),
    /// Opened by its name: a path, a key, an identifier.
    Name(String),
    /// The receiver's, where the sender starts it, by a command of the shell that is its own end.
    Child,
}

impl End {
    /// Hands the end to `stage` and returns it as an argument for [`End::from_argument`].
    pub fn pass_to(self, stage: &mut Stage) -> String {
        match self {
            End::Descriptor(fd) => format!("fd:{}", stage.pass(fd)),
            End::Name(name) => format!("name:{name}"),
            End::Child => "child".to_owned(),
        }
    }

    /// Takes the end that [`End::pass_to`] handed to this process. To be called
    /// once for an argument.
    pub fn from_argument(argument: &str) -> Option<Self> {
        let (kind, value) = argument.split_once(':')?;
        match kind {
            "name" => Some(End::Name(value.to_owned())),
            "fd" => stage::take_passed(value).map(End::Descriptor),
            _ => None,
        }
    }

    /// The descriptor, for the transports that made it one.
    pub fn descriptor(self) -> io::Result<OwnedFd> {
        match self {
            End::Descriptor(fd) => Ok(fd),
            End::Name(name) => {
                Err(io::Error::other(format!("expected a descriptor, not the name {name}")))
            }
            End::Child => Err(io::Error::other("expected a descriptor, not a child's input")),
        }
    }

    /// The name, for the transports that made it one.
    pub fn name(self) -> io::Result<String> {
        match self {
            End::Name(name) => Ok(name),
            _ => Err(io::Error::other("expected a name")),
        }
    }
}
