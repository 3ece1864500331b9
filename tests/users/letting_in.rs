//! Who can come to a ring.

use super::*;
use crate::{
    face_support::Face,
    for_each_face,
    support::{DEADLINE, alone, is_system_v},
};
use shmpipe::{
    End, OpenErrorKind,
    inspect::{self, Force},
};
use std::io;

/// The call by which a user finds out that he may not.
fn opening() -> &'static str {
    if is_system_v() { "shmctl" } else { "shm_open" }
}

#[track_caller]
fn assert_no_permission(error: OpenError) {
    assert!(matches!(error.kind(), OpenErrorKind::Os(_)), "{error:?}");
    let source = std::error::Error::source(&error).unwrap();
    let errno = source.downcast_ref::<io::Error>().unwrap().raw_os_error();
    assert_eq!(errno, Some(libc::EACCES), "{error:?}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_ring_of_mode_0600_is_its_makers_alone() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut alice = ALICE.run(|line| {
            let mut out: F::Out = private().create_new(&name).unwrap();
            line.say("made");
            let mut from: F::In = private().open(&name).unwrap();
            F::put(&mut out, 1).unwrap();
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
            line.expect("leave");
        });
        alice.expect("made");
        for user in [BOB, STRANGER] {
            user.run(|_| {
                for options in [private(), shared()] {
                    let reasons = [opening(), "Permission denied"];
                    assert_no_permission(refused(options.open::<F::In>(&name), &name, &reasons));
                    let made = options.open_or_create::<F::Out>(&name);
                    assert_no_permission(refused(made, &name, &reasons));
                }
            })
            .join();
        }
        alice.say("leave");
        alice.join();
        name.assert_gone();
    }
    alone(|| as_root(|| for_each_face!(check)));
}

/// More than the ring holds.
const NUMBERS: u64 = 3000;

fn put_all<F: Face>(mut out: F::Out) {
    (0..NUMBERS).for_each(|number| F::put(&mut out, number).unwrap());
    F::finish_and_wait(out).unwrap();
}

fn take_all<F: Face>(mut from: F::In) {
    for number in 0..NUMBERS {
        assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(number));
    }
    assert_eq!(F::take(&mut from, DEADLINE).unwrap(), None);
}

/// Alice makes a ring and does her part; the stranger and who trusts nobody are
/// refused; Bob comes and does his.
fn both_ways<A: End, B: End>(alices: fn(A), bobs: fn(B)) {
    let name = RingName::new("shared");
    let mut alice = ALICE.run(|line| {
        let end: A = shared().create_new(&name).unwrap();
        line.say("made");
        alices(end);
    });
    alice.expect("made");
    assert_eq!(access(&name), [(ALICE.uid, GROUP, 0o660); 2]);
    STRANGER
        .run(|_| {
            let reasons = [opening(), "Permission denied"];
            assert_no_permission(refused(shared().open::<B>(&name), &name, &reasons));
        })
        .join();
    BOB.run(|_| {
        let wide = private().mode(0o660);
        let error = refused(wide.open::<B>(&name), &name, &["user 54001", "user 54002", "trust"]);
        let OpenErrorKind::Owner { found, own } = *error.kind() else { panic!("{error:?}") };
        assert_eq!((found, own), (ALICE.uid, BOB.uid));
        bobs(shared().open(&name).unwrap());
    })
    .join();
    alice.join();
    // If Bob was the last one out, it stays: he may not remove it.
    if name.exists() {
        ALICE.run(|_| inspect::remove(&name, Force::No).unwrap()).join();
    }
    name.assert_gone();
}

#[test]
fn a_ring_of_mode_0660_is_for_those_of_the_group_that_trust() {
    fn check<F: Face>() {
        // Whose ring it is does not decide in which direction it goes.
        both_ways(put_all::<F>, take_all::<F>);
        both_ways(take_all::<F>, put_all::<F>);
    }
    alone(|| as_root(|| for_each_face!(check)));
}
