//! Rings seen from outside: which there are, who is at them, what is in them;
//! and how to be rid of them.
//!
//! What `shmcat --list`, `--status`, `--remove` and `--repair` are made of. Looking is free
//! for those who are looked at: a ring is read through a descriptor that is open for reading
//! alone and is never mapped, its locks are asked for and never taken, so that an observer
//! holds nothing, keeps nothing alive and can be stopped at any point. What it tells may have
//! changed by the time it is told.
//!
//! | function | finds |
//! |---|---|
//! | [`list`] | the rings in /dev/shm and the System V rings that this user may read, and those without a name of which a process that this user may look into has a descriptor: anonymous ones, and those that pipes were upgraded to |
//! | [`status`] | one ring, by `/NAME` or `sysv:...` or, without a name, by `/proc/PID/fd/FD` |
//!
//! Named rings of other mount namespaces, and rings whose name was removed while
//! they are in use, are not found.
//!
//! [`remove`], [`remove_orphaned`] and [`repair`] change something. They take the lock that
//! everyone takes who attaches, so that no end is lost that comes at the same moment, and touch
//! only what belongs to this process's effective user, whoever that is.
//!
//! # Examples
//! ```
//! use shmpipe::{Options, Peer, inspect::{self, Condition, Force, Role}, stream::Writer};
//! use std::io::Write;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let name = format!("/shmpipe-doc-inspect-{}", std::process::id());
//! let mut writer: Writer = Options::new().create_new(&name)?;
//! writer.write_all(b"hello")?;
//!
//! let ring = inspect::status(&name)?;
//! assert_eq!((ring.condition, ring.unread), (Condition::Waiting, 5));
//! let writers: Vec<_> = ring.ends.iter().filter(|end| end.role == Role::Producer).collect();
//! assert_eq!(writers[0].pid, std::process::id());
//! assert_eq!(writers[0].state, Peer::Alive);
//! assert!(inspect::list()?.iter().any(|ring| ring.place.name() == Some(name.as_ref())));
//!
//! assert!(inspect::remove(&name, Force::No).is_err()); // it is in use
//! drop(writer); // it stays, because nobody has read what is in it
//! inspect::remove(&name, Force::No)?;
//! # Ok(())
//! # }
//! ```

mod change;
mod find;
mod info;
mod look;
mod words;

pub use crate::{end::Role, layout::identity::Face};
pub use change::{Force, Repair};
pub use info::{Condition, Damage, EndInfo, ManyInfo, Place, Rates, RingInfo, SysvInfo};

use crate::{LayoutError, NameError, OpenErrorKind, segment::name::Name, sys::OsError};
use look::Found;
use std::{
    ffi::{OsStr, OsString},
    fmt,
};
use thiserror::Error;

/// Every ring that this user may see: first those with names, in their order,
/// then the others, each once.
///
/// What goes away while it is looked for, or cannot be read, is left out; what makes no
/// sense is told as [`Condition::Damaged`]. Files in /dev/shm that are no rings are left
/// out, too, and so is what is empty.
///
/// # Errors
/// /dev/shm or /proc cannot be read.
pub fn list() -> Result<Vec<RingInfo>, OsError> {
    find::all()
}

/// One ring, by its name or, as [`Place`] shows it where there is no name, by a
/// descriptor of some process.
///
/// # Errors
/// [`ErrorKind::Name`], [`NotFound`](ErrorKind::NotFound), [`Ring`](ErrorKind::Ring) if it is
/// none, or [`Os`](ErrorKind::Os).
pub fn status(place: impl AsRef<OsStr>) -> Result<RingInfo, Error> {
    let place = place.as_ref();
    let found = || match find::descriptor(place) {
        Some((pid, fd)) => find::by_descriptor(pid, fd).map_err(gone),
        None => find::by_name(&Name::new(place)?).map_err(gone),
    };
    let found = found().and_then(|found| match found {
        Found::Ring(ring) => Ok(*ring),
        Found::Empty | Found::Foreign => Err(LayoutError::NotARing.into()),
    });
    found.map_err(|kind| Error { ring: Some(place.to_owned()), kind })
}

/// Removes a ring's name, also of one that is damaged, and of one that is persistent. Its memory
/// goes with the last end that has it. What is empty is no ring, and removed with [`Force::Yes`]
/// only: it may be what somebody who was about to make one has left.
///
/// # Errors
/// [`ErrorKind::Name`], [`NotFound`](ErrorKind::NotFound); [`NotOwner`](ErrorKind::NotOwner),
/// whatever the `force`; [`InUse`](ErrorKind::InUse) if an end is attached, unless with
/// [`Force::Yes`]; [`Ring`](ErrorKind::Ring) if it is none, or somebody holds its lock for
/// too long; [`Os`](ErrorKind::Os).
pub fn remove(name: impl AsRef<OsStr>, force: Force) -> Result<(), Error> {
    named(name.as_ref(), |name| change::remove(name, force))
}

/// Removes every ring of this user whose name begins with `prefix` (`""`: every one; `"/"`: those
/// in /dev/shm; `"sysv:"`: those of System V) and that is [`Condition::Orphaned`],
/// [`Condition::Abandoned`], or [`Condition::Replaced`] with nobody at it, also if there is
/// something in it that nobody has read; but not persistent ones, whose names are to outlive their
/// ends. Returns what they were. Semaphores of System V rings of this user that are no longer
/// there go, too, whatever the prefix.
///
/// # Errors
/// As [`remove`]. Those before it have been removed.
pub fn remove_orphaned(prefix: impl AsRef<OsStr>) -> Result<Vec<RingInfo>, Error> {
    change::remove_orphaned(prefix.as_ref().as_encoded_bytes())
}

/// Clears up what the dead have left in a ring, and returns what that was: nothing if all is well.
/// No end that is alive is touched, and nothing that was sent is lost.
///
/// Nothing has to be repaired before it is used: those who attach do it, too.
///
/// # Errors
/// As [`remove`] without force. [`Ring`](ErrorKind::Ring) also tells of damage that cannot
/// be repaired, and of a ring of many senders that other users may write to, who could end
/// this process by cutting it short.
pub fn repair(name: impl AsRef<OsStr>) -> Result<Vec<Repair>, Error> {
    named(name.as_ref(), change::repair)
}

fn named<T>(name: &OsStr, act: impl FnOnce(&Name) -> Result<T, ErrorKind>) -> Result<T, Error> {
    let done = Name::new(name).map_err(ErrorKind::from).and_then(|name| act(&name));
    done.map_err(|kind| Error { ring: Some(name.to_owned()), kind })
}

/// A ring could not be looked at, removed or repaired: which one, and why.
#[derive(Debug)]
pub struct Error {
    ring: Option<OsString>,
    kind: ErrorKind,
}

/// Why a ring could not be looked at, removed or repaired.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is none.
    #[error("there is no such ring")]
    NotFound,
    /// It belongs to another user (EPERM).
    #[error("it belongs to user {owner} and not to you (user {own}): not permitted")]
    NotOwner {
        /// The object's owner.
        owner: u32,
        /// This process's effective user.
        own: u32,
    },
    /// Ends are attached to it.
    #[error("it is in use by pids {pids:?}, as they know themselves")]
    InUse {
        /// Their processes.
        pids: Vec<u32>,
    },
    /// It cannot be used, for a reason that attaching to it has, too.
    #[error(transparent)]
    Ring(OpenErrorKind),
    /// A system call failed.
    #[error("{0}")]
    Os(OsError),
}

impl Error {
    /// The name that was asked for.
    #[must_use]
    pub fn ring(&self) -> Option<&OsStr> {
        self.ring.as_deref()
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ring {
            Some(name) => write!(f, "ring {}: {}", name.display(), self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Os(cause) => Some(&cause.source),
            kind => std::error::Error::source(kind),
        }
    }
}

impl From<OpenErrorKind> for ErrorKind {
    fn from(kind: OpenErrorKind) -> Self {
        match kind {
            OpenErrorKind::NotFound => Self::NotFound,
            OpenErrorKind::Os(error) => Self::Os(error),
            kind => Self::Ring(kind),
        }
    }
}

impl From<LayoutError> for ErrorKind {
    fn from(error: LayoutError) -> Self {
        Self::Ring(error.into())
    }
}

impl From<OsError> for ErrorKind {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

/// What it means that something cannot be opened.
fn gone(error: OsError) -> ErrorKind {
    match error.errno() {
        Some(libc::ENOENT | libc::EIDRM) => ErrorKind::NotFound,
        _ => ErrorKind::Os(error),
    }
}
