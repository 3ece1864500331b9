//! What can be seen of a ring of many senders.

use crate::{
    EndReason, Peer,
    end::{
        End,
        epoch::{State, Word},
        seat::{self, Many},
        stop::Stop,
    },
    layout::control::Seat,
    sync::Ordering,
};
use std::{convert::Infallible, fmt, time::Duration};

/// A sender of a ring: the how manieth there has been, from 1. No two of one ring have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub(super) u32);

impl ProducerId {
    /// As a number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a sender ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerEnd {
    /// Which.
    pub id: ProducerId,
    /// Its process, as that knew itself; 0 if nobody knows any more.
    pub pid: u32,
    /// How it ended.
    pub reason: EndReason,
}

/// What a ring of many senders looks like from one of its ends. Everything may
/// be changing meanwhile.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Those who are attached, or were the last to have their place.
    pub producers: Vec<ProducerStatus>,
    /// Bytes of the ring that were claimed and not released.
    pub unread: usize,
    /// Who has claimed room and not sent yet what is to be received next, if it is that.
    pub held_up_by: Option<ProducerId>,
    /// Claims of dead senders that were passed over.
    pub repaired: u64,
}

/// A sender as others see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ProducerStatus {
    /// Which.
    pub id: ProducerId,
    /// Its process, as that knows itself.
    pub pid: u32,
    /// Whether it is there, or what became of it.
    pub state: Peer,
    /// Records sent. This and the following as of when it last had to wait, or left.
    pub operations: u64,
    /// Bytes of the ring that these took.
    pub bytes: u64,
    /// How often it went to sleep.
    pub sleeps: u64,
    /// For how long it waited in all.
    pub blocked: Duration,
    /// Records given up because the ring was full.
    pub dropped: u64,
    /// Guards dropped without a commit.
    pub aborted: u64,
    /// Guards that were forgotten.
    pub leaked: u64,
}

/// Looks at a ring from one of its ends.
pub(super) fn look(end: &End) -> Result<Status, Stop> {
    end.check()?;
    let many = end.many();
    let unread = unread(end);
    let mut producers = Vec::new();
    for (number, seat) in (0..=u8::MAX).zip(many.seats) {
        let word = end.checked(Word::load(&seat.life.0.word))?;
        if word.state != State::None {
            producers.push(producer(end, number, seat, word)?);
        }
    }
    producers.sort_by_key(|producer| producer.id);
    // Acquire: of a claim that is there.
    let head = many.ring.head.load(Ordering::Acquire);
    let owner = end.ring_geometry().unfinished(many.ring, head);
    let held_up_by = owner.and_then(|owner| many.seat(owner).ok());
    let held_up_by = held_up_by.map(|seat| ProducerId(seat::producer(seat)));
    let repaired = many.control.many.0.repaired.load(Ordering::Relaxed);
    Ok(Status { producers, unread, held_up_by, repaired })
}

/// Bytes of the ring that were claimed and not released.
pub(super) fn unread(end: &End) -> usize {
    // Acquire, here and below: who claimed something, and told us by any means,
    // is seen to have done so.
    let head = end.many().ring.head.load(Ordering::Acquire);
    (end_of_claims(end, head) - head) as usize
}

/// Where the claims end, with the head there: no further from it than the capacity.
pub(super) fn end_of_claims(end: &End, head: u64) -> u64 {
    let (ring, geometry) = (end.many().ring, end.ring_geometry());
    let tail = ring.tail.load(Ordering::Acquire);
    let claim = |at| Ok(geometry.block(ring, at).claim.load(Ordering::Acquire));
    let Ok::<_, Infallible>(end) = geometry.end_of_claims(head, tail, claim);
    end
}

/// What is known of all producers together, by a consumer that told of the end of the first `told`.
pub(super) fn peer(end: &End, told: u32, ended: Option<EndReason>) -> Result<Peer, Stop> {
    let producers = look(end)?.producers;
    let is_there =
        |producer: &&ProducerStatus| matches!(producer.state, Peer::Alive | Peer::Waiting);
    let there = || producers.iter().filter(is_there);
    Ok(match there().count() {
        0 => match producers.last() {
            Some(last) if last.id.0 > told => last.state,
            _ => ended.map_or(Peer::NoneYet, Peer::from),
        },
        _ if there().all(|producer| producer.state == Peer::Waiting) => Peer::Waiting,
        _ => Peer::Alive,
    })
}

fn producer(end: &End, number: u8, seat: &Seat, word: Word) -> Result<ProducerStatus, Stop> {
    let Seat { life, space, stats } = seat;
    let state = match word.state {
        State::Ended(reason) => reason.into(),
        _ if seat::is_dead(end.probe(), seat, number)? => {
            // Read again: it may have left in good order since.
            match end.checked(Word::load(&life.0.word))? {
                Word { epoch, state: State::Ended(reason) } if epoch == word.epoch => reason.into(),
                _ => Peer::Died,
            }
        }
        _ if space.0.parked.load(Ordering::Relaxed) != 0 => Peer::Waiting,
        _ => Peer::Alive,
    };
    let stats = &stats.0;
    // Relaxed: each is a number for itself.
    let load = |counter: &crate::sync::AtomicU64| counter.load(Ordering::Relaxed);
    Ok(ProducerStatus {
        id: ProducerId(word.epoch),
        pid: stats.pid.load(Ordering::Relaxed),
        state,
        operations: load(&stats.operations),
        bytes: load(&stats.bytes),
        sleeps: load(&stats.sleeps),
        blocked: Duration::from_nanos(load(&stats.blocked_nanos)),
        dropped: load(&stats.dropped),
        aborted: load(&stats.aborted),
        leaked: load(&stats.leaked),
    })
}

/// How the senders ended that came after the first `told`, up to the
/// `joined`-th, all of whom are no more.
pub(super) fn ends(
    many: &Many<'_>,
    told: u32,
    joined: u32,
) -> Result<Vec<ProducerEnd>, crate::Violation> {
    let of_this_stream = |word: &Word| word.epoch > told && word.epoch <= joined;
    let mut ends = Vec::new();
    for seat in many.seats {
        let word = Word::load(&seat.life.0.word)?;
        if word.state != State::None && of_this_stream(&word) {
            let (id, reason) = (ProducerId(word.epoch), seat::reason(word.state));
            let pid = seat.stats.0.pid.load(Ordering::Relaxed);
            ends.push(ProducerEnd { id, pid, reason });
        }
    }
    // After the seats: who takes one writes this first, so that one of the two is seen.
    let broken = Word::load(&many.control.many.0.broken)?;
    if of_this_stream(&broken) {
        let (id, reason) = (ProducerId(broken.epoch), seat::reason(broken.state));
        ends.push(ProducerEnd { id, pid: 0, reason });
    }
    ends.sort_by_key(|end| end.id);
    // Both were.
    ends.dedup_by_key(|end| end.id);
    Ok(ends)
}
