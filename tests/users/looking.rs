//! Whose rings are seen, and removed.

use super::*;
use crate::{
    face_support::{Face, Stream},
    support::{alone, is_system_v},
};
use shmpipe::{
    OpenErrorKind,
    inspect::{self, Condition, ErrorKind, Force},
    stream::Writer,
};

fn is_listed(name: &RingName) -> bool {
    inspect::list().unwrap().iter().any(|ring| ring.place.name() == Some(name.as_ref()))
}

/// Alice's rings, one for herself and one for the group, with something in them and nobody at them.
fn with_rings_of_alice(check: impl Fn(&RingName, &RingName)) {
    let (own, common) = (RingName::new("private"), RingName::new("shared"));
    ALICE
        .run(|_| {
            for (name, options) in [(&own, private()), (&common, shared())] {
                Stream::put(&mut options.create_new::<Writer>(name).unwrap(), 1).unwrap();
            }
        })
        .join();
    check(&own, &common);
}

#[test]
fn a_list_shows_what_its_user_may_read() {
    alone(|| {
        as_root(|| {
            with_rings_of_alice(|own, common| {
                for (user, sees_own, sees_common) in
                    [(ALICE, true, true), (BOB, false, true), (STRANGER, false, false)]
                {
                    user.run(|_| {
                        assert_eq!((is_listed(own), is_listed(common)), (sees_own, sees_common));
                        for (name, sees) in [(own, sees_own), (common, sees_common)] {
                            match inspect::status(name) {
                                Ok(ring) => assert_eq!(
                                    (sees, ring.owner, ring.condition),
                                    (true, ALICE.uid, Condition::Orphaned)
                                ),
                                Err(error) => {
                                    let message = error.to_string();
                                    assert!(!sees && message.contains("Permission denied"));
                                    assert!(message.contains(name.as_str()), "{message}");
                                }
                            }
                        }
                    })
                    .join();
                }
            });
        });
    });
}

/// Says whose it is; but not of a System V object that this user may not even look at.
#[track_caller]
fn assert_not_his(error: &inspect::Error, name: &RingName) {
    let (me, message) = (nix::unistd::geteuid().as_raw(), error.to_string());
    let parts = match *error.kind() {
        ErrorKind::NotOwner { owner, own } => {
            assert_eq!((owner, own), (ALICE.uid, me));
            ["54001", "not permitted"]
        }
        _ if is_system_v() => {
            assert_ne!(me, 0, "root may look");
            ["shmctl", "Permission denied"]
        }
        _ => panic!("{error:?}"),
    };
    for part in parts.iter().chain([&name.as_str()]) {
        assert!(message.contains(part), "{message}");
    }
}

/// Also one that may write to it, and root, which could.
#[test]
fn only_the_owner_removes() {
    alone(|| {
        as_root(|| {
            with_rings_of_alice(|own, common| {
                let try_all = || {
                    for name in [own, common] {
                        for force in [Force::No, Force::Yes] {
                            let error = inspect::remove(name, force).unwrap_err();
                            assert_not_his(&error, name);
                        }
                        assert_not_his(&inspect::repair(name).unwrap_err(), name);
                        assert!(inspect::remove_orphaned(name).unwrap().is_empty());
                        name.assert_exists();
                    }
                };
                try_all();
                for user in [BOB, STRANGER] {
                    user.run(|_| try_all()).join();
                }
                BOB.run(|_| {
                    let replace = shared().replace().open_or_create::<Writer>(common);
                    drop(refused(replace, common, &["user 54001", "only its owner"]));
                    common.assert_exists();
                })
                .join();
                ALICE
                    .run(|_| {
                        for name in [own, common] {
                            inspect::remove(name, Force::No).unwrap();
                            name.assert_gone();
                        }
                    })
                    .join();
            });
        });
    });
}

/// A ring whose owner was killed while he replaced it: others cannot take its
/// name away, and are told.
#[test]
fn what_only_the_owner_can_go_on_with() {
    const REPLACED: u64 = 304;
    alone(|| {
        as_root(|| {
            with_rings_of_alice(|_, common| {
                common.memory().write_all_at(&1_u64.to_ne_bytes(), REPLACED).unwrap();
                BOB.run(|_| {
                    let opened = shared().open_or_create::<Writer>(common);
                    let error = refused(opened, common, &["replaced", "open its name again"]);
                    assert!(matches!(error.kind(), OpenErrorKind::Replaced), "{error:?}");
                    common.assert_exists();
                })
                .join();
                ALICE.run(|_| drop(shared().open_or_create::<Writer>(common).unwrap())).join();
                common.assert_gone();
            });
        });
    });
}
