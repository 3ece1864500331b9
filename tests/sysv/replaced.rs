//! Rings that are replaced, where a System V ring is another thing than a file: its locks stay with
//! a process that executes another program, and go at once with the ring; and it can be given away.

use crate::{
    Place, options,
    processes::{await_program, become_another},
    raw,
    strangers::{OTHER, become_other, is_root},
    support::{Child, alone},
};
use shmpipe::{
    OpenErrorKind, Trust, mpsc,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{io::Write, process::Command};

/// A server that has become another program holds its lock, and has no ring: that is no server.
#[test]
fn a_server_that_executed_another_program_is_replaced() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut old: Reader = options().create_new(&name).unwrap();
        let child = Child::fork(|_| {
            std::mem::forget(options().open::<Writer>(&name).unwrap());
            become_another();
        });
        await_program(&child);
        let writer: Writer = options().replace().open(&name).unwrap();
        assert!(matches!(old.fill_buf_timeout(crate::support::DEADLINE), Err(ReadError::Replaced)));
        drop((old, writer));
        place.assert_empty();

        let mut old: Writer = options().create_new(&name).unwrap();
        let other = Child::fork(|_| {
            std::mem::forget(options().open::<Reader>(&name).unwrap());
            become_another();
        });
        await_program(&other);
        let reader: Reader = options().replace().open(&name).unwrap();
        assert!(matches!(
            old.write_timeout(b"x", crate::support::DEADLINE),
            Err(WriteError::Replaced)
        ));
        drop((old, reader));
        place.assert_empty();
        child.kill();
        other.kill();
    });
}

/// Set for [`program`].
const PROGRAM: &str = "SHMPIPE_TEST_SYSV_REPLACED";

/// Not a test, but what [`a_server_that_executes_itself_builds_afresh`] executes.
#[test]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else { return };
    let mut writer: Writer = options().replace().open(&name).unwrap();
    writer.write_all(b"the next").unwrap();
    writer.finish_and_wait_timeout(crate::support::DEADLINE).unwrap();
}

#[test]
fn a_server_that_executes_itself_builds_afresh() {
    use std::os::unix::process::CommandExt;
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut reader: Reader = options().create_new(&name).unwrap();
        let child = Child::fork(|_| {
            std::mem::forget(options().open::<Writer>(&name).unwrap());
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "replaced::program", "--nocapture"]).env(PROGRAM, &name);
            panic!("{}", command.stdout(std::process::Stdio::null()).exec());
        });
        // Dead, until the next has come.
        crate::support::eventually("the next", || {
            match reader.fill_buf_timeout(crate::support::DEADLINE) {
                Err(ReadError::Replaced) => Some(()),
                Err(ReadError::Died) => None,
                told => panic!("{told:?}"),
            }
        });
        drop(reader);
        let mut reader: Reader = options().open_or_create(&name).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"the next");
        reader.consume(8);
        assert_eq!(reader.fill_buf().unwrap(), b"");
        child.join();
        drop(reader);
        place.assert_empty();
    });
}

/// A sender that has become another program is not there: a reader that left is
/// not the next sender's.
#[test]
fn a_stream_after_a_sender_that_executed_another_program() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let many = options().producers(2).persistent(true);
        let receiver: mpsc::Receiver = many.create_new(&name).unwrap();
        let child = Child::fork(|_| {
            std::mem::forget(many.open::<mpsc::Sender>(&name).unwrap());
            become_another();
        });
        await_program(&child);
        drop(receiver);
        let mut sender: mpsc::Sender = many.open(&name).unwrap();
        sender.send(b"for the next").unwrap();
        drop(sender);
        shmpipe::inspect::remove(&name, shmpipe::inspect::Force::No).unwrap();
        place.assert_empty();
        child.kill();
    });
}

#[test]
fn a_sender_of_a_ring_that_was_replaced_has_no_second() {
    alone(|| {
        let place = Place::new();
        let (_, name) = place.key();
        let mut old: mpsc::Sender = options().create_new(&name).unwrap();
        old.send(b"x").unwrap();
        let receiver: mpsc::Receiver = options().replace().open(&name).unwrap();
        let error = old.try_clone().unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Replaced), "{error:?}");
        drop((old, receiver));
        place.assert_empty();
    });
}

/// Given by root to a user, whoever of the two replaces it.
#[test]
fn a_ring_that_was_given_away() {
    alone(|| {
        if !is_root() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (_, name) = place.key();
        let trust = options().trust(Trust::AnyUser);
        let give = trust.clone().owner(OTHER);
        let mut writer: Writer = give.create_new(&name).unwrap();
        writer.write_all(b"given").unwrap();
        for options in [&trust, &options()] {
            Child::fork(|_| {
                become_other();
                let mut reader: Reader = options.open(&name).unwrap();
                assert_eq!(reader.fill_buf().unwrap(), b"given");
            })
            .join();
            let told = crate::support::eventually("the end", || writer.write(b"x").err());
            drop((told, writer));
            place.assert_empty();
            writer = give.create_new(&name).unwrap();
            writer.write_all(b"given").unwrap();
        }
        drop(writer);
        let old: Reader = trust.open(&name).unwrap();
        let writer: Writer = give.clone().replace().open(&name).unwrap();
        assert_eq!(old.peer().unwrap(), shmpipe::Peer::Replaced);
        drop((old, writer));
        place.assert_empty();
    });
}

/// Somebody was killed who was replacing it, and had only its locks taken away:
/// its last end does the rest.
#[test]
fn the_rest_of_a_ring_that_was_replaced() {
    alone(|| {
        let place = Place::new();
        for persistent in [false, true] {
            let (key, name) = place.key();
            let writer: Writer = options().persistent(persistent).create_new(&name).unwrap();
            let id = raw::segment(key).unwrap();
            raw::with_bytes(id, |bytes| {
                bytes[304] = 1;
                bytes[..8].copy_from_slice(b"shmgone\n");
            });
            raw::sem_remove(raw::set(id).unwrap()).unwrap();
            drop(writer);
            place.assert_empty();
        }
    });
}

/// A stranger makes a ring that only its owner may write to, and gives it to somebody who trusts:
/// he can still write to it himself, and so to its semaphores.
#[test]
fn a_strangers_gift() {
    alone(|| {
        if !is_root() {
            return;
        }
        let Some(place) = Place::own() else { return };
        let (key, name) = place.key();
        Child::fork(|_| {
            become_other();
            drop(options().persistent(true).create_new::<Writer>(&name).unwrap());
            let id = raw::segment(key).unwrap();
            raw::sem_give(raw::set(id).unwrap(), 0);
            raw::shm_give(id, 0);
        })
        .join();
        let error = options().trust(Trust::AnyUser).open::<Reader>(&name).map(drop).unwrap_err();
        assert!(error.to_string().contains("flags"), "{error}");
        // Nor does who replaces it, or goes on with that, wake anybody there.
        let id = raw::segment(key).unwrap();
        raw::with_bytes(id, |bytes| bytes[304] = 1);
        let trusting = options().trust(Trust::AnyUser);
        let error = trusting.open::<Reader>(&name).map(drop).unwrap_err();
        assert!(error.to_string().contains("flags"), "{error}");
        drop(trusting.clone().replace().open::<Reader>(&name).unwrap());
        place.assert_empty();
    });
}
