//! Producers of a ring of many: how they come and go, and what the consumer is told of that.
//!
//! ```text
//!             word                     gone (crate::ring::mpsc)
//!   never     none                     0
//!   attached  open, the n-th           in use       the lock on the seat is held
//!   left      ended, the n-th          where its last claim ended
//!   died      open, the n-th           in use       the lock is free
//!             open, the n-th           a position   somebody who wanted the seat has found that out
//! ```
//!
//! A seat is given to another only when nothing of the last one is left in the ring, so that the
//! owner's number in a claim always leads to the right word. Seats are taken under the build lock.
//!
//! A stream ends when every producer that has joined has gone and nothing is left in
//! the ring. It is whole only if all of them finished: those whose seats others have
//! taken since are not forgotten (`broken`). `acknowledged` is how many had joined when
//! the consumer last told of an end.

use super::{
    epoch::{EndReason, Start, State, Word},
    error::OpenErrorKind,
};
use crate::{
    layout::{
        control::{Control, Seat},
        identity::Geometry,
        view,
    },
    peer::{self, Lock},
    ring::{
        cursor::{Violation, distance},
        mpsc::{self, IN_USE, Producer, Ring},
    },
    segment::{Object, mirror::Mapping},
    sync::Ordering,
    sys::OsError,
};

/// What is shared in a ring of many producers.
#[derive(Clone, Copy)]
pub(crate) struct Many<'a> {
    pub(crate) control: &'a Control,
    pub(crate) seats: &'a [Seat],
    pub(crate) ring: Ring<'a>,
}

impl<'a> Many<'a> {
    #[inline]
    pub(crate) fn new(mapping: &'a Mapping, geometry: Geometry) -> Self {
        let control = view::control(mapping);
        let (tail, head) = (&control.producer.0.tail, &control.consumer.0.head);
        let ring = Ring { tail, head, blocks: view::blocks(mapping, geometry) };
        Self { control, seats: view::seats(mapping, geometry), ring }
    }

    /// The seat that a claim says its owner has.
    #[inline]
    pub(crate) fn seat(&self, owner: u8) -> Result<&'a Seat, Violation> {
        self.seats.get(usize::from(owner)).ok_or_else(|| self.no_such_seat(owner))
    }

    #[cold]
    fn no_such_seat(&self, owner: u8) -> Violation {
        let (what, high) = ("owner of a claim", self.seats.len() as u64 - 1);
        Violation { what, found: owner.into(), low: 0, high, exactly: false }
    }
}

/// The how manieth producer has a seat. As nobody else gets it while there is a claim of his in the
/// ring, that is who made the claim.
#[inline]
pub(crate) fn producer(seat: &Seat) -> u32 {
    // Relaxed: written before the claim was made, which was acquired.
    Word::epoch_of(seat.life.0.word.load(Ordering::Relaxed))
}

/// As the ring knows it.
pub(crate) fn ring_geometry(geometry: Geometry) -> mpsc::Geometry {
    mpsc::Geometry::new(geometry.capacity as u64, geometry.block as u64)
}

/// Takes a seat, through the description that is to hold it. The caller holds the build lock.
///
/// Whoever is killed on the way has sent nothing: the seat is that of a dead producer then.
pub(super) fn take(
    ring: &Many<'_>,
    geometry: Geometry,
    own: &Object,
    probe: &Object,
) -> Result<(u8, Start), OpenErrorKind> {
    let life = &ring.control.life.0;
    let consumer = Word::load(&life.consumer)?;
    if consumer.is_ended() && !is_anybody_there(ring, own)? {
        // The reader that has gone is not the one that this stream is for.
        Word { state: State::None, ..consumer }.store(&life.consumer);
    }
    // Relaxed, here and below: the build lock orders what its holders do.
    let joined = ring.control.many.0.joined.load(Ordering::Relaxed);
    for seat in ring.seats {
        let word = &seat.life.0.word;
        if u64::from(Word::epoch_of(word.load(Ordering::Relaxed))) > joined {
            // Of one that was killed between the two stores below: it had not
            // joined, and its number is ours.
            Word { epoch: 0, state: State::None }.store(word);
        }
    }
    let geometry = ring_geometry(geometry);
    look_after(ring, geometry, (joined % ring.seats.len() as u64) as u8, own)?;
    let Some(number) = find(ring, geometry, own)? else {
        return Err(table_full(ring, probe)?);
    };
    let seat = &ring.seats[usize::from(number)].life.0;
    let last = Word::load(&seat.word)?;
    let broken = &ring.control.many.0.broken;
    let is_broken = !matches!(last.state, State::None | State::Ended(EndReason::Finished));
    // The last that did not finish counts, and not the last whose seat was taken.
    if is_broken && last.epoch > Word::load(broken)?.epoch {
        Word { epoch: last.epoch, state: State::Ended(reason(last.state)) }.store(broken);
    }
    let nth = Word { epoch: as_epoch(joined)?, state: State::None }.next_epoch()?;
    Word { epoch: nth, state: State::Open }.store(&seat.word);
    // Release: pairs with the Acquire in `Ends::look`, which sees the word then.
    ring.control.many.0.joined.store(nth.into(), Ordering::Release);
    let head = ring.control.consumer.0.head.load(Ordering::Acquire);
    // Where the claims end the ring itself finds out.
    Ok((number, Start { epoch: nth, tail: head, head }))
}

/// Finds a seat that can be had, and locks it.
fn find(
    many: &Many<'_>,
    geometry: mpsc::Geometry,
    own: &Object,
) -> Result<Option<u8>, OpenErrorKind> {
    let told = many.control.life.0.acknowledged.load(Ordering::Acquire);
    // First those of which the consumer need not be told any more, then those that
    // somebody of this stream has left, then those whose owner may have died: to find that
    // out takes a system call for each.
    for wanted in [Seen::Told, Seen::Left, Seen::InUse] {
        for (number, seat) in (0..=u8::MAX).zip(many.seats) {
            let line = &seat.life.0;
            let epoch = Word::epoch_of(line.word.load(Ordering::Relaxed));
            let seen = match line.gone.load(Ordering::Relaxed) {
                IN_USE => Seen::InUse,
                _ if u64::from(epoch) <= told => Seen::Told,
                _ => Seen::Left,
            };
            if seen != wanted || !peer::try_lock(own, Lock::Seat(number))? {
                continue;
            }
            let mut producer = Producer::new(number, many.ring, geometry)?;
            if mpsc::Seat(&line.gone).take(many.ring, &mut producer)? {
                return Ok(Some(number));
            }
            peer::unlock(own, Lock::Seat(number))?;
        }
    }
    Ok(None)
}

/// Looks after one seat that may be a dead one's, and says whether it was; each time
/// another: what its owner left is counted from when that is found out, and should
/// not be when the seat is wanted.
fn look_after(
    many: &Many<'_>,
    geometry: mpsc::Geometry,
    number: u8,
    own: &Object,
) -> Result<bool, OpenErrorKind> {
    let gone = &many.seats[usize::from(number)].life.0.gone;
    let is_dead =
        gone.load(Ordering::Relaxed) == IN_USE && peer::try_lock(own, Lock::Seat(number))?;
    if is_dead {
        let mut producer = Producer::new(number, many.ring, geometry)?;
        mpsc::Seat(gone).declare_dead(many.ring, &mut producer)?;
        peer::unlock(own, Lock::Seat(number))?;
    }
    Ok(is_dead)
}

/// Looks after all seats at once, through a description that holds nothing; returns the pids, as
/// they knew themselves, of those that were found dead. The caller holds the build lock.
pub(crate) fn look_after_all(
    many: &Many<'_>,
    geometry: Geometry,
    own: &Object,
) -> Result<Vec<u32>, OpenErrorKind> {
    let mut dead = Vec::new();
    for (number, seat) in (0..=u8::MAX).zip(many.seats) {
        if look_after(many, ring_geometry(geometry), number, own)? {
            dead.push(seat.stats.0.pid.load(Ordering::Relaxed));
        }
    }
    Ok(dead)
}

/// What a seat looks like to who wants one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Told,
    Left,
    InUse,
}

/// Whether any producer is attached but who asks, who has the ring mapped and no seat.
fn is_anybody_there(ring: &Many<'_>, own: &Object) -> Result<bool, OpenErrorKind> {
    for number in 0..ring.seats.len() as u8 {
        let word = Word::load(&ring.seats[usize::from(number)].life.0.word)?;
        if word.state == State::Open && peer::is_held(own, Lock::Seat(number))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn table_full(ring: &Many<'_>, probe: &Object) -> Result<OpenErrorKind, OpenErrorKind> {
    let mut pids = Vec::new();
    for (number, seat) in (0..=u8::MAX).zip(ring.seats) {
        if peer::is_held(probe, Lock::Seat(number))? {
            pids.push(seat.stats.0.pid.load(Ordering::Relaxed));
        }
    }
    Ok(OpenErrorKind::TableFull { limit: ring.seats.len(), pids })
}

/// Begins a consumer's stay. The caller holds the build lock and the consumer's role.
///
/// `Start::epoch` is the count of consumers; the other number that of producers that had
/// joined when an end was last told.
pub(super) fn begin_consumer(control: &Control) -> Result<(Start, u32), OpenErrorKind> {
    let life = &control.life.0;
    // Acquire: pairs with the Release of the one that moved it.
    let head = control.consumer.0.head.load(Ordering::Acquire);
    let acknowledged = life.acknowledged.load(Ordering::Relaxed);
    let joined = control.many.0.joined.load(Ordering::Acquire);
    distance("acknowledged producers", 0, acknowledged, joined)?;
    let epoch = Word::load(&life.consumer)?.next_epoch()?;
    Word { epoch, state: State::Open }.store(&life.consumer);
    Ok((Start { epoch, tail: head, head }, as_epoch(acknowledged)?))
}

fn as_epoch(joined: u64) -> Result<u32, Violation> {
    // At most 2^28, which `next_epoch` sees to.
    distance("producers", 0, joined, u32::MAX.into()).map(|n| n as u32)
}

/// How a producer ended that is no more.
pub(crate) fn reason(state: State) -> EndReason {
    match state {
        State::Ended(reason) => reason,
        State::None | State::Open => EndReason::Died,
    }
}

/// Whether the owner of a seat is no more, if its word says "open". A system call, perhaps.
///
/// If the lock is held, but by somebody who wanted the seat, `gone` says that
/// already, or will soon.
pub(crate) fn is_dead(probe: &Object, seat: &Seat, number: u8) -> Result<bool, OsError> {
    // Acquire: whoever found that out, or left, has seen its last claims.
    let gone = seat.life.0.gone.load(Ordering::Acquire);
    Ok(gone != IN_USE || !peer::is_held(probe, Lock::Seat(number))?)
}

/// Whether a claim at `position`, which was found unfinished, has outlived its
/// owner, who had this seat.
pub(crate) fn has_outlived(
    probe: &Object,
    seat: &Seat,
    number: u8,
    position: u64,
) -> Result<bool, OsError> {
    let outlived = mpsc::Seat(&seat.life.0.gone).outlived(position);
    Ok(outlived || !peer::is_held(probe, Lock::Seat(number))?)
}
