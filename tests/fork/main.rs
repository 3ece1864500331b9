//! Forked children: what they inherit is not theirs, and does not keep their parent's place.

mod inherited;
mod programs;
#[path = "../support/mod.rs"]
mod support;

use inherited::{exercise_reader, exercise_writer};
use shmpipe::{
    OpenErrorKind, Options, Peer, Unclaimed,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    fs,
    io::{self, Read, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use support::{Child, DEADLINE, Orphan, RingName, alone, eventually, page_size, wait_to_be_killed};

fn options() -> Options {
    Options::new().capacity(page_size()).liveness_interval(Duration::from_millis(5))
}

/// Both ends, with five bytes between them.
fn ends(name: &RingName) -> (Writer, Reader) {
    let mut writer: Writer = options().open_or_create(name).unwrap();
    let reader = options().open_or_create(name).unwrap();
    writer.write_all(b"bytes").unwrap();
    (writer, reader)
}

/// What was done to inherited ends is not seen by the ones they are copies of.
#[track_caller]
fn assert_unharmed((mut writer, mut reader): (Writer, Reader), name: &RingName) {
    assert_eq!((writer.peer().unwrap(), reader.peer().unwrap()), (Peer::Alive, Peer::Alive));
    assert_eq!(reader.fill_buf().unwrap(), b"bytes");
    reader.consume(5);
    let all: Vec<u8> = (0..page_size()).map(|i| i as u8).collect();
    writer.write_all(&all).unwrap();
    assert!(reader.fill_buf().unwrap() == all);
    reader.consume(all.len());
    writer.finish().unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"");
    drop(reader);
    name.assert_gone();
}

#[test]
fn a_child_has_ends_of_its_own() {
    alone(|| {
        let name = RingName::new("inherited");
        let (mut writer, mut reader) = ends(&name);
        let own = RingName::new("own");
        Child::fork(|_| {
            // Its own ends first: inherited ones are still not its own.
            let (mut own_writer, mut own_reader) = ends(&own);
            exercise_writer(&mut writer);
            exercise_reader(&mut reader);
            drop((writer, reader));
            assert_eq!(own_reader.fill_buf().unwrap(), b"bytes");
            // And its child does not inherit them either.
            Child::fork(|_| {
                exercise_writer(&mut own_writer);
                exercise_reader(&mut own_reader);
            })
            .join();
            assert_unharmed((own_writer, own_reader), &own);
        })
        .join();
    });
}

#[test]
fn a_child_opens_the_other_end() {
    alone(|| {
        let name = RingName::new("other-end");
        let mut writer: Writer = options().open_or_create(&name).unwrap();
        let child = Child::fork(|_| {
            let error = options().open::<Writer>(&name).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::RoleTaken { .. }), "{error}");
            let mut text = String::new();
            let mut reader: Reader = options().open(&name).unwrap();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "to the child");
        });
        writer.write_all(b"to the child").unwrap();
        writer.finish_and_wait_timeout(DEADLINE).unwrap();
        child.join();
        name.assert_gone();
    });
}

#[test]
fn an_unclaimed_end_is_claimed_by_whoever_comes_first() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let copy = Unclaimed::<Writer>::from(writer.as_fd().try_clone_to_owned().unwrap());
        let mut writer = Some(writer);
        let mut child = Child::fork(|line| {
            let mut writer = writer.take().unwrap().claim().unwrap();
            line.say("claimed");
            writer.write_all(b"from the child").unwrap();
            line.expect("finish");
            writer.finish().unwrap();
        });
        child.expect("claimed");
        let error = copy.claim().unwrap_err();
        let OpenErrorKind::RoleTaken { pid, .. } = *error.kind() else { panic!("{error:?}") };
        assert_eq!(pid, child.pid());
        let mut reader = reader.claim().unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"from the child");
        child.say("finish");
        child.join();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "from the child");
        // Nobody has it now.
        writer.unwrap().claim().unwrap();
    });
}

#[test]
fn a_survivor_of_a_fork_keeps_no_role() {
    alone(|| {
        let name = RingName::new("survivor");
        let mut orphan = Orphan::prepare();
        let mut child = Child::fork(|line| {
            let ends = ends(&name);
            orphan.fork();
            line.say("forked");
            std::mem::forget(ends);
            wait_to_be_killed();
        });
        child.expect("forked");
        child.kill();
        let mut reader: Reader = options().open(&name).unwrap();
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"bytes");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Died)), "{error:?}");
        drop(options().open::<Writer>(&name).unwrap());
        drop(reader);
        name.assert_gone();
        orphan.assert_alive();
    });
}

/// A thread attaches and leaves all the time while another forks: no child, however long it lives,
/// has caught a role or the build lock.
#[test]
fn a_fork_at_any_moment_catches_no_lock() {
    alone(|| {
        let name = RingName::new("any-moment");
        let _writer: Writer = options().open_or_create(&name).unwrap();
        let done = AtomicBool::new(false);
        let (mut lifeline, held) = io::pipe().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    drop(options().open::<Reader>(&name).unwrap());
                }
            });
            for _ in 0..200 {
                // SAFETY: the child makes system calls only, until the test's process is gone.
                match unsafe { libc::fork() } {
                    -1 => panic!("fork: {}", io::Error::last_os_error()),
                    0 => {
                        // SAFETY: as above; `held` is not used in this process any more.
                        unsafe {
                            libc::close(held.as_raw_fd());
                            let _ = lifeline.read(&mut [0]);
                            libc::_exit(0)
                        }
                    }
                    _ => thread::yield_now(),
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        drop(options().open::<Reader>(&name).unwrap());
    });
}
