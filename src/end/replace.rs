//! Replacing: how a ring makes way for a new one of the same name.
//!
//! ```text
//! under the build lock of the old ring              whoever does it, killed after that:
//!   the role is free, and no receiver is there        nothing has happened
//!   replaced := 1                                     the next to come goes on from here, whoever
//!   the consumer's word := ended, replaced              that is: all that is left to do can be
//!   wake everybody                                      done twice
//!   take the name away                                nothing is there: the next to come builds
//! then go on as if there had not been a ring
//! ```
//!
//! Nobody attaches to a ring once it says that it is replaced, so no producer follows the one that
//! has gone: who reads the word, *then* finds nothing to read, has read all. That is why consumers
//! look at `replaced`, and not at the producer's word, which goes on saying how the last stream
//! ended: a reader is told that first, unless its writer died without a word. Producers look at the
//! consumer's word anyway, before each operation; so that says it as well.
//!
//! A peer that leaves meanwhile waits for the build lock, and then finds that the name
//! leads elsewhere. One that attaches waits for it, and then finds that the ring has no
//! name any more, and starts again. Two that replace at once: the second finds the first
//! one's role taken in the new ring.
//!
//! A ring whose layout cannot be made sense of has nothing in it that could be set or woken. It
//! only loses its name, and only while nobody holds a lock on it.

use super::{
    Own, Role, attach,
    bed::{Bed, Beds},
    epoch::{EndReason, State, Word},
    error::OpenErrorKind,
    seat::Many,
};
use crate::{
    layout::{
        control,
        identity::{self, Content, Geometry, Identity, LayoutError, VERSION},
    },
    peer::{self, Lock},
    segment::{Object, mirror::Mapping},
    sync::Ordering,
    sys::OsError,
    wait::{
        fence::AsymmetricFence,
        gate::{ANYTHING, Gate},
    },
};

/// What was found at a name.
type Found = Result<Option<Identity>, OpenErrorKind>;

/// Goes on where somebody was killed who was replacing the ring; false if nobody was.
/// The caller holds the build lock.
///
/// # Errors
/// [`OpenErrorKind::Replaced`] if only another user can take the name away.
pub(crate) fn is_unfinished(object: &Object, found: &Found) -> Result<bool, OpenErrorKind> {
    let Ok(Some(identity)) = found else { return Ok(false) };
    if !is_replaced(object, identity)? {
        return Ok(false);
    }
    match Old::map(object, identity) {
        Ok(old) => old.make_way()?,
        // Nor is anything else that it says to be believed.
        Err(OpenErrorKind::Layout(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    check_owner(object).map_err(|_| OpenErrorKind::Replaced)?;
    object.remove_name()?;
    Ok(true)
}

/// Whether a ring says that another takes its place.
fn is_replaced(object: &Object, identity: &Identity) -> Result<bool, OsError> {
    let mut word = [0; 8];
    let known = identity.version == VERSION;
    Ok(known && object.read_at(&mut word, control::REPLACED as u64)? == 8 && word != [0; 8])
}

/// Replaces what was found at a name by nothing, for an end in `role` that wants a new ring there;
/// false if it can be used as it is: there is none, it has not been built, or nobody has used it
/// and it `is_fit`. The caller holds the build lock.
pub(super) fn makes_way(
    object: &Object,
    found: &Found,
    role: Role,
    is_fit: impl FnOnce(&Identity) -> bool,
) -> Result<bool, OpenErrorKind> {
    let senseless = match found {
        Ok(Some(identity)) => match Old::map(object, identity) {
            Ok(old) => {
                if is_fit(identity) && old.is_unused(role).unwrap_or(false) {
                    return Ok(false);
                }
                check_owner(object)?;
                old.check_free(role)?;
                old.make_way()?;
                object.remove_name()?;
                return Ok(true);
            }
            Err(OpenErrorKind::Layout(why)) => why,
            Err(error) => return Err(error),
        },
        Err(OpenErrorKind::Layout(LayoutError::NotARing)) => match cut(object)? {
            Some(why) => why,
            // Whatever it is, it is not ours.
            None => return Ok(false),
        },
        Err(OpenErrorKind::Layout(why)) => why.clone(),
        Ok(None) | Err(_) => return Ok(false),
    };
    check_owner(object)?;
    if peer::is_any_held(object)? {
        return Err(OpenErrorKind::InUse(senseless));
    }
    object.remove_name()?;
    Ok(true)
}

/// Whether an object begins as a ring does, and ends before it has said what it is.
fn cut(object: &Object) -> Result<Option<LayoutError>, OsError> {
    let mut magic = [0; 8];
    let begins = object.read_at(&mut magic, 0)? == 8 && magic == identity::READY;
    let found = object.facts()?.size;
    let expected = identity::SIZE as u64;
    Ok(begins.then_some(LayoutError::Truncated { expected, found }))
}

/// As for removal: in /dev/shm nobody else may; a System V object its maker may remove, too.
fn check_owner(object: &Object) -> Result<(), OpenErrorKind> {
    let (facts, own) = (object.facts()?, nix::unistd::geteuid().as_raw());
    match facts.owner == own || facts.creator == own {
        true => Ok(()),
        false => Err(OpenErrorKind::NotOwner { owner: facts.owner, own }),
    }
}

/// A ring that is to make way.
struct Old<'a> {
    object: &'a Object,
    mapping: Mapping,
    geometry: Geometry,
    beds: Option<Beds>,
}

impl<'a> Old<'a> {
    /// Maps a ring, whatever lies in it.
    fn map(object: &'a Object, identity: &Identity) -> Result<Self, OpenErrorKind> {
        if identity.version != VERSION {
            return Err(LayoutError::Version { found: identity.version }.into());
        }
        let geometry = identity.validate(&Content::of(identity)?, object.facts()?.size)?;
        let mapping = Mapping::new(object, geometry.control, geometry.capacity)?;
        let beds = match attach::beds(object, identity, geometry.producers) {
            // Nobody can be woken there.
            Err(OpenErrorKind::NoLocks) => {
                let found = identity.flags.into();
                return Err(LayoutError::Damaged { what: "flags", found }.into());
            }
            beds => beds?,
        };
        Ok(Self { object, mapping, geometry, beds })
    }

    fn many(&self) -> Many<'_> {
        Many::new(&self.mapping, self.geometry)
    }

    /// The producers that there can be.
    fn producers(&self) -> impl Iterator<Item = Own<'_>> {
        let many = self.many();
        let single =
            (self.geometry.producers == 0).then(|| Own::of_role(Role::Producer, many.control));
        let seats =
            (0..self.geometry.producers).map(move |seat| Own::of_seat(many.seats, seat as u8));
        single.into_iter().chain(seats)
    }

    /// The end whose place must be free: in a ring of many the receiver, whom all serve.
    fn server(&self, role: Role) -> Own<'_> {
        let role = if self.geometry.producers > 0 { Role::Consumer } else { role };
        Own::of_role(role, self.many().control)
    }

    fn check_free(&self, role: Role) -> Result<(), OpenErrorKind> {
        let server = self.server(role);
        if !peer::is_held(self.object, server.lock)? {
            return Ok(());
        }
        let role = if server.lock == Lock::Producer { Role::Producer } else { Role::Consumer };
        let pid = server.stats.pid.load(Ordering::Relaxed);
        Err(OpenErrorKind::RoleTaken { role: role.name(), pid })
    }

    /// Whether it is as good as new: no such end has ever come, nothing was ever written, and no
    /// producer has died or left, of which the consumer would be told.
    fn is_unused(&self, role: Role) -> Result<bool, OpenErrorKind> {
        let is_new = |word: Word| word.epoch == 0 && word.state == State::None;
        if !is_new(Word::load(self.server(role).word)?) {
            return Ok(false);
        }
        // (Of many senders it is near the end of the claims, and not 0 once one was committed.)
        // Relaxed: the build lock orders what those did who have left.
        if self.many().ring.tail.load(Ordering::Relaxed) != 0 {
            return Ok(false);
        }
        for producer in self.producers() {
            let word = Word::load(producer.word)?;
            let is_there = word.state == State::Open && peer::is_held(self.object, producer.lock)?;
            if !is_there && !is_new(word) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells everybody.
    fn make_way(&self) -> Result<(), OsError> {
        let control = self.many().control;
        let life = &control.life.0;
        // Release: pairs with the Acquire in `End::is_replaced`. (What a producer did that has gone
        // happened before its lock was found free.)
        life.replaced.store(1, Ordering::Release);
        // A consumer that is there is told itself, and its word is its own.
        if !peer::is_held(self.object, Lock::Consumer)? {
            let epoch = Word::epoch_of(life.consumer.load(Ordering::Relaxed));
            Word { epoch, state: State::Ended(EndReason::Replaced) }.store(&life.consumer);
        }
        let fence = AsymmetricFence::register();
        for end in self.producers().chain([Own::of_role(Role::Consumer, control)]) {
            let line = end.gate;
            let (parked, wake_at) = (&line.parked, &line.wake_at);
            let sleeper = Bed { line, control, beds: &self.beds };
            Gate { parked, wake_at, sleeper, fence: &fence }.notify(ANYTHING);
        }
        Ok(())
    }
}
