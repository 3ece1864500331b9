//! Not enough of something: room, memory, descriptors, addresses, or /proc.

use super::*;
use nix::{
    sched::{CloneFlags, unshare},
    sys::resource::{Resource, getrlimit, setrlimit},
};
use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::{self, Write},
};
use support::{Child, Holdings, alone, is_system_v, posix_only, skip};

#[test]
fn more_than_there_is() {
    alone(|| {
        let name = RingName::new("petabyte");
        let asking = options().capacity(1 << 50);
        let needed = (1 << 50) + page_size() as u64;
        for opened in [asking.open_or_create::<Writer>(&name), asking.create_new(&name)] {
            let error = error(opened, &name, &[&needed.to_string(), "available"]);
            assert_no_space(&error, needed, 1 << 50);
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
            name.assert_gone();
        }
        let error = asking.anonymous::<Writer>().unwrap_err();
        assert_no_space(&error, needed, 1 << 50);
    });
}

#[track_caller]
fn assert_no_space(error: &OpenError, expected: u64, at_most: u64) {
    let OpenErrorKind::NoSpace { needed, available, .. } = *error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(needed, expected);
    assert!(available <= at_most, "{available} are available");
    let message = error.to_string();
    for number in [needed, available] {
        assert!(message.contains(&number.to_string()), "{message}");
    }
}

/// Runs `body` in a process with a /dev/shm of its own, of so many bytes, where that is permitted.
fn with_tiny_shm(bytes: usize, body: impl FnOnce()) {
    with_private_mounts(|| {
        let size = CString::new(format!("size={bytes},mode=1777")).unwrap();
        match mount(c"/dev/shm", c"tmpfs", 0, &size) {
            Ok(()) => body(),
            Err(error) => skip(format!("cannot mount: {error}")),
        }
    });
}

/// Runs `body` in a process with mounts of its own, by its own right or as the root of a user
/// namespace, where that is permitted.
fn with_private_mounts(body: impl FnOnce()) {
    // A process with several threads, as this one, gets no user namespace.
    let child = Child::fork(|_| {
        let private = private_mounts().map_err(io::Error::from);
        match private.and_then(|()| mount(c"/", c"none", libc::MS_REC | libc::MS_PRIVATE, c"")) {
            Ok(()) => body(),
            Err(error) => skip(format!("no mount namespace: {error}")),
        }
    });
    child.join();
}

fn private_mounts() -> nix::Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mounts = CloneFlags::CLONE_NEWNS;
    unshare(mounts).or_else(|_| {
        unshare(mounts | CloneFlags::CLONE_NEWUSER)?;
        let map = |file, text: String| fs::write(format!("/proc/self/{file}"), text);
        let mapped = map("setgroups", "deny".into())
            .and_then(|()| map("uid_map", format!("{uid} {uid} 1")))
            .and_then(|()| map("gid_map", format!("{gid} {gid} 1")));
        mapped.map_err(|_| nix::errno::Errno::EPERM)
    })
}

/// mount(2). The source is named like the type.
fn mount(target: &CStr, kind: &CStr, flags: libc::c_ulong, data: &CStr) -> io::Result<()> {
    let (source, data) = (kind.as_ptr(), data.as_ptr().cast());
    // SAFETY: all are strings that live throughout the call.
    match unsafe { libc::mount(source, target.as_ptr(), kind.as_ptr(), flags, data) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fills a tiny /dev/shm up to the last page; returns what filled it.
fn fill() -> RingName {
    let filler = RingName::new("filler");
    let mut file = File::create(filler.path()).unwrap();
    let page = vec![1; page_size()];
    let full = std::iter::repeat_with(|| file.write_all(&page)).find_map(Result::err);
    assert_eq!(full.unwrap().kind(), io::ErrorKind::StorageFull);
    filler
}

#[test]
fn more_than_dev_shm_holds() {
    alone(|| {
        if !posix_only("the room in /dev/shm") {
            return;
        }
        with_tiny_shm(64 * page_size(), || {
            let name = RingName::new("tiny");
            let asking = options().capacity(64 * page_size());
            let needed = 65 * page_size() as u64;
            for opened in [asking.open_or_create::<Writer>(&name), asking.create_new(&name)] {
                let error = error(opened, &name, &["available"]);
                assert_no_space(&error, needed, 64 * page_size() as u64);
                name.assert_gone();
            }
            drop(options().capacity(32 * page_size()).open_or_create::<Writer>(&name).unwrap());
            name.assert_gone();
        });
    });
}

#[test]
fn a_full_dev_shm() {
    alone(|| {
        if !posix_only("the room in /dev/shm") {
            return;
        }
        with_tiny_shm(64 * page_size(), || {
            let old = RingName::new("old");
            let ring = options().capacity(16 * page_size());
            let mut writer: Writer = ring.create_new(&old).unwrap();
            let mut reader: Reader = ring.open(&old).unwrap();
            let filler = fill();

            let new = RingName::new("new");
            let needed = 2 * page_size() as u64;
            for opened in [options().open_or_create::<Writer>(&new), options().create_new(&new)] {
                let error = error(opened, &new, &[&needed.to_string(), "available"]);
                assert_no_space(&error, needed, 0);
                assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
                new.assert_gone();
            }

            // A ring that was made before has its pages: no SIGBUS in mid-stream.
            let text: Vec<u8> = (0..16 * page_size()).map(|i| (i >> 4) as u8).collect();
            for _ in 0..2 {
                writer.write_all(&text).unwrap();
                assert!(reader.fill_buf().unwrap() == text);
                reader.consume(text.len());
            }

            // One page is not enough either, and then there is room again.
            let file = File::options().write(true).open(filler.path()).unwrap();
            file.set_len(file.metadata().unwrap().len() - page_size() as u64).unwrap();
            drop(file);
            let error = error(options().create_new::<Writer>(&new), &new, &["available"]);
            assert_no_space(&error, needed, page_size() as u64);
            new.assert_gone();
            drop(filler);
            drop(options().create_new::<Writer>(&new).unwrap());
        });
    });
}

#[test]
fn a_limit_on_the_size_of_files() {
    alone(|| {
        // Beyond it the kernel would send SIGXFSZ, which kills.
        let limit = 64 * 1024;
        setrlimit(Resource::RLIMIT_FSIZE, limit, limit).unwrap();
        let name = RingName::new("fsize");
        let asking = options().capacity(1 << 20);
        let opened = asking.open_or_create::<Writer>(&name);
        // A segment is no file.
        assert_eq!(opened.is_ok(), is_system_v());
        match is_system_v() {
            true => drop(opened),
            false => drop(error(opened, &name, &[])),
        }
        name.assert_gone();
        asking.anonymous::<Writer>().unwrap_err();
        drop(options().open_or_create::<Writer>(&name).unwrap());
    });
}

#[test]
fn no_descriptors_left() {
    alone(|| {
        // Whatever the library keeps for the process's whole life, it has after this.
        drop(options().open_or_create::<Writer>(&RingName::new("first")).unwrap());
        let before = Holdings::now();
        let name = RingName::new("descriptors");
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let mut refusals = 0;
        for spare in 0.. {
            setrlimit(Resource::RLIMIT_NOFILE, 100, most).unwrap();
            let mut used: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            used.truncate(used.len() - spare);
            let opened = options().open_or_create::<Writer>(&name);
            let anonymous = options().anonymous::<Writer>();
            setrlimit(Resource::RLIMIT_NOFILE, 1000, most).unwrap();
            drop(used);
            if let (Ok(_), Ok(_)) = (&opened, &anonymous) {
                break;
            }
            assert!(opened.is_ok() || !is_system_v(), "{opened:?}");
            for error in [opened.err(), anonymous.err()].into_iter().flatten() {
                assert!(matches!(error.kind(), OpenErrorKind::Os(_)), "{error:?}");
                let message = error.to_string();
                assert!(message.contains("Too many open files"), "{message}");
                refusals += 1;
            }
            name.assert_gone();
            assert_eq!(Holdings::now(), before, "{spare} descriptors to spare");
        }
        // A segment needs none, but the anonymous ring does.
        let of_each_ring = if is_system_v() { 0 } else { 2 };
        assert!(refusals > of_each_ring, "the limit was felt");
        name.assert_gone();
    });
}

#[test]
fn no_addresses_left() {
    alone(|| {
        let maps = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = maps.split_whitespace().next().unwrap().parse().unwrap();
        let room = 64 << 20;
        let limit = pages * page_size() as u64 + room;
        setrlimit(Resource::RLIMIT_AS, limit, limit).unwrap();
        let before = Holdings::now();
        let name = RingName::new("addresses");
        // The memory is there, but not twice its addresses.
        let asking = options().capacity(64 << 20);
        let call = if is_system_v() { "shmat" } else { "mmap" };
        let refused = error(asking.open_or_create::<Writer>(&name), &name, &[call]);
        assert!(matches!(refused.kind(), OpenErrorKind::Os(_)), "{refused:?}");
        name.assert_gone();
        asking.anonymous::<Writer>().unwrap_err();
        assert_eq!(Holdings::now(), before);
        drop(options().open_or_create::<Writer>(&name).unwrap());
    });
}

#[test]
fn no_proc() {
    alone(|| {
        with_private_mounts(|| {
            if let Err(error) = mount(c"/proc", c"tmpfs", 0, c"") {
                return skip(format!("cannot hide /proc: {error}"));
            }
            let name = RingName::new("no-proc");
            let mut writer: Writer = options().open_or_create(&name).unwrap();
            let mut reader: Reader = options().open_or_create(&name).unwrap();
            writer.write_all(b"by name").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"by name");
            let taken = options().open::<Writer>(&name).unwrap_err();
            assert!(matches!(taken.kind(), OpenErrorKind::RoleTaken { .. }), "{taken:?}");
            drop(writer);
            drop(reader);
            name.assert_gone();
            // What has no name cannot be found without /proc.
            let error = options().anonymous::<Writer>().unwrap_err();
            assert!(error.to_string().contains("/proc"), "{error}");
        });
    });
}
