//! Other users: who may look, come, remove.

use crate::{
    Place, options, raw,
    support::{Child, DEADLINE, Shared, alone, page_size, skip},
};
use nix::unistd::{geteuid, setgid, setgroups, setuid};
use shmpipe::{
    OpenErrorKind, Options, Trust,
    inspect::{self, ErrorKind, Force},
    stream::{Reader, Writer},
};
use std::{io::Write, sync::atomic::Ordering::SeqCst, thread};

pub const OTHER: u32 = 65534;

pub fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        skip("only root can be two users");
    }
    root
}

pub fn become_other() {
    setgroups(&[]).unwrap();
    setgid(OTHER.into()).unwrap();
    setuid(OTHER.into()).unwrap();
}

#[test]
fn a_stranger_removes_nothing() {
    alone(|| {
        if !is_root() {
            return;
        }
        let Some(place) = Place::own() else { return };
        for (mode, can_look) in [(0o600, false), (0o644, true), (0o666, true)] {
            let (key, name) = place.key();
            let mut writer: Writer = options().mode(mode).create_new(&name).unwrap();
            let _reader: Reader = options().mode(mode).open(&name).unwrap();
            writer.write_all(b"kept").unwrap();
            let id = raw::segment(key).unwrap();
            let stat = raw::shm_stat(id);
            Child::fork(|_| {
                become_other();
                for force in [Force::No, Force::Yes] {
                    let error = inspect::remove(&name, force).unwrap_err();
                    match can_look {
                        true => {
                            let is_it = matches!(
                                error.kind(),
                                ErrorKind::NotOwner { owner: 0, own: OTHER }
                            );
                            assert!(
                                is_it && error.to_string().contains("not permitted"),
                                "{error}"
                            );
                        }
                        false => {
                            assert!(error.to_string().contains("Permission denied"), "{error}")
                        }
                    }
                }
                assert!(inspect::repair(&name).is_err());
                assert!(inspect::remove_orphaned("").unwrap().is_empty());
                assert_eq!(inspect::status(&name).is_ok(), can_look);
                assert_eq!(
                    inspect::list().unwrap().iter().any(|ring| ring.sysv.is_some()),
                    can_look
                );
                // To attach needs write permission, and trust.
                let trusting = options().mode(0o666).trust(Trust::AnyUser);
                let opened = trusting.open::<Writer>(&name).map(drop).unwrap_err();
                match mode {
                    0o666 => assert!(
                        matches!(opened.kind(), OpenErrorKind::RoleTaken { .. }),
                        "{opened}"
                    ),
                    _ => assert!(opened.to_string().contains("Permission denied"), "{opened}"),
                }
                let opened = options().mode(0o666).open::<Writer>(&name).map(drop).unwrap_err();
                match can_look {
                    true => assert!(
                        matches!(opened.kind(), OpenErrorKind::Owner { found: 0, .. }),
                        "{opened}"
                    ),
                    false => assert!(opened.to_string().contains("Permission denied"), "{opened}"),
                }
                assert!(
                    raw::shm_remove(id).is_err() && raw::sem_remove(raw::set(id).unwrap()).is_err()
                );
            })
            .join();
            let now = raw::shm_stat(id);
            assert_eq!((now.shm_perm.mode, now.shm_ctime), (stat.shm_perm.mode, stat.shm_ctime));
            assert!(raw::set(id).is_some() && raw::bytes(id).starts_with(b"shmpipe\n"));
            inspect::remove(&name, Force::Yes).unwrap();
        }
    });
}

/// A ring that was given to another user: he may remove it, if its locks were given to him, too.
#[test]
fn the_owner_removes_what_another_has_made() {
    alone(|| {
        if !is_root() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (key, name) = place.key();
        drop(options().mode(0o666).persistent(true).create_new::<Writer>(&name).unwrap());
        let id = raw::segment(key).unwrap();
        raw::shm_give(id, OTHER);
        let remove = || {
            Child::fork(|line| {
                become_other();
                line.say(
                    inspect::remove(&name, Force::No)
                        .map_or_else(|error| error.to_string(), |()| "removed".into()),
                );
            })
            .hear()
        };
        let refused = remove();
        assert!(refused.contains("not permitted"), "{refused}");
        assert!(raw::bytes(id).starts_with(b"shmpipe\n"), "nothing has changed");
        raw::sem_give(raw::set(id).unwrap(), OTHER);
        assert_eq!(remove(), "removed");
    });
}

/// Remains, unfinished removals and stray sets: of this user, never of others.
#[test]
fn a_strangers_remains_are_left_alone() {
    alone(|| {
        if !is_root() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (key, name) = place.key();
        let id = raw::shmget(key, 2 * page_size() - 77, 0o666);
        raw::with_bytes(id, |bytes| bytes[..8].copy_from_slice(b"shmgone\n"));
        let (key, half) = place.key();
        let half_id = raw::shmget(key, 2 * page_size() - 77, 0o666);
        let stray = raw::semget(raw::set_key(0x7f_fff0), 82, 0o666);
        let before = (raw::segments(), raw::sets());
        Child::fork(|_| {
            become_other();
            assert!(inspect::remove_orphaned("").unwrap().is_empty());
            let trusting = options().mode(0o666).trust(Trust::AnyUser);
            for name in [&name, &half] {
                assert!(matches!(
                    inspect::remove(name, Force::Yes).unwrap_err().kind(),
                    ErrorKind::NotOwner { .. }
                ));
                // Neither does it build on them: it could not give them their mode.
                let error = trusting.open_or_create::<Writer>(name).unwrap_err();
                assert!(error.to_string().contains("not permitted"), "{error}");
            }
        })
        .join();
        assert_eq!((raw::segments(), raw::sets()), before);
        raw::sem_remove(stray).unwrap();
        raw::shm_remove(half_id).unwrap();
        raw::shm_remove(id).unwrap();
    });
}

/// Whoever is first builds, and the other comes to that: in whichever step the first one is.
#[test]
fn two_users_that_trust_each_other_make_one_ring() {
    alone(|| make_one_ring(&options().trust(Trust::AnyUser).mode(0o666)));
}

/// Nobody but its maker may as much as look at it for a moment, before the group has it.
#[test]
fn two_users_of_a_group_make_one_ring() {
    alone(|| make_one_ring(&options().trust(Trust::AnyUser).mode(0o660).group(OTHER)));
}

fn make_one_ring(trust: &Options) {
    if !is_root() {
        return;
    }
    const ROUNDS: u64 = 300;
    let Some(place) = Place::own() else { return };
    let (_, name) = place.key();
    let arrived = Shared::new();
    let meet = |time: u64| {
        arrived[0].fetch_add(1, SeqCst);
        while arrived[0].load(SeqCst) < 2 * time {
            thread::yield_now();
        }
    };
    let mut child = Child::fork(|line| {
        become_other();
        for round in 0..ROUNDS {
            meet(3 * round + 1);
            let mut reader: Reader = trust.open_or_create(&name).unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"x");
            reader.consume(1);
            assert_eq!(reader.fill_buf().unwrap(), b"");
            meet(3 * round + 2);
            drop(reader);
            // Only who made it can remove it.
            if inspect::status(&name).is_ok_and(|ring| ring.owner == OTHER) {
                inspect::remove(&name, Force::Yes).unwrap();
            }
            meet(3 * round + 3);
        }
        line.say("through");
    });
    for round in 0..ROUNDS {
        meet(3 * round + 1);
        let mut writer: Writer = trust.open_or_create(&name).unwrap();
        writer.write_all(b"x").unwrap();
        writer.finish_and_wait_timeout(DEADLINE).unwrap();
        meet(3 * round + 2);
        meet(3 * round + 3);
        let _ = inspect::remove(&name, Force::Yes);
        place.assert_empty();
    }
    child.expect("through");
    child.join();
}
