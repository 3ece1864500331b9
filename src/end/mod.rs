//! An attached end: what all faces have in common.
//!
//! [`attach`] takes a place at a ring, [`End`]'s drop leaves it, [`replace`] puts another in its
//! place; [`epoch`] knows how streams begin and end, [`waiting`] is the one waiting loop, [`fork`]
//! notices that an end was inherited.
//!
//! An [`End`] holds no positions, and is shared with [`Aborter`]s, so everything in it may be used
//! from several threads. Positions, and what every producer or consumer does with them whatever
//! lies in the ring, are in [`outbox`] and [`inbox`], which the faces are made of.

pub(crate) mod ahead;
pub(crate) mod attach;
mod bed;
pub(crate) mod distance;
pub(crate) mod epoch;
pub(crate) mod error;
pub(crate) mod fork;
pub(crate) mod held;
pub(crate) mod inbox;
mod leave;
pub(crate) mod lock;
mod obtain;
pub(crate) mod outbox;
pub(crate) mod replace;
pub(crate) mod seat;
pub(crate) mod staging;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod waiting;

pub use leave::Aborter;

use crate::{
    layout::{
        control::{Control, GateLine, Seat, StatsLine},
        identity::Geometry,
        view,
    },
    peer::{self, Lock},
    ring::{cursor::Violation, mpsc},
    segment::{Backend, Object, Place, mirror::Mapping},
    sync::AtomicU64 as SharedU64,
    sys::OsError,
    wait::{
        Wait, crowd,
        fence::AsymmetricFence,
        gate::{ANYTHING, Bounds, Gate, Parked},
    },
};
use bed::{Bed, Beds};
use epoch::{EndReason, State, Unfinished, Word};
use fork::{Mark, Process};
use seat::Many;
use stats::Waited;
use std::{
    ffi::OsStr,
    mem::ManuallyDrop,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};
use stop::Stop;
use waiting::Gone;

/// Whom a ring may be shared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Rings of this user only, open to nobody else: another process of the same user could write
    /// to this one's memory by other means, so the ring gives it nothing new, and bytes may be
    /// borrowed in place.
    #[default]
    SameUser,
    /// Rings of any user, of any mode. Bytes are copied in and out, never borrowed, so a hostile
    /// peer cannot change them under this process.
    ///
    /// Which users those can be the mode decides, and [`Options::owner`](crate::Options::owner) and
    /// [`Options::group`](crate::Options::group); each end says for itself whom it trusts.
    ///
    /// It can end it, though: by cutting a named ring short (SIGBUS), or by changing the semaphore
    /// while this end is in a call on it, which makes the C library give up (SIGABRT). And in a
    /// directory such as /dev/shm only the owner can remove the name: if the other user's end is
    /// the last one out, the name stays. Neither of the first two can be done to a ring of
    /// [`Backend::SystemV`].
    AnyUser,
}

/// What is known of the end at the other side of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// None has come yet.
    NoneYet,
    /// It is attached, and awake or busy elsewhere.
    Alive,
    /// It is attached and sleeps until this end does something.
    Waiting,
    /// A writer finished its stream; a reader left in good order.
    Finished,
    /// It gave up, with this code.
    Failed(i32),
    /// It was dropped without a word.
    Dropped,
    /// Its process is gone.
    Died,
    /// The ring was replaced by a new one of the same name: nobody comes to this one any more.
    Replaced,
}

impl From<EndReason> for Peer {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Finished => Self::Finished,
            EndReason::Failed(code) => Self::Failed(code),
            EndReason::Dropped => Self::Dropped,
            EndReason::Died => Self::Died,
            EndReason::Replaced => Self::Replaced,
        }
    }
}

/// The capacity of a ring that is made without a wish for one: from the sweep in BENCHMARKS.md.
pub(crate) const DEFAULT_CAPACITY: usize = 4 << 20;

/// How many producers a ring of many is made for without a wish for a number.
pub(crate) const DEFAULT_PRODUCERS: usize = 64;

/// What an end is opened with; [`crate::Options`] fills it in. Public to be named, and unreachable
/// from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) backend: Backend,
    /// `None` = the default, and whatever an existing ring has.
    pub(crate) capacity: Option<usize>,
    /// Of records; `None` = the least, and whatever an existing ring has.
    pub(crate) payload_align: Option<usize>,
    /// Of a ring of many; `None` = the default, and whatever an existing ring has.
    pub(crate) producers: Option<usize>,
    /// Of slots; `None` = the type's name.
    pub(crate) type_tag: Option<String>,
    pub(crate) adopt: bool,
    pub(crate) mode: u32,
    /// To whom a ring is given that is made; `None` = it stays its maker's.
    pub(crate) owner: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) persistent: bool,
    /// Whether all memory of an anonymous ring is there from the beginning.
    pub(crate) preallocate: bool,
    pub(crate) wait: Wait,
    pub(crate) trust: Trust,
    pub(crate) unfinished: Unfinished,
    /// Whether a ring that exists makes way for a new one.
    pub(crate) replace: bool,
    /// `None` = the usual, growing one.
    pub(crate) liveness_interval: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: Backend::Posix,
            capacity: None,
            payload_align: None,
            producers: None,
            type_tag: None,
            adopt: false,
            mode: 0o600,
            owner: None,
            group: None,
            persistent: false,
            preallocate: false,
            wait: Wait::Adaptive,
            trust: Trust::SameUser,
            unfinished: Unfinished::Refuse,
            replace: false,
            liveness_interval: None,
        }
    }
}

impl Settings {
    fn capacity(&self) -> usize {
        self.capacity.unwrap_or(DEFAULT_CAPACITY)
    }
}

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A writer, sender or producer.
    Producer,
    /// A reader, receiver or consumer.
    Consumer,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Producer => "writer",
            Self::Consumer => "reader",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }

    pub(crate) fn lock(self) -> Lock {
        match self {
            Self::Producer => Lock::Producer,
            Self::Consumer => Lock::Consumer,
        }
    }

    /// The word in which this end says how it is.
    #[inline]
    fn word(self, control: &Control) -> &SharedU64 {
        match self {
            Self::Producer => &control.life.0.producer,
            Self::Consumer => &control.life.0.consumer,
        }
    }

    /// Where this end sleeps.
    #[inline]
    fn own_gate(self, control: &Control) -> &GateLine {
        match self {
            Self::Producer => &control.space.0,
            Self::Consumer => &control.data.0,
        }
    }

    fn stats(self, control: &Control) -> &StatsLine {
        match self {
            Self::Producer => &control.producer_stats.0,
            Self::Consumer => &control.consumer_stats.0,
        }
    }
}

/// The words of one end: of a producer in a ring of many its seat's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    pub(super) word: &'a SharedU64,
    pub(super) gate: &'a GateLine,
    pub(super) stats: &'a StatsLine,
    pub(super) lock: Lock,
}

impl<'a> Own<'a> {
    pub(super) fn of_role(role: Role, control: &'a Control) -> Self {
        let (word, gate) = (role.word(control), role.own_gate(control));
        Self { word, gate, stats: role.stats(control), lock: role.lock() }
    }

    pub(super) fn of_seat(seats: &'a [Seat], number: u8) -> Self {
        let Seat { life, space, stats } = &seats[usize::from(number)];
        let lock = Lock::Seat(number);
        Self { word: &life.0.word, gate: &space.0, stats: &stats.0, lock }
    }
}

/// What makes an end unusable for good.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Violation(Violation),
    Truncated,
}

/// A place at a ring. See the module. Public to be named, and unreachable from outside.
#[derive(Debug)]
pub struct End {
    role: Role,
    /// Of a producer in a ring of many.
    seat: Option<u8>,
    /// The epoch field of this end's own word.
    start_word: u32,
    /// Holds the role. Not unmapped by a forked child, which never had it.
    mapping: ManuallyDrop<Mapping>,
    /// A description of its own, without locks.
    probe: Object,
    geometry: Geometry,
    /// Where ends sleep, if not at the semaphores in the ring.
    beds: Option<Beds>,
    persistent: bool,
    /// Whether its memory is got as the first lap is written.
    grows: bool,
    process: Process,
    /// Set once it has been dropped; see [`Aborter`].
    left: Arc<OnceLock<()>>,
    /// Whose it is, and whether it is aborted or broken.
    mark: Mark,
    /// What broke it.
    broken: OnceLock<Broken>,
    /// When a caller that never waits may next look whether the peer lives, in milliseconds of the
    /// monotonic clock: see `waiting`.
    next_probe: AtomicU64,
    fence: AsymmetricFence,
    pub(crate) wait: Wait,
    pub(crate) trust: Trust,
    liveness_interval: Option<Duration>,
}

impl End {
    #[inline]
    pub(crate) fn control(&self) -> &Control {
        view::control(&self.mapping)
    }

    /// The producers' seats, of a ring of many.
    #[inline]
    pub(crate) fn seats(&self) -> &[Seat] {
        view::seats(&self.mapping, self.geometry)
    }

    /// What is shared in a ring of many producers.
    #[inline]
    pub(crate) fn many(&self) -> Many<'_> {
        Many::new(&self.mapping, self.geometry)
    }

    /// The ring of many producers.
    pub(crate) fn ring_geometry(&self) -> mpsc::Geometry {
        seat::ring_geometry(self.geometry)
    }

    /// The seat of a producer of many; 0 of any other end.
    pub(crate) fn seat(&self) -> u8 {
        self.seat.unwrap_or(0)
    }

    /// What the ring is known by, unless it is anonymous.
    pub(crate) fn name(&self) -> Option<&OsStr> {
        match self.probe.place() {
            Place::Named(name) => Some(name.as_os_str()),
            Place::Anonymous => None,
        }
    }

    /// A description of the object through which it can be found out who is there.
    pub(crate) fn probe(&self) -> &Object {
        &self.probe
    }

    fn own(&self) -> Own<'_> {
        match self.seat {
            Some(seat) => Own::of_seat(self.seats(), seat),
            None => Own::of_role(self.role, self.control()),
        }
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// To be called before each operation: neither forked, nor aborted, nor broken.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.mark.is_usable() { Ok(()) } else { Err(self.why_unusable()) }
    }

    #[cold]
    fn why_unusable(&self) -> Stop {
        if !self.is_own() {
            return Stop::Forked;
        }
        match self.broken.get() {
            Some(Broken::Violation(violation)) => Stop::Corrupt(*violation),
            Some(Broken::Truncated) => Stop::Truncated,
            None => Stop::Aborted,
        }
    }

    /// Whether this process made it, and did not inherit it by fork.
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.mark.is_own()
    }

    /// Notes what broke it: from now on every operation reports that.
    #[cold]
    fn poison(&self, broken: Broken) -> Stop {
        let _ = self.broken.set(broken);
        // Whoever is at it in another thread finds it at its next operation.
        self.mark.spoil();
        self.why_unusable()
    }

    /// Passes a checked value on, or poisons the end.
    #[inline]
    pub(crate) fn checked<T>(&self, value: Result<T, Violation>) -> Result<T, Stop> {
        value.map_err(|violation| self.poison(Broken::Violation(violation)))
    }

    /// Whether its memory may be touched: it is mapped here, and nobody cut it short.
    pub(crate) fn is_mapped(&self) -> bool {
        self.is_own() && !matches!(self.broken.get(), Some(Broken::Truncated))
    }

    /// Says how this end came to its end, and wakes the peer; false if that was said before.
    pub(crate) fn say_ended(&self, reason: EndReason) -> bool {
        self.say_last(State::Ended(reason))
    }

    fn say_last(&self, state: State) -> bool {
        let said = epoch::end_epoch(self.own().word, self.start_word, state);
        self.notify_peer(ANYTHING);
        said
    }

    /// What a face does when it is dropped: says its last word, if it has not. The rest follows
    /// when the last user of the end goes.
    pub(crate) fn leave(&self, state: State, waited: &Waited) {
        if self.is_mapped() {
            self.publish_stats(waited);
            self.say_last(state);
        }
    }

    /// Wakes the peer, whose role this is, if it sleeps until this end's position is `published` or
    /// less. To be called after each publication.
    #[inline]
    pub(crate) fn notify(&self, peer: Role, published: u64) {
        debug_assert_eq!(peer, self.role.other());
        self.gate(peer).notify(published);
    }

    /// Whether it is the consumer of many producers.
    fn is_one_to_many(&self) -> bool {
        self.role == Role::Consumer && self.geometry.producers > 0
    }

    /// As [`notify`](Self::notify), by an end that does not know which it is.
    pub(crate) fn notify_peer(&self, published: u64) {
        match self.role {
            Role::Consumer if self.is_one_to_many() => {
                for seat in self.seats() {
                    self.gate_at(&seat.space.0).notify(published);
                }
            }
            role => self.notify(role.other(), published),
        }
    }

    /// Where an end sleeps.
    #[inline]
    pub(crate) fn gate(&self, role: Role) -> Gate<'_, Bed<'_>, AsymmetricFence> {
        self.gate_at(role.own_gate(self.control()))
    }

    #[inline]
    pub(crate) fn gate_at<'a>(&'a self, line: &'a GateLine) -> Gate<'a, Bed<'a>, AsymmetricFence> {
        let (fence, beds) = (&self.fence, &self.beds);
        let sleeper = Bed { line, control: self.control(), beds };
        Gate { parked: &line.parked, wake_at: &line.wake_at, sleeper, fence }
    }

    /// Sleeps at its own gate: see [`Gate::park`].
    fn park(&self, bounds: Bounds, wake_at: u64, ready: impl FnMut() -> bool) -> Parked {
        let gate = self.gate_at(self.own().gate);
        match self.seat {
            Some(_) => crowd::park(gate, &self.control().many.0.announced, bounds, wake_at, ready),
            None => gate.park(bounds, wake_at, ready),
        }
    }

    /// The peer's own word on itself.
    #[inline]
    pub(crate) fn peer_word(&self) -> Result<Word, Stop> {
        self.checked(Word::load(self.role.other().word(self.control())))
    }

    /// Whether this ring has made way for another. Whatever was published before it did is seen
    /// by who looks for it afterwards.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        // Acquire: pairs with the Release in `replace`, which happens after
        // those of a producer that has gone.
        self.control().life.0.replaced.load(crate::sync::Ordering::Acquire) != 0
    }

    /// Whether a live process holds the peer's role. A system call.
    pub(crate) fn peer_holds_role(&self) -> Result<bool, OsError> {
        peer::is_held(&self.probe, self.role.other().lock())
    }

    /// The peer's word, if it says "open" and whoever said so is gone.
    ///
    /// The word is read before the role is tested: a role is taken before the word says "open", so
    /// the role found free afterwards was given up by the one who said it. Whether it died or left
    /// in good order in between, only the word read *again* can tell; see `waiting`.
    fn gone_peer(&self) -> Result<Gone, Stop> {
        if self.is_one_to_many() {
            // Of many, who cares for which must say.
            return Ok(Gone::Looked);
        }
        let word = self.peer_word()?;
        let gone = word.state == State::Open && !self.peer_holds_role()?;
        Ok(if gone { Gone::Peer(word) } else { Gone::Looked })
    }

    /// What is known of the peer. One system call.
    pub(crate) fn peer(&self) -> Result<Peer, Stop> {
        self.check()?;
        if self.is_replaced() {
            return Ok(Peer::Replaced);
        }
        let gone = self.gone_peer()?;
        let word = self.peer_word()?;
        Ok(match word.state {
            State::None => Peer::NoneYet,
            State::Ended(reason) => reason.into(),
            State::Open if gone == Gone::Peer(word) => Peer::Died,
            State::Open => {
                let parked = &self.role.other().own_gate(self.control()).parked;
                match parked.load(crate::sync::Ordering::Relaxed) {
                    0 => Peer::Alive,
                    _ => Peer::Waiting,
                }
            }
        })
    }
}
