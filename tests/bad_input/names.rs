//! Names that are none, and names that lead to something else. (All of them
//! whatever backend the tests run over.)

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
        let sound = RingName::posix("none");
        let sound = sound.as_str();
        let stem = &sound[1..];
        let cases = [
            (String::new(), NameError::Empty, "empty"),
            ("/".to_owned(), NameError::Empty, "empty"),
            (stem.to_owned(), NameError::NoLeadingSlash, "begins with a slash"),
            (format!("{stem}/"), NameError::NoLeadingSlash, "begins with a slash"),
            (format!("../{stem}"), NameError::NoLeadingSlash, "begins with a slash"),
            (format!("/{sound}"), NameError::InnerSlash, "no slash but the first"),
            (format!("{sound}/"), NameError::InnerSlash, "no slash but the first"),
            (format!("{sound}{sound}"), NameError::InnerSlash, "no slash but the first"),
            (format!("/..{sound}"), NameError::InnerSlash, "no slash but the first"),
            ("/.".to_owned(), NameError::Directory, "/."),
            ("/..".to_owned(), NameError::Directory, "/.."),
            (format!("{sound}\0b"), NameError::Nul, "NUL"),
            (format!("{sound:x<256}"), NameError::TooLong(256), "256"),
        ];
        for (name, reason, words) in cases {
            let error = refused(&options(), &name, &[words]);
            assert!(matches!(error.kind(), OpenErrorKind::Name(found) if *found == reason));
            super::error(options().create_new::<Writer>(&name), &name, &[words]);
        }
        for place in ["/dev/shm", "/dev", "."] {
            let mut entries = fs::read_dir(place).unwrap().flatten();
            let made = entries.find(|entry| entry.file_name().to_string_lossy().starts_with(stem));
            assert!(made.is_none(), "{made:?}");
        }
    });
}

#[test]
fn system_v_names_that_are_none() {
    alone(|| {
        let all = ["2A01", "0x", "0x100000000", "-1", "+1", "id=", "id=-1", "id=x", "/:0", "/:256"];
        for nonsense in all {
            let name = format!("sysv:{nonsense}");
            let error = refused(&options(), &name, &["sysv:0x2A01"]);
            assert!(matches!(error.kind(), OpenErrorKind::Name(NameError::Key)), "{error:?}");
        }
        refused(&options(), "sysv:", &["empty"]);
        let error = refused(&options(), "sysv:/no/such/file:1", &["/no/such/file", "key"]);
        assert!(
            matches!(error.kind(), OpenErrorKind::Name(NameError::KeyFile { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn names_that_are() {
    alone(|| {
        let short = RingName::posix("");
        let longest = RingName::posix(&"x".repeat(255 - short.as_str().len()));
        assert_eq!(longest.as_str().len(), 255);
        let odd = RingName::posix(" \n..\u{fffd}*");
        for name in [longest, odd] {
            let writer: Writer = options().create_new(&name).unwrap();
            let _reader: Reader = options().open(&name).unwrap();
            name.assert_exists();
            drop(writer);
        }
        let path = RingName::posix("not-utf8");
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
        let directory = RingName::posix("directory");
        fs::create_dir(directory.path()).unwrap();
        let error = refused(&options(), &directory, &["shm_open"]);
        assert!(matches!(error.kind(), OpenErrorKind::Os(_)));
        fs::remove_dir(directory.path()).unwrap();

        // Not followed: it could lead out of /dev/shm.
        let (link, target) = (RingName::posix("link"), RingName::posix("target"));
        let _writer: Writer = options().create_new(&target).unwrap();
        symlink(target.path(), link.path()).unwrap();
        let error = refused(&options(), &link, &["shm_open", "symbolic link"]);
        assert!(matches!(error.kind(), OpenErrorKind::Os(_)));
        let dangling = RingName::posix("dangling");
        symlink("/nowhere", dangling.path()).unwrap();
        refused(&options(), &dangling, &["shm_open", "symbolic link"]);

        let socket = RingName::posix("socket");
        let _listener = UnixListener::bind(socket.path()).unwrap();
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &socket.path(),
            nix::sys::stat::Mode::from_bits_truncate(0o600),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )
        .unwrap();
        refused(&options(), &socket, &["shm_open"]);

        let fifo = RingName::posix("fifo");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        nix::unistd::mkfifo(&fifo.path(), mode).unwrap();
        refused(&options(), &fifo, &[]);
        fifo.assert_exists();
    });
}
