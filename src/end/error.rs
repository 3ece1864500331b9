//! Why an end could not be opened.

use super::epoch::EndReason;
use crate::{
    layout::identity::LayoutError,
    ring::cursor::Violation,
    segment::{SegmentError, name::NameError},
    sys::OsError,
};
use std::{ffi::OsString, fmt};
use thiserror::Error;

/// A ring could not be opened or made: which one, and why.
#[derive(Debug)]
pub struct OpenError {
    pub(crate) ring: Option<OsString>,
    pub(crate) kind: OpenErrorKind,
}

impl OpenError {
    /// The name that was asked for; `None` for an anonymous ring.
    pub fn ring(&self) -> Option<&std::ffi::OsStr> {
        self.ring.as_deref()
    }

    /// What went wrong.
    pub fn kind(&self) -> &OpenErrorKind {
        &self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ring {
            Some(name) => write!(f, "ring {}: {}", name.display(), self.kind),
            None => write!(f, "anonymous ring: {}", self.kind),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            OpenErrorKind::Os(cause) | OpenErrorKind::Give { source: cause, .. } => {
                Some(&cause.source)
            }
            kind => std::error::Error::source(kind),
        }
    }
}

impl From<OpenError> for std::io::Error {
    fn from(error: OpenError) -> Self {
        use std::io::ErrorKind as Kind;
        let kind = match &error.kind {
            OpenErrorKind::Os(cause) | OpenErrorKind::Give { source: cause, .. } => {
                cause.source.kind()
            }
            OpenErrorKind::NotFound => Kind::NotFound,
            OpenErrorKind::AlreadyExists | OpenErrorKind::LocksKey { .. } => Kind::AlreadyExists,
            OpenErrorKind::NoSpace { .. } | OpenErrorKind::Limit { .. } => Kind::StorageFull,
            OpenErrorKind::Owner { .. }
            | OpenErrorKind::Mode { .. }
            | OpenErrorKind::NotOwner { .. } => Kind::PermissionDenied,
            OpenErrorKind::RoleTaken { .. }
            | OpenErrorKind::InUse(_)
            | OpenErrorKind::TableFull { .. }
            | OpenErrorKind::Busy { .. } => Kind::ResourceBusy,
            OpenErrorKind::NoLocks | OpenErrorKind::Layout(_) | OpenErrorKind::Corrupt(_) => {
                Kind::InvalidData
            }
            OpenErrorKind::Unfinished { .. }
            | OpenErrorKind::Replaced
            | OpenErrorKind::Exhausted => Kind::Other,
            OpenErrorKind::Name(_)
            | OpenErrorKind::Capacity(_)
            | OpenErrorKind::CapacityDiffers { .. }
            | OpenErrorKind::AlignDiffers { .. }
            | OpenErrorKind::Align(_)
            | OpenErrorKind::Producers(_)
            | OpenErrorKind::ProducersDiffer { .. }
            | OpenErrorKind::ElementTooLarge { .. }
            | OpenErrorKind::UnusableMode(_)
            | OpenErrorKind::NoName
            | OpenErrorKind::NotReplaceable
            | OpenErrorKind::NotSealed => Kind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Why a ring could not be opened or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The capacity asked for cannot be one.
    #[error("a capacity of {0} bytes cannot be: it must be a power of two, from a page up to 2^60")]
    Capacity(usize),
    /// The ring exists with another capacity than asked for, and it was not allowed to adopt it.
    #[error(
        "it exists with a capacity of {found} bytes where {asked} were asked for; ask for none, or adopt what is there"
    )]
    CapacityDiffers {
        /// Bytes asked for.
        asked: usize,
        /// Bytes of the ring that exists.
        found: usize,
    },
    /// A record ring exists whose payloads are aligned to less than asked for.
    #[error("its records are aligned to {found} bytes where {asked} were asked for")]
    AlignDiffers {
        /// Bytes asked for.
        asked: usize,
        /// Bytes of the ring that exists.
        found: usize,
    },
    /// Records cannot be aligned to this.
    #[error("records cannot be aligned to {0} bytes: it must be a power of two from 8 to 4096")]
    Align(usize),
    /// So many senders cannot be.
    #[error("a ring cannot be for {0} senders at once: it must be 1 to 255")]
    Producers(usize),
    /// A ring of many senders exists that was made for fewer than asked for.
    #[error("it is for {found} senders at once where {asked} were asked for")]
    ProducersDiffer {
        /// Senders asked for.
        asked: usize,
        /// Senders that the ring was made for.
        found: usize,
    },
    /// It has as many senders as it was made for.
    #[error(
        "all its {limit} places for senders are taken (by pids {pids:?}, as they know themselves{})",
        if pids.len() < *limit {
            "; the rest by senders that have gone and whose records were not all received"
        } else {
            ""
        }
    )]
    TableFull {
        /// How many there can be.
        limit: usize,
        /// Those that are alive.
        pids: Vec<u32>,
    },
    /// Not even one value fits.
    #[error("a value of {size} bytes never fits into a ring of {capacity}")]
    ElementTooLarge {
        /// Bytes of a value.
        size: usize,
        /// Bytes of the ring.
        capacity: usize,
    },
    /// A mode by which the owner could not read and write, or somebody could execute.
    #[error(
        "mode {0:04o} cannot be a ring's: its owner must be able to read and write, and nobody to execute"
    )]
    UnusableMode(u32),
    /// This backend's rings have no names.
    #[error("rings of this backend have no names; make an anonymous one")]
    NoName,
    /// It does not exist, and was not to be made.
    #[error("there is no such ring")]
    NotFound,
    /// It exists, and was to be made.
    #[error("it exists already")]
    AlreadyExists,
    /// Not enough memory or not enough room in /dev/shm.
    #[error("no room for it: {needed} bytes are needed and {available} are available")]
    NoSpace {
        /// Bytes the ring takes.
        needed: u64,
        /// Bytes that are left.
        available: u64,
    },
    /// A limit of the kernel on System V objects is reached.
    #[error(
        "the kernel's limit {name}, which is {value}, is reached; ipcs -l shows it, and sysctl kernel.{sysctl} sets it"
    )]
    Limit {
        /// As shmget(2) and semget(2) call it.
        name: &'static str,
        /// What it is.
        value: u64,
        /// By which it is set, after `kernel.`
        sysctl: &'static str,
    },
    /// A System V ring cannot have the semaphores that are its locks, because
    /// another program's have their key.
    #[error(
        "its semaphores, which are its locks, must have the key {key:#010x}, which those of another program have; try again, or remove those (ipcrm -S {key:#010x})"
    )]
    LocksKey {
        /// It is made of the segment's id, which is another each time.
        key: i32,
    },
    /// A System V ring whose semaphores somebody has removed.
    #[error("its semaphores, which are its locks, were removed; remove it, too")]
    NoLocks,
    /// To be replaced, but named by an id, which no other ring can have.
    #[error("it cannot be replaced by another of the same id; name it by a key")]
    NotReplaceable,
    /// It belongs to another user.
    #[error(
        "it belongs to user {found} and not to you (user {own}); to use it all the same, trust any user"
    )]
    Owner {
        /// The object's owner.
        found: u32,
        /// This process's effective user.
        own: u32,
    },
    /// Others can open it than were asked for.
    #[error(
        "it is open to others: its mode is {found:04o} where at most {asked:04o} was asked for; remove it, or ask for that mode"
    )]
    Mode {
        /// The object's mode.
        found: u32,
        /// The mode asked for.
        asked: u32,
    },
    /// The memory is not a ring, or not one that this program can use.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The shared words contradict each other.
    #[error("its shared state is damaged: {0}")]
    Corrupt(#[from] Violation),
    /// A descriptor of memory that can be cut short under its users.
    #[error("its memory is not sealed, so it is no anonymous ring of ours")]
    NotSealed,
    /// There is a live process in this role.
    #[error("it has a {role} already (pid {pid}, as that process knows itself)")]
    RoleTaken {
        /// `writer` or `reader`.
        role: &'static str,
        /// As it wrote it down; 0 if it did not.
        pid: u32,
    },
    /// A ring that was made could not be given to the user or the group that was asked for.
    #[error("it cannot be given to {}: {source}{}", Whom(*owner, *group), why_not(source))]
    Give {
        /// The user asked for, if one was.
        owner: Option<u32>,
        /// The group asked for, if one was.
        group: Option<u32>,
        /// What the system said.
        source: OsError,
    },
    /// It was to be replaced, and belongs to another user; nor has this one made it.
    #[error(
        "it belongs to user {owner} and not to you (user {own}), and only its owner can replace it"
    )]
    NotOwner {
        /// The object's owner.
        owner: u32,
        /// This process's effective user.
        own: u32,
    },
    /// It was to be replaced, and somebody is at it who cannot be told: it is
    /// damaged, or of another layout.
    #[error("it cannot be replaced while somebody uses it, who cannot be told of that: {0}")]
    InUse(LayoutError),
    /// It was replaced by another ring, see [`Options::replace`](crate::Options::replace), and
    /// nobody can come to this one any more.
    #[error("it was replaced; open its name again, for the one that came after it")]
    Replaced,
    /// Somebody was attaching or removing for longer than that can take.
    #[error(
        "somebody has held its build lock for {} s (pid {pid}, as that process knows itself); is it stopped?",
        waited.as_secs()
    )]
    Busy {
        /// As it wrote it down; 0 if it did not.
        pid: u32,
        /// For how long this process waited.
        waited: std::time::Duration,
    },
    /// The stream before was not read to its end, and it was not said what to do about that.
    #[error(
        "the stream before ended ({reason:?}) at byte {at} and {}; resume it or discard it",
        match (unread, reader_attached) {
            (0, _) => "no reader has been told yet".to_owned(),
            (unread, true) => format!("its reader has {unread} bytes still to read"),
            (unread, false) => format!("{unread} of its bytes wait for a reader"),
        }
    )]
    Unfinished {
        /// How it ended.
        reason: EndReason,
        /// The position after its last byte.
        at: u64,
        /// How many bytes nobody has read.
        unread: u64,
        /// Whether a reader is there to read them. Then they cannot be discarded.
        reader_attached: bool,
    },
    /// It has had 2^28 writers or readers; no number is left for another.
    #[error("it has had all the ends that can be counted; remove it")]
    Exhausted,
    /// A system call failed.
    #[error("{0}")]
    Os(OsError),
}

/// To whom something is given.
struct Whom(Option<u32>, Option<u32>);

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(owner), Some(group)) => write!(f, "user {owner} and group {group}"),
            (Some(owner), None) => write!(f, "user {owner}"),
            (None, group) => write!(f, "group {}", group.unwrap_or_default()),
        }
    }
}

/// What it means that something cannot be given away.
fn why_not(error: &OsError) -> &'static str {
    match error.errno() {
        Some(libc::EPERM) => {
            "; only root can give to another user, and others only to groups that they are in"
        }
        Some(libc::EINVAL) => "; there is no such user or group in this user namespace",
        _ => "",
    }
}

impl From<OsError> for OpenErrorKind {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<SegmentError> for OpenErrorKind {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::NoSpace { needed, available } => Self::NoSpace { needed, available },
            SegmentError::Limit { name, value, sysctl } => Self::Limit { name, value, sysctl },
            SegmentError::LocksKey { key } => Self::LocksKey { key },
            SegmentError::Os(error) => error.into(),
        }
    }
}
