//! What rings are named by.

use crate::{
    Place, options,
    support::{Child, alone},
};
use shmpipe::{
    Backend, Key, NameError, OpenErrorKind, Peer,
    inspect::{self, Force},
    stream::{Reader, Writer},
};
use std::{
    ffi::CString,
    fs,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

fn ftok(path: &Path, project: i32) -> i32 {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a path that ends with NUL, and a number.
    unsafe { libc::ftok(path.as_ptr(), project) }
}

#[test]
fn a_key_is_what_ftok_makes() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path(), Path::new("/"), Path::new("/proc/self/exe")] {
        for project in [1, 7, 127, 128, 255] {
            let key = Key::from_path(path, project).unwrap();
            assert_eq!(key.number(), ftok(path, project.into()), "{path:?} {project}");
        }
        assert!(matches!(Key::from_path(path, 0), Err(NameError::Key)));
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing");
    let error = Key::from_path(&path, 1).unwrap_err();
    assert!(
        matches!(&error, NameError::KeyFile { path: found, .. } if *found == path),
        "{error:?}"
    );
    let name = format!("sysv:{}:1", path.display());
    let error = options().open_or_create::<Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Name(NameError::KeyFile { .. })), "{error:?}");
    for part in [&*name, "No such file"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// What the documentation of [`Key::from_path`] warns of.
#[test]
fn a_file_that_was_replaced_makes_another_key() {
    alone(|| {
        let place = Place::new();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        fs::write(&path, "old").unwrap();
        let old = Key::from_path(&path, 3).unwrap();
        let name = format!("sysv:{}:3", path.display());
        let mut writer: Writer = options().open_or_create(&name).unwrap();
        assert_eq!(writer.name(), Some(name.as_ref()));

        // Written to, it is the same.
        fs::write(&path, "new").unwrap();
        assert_eq!(Key::from_path(&path, 3).unwrap(), old);
        let mut reader: Reader = options().open(&name).unwrap();
        writer.write_all(b"to the old").unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();

        // Replaced, it is another, and who comes now does not meet who was there before.
        let newer = directory.path().join("config.new");
        fs::write(&newer, "newer").unwrap();
        fs::rename(&newer, &path).unwrap();
        assert_ne!(Key::from_path(&path, 3).unwrap(), old);
        let error = options().open::<Reader>(&name).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
        // But by the number.
        drop(reader);
        let reader: Reader = options().open(&old).unwrap();
        assert_eq!(reader.peer().unwrap(), Peer::Alive);
        drop((reader, writer));
        place.assert_empty();
    });
}

#[test]
fn a_private_ring_is_found_by_its_name_alone() {
    alone(|| {
        let place = Place::new();
        for key in [Key::private(), Key::raw(0)] {
            let error = options().open::<Writer>(&key).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
            let mut writer: Writer = options().open_or_create(&key).unwrap();
            let name = writer.name().unwrap().to_owned();
            assert!(name.to_str().unwrap().starts_with("sysv:id="), "{name:?}");
            // Each is a new one.
            let other: Writer = options().create_new(&key).unwrap();
            assert_ne!(other.name(), writer.name());

            let child = Child::fork(|_| {
                let mut reader: Reader = options().open(&name).unwrap();
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                assert_eq!(text, "by its id");
            });
            writer.write_all(b"by its id").unwrap();
            writer.finish_and_wait_timeout(crate::support::DEADLINE).unwrap();
            child.join();
            drop(other);
            let error = options().open::<Reader>(&name).unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
            place.assert_empty();
        }
    });
}

#[test]
fn a_private_ring_that_is_left_can_be_removed_by_its_id() {
    alone(|| {
        let place = Place::new();
        let options = options().persistent(true).backend(Backend::SystemV);
        let writer: Writer = options.create_new("private").unwrap();
        let name = writer.name().unwrap().to_owned();
        drop(writer);
        // An id without the prefix, where the backend is said.
        let id = name.to_str().unwrap().strip_prefix("sysv:").unwrap();
        drop(options.open::<Reader>(id).unwrap());
        inspect::remove(&name, Force::No).unwrap();
        place.assert_empty();
    });
}
