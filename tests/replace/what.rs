//! What is replaced, and what is not.

use super::*;
use crate::{
    face_support::{Many, page},
    for_each_face, for_each_single_face,
    support::{alone, is_system_v, skip},
};
use shmpipe::{Trust, mpsc, record, slot, stream};
use std::io;

/// Those who wait for a server that starts later have nothing to be told.
#[test]
fn a_ring_that_nobody_has_used_is_as_good_as_new() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut from: F::In = patient().open_or_create(&name).unwrap();
        if F::NAME != Many::NAME {
            let mut out: F::Out = server().open_or_create(&name).unwrap();
            assert_meet::<F>(&mut out, &mut from);
            drop(out);
        }
        drop(from);
        name.assert_gone();
        // The other way round, only as long as nothing was written.
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        let mut from: F::In = server().open_or_create(&name).unwrap();
        assert_meet::<F>(&mut out, &mut from);
        drop((out, from));
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        F::put(&mut out, 1).unwrap();
        let _from: F::In = server().open_or_create(&name).unwrap();
        assert!(F::put(&mut out, 1).is_err(), "{}", F::NAME);
    }
    alone(|| for_each_face!(check));
}

/// One that is waited at by somebody who died is not.
#[test]
fn a_ring_whose_only_writer_died_is_used() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        kill_one::<F::Out>(&name, &patient(), |_| {});
        let mut from: F::In = server().open_or_create(&name).unwrap();
        let told = F::take(&mut from, Duration::ZERO);
        assert!(matches!(told, Err(ReadError::Timeout)), "{}: {told:?}", F::NAME);
        drop(from);
        name.assert_gone();
    }
    alone(|| for_each_face!(check));
}

#[test]
fn who_is_there_is_not_replaced() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        let mut from: F::In = patient().open_or_create(&name).unwrap();
        assert_meet::<F>(&mut out, &mut from);
        let taken = if F::NAME == Many::NAME { "reader" } else { "writer" };
        assert_taken(server().open_or_create::<F::Out>(&name), taken);
        assert_taken(server().open_or_create::<F::In>(&name), "reader");
        // A server that was upgraded, while the old one runs.
        let large = server().capacity(4 * page());
        assert_taken(large.open_or_create::<F::In>(&name), "reader");
        let exists = server().create_new::<F::In>(&name).map(drop).unwrap_err();
        assert!(matches!(exists.kind(), OpenErrorKind::AlreadyExists), "{exists:?}");
        assert_meet::<F>(&mut out, &mut from);
    }
    alone(|| for_each_face!(check));
}

/// What the version before has left, of which one end is still there.
#[test]
fn a_ring_of_another_kind_is_replaced() {
    #[track_caller]
    fn check<Old: Face, New: Face>(old: &Options, new: &Options) {
        let name = RingName::new("upgraded");
        let old = old.clone().persistent(true);
        kill_one::<Old::In>(&name, &old, |_| {});
        let mut out: Old::Out = old.open_or_create(&name).unwrap();
        assert!(new.open_or_create::<New::In>(&name).is_err(), "it is of another kind");
        let mut from: New::In = new.clone().replace().open_or_create(&name).unwrap();
        assert!(matches!(Old::put(&mut out, 1), Err(shmpipe::WriteError::Replaced)));
        drop(out);
        let mut out: New::Out = new.open_or_create(&name).unwrap();
        assert_meet::<New>(&mut out, &mut from);
        drop((out, from));
        name.assert_gone();
    }
    use face_support::{Record, Slot, Stream};
    alone(|| {
        let same = face_support::options();
        check::<Stream, Record>(&same, &same);
        check::<Record, Slot>(&same, &same);
        check::<Slot, Many>(&same, &same);
        check::<Many, Stream>(&same, &same);
        check::<Slot, Slot>(&same, &same.clone().type_tag("another"));
        check::<Record, Record>(&same, &same.clone().payload_align(64));
        check::<Many, Many>(&same.clone().producers(1), &same.clone().producers(2));
        check::<Stream, Stream>(&same, &same.clone().capacity(2 * page()));
    });
}

/// Nor does an unused ring stay that is not what was asked for.
#[test]
fn an_unused_ring_of_another_kind_is_replaced() {
    alone(|| {
        let name = RingName::new("unused");
        let reader: stream::Reader = patient().create_new(&name).unwrap();
        let sender: record::Sender = server().open_or_create(&name).unwrap();
        assert_eq!(reader.peer().unwrap(), shmpipe::Peer::Replaced);
        let producer = server().open::<slot::Producer<u32>>(&name);
        assert_taken(producer, "writer");
        let _receiver: mpsc::Receiver = server().open(&name).unwrap();
        assert_eq!(sender.peer().unwrap(), shmpipe::Peer::Replaced);
    });
}

#[test]
fn a_persistent_ring_is_replaced_too() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let keep = patient().persistent(true);
        let mut out: F::Out = keep.open_or_create(&name).unwrap();
        F::put(&mut out, 1).unwrap();
        drop(out);
        let mut out: F::Out = server().open_or_create(&name).unwrap();
        let mut from: F::In = patient().open(&name).unwrap();
        assert_meet::<F>(&mut out, &mut from);
        drop((out, from));
        name.assert_gone();
    }
    alone(|| for_each_single_face!(check));
}

#[test]
fn open_wants_a_ring_to_be_there() {
    let name = RingName::new("none");
    let error = server().open::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
    name.assert_gone();
    leave(&name, b"shmbuild");
    let error = server().open::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
    drop(server().open_or_create::<stream::Writer>(&name).unwrap());
    name.assert_gone();
}

/// An object of this user's that begins so; of those of System V, one that has
/// the size of a ring's.
fn leave(name: &RingName, begin: &[u8]) {
    let mut content = begin.to_vec();
    if is_system_v() {
        content.resize(2 * page(), 0);
    }
    name.make(&content);
}

/// Neither another program's object nor another user's ring.
#[test]
fn what_is_not_ours_is_left_alone() {
    let name = RingName::new("foreign");
    let assert_left_alone = |content: &[u8]| {
        let found = (name.identity(), name.memory().content());
        assert!(found.1.starts_with(content));
        let error = server().open_or_create::<stream::Writer>(&name).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Layout(_)), "{error:?}");
        assert_eq!((name.identity(), name.memory().content()), found);
        name.remove().unwrap();
    };
    for content in [&b"shm"[..], b"something else altogether"] {
        leave(&name, content);
        assert_left_alone(content);
    }
    // Zeros are what a System V ring begins as, if there are as many as a ring has.
    let zeros = vec![0; 2 * page() - if is_system_v() { 1 } else { 0 }];
    name.make(&zeros);
    assert_left_alone(&zeros);
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can make what is another's");
    }
    let name = RingName::new("anothers");
    let keep = patient().persistent(true).mode(0o666);
    let mut writer: stream::Writer = keep.create_new(&name).unwrap();
    face_support::Stream::put(&mut writer, 1).unwrap();
    drop(writer);
    name.set_owner(65534);
    let trusting = server().trust(Trust::AnyUser);
    let error = server().open_or_create::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Owner { .. }), "{error:?}");
    name.assert_exists();
    let replaced = trusting.open_or_create::<stream::Writer>(&name);
    if is_system_v() {
        // Its maker may remove it, whoever owns it.
        drop(replaced.unwrap());
        return name.assert_gone();
    }
    let error = replaced.unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::NotOwner { owner: 65534, own: 0 }), "{error:?}");
    assert!(error.to_string().contains("user 65534"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    name.assert_exists();
}
