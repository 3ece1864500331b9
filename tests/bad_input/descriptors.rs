//! Descriptors from elsewhere that are no ring.

use super::*;
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use shmpipe::{LayoutError, Unclaimed};
use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{fs::OpenOptionsExt, net::UnixStream},
    },
};
use support::{Holdings, alone};

#[track_caller]
fn refuse(fd: impl Into<OwnedFd>) -> OpenErrorKindName {
    let fd = fd.into();
    let writer = Unclaimed::<Writer>::from(fd.try_clone().unwrap()).claim().map(drop);
    let reader = Unclaimed::<Reader>::from(fd).claim().map(drop);
    let (writer, reader) = (writer.unwrap_err(), reader.unwrap_err());
    assert_eq!(writer.to_string(), reader.to_string());
    assert_eq!(reader.ring(), None);
    assert!(reader.to_string().starts_with("anonymous ring: "), "{reader}");
    match reader.kind() {
        OpenErrorKind::NotSealed => OpenErrorKindName::NotSealed,
        OpenErrorKind::Layout(LayoutError::NotARing) => OpenErrorKindName::NotARing,
        OpenErrorKind::Layout(LayoutError::Truncated { .. }) => OpenErrorKindName::Truncated,
        OpenErrorKind::Os(_) => OpenErrorKindName::Os,
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum OpenErrorKindName {
    NotSealed,
    NotARing,
    Truncated,
    Os,
}
use OpenErrorKindName as Kind;

/// Memory that can be sealed, and is as far as said.
fn memory(content: &[u8], seals: SealFlag) -> OwnedFd {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let fd = memfd_create(c"test", flags).unwrap();
    let mut file = File::from(fd);
    file.write_all(content).unwrap();
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    file.into()
}

fn fixed() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW
}

/// The bytes of a sound anonymous ring.
fn ring() -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let (writer, _) = options().anonymous::<Writer>().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn descriptors_of_something_else() {
    alone(|| {
        let before = Holdings::now();
        let (reader, writer) = io::pipe().unwrap();
        assert_eq!(refuse(reader), Kind::NotSealed);
        assert_eq!(refuse(writer), Kind::NotSealed);
        assert_eq!(refuse(UnixStream::pair().unwrap().0), Kind::NotSealed);
        for path in ["/dev/null", "/dev/zero", "/proc/self/mem", "/proc/self/cmdline", "/"] {
            assert_eq!(refuse(File::open(path).unwrap()), Kind::NotSealed, "{path}");
        }
        // A sound ring, but a descriptor that can only name it.
        let (writer, _) = options().anonymous::<Writer>().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_fd().as_raw_fd());
        let named = File::options().read(true).custom_flags(libc::O_PATH).open(path).unwrap();
        drop(writer);
        assert_eq!(refuse(named), Kind::NotSealed);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&ring()).unwrap();
        assert_eq!(refuse(file), Kind::NotSealed);
        assert_eq!(Holdings::now(), before);
    });
}

#[test]
fn the_memory_of_a_named_ring() {
    alone(|| {
        let name = RingName::posix("named");
        let _writer: Writer = options().create_new(&name).unwrap();
        let file = File::options().read(true).write(true).open(name.path()).unwrap();
        assert_eq!(refuse(file), Kind::NotSealed);
    });
}

#[test]
fn memory_that_can_be_cut_short() {
    alone(|| {
        let ring = ring();
        for seals in [SealFlag::empty(), SealFlag::F_SEAL_GROW, SealFlag::F_SEAL_SHRINK] {
            assert_eq!(refuse(memory(&ring, seals)), Kind::NotSealed);
        }
        // The test's own way of making memory is not what was refused.
        drop(Unclaimed::<Writer>::from(memory(&ring, fixed())).claim().unwrap());
    });
}

#[test]
fn sealed_memory_that_is_no_ring() {
    alone(|| {
        let before = Holdings::now();
        for content in [&b""[..], b"x", b"shmbuild", b"shmpipe\n", &[0; 256], &[0xff; 10_000]] {
            assert_eq!(refuse(memory(content, fixed())), Kind::NotARing);
        }
        let mut half = ring();
        half[..8].copy_from_slice(b"shmbuild");
        assert_eq!(refuse(memory(&half, fixed())), Kind::NotARing);
        let ring = ring();
        assert_eq!(refuse(memory(&ring[..ring.len() - 1], fixed())), Kind::Truncated);
        assert_eq!(refuse(memory(&ring[..256], fixed())), Kind::Truncated);
        assert_eq!(Holdings::now(), before);
    });
}

#[test]
fn memory_that_nobody_can_write_to() {
    alone(|| {
        let before = Holdings::now();
        assert_eq!(refuse(memory(&ring(), fixed() | SealFlag::F_SEAL_WRITE)), Kind::Os);
        assert_eq!(Holdings::now(), before);
    });
}

#[test]
fn a_descriptor_is_for_either_end_but_each_only_once() {
    alone(|| {
        let (writer, _) = options().anonymous::<Writer>().unwrap();
        let fd = OwnedFd::from(writer);
        let claim = |fd: &OwnedFd| fd.try_clone().unwrap();
        let mut writer = Unclaimed::<Writer>::from(claim(&fd)).claim().unwrap();
        let mut reader = Unclaimed::<Reader>::from(claim(&fd)).claim().unwrap();
        let second = Unclaimed::<Writer>::from(claim(&fd)).claim().unwrap_err();
        assert!(matches!(second.kind(), OpenErrorKind::RoleTaken { role: "writer", .. }));
        let second = Unclaimed::<Reader>::from(claim(&fd)).claim().unwrap_err();
        assert!(matches!(second.kind(), OpenErrorKind::RoleTaken { role: "reader", .. }));
        writer.write_all(b"x").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"x");
    });
}
