//! Keys that belong to something that is no ring: what that is stays as it is.

use crate::{
    Place, options, raw,
    support::{Child, alone, page_size},
};
use nix::unistd::{geteuid, setgid, setuid};
use shmpipe::{
    LayoutError, OpenErrorKind, Trust,
    inspect::{self, Force},
    mpsc,
    stream::{Reader, Writer},
};

/// Everything that one can do to a name.
fn try_everything(name: &str) -> Vec<String> {
    let trusting = options().trust(Trust::AnyUser).mode(0o666);
    let mut said = Vec::new();
    for options in [&options(), &trusting] {
        said.push(options.open::<Reader>(name).map(drop).unwrap_err().to_string());
        said.push(options.open_or_create::<Writer>(name).map(drop).unwrap_err().to_string());
        said.push(options.open_or_create::<mpsc::Sender>(name).map(drop).unwrap_err().to_string());
        let error = options.create_new::<Writer>(name).map(drop).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::AlreadyExists), "{error:?}");
    }
    said.push(inspect::status(name).unwrap_err().to_string());
    said.push(inspect::remove(name, Force::No).unwrap_err().to_string());
    said.push(inspect::remove(name, Force::Yes).unwrap_err().to_string());
    said.push(inspect::repair(name).unwrap_err().to_string());
    said
}

#[test]
fn a_segment_of_any_size_and_content() {
    alone(|| {
        let place = Place::new();
        let page = page_size();
        let ours = 2 * page - 77;
        let contents = [&b""[..], b"precious", b"shmpipe\n", b"shmbuild", b"shmgone\n"];
        let sizes = [1, 8, 255, 256, page - 76, page, page + 1, 2 * page, 2 * page - 78, 1 << 20];
        let mut all: Vec<(usize, &[u8])> =
            sizes.iter().flat_map(|size| contents.map(|content| (*size, content))).collect();
        // Of a ring's size: what is neither zeros nor begins as a ring does.
        all.extend([
            (ours, &b"precious"[..]),
            (page - 77, b"precious"),
            (ours, b"\0\0\0\0\0\0\0\x01"),
        ]);
        for (size, content) in all {
            let (key, name) = place.key();
            let id = raw::shmget(key, size, 0o600);
            raw::with_bytes(id, |bytes| {
                let n = content.len().min(bytes.len());
                bytes[..n].copy_from_slice(&content[..n]);
            });
            let (before, facts) = (raw::bytes(id), raw::shm_stat(id));
            for said in try_everything(&name) {
                assert!(said.contains(&name) && said.contains("no shmpipe ring"), "{size}: {said}");
            }
            assert!(
                inspect::list()
                    .unwrap()
                    .iter()
                    .all(|ring| ring.place.name() != Some(name.as_ref()))
            );
            assert!(raw::bytes(id) == before, "{size} {content:?} was written to");
            let now = raw::shm_stat(id);
            assert_eq!(now.shm_ctime, facts.shm_ctime);
            assert_eq!(
                (now.shm_perm.mode, now.shm_perm.uid),
                (facts.shm_perm.mode, facts.shm_perm.uid)
            );
            assert_eq!(raw::segments().iter().filter(|segment| segment.key == key).count(), 1);
            assert_eq!(raw::set(id), None, "{size} {content:?}: a set was made for it");
            raw::shm_remove(id).unwrap();
        }
        place.assert_empty();
    });
}

/// Sets and segments have keys of their own.
#[test]
fn a_set_with_the_rings_key() {
    alone(|| {
        let place = Place::new();
        let (key, name) = place.key();
        let foreign = raw::semget(key, 3, 0o600);
        raw::set_sem_value(foreign, 0, 5);
        let writer: Writer = options().create_new(&name).unwrap();
        drop((options().open::<Reader>(&name).unwrap(), writer));
        assert_eq!([0, 1, 2].map(|n| raw::sem_value(foreign, n)), [5, 0, 0]);
        raw::sem_remove(foreign).unwrap();
        place.assert_empty();
    });
}

/// The ids that the next segments get, in a namespace with few.
fn next_ids(n: usize) -> Vec<i32> {
    let mut id = raw::shmget(libc::IPC_PRIVATE, 1, 0o600);
    raw::shm_remove(id).unwrap();
    // The low 15 bits are an index, of which the first 64 are used in turn; the
    // others count the rounds.
    let next = |id: i32| if id & 0x7fff == 63 { (id | 0x7fff) + 1 } else { id + 1 };
    let mut ids = vec![];
    for _ in 0..n {
        id = next(id);
        ids.push(id);
    }
    ids
}

/// A set of `count` that is not a ring's, with something in it, at each of these keys.
fn occupy(ids: &[i32], count: i32, mode: i32) -> Vec<i32> {
    let make = |id: &i32| {
        let set = raw::semget(raw::set_key(*id), count, mode);
        raw::set_sem_value(set, 0, 7);
        set
    };
    ids.iter().map(make).collect()
}

#[track_caller]
fn assert_unchanged(sets: &[i32], count: i32) {
    for set in sets {
        assert_eq!(raw::sem_value(*set, 0), 7);
        assert!((1..count).all(|n| raw::sem_value(*set, n) == 0));
    }
}

#[test]
fn sets_with_the_keys_that_our_sets_would_have() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        for count in [1, 3, 67, 79] {
            let (_, name) = place.key();
            // A few: the next segment has another key.
            let foreign = occupy(&next_ids(5), count, 0o600);
            let writer: Writer = options().create_new(&name).unwrap();
            let reader: Reader = options().open(&name).unwrap();
            drop((writer, reader));
            assert_unchanged(&foreign, count);
            for set in foreign {
                raw::sem_remove(set).unwrap();
            }
            place.assert_empty();

            // Wherever one looks: refused, and nothing stays.
            let foreign = occupy(&next_ids(20), count, 0o600);
            for name in [&*name, "sysv:private"] {
                let error = options().create_new::<Writer>(name).unwrap_err();
                let OpenErrorKind::LocksKey { key, .. } = *error.kind() else {
                    panic!("{error:?}")
                };
                for part in [name, "ipcrm", &format!("{key:#x}")] {
                    assert!(error.to_string().contains(part), "{error}");
                }
                assert_eq!(raw::segments(), []);
            }
            assert_unchanged(&foreign, count);
            assert!(inspect::remove_orphaned("").unwrap().is_empty());
            assert_unchanged(&foreign, count);
            for set in foreign {
                raw::sem_remove(set).unwrap();
            }
        }
    });
}

/// Of our size, but another user's, who lets everybody in: he could free our locks.
#[test]
fn another_users_set_with_the_key_of_ours() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        if !geteuid().is_root() {
            return crate::support::skip("only root can be two users");
        }
        let (_, name) = place.key();
        let ids = next_ids(3);
        Child::fork(|_| {
            setgid(65534.into()).unwrap();
            setuid(65534.into()).unwrap();
            occupy(&ids, 82, 0o666);
        })
        .join();
        let foreign: Vec<_> = raw::sets().into_iter().map(|set| set.id).collect();
        let writer: Writer = options().create_new(&name).unwrap();
        let ring = inspect::status(&name).unwrap().sysv.unwrap();
        assert!(
            !foreign.contains(&ring.set.unwrap()) && foreign.len() == 3,
            "{ring:?} {foreign:?}"
        );
        drop(writer);
        inspect::remove_orphaned("").unwrap();
        assert_unchanged(&foreign, 82);
        for set in foreign {
            raw::sem_remove(set).unwrap();
        }
    });
}

/// Who has a segment made can do all that its owner can, for ever: also if he gives it away.
#[test]
fn a_ring_that_another_user_has_made_and_given_away() {
    alone(|| {
        let place = Place::new();
        if !geteuid().is_root() {
            return crate::support::skip("only root can be two users");
        }
        let (key, name) = place.key();
        let mut child = Child::fork(|line| {
            setgid(65534.into()).unwrap();
            setuid(65534.into()).unwrap();
            // Of a mode by which its ends do not sleep beside it.
            let _writer: Writer = options().create_new(&name).unwrap();
            raw::shm_give(raw::segment(key).unwrap(), 0);
            line.say("given");
            line.expect("go");
        });
        child.expect("given");
        assert_eq!(inspect::status(&name).unwrap().owner, 0);
        let error = options().open::<Reader>(&name).unwrap_err();
        assert!(
            matches!(error.kind(), OpenErrorKind::Owner { found: 65534, own: 0, .. }),
            "{error:?}"
        );
        // Nor by who trusts any user: its ends sleep where its maker can still write to.
        let error = options().trust(Trust::AnyUser).open::<Reader>(&name).unwrap_err();
        let OpenErrorKind::Layout(LayoutError::Damaged { what: "flags", .. }) = error.kind() else {
            panic!("{error:?}")
        };
        child.say("go");
        child.join();
        place.assert_empty();
    });
}

/// A set's id is used again after some millions: its locks are not taken for ours.
#[test]
fn an_id_that_is_another_sets_by_now() {
    alone(|| {
        let Some(place) = Place::own() else { return };
        let (_, name) = place.key();
        let (writer, mut reader): (Writer, Reader) =
            (options().create_new(&name).unwrap(), options().open(&name).unwrap());
        let set = inspect::status(&name).unwrap().sysv.unwrap().set.unwrap();
        raw::sem_remove(set).unwrap();
        if let Err(error) = std::fs::write("/proc/sys/kernel/sem_next_id", set.to_string()) {
            drop((writer, reader));
            return crate::support::skip(format!("kernel.sem_next_id cannot be set: {error}"));
        }
        let foreign = raw::semget(place.key().0, 300, 0o666);
        assert_eq!(foreign, set);
        for n in 0..4 {
            raw::set_sem_value(foreign, n, 1);
        }
        let error = reader.fill_buf_timeout(crate::support::DEADLINE).unwrap_err();
        assert!(matches!(error, shmpipe::stream::ReadError::Removed), "{error:?}");
        drop((writer, reader));
        assert!((0..4).all(|n| raw::sem_value(foreign, n) == 1), "a lock of ours was given back");
        raw::sem_remove(foreign).unwrap();
        place.assert_empty();
    });
}
