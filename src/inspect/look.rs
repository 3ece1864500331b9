//! How a ring is looked at: it is read with pread(2) and never mapped, its locks
//! are asked for and never taken.
//!
//! What is read may be changing. Positions: the head, then the tail (and of many producers
//! what was claimed from there on), then the head again; only if the head did not move must
//! the distance be what the protocol allows. Ends: the word, then the lock, then the word
//! again, as in `End::gone_peer`.

use super::{
    info::{Condition, Damage, EndInfo, ManyInfo, Place, RingInfo, Spot, SysvInfo},
    words::{self, At, Words, counter},
};
use crate::{
    Backend, LayoutError, Peer, Stats, Violation,
    end::{
        Role,
        epoch::{State, Word},
        seat::ring_geometry,
    },
    layout::identity::{self, Content, Face, Geometry, Identity},
    peer::{self, Lock},
    ring::{cursor::distance, mpsc::IN_USE},
    segment::{Object, name::Name},
    sys::{OsError, clock},
};
use bytemuck::Zeroable;
use std::time::{Duration, Instant};

/// What an object turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    Ring(Box<RingInfo>),
    /// Nothing is in it: another program's, or its builder was killed before its first write.
    Empty,
    Foreign,
}

/// So often what changed meanwhile is looked at anew.
const TRIES: usize = 4;

/// So many claims behind the tail are looked for.
const CLAIMS: u32 = 1 << 10;

enum Trouble {
    Damage(Damage),
    Os(OsError),
}

impl From<LayoutError> for Trouble {
    fn from(error: LayoutError) -> Self {
        Self::Damage(error.into())
    }
}

impl From<Violation> for Trouble {
    fn from(violation: Violation) -> Self {
        Self::Damage(violation.into())
    }
}

impl From<OsError> for Trouble {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

/// Looks at an object.
pub(super) fn look(object: &Object, place: Place) -> Result<Found, OsError> {
    let backend = match place.0 {
        Spot::Named(Name::Posix(_)) => Backend::Posix,
        Spot::Named(Name::SystemV(_)) => Backend::SystemV,
        Spot::Held { .. } => Backend::Memfd,
    };
    // Before it is read, which attaches to it.
    let sysv = SysvInfo::of(object)?;
    let mut identity = Identity::zeroed();
    let (mut abandoned, mut in_use) = (false, false);
    let n = loop {
        let n = object.read_at(bytemuck::bytes_of_mut(&mut identity), 0)?;
        if n == 0 && !in_use {
            in_use = peer::is_any_held(object)?;
            if in_use {
                // Built and taken since it was read, or somebody emptied it.
                continue;
            }
            return Ok(Found::Empty);
        }
        // Built since we looked, or not: the lock is held until the ring is ready.
        let is_building = n >= 8 && is_building(object, identity.magic);
        if !is_building || backend == Backend::Memfd {
            break n;
        }
        if peer::is_held(object, Lock::Build)? {
            abandoned = false;
            break n;
        }
        if abandoned {
            break n;
        }
        abandoned = true;
    };
    // Asked for only now: a builder sees to them before the ring is ready.
    let facts = object.facts()?;
    let mut info = RingInfo {
        place,
        backend,
        condition: Condition::Building,
        face: None,
        element: None,
        owner: facts.owner,
        group: facts.group,
        mode: facts.mode,
        capacity: 0,
        unread: 0,
        published: 0,
        released: 0,
        persistent: false,
        upgraded: false,
        ends: Vec::new(),
        many: None,
        sysv,
        nonce: 0,
        taken: Instant::now(),
    };
    match (n, identity.magic) {
        // Emptied while in use.
        (0, _) => {}
        (8.., magic) if is_building(object, magic) => {
            // A memfd's builder alone knows it.
            if abandoned {
                info.condition = Condition::Abandoned;
            }
            return Ok(Found::Ring(Box::new(info)));
        }
        (8.., identity::READY) => {}
        _ => return Ok(Found::Foreign),
    }
    info.condition = if n < identity::SIZE {
        let (expected, found) = (identity::SIZE as u64, n as u64);
        Condition::Damaged(LayoutError::Truncated { expected, found }.into())
    } else {
        match examine(object, &identity, facts.size, &mut info) {
            Ok(condition) => condition,
            Err(Trouble::Damage(damage)) => Condition::Damaged(damage),
            Err(Trouble::Os(error)) => return Err(error),
        }
    };
    Ok(Found::Ring(Box::new(info)))
}

/// Whether something was begun here that will be a ring, or is no longer one.
fn is_building(object: &Object, magic: [u8; 8]) -> bool {
    match magic {
        identity::BUILDING | identity::GONE => true,
        magic => object.begins_with_zeros() && magic == [0; 8],
    }
}

/// Fills in what a ring that is ready says of itself.
fn examine(
    object: &Object,
    identity: &Identity,
    size: u64,
    info: &mut RingInfo,
) -> Result<Condition, Trouble> {
    let content = Content::of(identity)?;
    let geometry = identity.validate(&content, size)?;
    info.face = Some(content.face);
    info.element = (content.face == Face::Slot).then(|| identity.element());
    info.capacity = identity.capacity;
    info.persistent = identity.persistent();
    info.nonce = identity.nonce;

    let (words, head) = positions(object, geometry, info)?;
    info.upgraded = words.u32(words::HANDOVER) != 0;
    let now = clock::monotonic_nanos();
    if geometry.producers == 0 {
        let producer = end(object, &words, Role::Producer, At::PRODUCER, now)?;
        info.ends.push(producer);
    }
    for number in 0..geometry.producers as u8 {
        let at = At::seat(number);
        // Most have never been taken.
        if words.u64(at.word) != 0 {
            let producer = end(object, &words, Role::Producer, at, now)?;
            info.ends.extend((producer.state != Peer::NoneYet).then_some(producer));
        }
    }
    info.ends.sort_by_key(|end| end.number);
    info.ends.push(end(object, &words, Role::Consumer, At::CONSUMER, now)?);
    if geometry.producers > 0 {
        info.many = Some(many(object, &words, geometry, head)?);
        if let (Some(many), Some(consumer)) = (&info.many, info.ends.last_mut()) {
            consumer.stats.repaired = many.repaired;
        }
    }
    if words.u64(words::REPLACED) != 0 {
        return Ok(Condition::Replaced);
    }
    let is_there = |role| info.ends_of(role).any(|end| end.attached);
    Ok(match (is_there(Role::Producer), is_there(Role::Consumer)) {
        (true, true) => Condition::Live,
        (false, false) => Condition::Orphaned,
        _ => Condition::Waiting,
    })
}

/// Reads the words, and of them the positions as one belongs to the other.
fn positions(
    object: &Object,
    geometry: Geometry,
    info: &mut RingInfo,
) -> Result<(Words, u64), Trouble> {
    let capacity = geometry.capacity as u64;
    let mut tries = 0;
    loop {
        tries += 1;
        let head = words::now(object, words::HEAD)?;
        info.taken = Instant::now();
        let words = Words::read(object, geometry)?.ok_or_else(|| {
            let found = object.facts().map_or(0, |facts| facts.size);
            LayoutError::Truncated { expected: geometry.size(), found }
        })?;
        let mut tail = words.u64(words::TAIL);
        if geometry.producers > 0 {
            // The claims end at the tail or behind it. Each that is behind it costs a system
            // call; as a rule there is none.
            let ring = ring_geometry(geometry);
            let mut left = CLAIMS;
            tail = tail.max(ring.end_of_claims(head, tail, |at| {
                if left == 0 {
                    return Ok(0);
                }
                left -= 1;
                words::now(object, words::claim(geometry, ring.index(at)))
            })?);
        }
        let is_still = words::now(object, words::HEAD)? == head;
        info.published = tail;
        info.released = head;
        // A head that moved allows the tail to have done so, too.
        info.unread = tail.saturating_sub(head).min(capacity);
        if is_still {
            distance("tail", head, tail, capacity)?;
        }
        if is_still || tries == TRIES {
            return Ok((words, head));
        }
    }
}

/// What is known of an end.
fn end(object: &Object, words: &Words, role: Role, at: At, now: u64) -> Result<EndInfo, Trouble> {
    let mut word = Word::unpack(words.u64(at.word))?;
    // A seat that somebody wanted: he has found its owner dead.
    let was_given_up = at.gone.is_some_and(|gone| words.u64(gone) != IN_USE);
    let mut is_held = false;
    for _ in 0..TRIES {
        is_held = peer::is_held(object, at.lock)?;
        if is_held || word.state != State::Open {
            break;
        }
        // Read again: it may have left in good order since, or another has come.
        let again = Word::unpack(words::now(object, at.word)?)?;
        if again == word {
            break;
        }
        word = again;
    }
    let is_dead = word.state == State::Open && (!is_held || was_given_up);
    let state = match word.state {
        State::None => Peer::NoneYet,
        State::Ended(reason) => reason.into(),
        State::Open if is_dead => Peer::Died,
        State::Open if words.u32(at.parked) != 0 => Peer::Waiting,
        State::Open => Peer::Alive,
    };
    let count = |counter| words.u64(at.stats + counter);
    let stats = Stats {
        operations: count(counter::OPERATIONS),
        bytes: count(counter::BYTES),
        sleeps: count(counter::SLEEPS),
        blocked: Duration::from_nanos(count(counter::BLOCKED)),
        late_wakeups: count(counter::LATE),
        dropped: count(counter::DROPPED),
        aborted: count(counter::ABORTED),
        leaked: count(counter::LEAKED),
        repaired: 0,
    };
    let last_wait = Some(count(counter::LAST_WAIT)).filter(|at| *at != 0);
    Ok(EndInfo {
        role,
        number: at.gone.map(|_| word.epoch),
        pid: words.u32(at.stats + counter::PID),
        state,
        attached: is_held && !is_dead,
        stats,
        last_progress: last_wait.map(|at| Duration::from_nanos(now.saturating_sub(at))),
    })
}

/// What only a ring of many has.
fn many(
    object: &Object,
    words: &Words,
    geometry: Geometry,
    head: u64,
) -> Result<ManyInfo, OsError> {
    let ring = ring_geometry(geometry);
    let claim = words::now(object, words::claim(geometry, ring.index(head)))?;
    let owner = ring.unfinished_in(claim, head).filter(|n| usize::from(*n) < geometry.producers);
    Ok(ManyInfo {
        seats: geometry.producers as u32,
        joined: words.u64(words::JOINED),
        held_up_by: owner.map(|n| Word::epoch_of(words.u64(At::seat(n).word))),
        repaired: words.u64(words::REPAIRED),
    })
}
