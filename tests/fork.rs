//! Forked children: what they inherit is not theirs, and does not keep their parent's place.

mod support;

use shmpipe::{
    OpenErrorKind, Options, Peer, Unclaimed,
    stream::{ReadError, Reader, TransferError, WriteError, Writer},
};
use std::{
    fs::{self, File},
    io::{self, BufRead, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
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

/// Everything an inherited writer can be asked for.
fn exercise_writer(writer: &mut Writer) {
    macro_rules! forked {
        ($($call:expr),* $(,)?) => {
            $({
                let result = $call.map(drop);
                assert!(matches!(result, Err(WriteError::Forked)), "{}: {result:?}", stringify!($call));
            })*
        };
    }
    let soon = Instant::now() + DEADLINE;
    forked!(
        writer.reserve(1),
        writer.try_reserve(1),
        writer.reserve_timeout(1, DEADLINE),
        writer.reserve_deadline(1, soon),
        writer.reserve_up_to(1),
        writer.try_reserve_up_to(1),
        writer.reserve_up_to_timeout(1, DEADLINE),
        writer.reserve_up_to_deadline(1, soon),
        writer.try_write(b"x"),
        writer.write_timeout(b"x", DEADLINE),
        writer.write_deadline(b"x", soon),
        writer.peer(),
    );
    let error = writer.write(b"x").unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(WriteError::Forked)), "{error:?}");
    assert!(error.to_string().contains("forked child"), "{error}");
    let zero = File::open("/dev/zero").unwrap();
    for result in [
        writer.read_from(&zero, 1),
        writer.try_read_from(&zero, 1),
        writer.read_from_timeout(&zero, 1, DEADLINE),
        writer.read_from_deadline(&zero, 1, soon),
    ] {
        assert!(matches!(result, Err(TransferError::Ring(WriteError::Forked))), "{result:?}");
    }
    // Numbers that need no ring.
    assert_eq!(writer.capacity(), page_size());
    let _ = (writer.len(), writer.is_empty(), writer.free(), writer.stats());
    writer.flush().unwrap();
    writer.aborter().abort();
}

/// Everything an inherited reader can be asked for.
fn exercise_reader(reader: &mut Reader) {
    macro_rules! forked {
        ($($call:expr),* $(,)?) => {
            $({
                let result = $call.map(drop);
                assert!(matches!(result, Err(ReadError::Forked)), "{}: {result:?}", stringify!($call));
            })*
        };
    }
    let soon = Instant::now() + DEADLINE;
    let mut bytes = [0];
    forked!(
        reader.fill_buf(),
        reader.try_fill_buf(),
        reader.fill_buf_timeout(DEADLINE),
        reader.fill_buf_deadline(soon),
        reader.try_read(&mut bytes),
        reader.read_timeout(&mut bytes, DEADLINE),
        reader.read_deadline(&mut bytes, soon),
        reader.peer(),
    );
    for error in [reader.read(&mut bytes).map(drop), BufRead::fill_buf(reader).map(drop)] {
        let error = error.unwrap_err();
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Forked)), "{error:?}");
        assert!(error.to_string().contains("forked child"), "{error}");
    }
    let null = File::options().write(true).open("/dev/null").unwrap();
    for result in [
        reader.write_to(&null, 1),
        reader.try_write_to(&null, 1),
        reader.write_to_timeout(&null, 1, DEADLINE),
        reader.write_to_deadline(&null, 1, soon),
    ] {
        assert!(matches!(result, Err(TransferError::Ring(ReadError::Forked))), "{result:?}");
    }
    reader.consume(1);
    reader.consume(usize::MAX);
    assert_eq!(reader.capacity(), page_size());
    let _ = (reader.len(), reader.is_empty(), reader.free(), reader.stats());
    reader.aborter().abort();
}

#[test]
fn no_operation_works_in_a_child_and_none_does_harm() {
    alone(|| {
        let name = RingName::new("operations");
        let (mut writer, mut reader) = ends(&name);
        Child::fork(|_| {
            exercise_writer(&mut writer);
            exercise_reader(&mut reader);
        })
        .join();
        assert_unharmed((writer, reader), &name);
    });
}

#[test]
fn an_inherited_end_cannot_be_ended() {
    alone(|| {
        type Ending = fn((Writer, Reader));
        let endings: [Ending; 5] = [
            |ends| drop(ends),
            |(writer, reader)| {
                assert!(matches!(writer.finish(), Err(WriteError::Forked)));
                reader.fail(7);
            },
            |(writer, _)| {
                assert!(matches!(writer.finish_and_wait(), Err(WriteError::Forked)));
            },
            |(writer, _)| {
                let waited = writer.finish_and_wait_timeout(DEADLINE);
                assert!(matches!(waited, Err(WriteError::Forked)));
            },
            |(writer, _)| writer.fail(7),
        ];
        for ending in endings {
            let name = RingName::new("ending");
            let mut ends = Some(ends(&name));
            Child::fork(|_| ending(ends.take().unwrap())).join();
            assert_unharmed(ends.unwrap(), &name);
        }
    });
}

#[test]
fn a_reservation_made_before_a_fork_is_committed_by_the_parent_only() {
    alone(|| {
        let name = RingName::new("reservation");
        let (mut writer, mut reader) = ends(&name);
        let mut reserved = writer.reserve(3).unwrap();
        reserved.copy_from_slice(b"abc");
        let mut reserved = Some(reserved);
        Child::fork(|_| {
            let committed = reserved.take().unwrap().commit(3);
            assert!(matches!(committed, Err(WriteError::Forked)), "{committed:?}");
        })
        .join();
        assert_eq!(reader.fill_buf().unwrap(), b"bytes");
        reserved.unwrap().commit(3).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"bytesabc");
        reader.consume(3);
        reader.consume(5);
        writer.write_all(b"bytes").unwrap();
        assert_unharmed((writer, reader), &name);
    });
}

#[test]
fn an_inherited_end_forgets_what_it_was_told_before() {
    alone(|| {
        let name = RingName::new("told");
        let (writer, reader) = ends(&name);
        // Aborted and ended ones are inherited as well.
        let (mut aborted_writer, mut aborted_reader) = {
            let name = RingName::new("aborted");
            let ends = ends(&name);
            ends.0.aborter().abort();
            ends.1.aborter().abort();
            ends
        };
        Child::fork(|_| {
            exercise_writer(&mut aborted_writer);
            exercise_reader(&mut aborted_reader);
            drop((aborted_writer, aborted_reader));
        })
        .join();
        assert_unharmed((writer, reader), &name);
    });
}

/// Where this process has mapped shared memory objects, from first to last byte.
fn mapped(name: &RingName) -> Vec<std::ops::Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = name.path();
    let ours = maps.lines().filter(|line| line.contains(path.to_str().unwrap()));
    ours.map(|line| {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        address(from)..address(to)
    })
    .collect()
}

#[test]
fn a_dropped_inheritance_leaves_alone_what_the_child_mapped_in_its_place() {
    alone(|| {
        let name = RingName::new("in-place");
        let mut ends = Some(ends(&name));
        let places = mapped(&name);
        assert_eq!(places.len(), 4, "two ends, each mapped twice");
        Child::fork(|_| {
            assert_eq!(mapped(&name), [], "not inherited");
            for place in &places {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
                let access = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: new memory where there is none: the flag sees to that.
                let at =
                    unsafe { libc::mmap(place.start as *mut _, place.len(), access, flags, -1, 0) };
                assert_eq!(at as usize, place.start, "{}", io::Error::last_os_error());
                // SAFETY: just mapped.
                unsafe { libc::memset(at, 0x5a, place.len()) };
            }
            let (mut writer, mut reader) = ends.take().unwrap();
            exercise_writer(&mut writer);
            exercise_reader(&mut reader);
            drop((writer, reader));
            for place in &places {
                // SAFETY: mapped above; if it is not any more, this test dies, as it should.
                let bytes =
                    unsafe { std::slice::from_raw_parts(place.start as *const u8, place.len()) };
                assert!(bytes.iter().all(|byte| *byte == 0x5a), "the child's memory was changed");
            }
        })
        .join();
        assert_unharmed(ends.unwrap(), &name);
    });
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

#[test]
fn who_executes_another_program_has_left_its_end() {
    alone(|| {
        let name = RingName::new("exec");
        let mut reader: Reader = options().open_or_create(&name).unwrap();
        let child = Child::fork(|_| {
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"last words").unwrap();
            panic!("{}", Command::new("sleep").arg("1000").exec());
        });
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"last words");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Died)), "{error:?}");
        eventually("the other program", || {
            let comm = fs::read_to_string(format!("/proc/{}/comm", child.pid())).unwrap();
            (comm.trim() == "sleep").then_some(())
        });
        child.kill();
    });
}

/// Set for [`program`]; says which part it plays.
const PROGRAM: &str = "SHMPIPE_TEST_PROGRAM";

/// The descriptor it was given.
const GIVEN: i32 = 100;

/// Another program, as far as this test is concerned: this binary, executed anew.
fn program_that(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "program", "--nocapture"]).env(PROGRAM, part);
    command
}

#[test]
fn program() {
    match std::env::var(PROGRAM).as_deref() {
        Ok("write") => {
            // SAFETY: the parent put it there, and nothing else in this process uses it.
            let fd = unsafe { OwnedFd::from_raw_fd(GIVEN) };
            let mut writer = Unclaimed::<Writer>::from(fd).claim_with(&options()).unwrap();
            writer.write_all(b"from another program").unwrap();
            writer.finish().unwrap();
        }
        Ok("read") => {
            let fd = io::stdin().as_fd().try_clone_to_owned().unwrap();
            let mut reader = Unclaimed::<Reader>::from(fd).claim_with(&options()).unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "to another program");
        }
        Ok("list") => {
            for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
                println!("has {:?}", fs::read_link(entry.path()));
            }
        }
        _ => {}
    }
}

#[test]
fn a_program_claims_the_descriptor_it_was_given() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let mut reader = reader.claim_with(&options()).unwrap();
        let mut command = program_that("write");
        let fd = writer.as_fd().as_raw_fd();
        // SAFETY: one system call in the child, on a descriptor that is open until then.
        unsafe {
            command.pre_exec(move || match libc::dup2(fd, GIVEN) {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            });
        }
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "from another program");
    });
}

#[test]
fn a_program_claims_its_standard_input() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let mut writer = writer.claim_with(&options()).unwrap();
        let mut command = program_that("read");
        let mut child = command.stdin(OwnedFd::from(reader)).stdout(Stdio::null()).spawn().unwrap();
        writer.write_all(b"to another program").unwrap();
        writer.finish_and_wait_timeout(DEADLINE).unwrap();
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_program_inherits_no_descriptors() {
    alone(|| {
        let name = RingName::new("close-on-exec");
        let _named = ends(&name);
        let (writer, _unclaimed) = options().anonymous::<Writer>().unwrap();
        let _anonymous = writer.claim().unwrap();
        let output = program_that("list").output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        assert!(list.contains("has "), "{list}");
        assert!(!list.contains("shm") && !list.contains("memfd"), "{list}");
    });
}
