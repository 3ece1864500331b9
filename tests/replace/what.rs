//! What is replaced, and what is not.

use super::*;
use crate::{
    face_support::{Many, page},
    for_each_face, for_each_single_face,
    support::{alone, posix_only, skip},
};
use shmpipe::{Trust, mpsc, record, slot, stream};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, chown},
};

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
    if !posix_only("what a builder left that is no segment of a ring's size") {
        return;
    }
    leave_file(&name, b"shmbuild");
    let error = server().open::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::NotFound), "{error:?}");
    drop(server().open_or_create::<stream::Writer>(&name).unwrap());
    name.assert_gone();
}

/// A file of this user's that nobody else may open.
fn leave_file(name: &RingName, content: &[u8]) {
    fs::write(name.path(), content).unwrap();
    fs::set_permissions(name.path(), Permissions::from_mode(0o600)).unwrap();
}

/// Neither another program's file nor another user's ring.
#[test]
fn what_is_not_ours_is_left_alone() {
    if !posix_only("a file, and to give it away without its locks") {
        return;
    }
    let name = RingName::new("foreign");
    for content in [&b"shm"[..], b"something else altogether", &[0; 8192]] {
        leave_file(&name, content);
        let error = server().open_or_create::<stream::Writer>(&name).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Layout(_)), "{error:?}");
        assert_eq!(fs::read(name.path()).unwrap(), content);
    }
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can make what is another's");
    }
    let name = RingName::new("anothers");
    let keep = patient().persistent(true).mode(0o666);
    let mut writer: stream::Writer = keep.create_new(&name).unwrap();
    face_support::Stream::put(&mut writer, 1).unwrap();
    drop(writer);
    chown(name.path(), Some(65534), None).unwrap();
    let trusting = server().trust(Trust::AnyUser);
    let error = trusting.open_or_create::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::NotOwner { owner: 65534, own: 0 }), "{error:?}");
    assert!(error.to_string().contains("user 65534"), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    let error = server().open_or_create::<stream::Writer>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::Owner { .. }), "{error:?}");
    name.assert_exists();
}
