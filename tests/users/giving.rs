//! Rings that are given to somebody.

use super::*;
use crate::{
    face_support::{Face, Stream},
    for_each_face,
    support::{DEADLINE, Shared, alone, posix_only, wait_to_be_killed},
    tracing::{Came, Victim, Way, permitted},
};
use shmpipe::{
    OpenErrorKind,
    stream::{Reader, Writer},
};
use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
};

/// By root to a user, who uses it as his own.
#[test]
fn to_another_user() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let give = private().owner(ALICE.uid).group(ALICE.uid).trust(Trust::AnyUser);
        let mut out: F::Out = give.create_new(&name).unwrap();
        assert_eq!(access(&name), [(ALICE.uid, ALICE.uid, 0o600); 2]);
        F::put(&mut out, 1).unwrap();
        ALICE
            .run(|_| {
                let mut from: F::In = private().open(&name).unwrap();
                assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
            })
            .join();
        BOB.run(|_| drop(refused(shared().open::<F::In>(&name), &name, &["Permission denied"])))
            .join();
        drop(out);
        name.assert_gone();
    }
    alone(|| as_root(|| for_each_face!(check)));
}

#[test]
fn an_anonymous_ring() {
    alone(|| {
        as_root(|| {
            let give = private().owner(ALICE.uid).group(GROUP).trust(Trust::AnyUser);
            let (writer, reader) = give.anonymous::<Writer>().unwrap();
            let file = std::fs::File::from(OwnedFd::from(reader));
            let stat = file.metadata().unwrap();
            assert_eq!((stat.uid(), stat.gid()), (ALICE.uid, GROUP));
            let mut alice = ALICE.run(|line| {
                let reader = shmpipe::Unclaimed::<Reader>::from(OwnedFd::from(file));
                let mut reader = reader.claim().unwrap();
                line.say("claimed");
                assert_eq!(Stream::take(&mut reader, DEADLINE).unwrap(), Some(1));
            });
            alice.expect("claimed");
            let trusting = private().trust(Trust::AnyUser);
            let mut writer = writer.claim_with(&trusting).unwrap();
            Stream::put(&mut writer, 1).unwrap();
            alice.join();
        });
    });
}

/// And what is to be given and cannot be is not made.
#[test]
fn what_only_root_may() {
    alone(|| {
        as_root(|| {
            if !posix_only("what only root may give") {
                return;
            }
            let name = RingName::new("given");
            ALICE
                .run(|_| {
                    let group = private().group(STRANGER.uid).trust(Trust::AnyUser);
                    let reasons = ["group 54003", "fchown", "Operation not permitted", "only root"];
                    let error = refused(group.create_new::<Writer>(&name), &name, &reasons);
                    let OpenErrorKind::Give { owner: None, group: Some(54_003), .. } = error.kind()
                    else {
                        panic!("{error:?}")
                    };
                    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
                    name.assert_gone();
                    let user = private().owner(BOB.uid).trust(Trust::AnyUser);
                    let reasons = ["user 54002", "only root"];
                    let error = refused(user.open_or_create::<Reader>(&name), &name, &reasons);
                    let given =
                        matches!(error.kind(), OpenErrorKind::Give { owner: Some(54_002), .. });
                    assert!(given, "{error:?}");
                    name.assert_gone();
                    // Itself and a group of its own are no gifts.
                    let own = private().mode(0o660).owner(ALICE.uid).group(GROUP);
                    drop(own.create_new::<Writer>(&name).unwrap());
                    name.assert_gone();
                })
                .join();
            // Who does not trust others has no use for what is another's.
            let user = private().owner(BOB.uid);
            let reasons = ["user 54002", "user 0", "trust"];
            let error = refused(user.create_new::<Writer>(&name), &name, &reasons);
            assert!(matches!(error.kind(), OpenErrorKind::Owner { .. }), "{error:?}");
            name.assert_gone();
        });
    });
}

/// A System V object is given away by whoever has it; its maker can do
/// everything with it all the same.
#[test]
fn what_anybody_may() {
    fn check<F: Face>() {
        let name = RingName::system_v();
        let mut alice = ALICE.run(|line| {
            let give = private().owner(BOB.uid).group(STRANGER.uid).trust(Trust::AnyUser);
            let mut out: F::Out = give.create_new(&name).unwrap();
            F::put(&mut out, 1).unwrap();
            line.say("made");
            line.expect("go on");
            F::put(&mut out, 2).unwrap();
            line.say("put");
            line.expect("leave");
        });
        alice.expect("made");
        let found = system_v::stat(name.id()).unwrap().shm_perm;
        assert_eq!((found.uid, found.gid, found.mode & 0o777), (BOB.uid, STRANGER.uid, 0o600));
        STRANGER
            .run(|_| drop(refused(shared().open::<F::In>(&name), &name, &["Permission denied"])))
            .join();
        BOB.run(|_| {
            let reasons = ["user 54001", "user 54002", "trust"];
            let error = refused(private().open::<F::In>(&name), &name, &reasons);
            assert!(matches!(error.kind(), OpenErrorKind::Owner { .. }), "{error:?}");
            let trusting = private().trust(Trust::AnyUser);
            let mut from: F::In = trusting.open(&name).unwrap();
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
            alice.say("go on");
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(2));
            alice.expect("put");
            // As the last one out he removes it, though another has made it.
            alice.say("leave");
            let left = F::take(&mut from, DEADLINE);
            assert!(matches!(left, Ok(None) | Err(shmpipe::ReadError::Dropped)), "{left:?}");
        })
        .join();
        alice.join();
        name.assert_gone();
    }
    alone(|| in_system_v(|| for_each_face!(check)));
}

/// Whenever its maker is killed, the ring was open to nobody but those it is for.
#[test]
fn not_for_a_moment_to_its_makers_group() {
    alone(|| {
        as_root(|| {
            if let Err(why) = permitted() {
                return skip(why);
            }
            let (said, name) = (Shared::new(), RingName::new("moment"));
            let mut seen = [false; 2];
            for calls in 0.. {
                let victim = Victim::fork(&said, |_, marks| {
                    marks.begin();
                    let writer: Writer = shared().create_new(&name).unwrap();
                    marks.end();
                    std::mem::forget(writer);
                    wait_to_be_killed();
                });
                let came = victim.go(Way { calls, steps: 0 }, &mut || {});
                victim.kill();
                if name.exists() {
                    let of_each = access(&name);
                    for (_, group, mode) in of_each {
                        assert!(group == GROUP || mode & 0o077 == 0, "{mode:o}");
                    }
                    seen[usize::from(of_each[0].1 == GROUP)] = true;
                    name.remove().unwrap();
                }
                if came == Came::Through {
                    break;
                }
            }
            assert_eq!(seen, [true; 2], "before and after it was given");
        });
    });
}
