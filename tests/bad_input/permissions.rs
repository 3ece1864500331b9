//! What belongs to others, or is open to them.

use super::*;
use nix::{
    sys::stat::{Mode, umask},
    unistd::{Uid, geteuid, setgid, setuid},
};
use shmpipe::Trust;
use std::{
    io::{self, Read, Write},
    sync::atomic::Ordering,
};
use support::{Child, DEADLINE, Shared, alone, is_system_v, skip};

/// nobody.
const OTHER: u32 = 65534;

/// Root can be another user for a while; anybody else cannot.
fn is_root() -> bool {
    let root = geteuid() == Uid::from_raw(0);
    if !root {
        skip("only root can be two users");
    }
    root
}

/// From here on this process is another user's, for good.
fn become_other() {
    nix::unistd::setgroups(&[]).unwrap();
    setgid(OTHER.into()).unwrap();
    setuid(OTHER.into()).unwrap();
}

/// A text as it may lie in what a builder left: a System V segment has its size at once.
fn left_by_a_builder(text: &[u8]) -> Vec<u8> {
    let mut content = text.to_vec();
    content.resize(if is_system_v() { 2 * page_size() } else { text.len() }, 0);
    content
}

#[test]
fn a_wider_mode_than_was_asked_for() {
    alone(|| {
        let name = RingName::new("wider");
        let _writer: Writer = options().mode(0o644).create_new(&name).unwrap();
        let found = error(options().open::<Reader>(&name), &name, &["0644", "0600"]);
        let OpenErrorKind::Mode { found: 0o644, asked: 0o600, .. } = found.kind() else {
            panic!("{found:?}")
        };
        assert_eq!(io::Error::from(found).kind(), io::ErrorKind::PermissionDenied);
        let narrow = error(options().mode(0o640).open::<Reader>(&name), &name, &["0644", "0640"]);
        assert!(matches!(narrow.kind(), OpenErrorKind::Mode { .. }));
        let exists = error(options().create_new::<Reader>(&name), &name, &["exists already"]);
        assert!(matches!(exists.kind(), OpenErrorKind::AlreadyExists));
        // What is asked for, more than is there, and whom one trusts.
        drop(options().mode(0o644).open::<Reader>(&name).unwrap());
        drop(options().mode(0o666).open::<Reader>(&name).unwrap());
        drop(options().trust(Trust::AnyUser).open::<Reader>(&name).unwrap());
    });
}

#[test]
fn a_mode_that_was_widened_later() {
    alone(|| {
        let name = RingName::new("widened");
        let writer: Writer = options().create_new(&name).unwrap();
        name.set_mode(0o622);
        refused(&options(), &name, &["0622", "0600"]);
        name.set_mode(0o600);
        drop(options().open::<Reader>(&name).unwrap());
        drop(writer);
        name.assert_gone();

        // Nor is a ring built upon what is open to others.
        let name = RingName::new("empty");
        let nothing = left_by_a_builder(b"");
        name.make(&nothing);
        name.set_mode(0o666);
        refused(&options(), &name, &["0666", "0600"]);
        assert_eq!(name.memory().content(), nothing);
    });
}

#[test]
fn an_anonymous_ring_that_was_opened_to_others() {
    alone(|| {
        let (_, reader) = options().anonymous::<Writer>().unwrap();
        let fd = std::os::fd::OwnedFd::from(reader);
        let mode = Mode::from_bits_truncate(0o666);
        nix::sys::stat::fchmod(&fd, mode).unwrap();
        let error = shmpipe::Unclaimed::<Reader>::from(fd.try_clone().unwrap()).claim();
        let error = error.unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Mode { found: 0o666, .. }), "{error:?}");
        let trusting = options().trust(Trust::AnyUser);
        drop(shmpipe::Unclaimed::<Reader>::from(fd).claim_with(&trusting).unwrap());
    });
}

#[test]
fn a_ring_of_another_user() {
    alone(|| {
        if !is_root() {
            return;
        }
        // Whom the owner keeps out.
        let name = RingName::new("root-private");
        let _writer: Writer = options().create_new(&name).unwrap();
        Child::fork(|_| {
            become_other();
            let call = if is_system_v() { "shmctl" } else { "shm_open" };
            let error = refused(&options(), &name, &[call, "Permission denied"]);
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
        })
        .join();

        // Whom the owner lets in, but who was not asked to trust him.
        let name = RingName::new("root-public");
        let mut writer: Writer = options().mode(0o666).create_new(&name).unwrap();
        writer.write_all(b"for all").unwrap();
        Child::fork(|_| {
            become_other();
            let wide = options().mode(0o666);
            let error = refused(&wide, &name, &["user 0", &format!("user {OTHER}"), "trust"]);
            let OpenErrorKind::Owner { found: 0, own: OTHER, .. } = error.kind() else {
                panic!("{error:?}")
            };
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
            let mut reader: Reader = options().trust(Trust::AnyUser).open(&name).unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"for all");
        })
        .join();

        // And root itself, who could open anything.
        let name = RingName::new("other");
        let mut child = Child::fork(|line| {
            become_other();
            let _writer: Writer = options().create_new(&name).unwrap();
            line.say("made");
            line.expect("go");
        });
        child.expect("made");
        let error = refused(&options(), &name, &[&format!("user {OTHER}"), "user 0"]);
        assert!(matches!(error.kind(), OpenErrorKind::Owner { found: OTHER, own: 0, .. }));
        child.say("go");
        child.join();
        name.assert_gone();
    });
}

#[test]
fn an_object_of_another_user() {
    alone(|| {
        if !is_root() {
            return;
        }
        for text in [&b""[..], b"shmbuild", b"precious"] {
            let name = RingName::new("object");
            let content = left_by_a_builder(text);
            name.make(&content);
            name.set_owner(OTHER);
            let error = refused(&options(), &name, &[&format!("user {OTHER}")]);
            assert!(matches!(error.kind(), OpenErrorKind::Owner { .. }));
            assert_eq!(name.memory().content(), content);
        }
    });
}

#[test]
fn bytes_go_from_user_to_user_where_both_trust() {
    alone(|| {
        if !is_root() {
            return;
        }
        let name = RingName::new("trust");
        let trust = options().trust(Trust::AnyUser).mode(0o666);
        let text: Vec<u8> = (0..3 * page_size()).map(|i| (i * 13) as u8).collect();
        let mut child = Child::fork(|line| {
            become_other();
            line.expect("made");
            let mut writer: Writer = trust.open(&name).unwrap();
            writer.write_all(&text[..page_size()]).unwrap();
            let mut reserved = writer.reserve(100).unwrap();
            reserved.copy_from_slice(&text[page_size()..page_size() + 100]);
            reserved.commit(100).unwrap();
            writer.write_all(&text[page_size() + 100..]).unwrap();
            writer.finish().unwrap();
        });
        let mut reader: Reader = trust.create_new(&name).unwrap();
        child.say("made");
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == text);
        child.join();
        drop(reader);
        name.assert_gone();
    });
}

/// Whatever the umask takes away, a ring for all is one from its first moment.
#[test]
fn a_ring_that_is_just_being_made_for_all_is_open_to_all() {
    alone(|| {
        if !is_root() {
            return;
        }
        const ROUNDS: u64 = 500;
        umask(Mode::from_bits_truncate(0o022));
        let name = RingName::new("being-made");
        let trust = options().trust(Trust::AnyUser).mode(0o666);
        let arrived = Shared::new();
        let meet = |time: u64| {
            arrived[0].fetch_add(1, Ordering::AcqRel);
            while arrived[0].load(Ordering::Acquire) < 2 * time {
                std::thread::yield_now();
            }
        };
        let child = Child::fork(|_| {
            become_other();
            for round in 0..ROUNDS {
                meet(2 * round + 1);
                let mut reader: Reader = trust.open_or_create(&name).unwrap();
                assert_eq!(reader.fill_buf().unwrap(), b"x");
                reader.consume(1);
                assert_eq!(reader.fill_buf().unwrap(), b"");
                drop(reader);
                meet(2 * round + 2);
            }
        });
        for round in 0..ROUNDS {
            meet(2 * round + 1);
            let mut writer: Writer = trust.open_or_create(&name).unwrap();
            writer.write_all(b"x").unwrap();
            writer.finish_and_wait_timeout(DEADLINE).unwrap();
            meet(2 * round + 2);
        }
        child.join();
    });
}

/// As a daemon that gave up its rights: what it may do in /proc is not what others may.
#[test]
fn a_process_that_changed_its_user_is_the_new_user() {
    alone(|| {
        if !is_root() {
            return;
        }
        let name = RingName::new("changed");
        Child::fork(|_| {
            become_other();
            let mut writer: Writer = options().open_or_create(&name).unwrap();
            let mut reader: Reader = options().open_or_create(&name).unwrap();
            assert_eq!(name.owner(), OTHER);
            writer.write_all(b"x").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"x");
        })
        .join();
        name.assert_gone();
    });
}
