//! How an end comes to be attached.
//!
//! ```text
//! open or make the object     is it ours, and not open to others?
//! take the build lock         (bounded)
//!   nlink == 0 ?              it was removed meanwhile: start again
//!   replaced ? to be ?        its name goes: start again
//!   empty or half built ?     nobody else is building, we hold the lock: build it
//!   validate                  geometry to private memory
//!   open it once more, map, take the role through that, close it: the mapping holds the role
//!                             taken? then there is such an end already
//!   begin the epoch
//! release the build lock
//! ```
//!
//! Two rules keep ends from meeting on an object that nobody else can find any more: the link
//! count is looked at after *each* acquisition of the build lock, and the role is taken before the
//! build lock is released, so that the last end out sees the newcomer.

use super::{
    DEFAULT_PRODUCERS, End, Own, Role, Settings, Trust,
    bed::Beds,
    epoch::{Start, begin_consumer, begin_producer},
    error::OpenErrorKind,
    fork::{Mark, Process},
    lock::BuildLock,
    obtain, replace,
    seat::{self, Many},
};
use crate::{
    layout::{
        identity::{self, Content, Face, Geometry, Identity, LayoutError, is_capacity},
        view,
    },
    peer,
    segment::{
        Backend, Facts, Object, Place, memfd,
        mirror::Mapping,
        name::{Name, SysvAt},
    },
    sync::Ordering,
    sys::{OsError, memory},
    wait::{fence::AsymmetricFence, gate::ANYTHING},
};
use bytemuck::Zeroable;
use std::{
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

/// Whether an object must, must not, or may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    Required,
    Refused,
    Either,
}

/// An end that has just taken its place.
#[derive(Debug)]
pub struct Attached {
    pub(crate) end: Arc<End>,
    pub(crate) start: Start,
    /// The first epoch a consumer has to read; a producer's own.
    pub(crate) epoch: u32,
}

/// Attaches to a named ring, or makes it.
pub(crate) fn named(
    name: &Name,
    existence: Existence,
    role: Role,
    content: &Content,
    settings: &Settings,
) -> Result<Attached, OpenErrorKind> {
    if settings.backend == Backend::Memfd {
        return Err(OpenErrorKind::NoName);
    }
    if settings.replace && matches!(name, Name::SystemV(name) if matches!(name.at, SysvAt::Id(_))) {
        return Err(OpenErrorKind::NotReplaceable);
    }
    check_wishes(content, settings)?;
    let mut existence = existence;
    let started = Instant::now();
    loop {
        match try_named(name, &mut existence, role, content, settings) {
            Ok(Some(attached)) => return Ok(attached),
            Ok(None) => {}
            // A System V ring was removed while we were at it.
            Err(OpenErrorKind::Os(error)) if error.is_removed() => {}
            // Another user makes or removes it, which we cannot do for him.
            Err(OpenErrorKind::Os(error))
                if is_anothers(&error, settings)
                    && matches!(name, Name::SystemV(_))
                    && started.elapsed() < obtain::BEING_MADE =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether that is what one gets who comes while another user makes a System V ring, or removes it:
/// EPERM, and EACCES where a group is to have it that has not got it yet.
fn is_anothers(error: &OsError, settings: &Settings) -> bool {
    match error.errno() {
        Some(libc::EPERM) => true,
        Some(libc::EACCES) => settings.trust == Trust::AnyUser,
        _ => false,
    }
}

/// The same, once; `None` if what was found is not there any more.
fn try_named(
    name: &Name,
    existence: &mut Existence,
    role: Role,
    content: &Content,
    settings: &Settings,
) -> Result<Option<Attached>, OpenErrorKind> {
    let geometry = wished(content, settings);
    let object = match name {
        Name::Posix(posix) => {
            let object = obtain::posix(name, posix, *existence, settings)?;
            if let Err(error) = check_access(&object.facts()?, settings) {
                let exists = *existence == Existence::Refused;
                return Err(if exists { OpenErrorKind::AlreadyExists } else { error });
            }
            object
        }
        Name::SystemV(sysv) => obtain::sysv(name, sysv, *existence, geometry, settings)?,
    };
    let lock = BuildLock::take(&object)?;
    let object = lock.object();
    if object.is_removed()? {
        return Ok(None);
    }
    let found = look_at(object, settings);
    if replace::is_unfinished(object, &found)? {
        if settings.replace && *existence == Existence::Required {
            // It was there to be replaced.
            *existence = Existence::Either;
        }
        return Ok(None);
    }
    if settings.replace && *existence != Existence::Refused {
        let is_fit = |identity: &_| fit(object, identity, content, settings).is_ok();
        if replace::makes_way(object, &found, role, is_fit)? {
            *existence = Existence::Either;
            return Ok(None);
        }
    }
    let attached = match found {
        Ok(None) if *existence != Existence::Required => {
            if !object.begin(geometry.size(), peer::sysv::count(geometry.producers))? {
                object.remove_name()?;
                return Ok(None);
            }
            let built = build(object, content, settings);
            built
                .and_then(|identity| attach(object, &identity, role, content, settings))
                .inspect_err(|_| {
                    // What we made and could not finish must not stay. If even this fails,
                    // what is left is marked as unfinished and the next to come builds on it.
                    let _ = object.remove_name();
                })
        }
        // Remains of a builder that died; to us who may not build, there is nothing.
        Ok(None) => Err(OpenErrorKind::NotFound),
        _ if *existence == Existence::Refused => Err(OpenErrorKind::AlreadyExists),
        Ok(Some(identity)) => attach(object, &identity, role, content, settings),
        Err(error) => Err(error),
    };
    attached.map(Some)
}

/// Makes an anonymous ring that no one is attached to.
pub(crate) fn anonymous(content: &Content, settings: &Settings) -> Result<Object, OpenErrorKind> {
    check_wishes(content, settings)?;
    let object = Object::new(memfd::create()?, Place::Anonymous);
    build(&object, content, settings)?;
    Ok(object)
}

/// Attaches to an anonymous ring by a descriptor, which is kept to look after the peer.
pub(crate) fn claim(
    object: Object,
    role: Role,
    content: &Content,
    settings: &Settings,
) -> Result<Attached, OpenErrorKind> {
    // Anybody may have passed us this descriptor: nothing is mapped that could be cut short.
    if !object.is_sealed() {
        return Err(OpenErrorKind::NotSealed);
    }
    check_access(&object.facts()?, settings)?;
    // Others may have copies of the descriptor, and a lock taken through it would be theirs too.
    let fresh = object.reopen()?;
    let lock = BuildLock::take(&fresh)?;
    let identity = read_identity(lock.object())?.ok_or(LayoutError::NotARing)?;
    attach(lock.object(), &identity, role, content, settings)
}

/// Attaches to the ring of a producer as another.
pub(crate) fn another(end: &End) -> Result<Attached, OpenErrorKind> {
    end.check().map_err(|_| OpenErrorKind::NotFound)?;
    let settings = Settings {
        wait: end.wait,
        trust: end.trust,
        liveness_interval: end.liveness_interval,
        ..Settings::default()
    };
    let attached = || {
        let fresh = end.probe.reopen()?;
        let lock = BuildLock::take(&fresh)?;
        if end.is_replaced() {
            return Err(OpenErrorKind::Replaced);
        }
        let identity = read_identity(lock.object())?.ok_or(LayoutError::NotARing)?;
        attach(lock.object(), &identity, end.role, &Content::many(None, None), &settings)
    };
    attached().map_err(|error| match error {
        // A System V ring is gone with its name, and its locks with it.
        OpenErrorKind::Os(error) if error.is_removed() => match end.is_replaced() {
            true => OpenErrorKind::Replaced,
            false => OpenErrorKind::NotFound,
        },
        error => error,
    })
}

/// What can be refused before anything is touched.
fn check_wishes(content: &Content, settings: &Settings) -> Result<(), OpenErrorKind> {
    check_element(content, usize::MAX)?;
    let capacity = settings.capacity();
    if !is_capacity(capacity, memory::page_size()) {
        return Err(OpenErrorKind::Capacity(capacity));
    }
    if settings.mode & 0o600 != 0o600 || settings.mode & !0o666 != 0 {
        return Err(OpenErrorKind::UnusableMode(settings.mode));
    }
    let own = nix::unistd::geteuid().as_raw();
    match settings.owner.filter(|owner| *owner != own && settings.trust == Trust::SameUser) {
        // What is made is to be of use to its maker.
        Some(found) => Err(OpenErrorKind::Owner { found, own }),
        None => Ok(()),
    }
}

/// Whether a ring of this capacity could ever hold such a slot, and any ring such records.
fn check_element(content: &Content, capacity: usize) -> Result<(), OpenErrorKind> {
    if let Some(align) = content.element_align.filter(|_| content.holds_records())
        && !identity::is_align(align)
    {
        return Err(OpenErrorKind::Align(align));
    }
    if let Some(n) = content.producers.filter(|n| !identity::is_producers(*n)) {
        return Err(OpenErrorKind::Producers(n));
    }
    match content.element_size {
        size if size > capacity => Err(OpenErrorKind::ElementTooLarge { size, capacity }),
        _ => Ok(()),
    }
}

/// The geometry of a ring that is made.
fn wished(content: &Content, settings: &Settings) -> Geometry {
    Geometry::new(
        settings.capacity(),
        content.element_align.unwrap_or(*identity::ALIGN.start()),
        match content.face {
            Face::Many => content.producers.unwrap_or(DEFAULT_PRODUCERS),
            _ => 0,
        },
    )
}

/// What an object is, under its build lock: a ring that is ready; nothing yet (`None`), and then
/// it may be built upon; or not for us.
fn look_at(object: &Object, settings: &Settings) -> Result<Option<Identity>, OpenErrorKind> {
    // Again, because its builder has set its mode by now.
    check_access(&object.facts()?, settings)?;
    let identity = read_identity(object)?;
    if identity.is_none() && peer::is_any_held(object)? {
        // Somebody emptied a ring that is in use.
        let expected = memory::page_size() as u64;
        return Err(LayoutError::Truncated { expected, found: 0 }.into());
    }
    Ok(identity)
}

/// A user other than this one who can do everything with an object: its owner, or of a System V
/// object its maker, also if that one gave it away. (Root can anyway.)
fn another_user(facts: &Facts) -> Option<u32> {
    let own = nix::unistd::geteuid().as_raw();
    let is_other = |user: &u32| *user != own && (*user == facts.owner || *user != 0);
    [facts.owner, facts.creator].into_iter().find(is_other)
}

/// Refuses what another user owns or what is open to more users than asked for.
pub(super) fn check_access(facts: &Facts, settings: &Settings) -> Result<(), OpenErrorKind> {
    if settings.trust == Trust::SameUser {
        if let Some(found) = another_user(facts) {
            let own = nix::unistd::geteuid().as_raw();
            return Err(OpenErrorKind::Owner { found, own });
        }
        let found = facts.mode & 0o777;
        if found & !settings.mode != 0 {
            return Err(OpenErrorKind::Mode { found, asked: settings.mode });
        }
    }
    Ok(())
}

/// The identity of a ring that is ready, `None` if nothing or something unfinished is there.
fn read_identity(object: &Object) -> Result<Option<Identity>, OpenErrorKind> {
    let mut identity = Identity::zeroed();
    match object.read_at(bytemuck::bytes_of_mut(&mut identity), 0)? {
        0 => return Ok(None),
        n if n >= 8 && identity.magic == identity::BUILDING => return Ok(None),
        identity::SIZE if object.begins_with_zeros() && identity.magic == [0; 8] => {
            return Ok(None);
        }
        identity::SIZE => {}
        _ => identity.magic = [0; 8],
    }
    if identity.magic != identity::READY {
        return Err(LayoutError::NotARing.into());
    }
    Ok(Some(identity))
}

/// Gives a new object to whom it is to belong.
fn give(object: &Object, settings: &Settings) -> Result<(), OpenErrorKind> {
    let (owner, group) = (settings.owner, settings.group);
    if owner.is_none() && group.is_none() {
        return Ok(());
    }
    object.set_owner(owner, group).map_err(|source| OpenErrorKind::Give { owner, group, source })
}

/// Builds a ring on an object that nobody else is at: a named one under its build lock, or one
/// that nobody else knows yet.
fn build(
    object: &Object,
    content: &Content,
    settings: &Settings,
) -> Result<Identity, OpenErrorKind> {
    let geometry = wished(content, settings);
    let mut identity = Identity::new(content, geometry, settings.persistent);
    // Whoever may write to it could stop another's C library by way of its semaphores.
    let own = nix::unistd::geteuid().as_raw();
    let is_given = settings.owner.is_some_and(|owner| owner != own);
    if object.begins_with_zeros() && (is_given || settings.mode & 0o022 != 0) {
        identity.flags |= identity::SLEEPS_BESIDE;
    }
    let of_producer = object.place() == &Place::Anonymous && geometry.producers == 0;
    if of_producer && !settings.preallocate {
        identity.flags |= identity::GROWS;
    }
    check_element(content, geometry.capacity)?;
    object.check_room(geometry.size())?;
    object.clear()?;
    // First of all the mark that somebody is building: if we die from here on, the next to come
    // can tell our remains from another program's file.
    object.write_at(bytemuck::bytes_of(&identity), 0)?;
    // Before the mode, which is for that group alone.
    give(object, settings)?;
    object.set_mode(settings.mode)?;
    let size = geometry.size();
    // Its producer gets the rest: see `outbox`.
    let at_once = if identity.grows() { geometry.control as u64 } else { size };
    let allocated = object.resize(size).and_then(|()| object.allocate(0..at_once));
    allocated.map_err(|error| object.explain(error, size))?;
    object.seal()?;
    let mapping = Mapping::new(object, geometry.control, geometry.capacity)?;
    let control = view::control(&mapping);
    // All other words are right as zeros, which is what fresh pages hold.
    control.data.0.semaphore.init()?;
    control.space.0.semaphore.init()?;
    for seat in view::seats(&mapping, geometry) {
        seat.space.0.semaphore.init()?;
    }
    // The last step. The build lock orders it for whoever attaches, and for observers a write(2)
    // is never before the stores of the same thread.
    identity.magic = identity::READY;
    object.write_at(&identity.magic, 0)?;
    Ok(identity)
}

/// The geometry of a ring that is what was asked for.
fn fit(
    object: &Object,
    identity: &Identity,
    content: &Content,
    settings: &Settings,
) -> Result<Geometry, OpenErrorKind> {
    check_element(content, usize::MAX)?;
    let geometry = identity.validate(content, object.facts()?.size)?;
    if let Some(asked) = content.element_align.filter(|_| content.holds_records())
        && asked > geometry.align
    {
        return Err(OpenErrorKind::AlignDiffers { asked, found: geometry.align });
    }
    if let Some(asked) = content.producers.filter(|asked| *asked > geometry.producers) {
        return Err(OpenErrorKind::ProducersDiffer { asked, found: geometry.producers });
    }
    check_element(content, geometry.capacity)?;
    if let Some(asked) = settings.capacity.filter(|asked| *asked != geometry.capacity)
        && !settings.adopt
    {
        return Err(OpenErrorKind::CapacityDiffers { asked, found: geometry.capacity });
    }
    Ok(geometry)
}

/// Where the ends of a ring sleep, if not at the semaphores in it.
///
/// # Errors
/// Where those could be used by a stranger to stop our C library.
pub(super) fn beds(
    object: &Object,
    identity: &Identity,
    producers: usize,
) -> Result<Option<Beds>, OpenErrorKind> {
    if identity.sleeps_beside() {
        return Beds::of(object, producers).map(Some).ok_or(OpenErrorKind::NoLocks);
    }
    if object.begins_with_zeros() && another_user(&object.facts()?).is_some() {
        // Made so that only its owner can write to it, and opened to others or
        // given away afterwards.
        let found = identity.flags.into();
        return Err(LayoutError::Damaged { what: "flags", found }.into());
    }
    Ok(None)
}

/// Takes a place at a ring, under the build lock.
///
/// The role is taken and the mapping made through a description of their own, whose only descriptor
/// is closed here: it never existed while this process could fork, and from here on the mapping
/// alone holds the role.
fn attach(
    object: &Object,
    identity: &Identity,
    role: Role,
    content: &Content,
    settings: &Settings,
) -> Result<Attached, OpenErrorKind> {
    let geometry = fit(object, identity, content, settings)?;
    let beds = beds(object, identity, geometry.producers)?;
    // Through this one the peer's role is looked at. It never has locks of its own, so copies of
    // it in forked children hold nothing.
    let probe = object.reopen()?;
    let own = object.reopen()?;
    let mapping = Mapping::new(&own, geometry.control, geometry.capacity)?;
    let control = view::control(&mapping);
    let process = Process::current()?;
    let mark = Mark::new()?;
    let capacity = geometry.capacity as u64;
    let (mut seat, mut words) = (None, Own::of_role(role, control));
    let (start, epoch) = if geometry.producers > 0 && role == Role::Producer {
        let ring = Many::new(&mapping, geometry);
        let (number, start) = seat::take(&ring, geometry, &own, &probe)?;
        (seat, words) = (Some(number), Own::of_seat(ring.seats, number));
        (start, start.epoch)
    } else {
        if !peer::try_lock(&own, role.lock())? {
            let pid = words.stats.pid.load(Ordering::Relaxed);
            return Err(OpenErrorKind::RoleTaken { role: role.name(), pid });
        }
        match role {
            Role::Producer => {
                let consumer_attached = peer::is_held(&probe, Role::Consumer.lock())?;
                // A predecessor may have been killed between this and its tail.
                control.producer.0.newest.clear();
                let unfinished = settings.unfinished;
                let start = begin_producer(control, capacity, consumer_attached, unfinished)?;
                (start, start.epoch)
            }
            Role::Consumer if geometry.producers > 0 => seat::begin_consumer(control)?,
            Role::Consumer => begin_consumer(control, capacity)?,
        }
    };
    // A predecessor that died asleep left its announcement behind.
    words.gate.parked.store(0, Ordering::Relaxed);
    words.gate.mode.store(0, Ordering::Relaxed);
    let fence = AsymmetricFence::register();
    words.stats.clear();
    words.stats.pid.store(std::process::id(), Ordering::Relaxed);
    words.stats.fenced.store(u32::from(fence.is_registered()), Ordering::Relaxed);
    let end = End {
        role,
        seat,
        start_word: start.epoch,
        mapping: std::mem::ManuallyDrop::new(mapping),
        beds,
        probe,
        geometry,
        persistent: identity.persistent(),
        grows: identity.grows(),
        process,
        left: Arc::default(),
        mark,
        broken: std::sync::OnceLock::new(),
        next_probe: AtomicU64::new(0),
        fence,
        wait: settings.wait.here(),
        trust: settings.trust,
        liveness_interval: settings.liveness_interval,
    };
    // The other end may be asleep until somebody comes.
    end.notify_peer(ANYTHING);
    Ok(Attached { end: Arc::new(end), start, epoch })
}
