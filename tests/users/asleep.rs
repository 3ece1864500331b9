//! Where ends sleep, of System V rings: never where another user could stop
//! this process's C library.
//!
//! Whether others can write to a ring is decided when it is made. What was opened to them later
//! is refused, by who trusts them.

use super::*;
use crate::{
    face_support::Face,
    for_each_face,
    support::{DEADLINE, alone},
};
use shmpipe::{LayoutError, OpenErrorKind};

/// Where in a ring's memory it says so: layout version 1.
const REPLACED: u64 = 304;
/// That a reader sleeps, and behind it its semaphore in the segment.
const PARKED: u64 = 640;
const TOKENS: u64 = PARKED + 16;

/// Gives a ring and its semaphores another owner, group and mode.
fn change(name: &RingName, change: impl Fn(&mut libc::ipc_perm)) {
    system_v::set_access(name.id(), &change);
    system_v::set_access_of_set(name.set_id(), &change);
}

fn trusting() -> Options {
    private().trust(Trust::AnyUser)
}

#[track_caller]
fn assert_refused<E>(opened: Result<E, OpenError>, name: &RingName) {
    let error = refused(opened, name, &["flags", "0"]);
    let OpenErrorKind::Layout(LayoutError::Damaged { what: "flags", .. }) = error.kind() else {
        panic!("{error:?}")
    };
}

/// Alice's own ring, at which she stays; after `change` to it, `user` tries to
/// come to it, and she goes on.
fn own_ring<F: Face>(
    change: impl FnOnce(&RingName),
    user: Option<User>,
    try_to_come: impl Fn(&RingName),
) {
    let name = RingName::system_v();
    let mut alice = ALICE.run(|line| {
        let mut out: F::Out = private().create_new(&name).unwrap();
        let mut from: F::In = private().open(&name).unwrap();
        line.say("made");
        line.expect("go on");
        F::put(&mut out, 1).unwrap();
        assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1));
    });
    alice.expect("made");
    change(&name);
    match user {
        Some(user) => user.run(|_| try_to_come(&name)).join(),
        None => try_to_come(&name),
    }
    alice.say("go on");
    alice.join();
    name.assert_gone();
}

#[test]
fn anothers_own_ring_is_refused() {
    fn check<F: Face>() {
        let refused = |name: &RingName| {
            for options in [trusting(), shared()] {
                assert_refused(options.open::<F::In>(name), name);
                assert_refused(options.open_or_create::<F::Out>(name), name);
            }
        };
        // Root may write to it as it is.
        own_ring::<F>(|_| {}, None, refused);
        let open_to_group = |perm: &mut libc::ipc_perm| (perm.gid, perm.mode) = (GROUP, 0o660);
        own_ring::<F>(|name| change(name, open_to_group), Some(BOB), refused);
        // Given to somebody, who is the owner then, and still not alone.
        let give = |perm: &mut libc::ipc_perm| perm.uid = BOB.uid;
        own_ring::<F>(|name| change(name, give), Some(BOB), refused);
    }
    alone(|| in_system_v(|| for_each_face!(check)));
}

/// Root can do everything anyway.
#[test]
fn what_root_has_given_away_is_not_refused() {
    fn check<F: Face>() {
        let name = RingName::system_v();
        let mut out: F::Out = private().create_new(&name).unwrap();
        change(&name, |perm| perm.uid = ALICE.uid);
        F::put(&mut out, 1).unwrap();
        for options in [private(), trusting()] {
            ALICE.run(|_| drop(options.open::<F::In>(&name).unwrap())).join();
        }
        drop(out);
        name.assert_gone();
    }
    alone(|| in_system_v(|| for_each_face!(check)));
}

/// Nor does who finds such a ring half replaced wake anybody there.
#[test]
fn its_sleepers_are_nobodys_to_wake() {
    fn check<F: Face>() {
        let come = |name: &RingName| {
            let memory = name.memory();
            for (at, word) in [(REPLACED, 1_u64), (PARKED, 1)] {
                memory.write_all_at(&word.to_ne_bytes(), at).unwrap();
            }
            assert_refused(shared().open::<F::Out>(name), name);
            let replaced = shared().replace().open::<F::Out>(name);
            let error = refused(replaced, name, &["user 54001"]);
            assert!(matches!(error.kind(), OpenErrorKind::NotOwner { .. }), "{error:?}");
            let mut tokens = [0xff; 8];
            memory.read_exact_at(&mut tokens, TOKENS).unwrap();
            assert_eq!(u64::from_ne_bytes(tokens), 0, "{}", F::NAME);
            for at in [REPLACED, PARKED] {
                memory.write_all_at(&0_u64.to_ne_bytes(), at).unwrap();
            }
        };
        let open_to_group = |perm: &mut libc::ipc_perm| (perm.gid, perm.mode) = (GROUP, 0o660);
        own_ring::<F>(|name| change(name, open_to_group), Some(BOB), come);
    }
    alone(|| in_system_v(|| for_each_face!(check)));
}
