//! Names that are none, and names that lead to something else.

use super::*;
use shmpipe::NameError;
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
};
use support::alone;

#[test]
fn names_that_are_none() {
    alone(|| {
        let long = format!("/{}", "x".repeat(255));
        let cases: [(&[u8], NameError, &str); 12] = [
            (b"", NameError::Empty, "empty"),
            (b"/", NameError::Empty, "empty"),
            (b"ring", NameError::NoLeadingSlash, "begins with a slash"),
            (b"ring/", NameError::NoLeadingSlash, "begins with a slash"),
            (b"../ring", NameError::NoLeadingSlash, "begins with a slash"),
            (b"//", NameError::InnerSlash, "no slash but the first"),
            (b"/a/b", NameError::InnerSlash, "no slash but the first"),
            (b"/../etc/passwd", NameError::InnerSlash, "no slash but the first"),
            (b"/.", NameError::Directory, "/."),
            (b"/..", NameError::Directory, "/.."),
            (b"/a\0b", NameError::Nul, "NUL"),
            (long.as_bytes(), NameError::TooLong(256), "256"),
        ];
        let before = listing();
        for (name, reason, words) in cases {
            let name = OsStr::from_bytes(name);
            let error = refused(&options(), name, &[words]);
            assert!(matches!(error.kind(), OpenErrorKind::Name(found) if *found == reason));
            super::error(options().create_new::<Writer>(name), name, &[words]);
        }
        assert!(listing().is_subset(&before), "something was made");
    });
}

/// Rings in /dev/shm that no other test makes.
fn listing() -> std::collections::BTreeSet<std::ffi::OsString> {
    let names = fs::read_dir("/dev/shm").unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| !name.as_bytes().starts_with(b"shmpipe-test")).collect()
}

#[test]
fn names_that_are() {
    alone(|| {
        let short = RingName::new("");
        let longest = RingName::new(&"x".repeat(255 - short.as_str().len()));
        assert_eq!(longest.as_str().len(), 255);
        let odd = RingName::new(" \n..\u{fffd}*");
        for name in [longest, odd] {
            let writer: Writer = options().create_new(&name).unwrap();
            let _reader: Reader = options().open(&name).unwrap();
            name.assert_exists();
            drop(writer);
        }
        let path = RingName::new("not-utf8");
        let name = [path.as_str().as_bytes(), b"\xff\xfe"].concat();
        let name = OsStr::from_bytes(&name);
        let writer: Writer = options().create_new(name).unwrap();
        let _reader: Reader = options().open(name).unwrap();
        let error = error(options().create_new::<Writer>(name), name, &["exists"]);
        assert_eq!(error.ring(), Some(name));
        drop(writer);
    });
}

#[test]
fn names_of_what_is_no_memory() {
    alone(|| {
        let directory = RingName::new("directory");
        fs::create_dir(directory.path()).unwrap();
        let error = refused(&options(), &directory, &["shm_open"]);
        assert!(matches!(error.kind(), OpenErrorKind::Os(_)));
        fs::remove_dir(directory.path()).unwrap();

        // Not followed: it could lead out of /dev/shm.
        let (link, target) = (RingName::new("link"), RingName::new("target"));
        let _writer: Writer = options().create_new(&target).unwrap();
        symlink(target.path(), link.path()).unwrap();
        let error = refused(&options(), &link, &["shm_open", "symbolic link"]);
        assert!(matches!(error.kind(), OpenErrorKind::Os(_)));
        let dangling = RingName::new("dangling");
        symlink("/nowhere", dangling.path()).unwrap();
        refused(&options(), &dangling, &["shm_open", "symbolic link"]);

        let socket = RingName::new("socket");
        let _listener = UnixListener::bind(socket.path()).unwrap();
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &socket.path(),
            nix::sys::stat::Mode::from_bits_truncate(0o600),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )
        .unwrap();
        refused(&options(), &socket, &["shm_open"]);

        let fifo = RingName::new("fifo");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&fifo.path(), mode).unwrap();
        refused(&options(), &fifo, &[]);
        fifo.assert_exists();
    });
}
