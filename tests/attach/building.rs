//! What builders leave that were killed half way, and builders that stand still.

use super::*;
use std::{fs::File, os::fd::AsFd, thread, time::Instant};
use support::{Memory, alone, is_system_v, system_v};

/// What a builder writes before all else.
const BUILDING: &[u8; 8] = b"shmbuild";

/// Beyond any object; the build lock's byte.
const BUILD_LOCK: libc::off_t = 1 << 62;

/// What a builder leaves that was killed at each of its steps.
fn remains() -> Vec<Vec<u8>> {
    let mut remains = vec![Vec::new()];
    let mut lengths = vec![8, 100, 256, 4096, page_size() * 2, page_size() + (1 << 20)];
    if is_system_v() {
        // It has its size before anything is in it.
        lengths.retain(|length| length.is_multiple_of(page_size()));
        remains = lengths.iter().map(|length| vec![0; *length]).collect();
    }
    for length in lengths {
        let mut bytes = BUILDING.to_vec();
        // Whatever stands behind the mark is not to be believed.
        bytes.resize(length, 0xa5);
        remains.push(bytes);
    }
    remains
}

#[test]
fn what_a_dead_builder_left_is_built_anew() {
    alone(|| {
        for (i, bytes) in remains().iter().enumerate() {
            let name = RingName::new("remains");
            name.make(bytes);
            // Either side may be the next to come.
            let (mut writer, mut reader);
            if i % 2 == 0 {
                writer = super::writer(&name);
                reader = super::reader(&name);
            } else {
                reader = super::reader(&name);
                writer = super::writer(&name);
            }
            assert_eq!(name.memory().length(), 2 * page_size(), "{} bytes of remains", bytes.len());
            assert_eq!((writer.len(), reader.len()), (0, 0));
            writer.write_all(&vec![i as u8; page_size()]).unwrap();
            writer.finish().unwrap();
            assert_stream(&mut reader, &vec![i as u8; page_size()], EndReason::Finished);
            drop(reader);
            name.assert_gone();
        }
    });
}

#[test]
fn what_a_dead_builder_left_is_no_ring() {
    alone(|| {
        for bytes in remains() {
            let name = RingName::new("no-ring");
            name.make(&bytes);
            let error = options().open::<Reader>(&name).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
            assert_eq!(name.memory().content(), bytes, "looked at only");
            // And so it can be made.
            let _writer: Writer = options().create_new(&name).unwrap();
        }
    });
}

/// The only test that must wait for as long as the library does: five seconds.
#[test]
fn a_builder_that_stands_still_is_named_after_a_while() {
    alone(|| {
        let name = RingName::new("stopped");
        let keeper = writer(&name);
        let child = Child::fork(|_| {
            loop {
                drop(reader(&name));
            }
        });
        let memory = name.memory();
        loop {
            child.stop();
            let is_locked = match &memory {
                Memory::File(file) => is_locked(file),
                Memory::SystemV(_) => is_taken(name.id()),
            };
            if is_locked {
                break;
            }
            child.signal(libc::SIGCONT);
            thread::yield_now();
        }
        let started = Instant::now();
        let error = options().open::<Reader>(&name).unwrap_err();
        let OpenErrorKind::Busy { pid, waited, .. } = *error.kind() else { panic!("{error:?}") };
        assert_eq!(pid, child.pid());
        assert!(waited >= Duration::from_secs(1) && started.elapsed() >= waited, "{waited:?}");
        let message = error.to_string();
        assert!(message.contains(name.as_str()), "{message}");
        assert!(message.contains(&format!("pid {pid}")), "{message}");
        // Its death lets everybody in again.
        child.kill();
        drop(reader(&name));
        drop(keeper);
        name.assert_gone();
    });
}

/// Whether somebody holds the build lock of a segment: the first semaphore of its set.
fn is_taken(segment: i32) -> bool {
    let set = system_v::find_set(system_v::set_key(segment)).unwrap();
    system_v::value(set, 0) != 0
}

/// Whether somebody holds the build lock of a file.
fn is_locked(file: &File) -> bool {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: BUILD_LOCK,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(file.as_fd(), nix::fcntl::FcntlArg::F_OFD_GETLK(&mut lock)).unwrap();
    lock.l_type != libc::F_UNLCK as libc::c_short
}

/// The constants above are the library's.
#[test]
fn the_marks_are_where_this_test_looks_for_them() {
    alone(|| {
        let name = RingName::new("marks");
        let _writer = writer(&name);
        let mut magic = [0; 8];
        name.memory().read_exact_at(&mut magic, 0).unwrap();
        assert_eq!(&magic, b"shmpipe\n");
    });
}
