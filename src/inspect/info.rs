//! What is told of a ring.

use crate::{
    Backend, ElementType, LayoutError, OsError, Peer, Stats, Violation,
    end::Role,
    layout::identity::Face,
    segment::{Memory, Object, name::Name},
};
use std::{
    ffi::OsStr,
    fmt,
    time::{Duration, Instant, SystemTime},
};
use thiserror::Error;

/// What a ring can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(pub(super) Spot);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Named(Name),
    Held { pid: u32, fd: u32 },
}

impl Place {
    /// Its name, `/NAME` or `sysv:...`, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&OsStr> {
        match &self.0 {
            Spot::Named(name) => Some(name.as_os_str()),
            Spot::Held { .. } => None,
        }
    }

    /// Of an anonymous ring: a process that has it open, and the number of the descriptor there.
    #[must_use]
    pub fn descriptor(&self) -> Option<(u32, u32)> {
        match self.0 {
            Spot::Named(_) => None,
            Spot::Held { pid, fd } => Some((pid, fd)),
        }
    }
}

/// `/NAME`, `sysv:0x...` (a key) or `sysv:id=...`, or `/proc/PID/fd/FD`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Spot::Named(name) => name.fmt(f),
            Spot::Held { pid, fd } => write!(f, "/proc/{pid}/fd/{fd}"),
        }
    }
}

/// A ring as it was found. Everything may have changed since, and some of it
/// while it was looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RingInfo {
    /// What it is known by.
    pub place: Place,
    /// Where its memory comes from.
    pub backend: Backend,
    /// How it is.
    pub condition: Condition,
    /// What it carries; `None` if that cannot be read, as of all that follows of one that is
    /// damaged or not yet built.
    pub face: Option<Face>,
    /// Of slots, their type.
    pub element: Option<ElementType>,
    /// The user to whom it belongs.
    pub owner: u32,
    /// The group to which it belongs.
    pub group: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Bytes that it holds.
    pub capacity: u64,
    /// Bytes in it that were not released: of records with their headers and padding.
    pub unread: u64,
    /// Bytes that have gone into it since it was made.
    pub published: u64,
    /// Bytes that have come out of it.
    pub released: u64,
    /// Whether its name is to outlive its ends.
    pub persistent: bool,
    /// Whether a pipe was upgraded to it, or is offered it.
    pub upgraded: bool,
    /// The ends that there are or were: the producers and then the consumer.
    pub ends: Vec<EndInfo>,
    /// Of a ring of many senders, what only such a ring has.
    pub many: Option<ManyInfo>,
    /// Of a System V ring, what the kernel tells of it.
    pub sysv: Option<SysvInfo>,
    pub(super) nonce: u64,
    pub(super) taken: Instant,
}

/// What the kernel tells of a System V segment and its semaphores (IPC_STAT).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SysvInfo {
    /// The segment's key; 0 = none.
    pub key: i32,
    /// The segment's id, as ipcs -m shows it.
    pub id: i32,
    /// The id of the set of semaphores that are the ring's locks, as ipcs -s shows it.
    pub set: Option<i32>,
    /// The user who made it, who may remove it as its owner may.
    pub creator: u32,
    /// How often it is attached. Each end counts twice.
    pub attached: u64,
    /// The process that made it.
    pub creator_pid: i32,
    /// The process that attached or detached it last: perhaps the one that looks.
    pub last_pid: i32,
    /// When it was made, or its owner or mode was changed.
    pub changed: SystemTime,
}

impl SysvInfo {
    pub(super) fn of(object: &Object) -> Result<Option<Self>, OsError> {
        let Memory::SystemV(segment) = object.memory() else { return Ok(None) };
        let stat = segment.stat()?;
        let seconds = u64::try_from(stat.shm_ctime).unwrap_or(0);
        Ok(Some(Self {
            key: stat.shm_perm.__key,
            id: segment.id(),
            set: segment.has_locks().then(|| segment.locks().set().id),
            creator: stat.shm_perm.cuid,
            attached: stat.shm_nattch,
            creator_pid: stat.shm_cpid,
            last_pid: stat.shm_lpid,
            changed: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        }))
    }
}

/// How a ring is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A producer and a consumer are attached.
    Live,
    /// One side is attached: it waits for the other, or works off what that left.
    Waiting,
    /// No end is attached. Of an anonymous ring: nobody has claimed one yet, or all have gone.
    Orphaned,
    /// Somebody is making it.
    Building,
    /// Remains of somebody who was making it and died. The next to attach would build on them.
    /// (A System V ring is told so, too, in the moment between its segment and its locks.)
    Abandoned,
    /// Another takes its place, by [`Options::replace`](crate::Options::replace), and whoever
    /// replaced it was killed before the name was gone. The next to come makes the new one.
    Replaced,
    /// It is no ring that this program understands.
    Damaged(Damage),
}

/// What is wrong with a ring.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// What it says of itself cannot be, or is of another version.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its shared words contradict each other.
    #[error(transparent)]
    State(#[from] Violation),
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Orphaned => "orphaned",
            Self::Building => "building",
            Self::Abandoned => "abandoned",
            Self::Replaced => "replaced",
            Self::Damaged(_) => "damaged",
        })
    }
}

/// An end of a ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndInfo {
    /// Which.
    pub role: Role,
    /// Of a ring of many senders: the how manieth there has been, from 1.
    pub number: Option<u32>,
    /// Its process as that knows itself; 0 if none has come yet. In another pid
    /// namespace it is another's.
    pub pid: u32,
    /// Whether it is there, or what became of it.
    pub state: Peer,
    /// Whether a process holds the end. One that has finished may stay until all is read.
    pub attached: bool,
    /// What it had done when it last began or ended a wait, or left.
    pub stats: Stats,
    /// How long ago that was; of one that is [`Peer::Waiting`]: for how long it has been.
    /// `None` if it never had to wait.
    pub last_progress: Option<Duration>,
}

/// What only a ring of many senders has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManyInfo {
    /// How many senders there can be at once.
    pub seats: u32,
    /// How many there have been.
    pub joined: u64,
    /// Who has claimed room and not sent yet what is to be received next, if it
    /// is that: a sender's number.
    pub held_up_by: Option<u32>,
    /// Claims of dead senders that were passed over.
    pub repaired: u64,
}

/// How much moved between two looks, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// How long that was.
    pub over: Duration,
    /// Bytes that went in.
    pub bytes_in: f64,
    /// Bytes that came out.
    pub bytes_out: f64,
    /// Slots that went in; or records, as far as their senders have said by now: they do before and
    /// after they wait. `None` for a stream of bytes.
    pub items_in: Option<f64>,
    /// The same of what came out.
    pub items_out: Option<f64>,
}

impl RingInfo {
    /// Whether any end of it is held by a process.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.ends.iter().any(|end| end.attached)
    }

    /// The ends of one side.
    pub fn ends_of(&self, role: Role) -> impl Iterator<Item = &EndInfo> {
        self.ends.iter().filter(move |end| end.role == role)
    }

    /// How fast it has been since an earlier look; `None` if that was at another ring.
    #[must_use]
    pub fn rates_since(&self, earlier: &Self) -> Option<Rates> {
        if self.nonce != earlier.nonce || self.face != earlier.face {
            return None;
        }
        let over = self.taken.checked_duration_since(earlier.taken)?;
        let seconds = over.as_secs_f64().max(1e-9);
        let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        let bytes_in = per_second(self.published, earlier.published);
        let bytes_out = per_second(self.released, earlier.released);
        let items = |bytes: f64, role| match (self.face?, &self.element) {
            (Face::Stream, _) => None,
            (_, Some(element)) => Some(bytes / element.size.max(1) as f64),
            _ => Some(per_second(self.operations(role), earlier.operations(role))),
        };
        let items_in = items(bytes_in, Role::Producer);
        let items_out = items(bytes_out, Role::Consumer);
        Some(Rates { over, bytes_in, bytes_out, items_in, items_out })
    }

    fn operations(&self, role: Role) -> u64 {
        self.ends_of(role).fold(0, |sum, end| sum.wrapping_add(end.stats.operations))
    }
}
