//! What is made, and how it is shown by IPC_STAT.

use crate::{
    Place, options, raw,
    support::{Child, alone, page_size, wait_to_be_killed},
};
use nix::{
    sys::stat::{Mode, umask},
    unistd::{getegid, geteuid},
};
use shmpipe::{
    EndReason, OpenErrorKind,
    inspect::{self, Condition, Force},
    stream::{ReadError, Reader, Writer},
};
use std::io::{Read, Write};

#[test]
fn owner_group_and_mode_are_what_was_asked_for() {
    alone(|| {
        let place = Place::new();
        for mask in [0, 0o077, 0o777] {
            umask(Mode::from_bits_truncate(mask));
            for mode in [0o600, 0o640, 0o660, 0o666] {
                let (key, name) = place.key();
                let writer: Writer = options().mode(mode).create_new(&name).unwrap();
                let id = raw::segment(key).unwrap();
                let (shm, sem) =
                    (raw::shm_stat(id).shm_perm, raw::sem_stat(raw::set(id).unwrap()).sem_perm);
                for perm in [shm, sem] {
                    assert_eq!(u32::from(perm.mode) & 0o777, mode, "umask {mask:o}");
                    let own = [geteuid().as_raw(), getegid().as_raw()];
                    assert_eq!(([perm.uid, perm.gid], [perm.cuid, perm.cgid]), (own, own));
                }
                let info = inspect::status(&name).unwrap();
                assert_eq!((info.mode, info.owner, info.group), (mode, shm.uid, shm.gid));
                let sysv = info.sysv.unwrap();
                assert_eq!((sysv.key, sysv.id, sysv.creator), (key, id, shm.cuid));
                assert_eq!((sysv.set, sysv.attached), (raw::set(id), 2));
                drop(writer);
            }
        }
        place.assert_empty();
    });
}

#[test]
fn a_persistent_ring_stays_and_another_goes_with_its_last_end() {
    alone(|| {
        let place = Place::new();
        let (key, name) = place.key();
        let writer: Writer = options().create_new(&name).unwrap();
        let reader: Reader = options().open(&name).unwrap();
        drop(writer);
        assert!(raw::segment(key).is_some(), "there is still an end");
        drop(reader);
        place.assert_empty();

        drop(options().persistent(true).create_new::<Writer>(&name).unwrap());
        let (id, set) = (raw::segment(key).unwrap(), raw::set(raw::segment(key).unwrap()).unwrap());
        for _ in 0..3 {
            drop(options().open_or_create::<Reader>(&name).unwrap());
            drop(options().open::<Writer>(&name).unwrap());
        }
        assert_eq!((raw::segment(key), raw::set(id)), (Some(id), Some(set)));
        assert!(inspect::status(&name).unwrap().persistent);
        inspect::remove(&name, Force::No).unwrap();
        place.assert_empty();
    });
}

fn read(reader: &mut Reader, round: u8) {
    let mut bytes = [0; 2];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, [round, 0xee]);
    let end = reader.fill_buf().unwrap_err();
    assert!(matches!(end, ReadError::Died), "{end:?}");
}

#[test]
fn a_server_that_died_and_came_back_goes_on_where_it_was() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut reader: Reader = options().create_new(&name).unwrap();
        for round in 0..20_u8 {
            let mut server = Child::fork(|line| {
                let opened = options().open::<Writer>(&name);
                let mut writer = match (round, opened) {
                    (0, writer) => writer.unwrap(),
                    (_, Err(error)) => {
                        let OpenErrorKind::Unfinished { reason, unread, .. } = *error.kind() else {
                            panic!("{error:?}")
                        };
                        assert_eq!((reason, unread), (EndReason::Died, 2));
                        options().resume().open(&name).unwrap()
                    }
                    (_, Ok(_)) => panic!("taken over unasked"),
                };
                writer.write_all(&[round, 0xee]).unwrap();
                let mut unfinished = writer.reserve(100).unwrap();
                unfinished.fill(0xdd);
                line.say("written");
                wait_to_be_killed();
            });
            server.expect("written");
            server.kill();
            // The reader is one stream behind.
            if let Some(round) = round.checked_sub(1) {
                read(&mut reader, round);
            }
        }
        read(&mut reader, 19);
        drop(reader);
        place.assert_empty();
    });
}

/// What a builder leaves that was killed at one of its first steps, by whom its
/// size is not that of the next.
#[test]
fn remains_of_other_wishes_are_built_anew() {
    alone(|| {
        let place = Place::new();
        let page = page_size();
        for (size, count) in [
            (2 * page, None),
            (5 * page, None),
            (2 * page, Some(82)),
            (2 * page, Some(100)),
            (5 * page, Some(82)),
        ] {
            for magic in [&b""[..], b"shmbuild", b"shmgone\n"] {
                let (key, name) = place.key();
                let id = raw::shmget(key, size - 77, 0o600);
                raw::with_bytes(id, |bytes| bytes[..magic.len()].copy_from_slice(magic));
                if let Some(count) = count {
                    raw::semget(raw::set_key(id), count, 0o600);
                }
                let error = options().open::<Reader>(&name).unwrap_err();
                assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
                let (mut writer, mut reader): (Writer, Reader) =
                    (options().create_new(&name).unwrap(), options().open(&name).unwrap());
                assert_eq!(inspect::status(&name).unwrap().condition, Condition::Live);
                writer.write_all(b"x").unwrap();
                assert_eq!(reader.fill_buf().unwrap(), b"x");
                reader.consume(1);
                drop((writer, reader));
                place.assert_empty();
            }
        }
    });
}
