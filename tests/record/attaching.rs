//! What a ring of records is opened with, and what it is not to be confused with.

use crate::{assert_fails, record_support::*, stream_support::*};
use shmpipe::{
    End, LayoutError, OpenErrorKind, Options, Trust, Unclaimed,
    record::{ReadError, Receiver, Sender},
    slot, stream,
};
use std::os::fd::{AsFd, OwnedFd};

#[test]
fn alignments_that_cannot_be() {
    for bad in [0, 1, 2, 4, 7, 9, 12, 63, 65, 4095, 4097, 8192, 1 << 20, 1 << 63, usize::MAX] {
        let name = RingName::new("record");
        let options = Options::new().capacity(page()).payload_align(bad);
        let is_refused =
            |kind: &OpenErrorKind| matches!(kind, OpenErrorKind::Align(n) if *n == bad);
        let refused = options.create_new::<Sender>(&name).unwrap_err();
        assert!(is_refused(refused.kind()), "{refused:?}");
        assert!(refused.to_string().contains(&bad.to_string()), "{refused}");
        let refused = options.open_or_create::<Receiver>(&name).unwrap_err();
        assert!(is_refused(refused.kind()), "{refused:?}");
        let refused = options.anonymous::<Sender>().unwrap_err();
        assert!(is_refused(refused.kind()), "{refused:?}");
        name.assert_gone();
        // The other faces have no use for it, and none is the worse.
        drop(options.anonymous::<stream::Writer>().unwrap());
    }
}

#[test]
fn a_ring_has_at_least_the_alignment_asked_for() {
    for made in ALIGNS {
        for asked in ALIGNS.into_iter().map(Some).chain([None]) {
            let name = RingName::new("record");
            let options = Options::new().capacity(room(made));
            let mut sender: Sender = options.clone().payload_align(made).create_new(&name).unwrap();
            let of_receiver = match asked {
                Some(asked) => options.payload_align(asked),
                None => options,
            };
            match of_receiver.open::<Receiver>(&name) {
                Ok(mut receiver) => {
                    assert!(asked.unwrap_or(8) <= made);
                    // Both go by what the ring has.
                    for number in 0..20 {
                        send_record(&mut sender, number, 90).unwrap();
                        assert_eq!(receiver.unread(), frame(made, length(number, 90)));
                        receive_record(&mut receiver, number, 90);
                    }
                }
                Err(error) => {
                    let asked = asked.unwrap();
                    assert!(asked > made, "{asked} of {made}: {error:?}");
                    assert!(
                        matches!(
                            error.kind(),
                            OpenErrorKind::AlignDiffers { asked: a, found } if *a == asked && *found == made
                        ),
                        "{error:?}"
                    );
                    // The ring is none the worse.
                    let mut receiver: Receiver = Options::new().open(&name).unwrap();
                    send_record(&mut sender, 1, 90).unwrap();
                    receive_record(&mut receiver, 1, 90);
                }
            }
        }
    }
}

/// A sender and a receiver that come to a ring of a larger alignment than they asked for.
#[test]
fn the_second_sender_too() {
    let name = RingName::new("record");
    let options = Options::new().capacity(page());
    let mut receiver: Receiver = options.clone().payload_align(256).create_new(&name).unwrap();
    let mut sender: Sender = options.payload_align(16).open_or_create(&name).unwrap();
    assert!(sender.reserve(1).unwrap().as_ptr().addr().is_multiple_of(256));
    sender.send(b"x").unwrap();
    assert!(receiver.recv().unwrap().unwrap().as_ptr().addr().is_multiple_of(256));
}

#[test]
fn alignments_of_anonymous_rings() {
    let (sender, receiver) = Options::new().payload_align(64).anonymous::<Sender>().unwrap();
    let refused = receiver.claim_with(&Options::new().payload_align(128)).unwrap_err();
    assert!(
        matches!(refused.kind(), OpenErrorKind::AlignDiffers { asked: 128, found: 64 }),
        "{refused:?}"
    );
    let sender = sender.claim_with(&Options::new().payload_align(32)).unwrap();
    assert_eq!(sender.capacity(), Options::DEFAULT_CAPACITY);
}

#[track_caller]
fn is_another_face<E: End>(opened: Result<E, shmpipe::OpenError>, expected: u32, found: u32) {
    let error = opened.map(drop).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            OpenErrorKind::Layout(LayoutError::Face { expected: e, found: f })
                if (*e, *f) == (expected, found)
        ),
        "{error:?}"
    );
}

/// Each face refuses the rings of the others, both ends of both, named and not.
#[test]
fn rings_of_another_face() {
    let options = Options::new().capacity(page());
    let memory = |fd: std::os::fd::BorrowedFd<'_>| -> OwnedFd { fd.try_clone_to_owned().unwrap() };
    for trust in [Trust::SameUser, Trust::AnyUser] {
        let options = options.clone().trust(trust);

        let name = RingName::new("record");
        let mut sender: Sender = options.create_new(&name).unwrap();
        is_another_face(options.open::<stream::Reader>(&name), 1, 2);
        is_another_face(options.open_or_create::<stream::Writer>(&name), 1, 2);
        is_another_face(options.open::<slot::Consumer<u64>>(&name), 3, 2);
        is_another_face(options.open::<slot::Producer<u8>>(&name), 3, 2);
        let mut receiver: Receiver = options.open(&name).unwrap();
        send_record(&mut sender, 0, 90).unwrap();
        receive_record(&mut receiver, 0, 90);

        let name = RingName::new("record");
        let writer: stream::Writer = options.create_new(&name).unwrap();
        is_another_face(options.open::<Receiver>(&name), 2, 1);
        is_another_face(options.open_or_create::<Sender>(&name), 2, 1);
        is_another_face(options.clone().payload_align(64).open::<Receiver>(&name), 2, 1);
        drop(writer);

        let name = RingName::new("record");
        let producer: slot::Producer<u64> = options.create_new(&name).unwrap();
        is_another_face(options.open::<Receiver>(&name), 2, 3);
        is_another_face(options.open::<Sender>(&name), 2, 3);
        drop(producer);

        let (writer, _) = options.anonymous::<stream::Writer>().unwrap();
        let records = Unclaimed::<Receiver>::from(memory(writer.as_fd()));
        is_another_face(records.claim_with(&options), 2, 1);
        let (sender, _) = options.anonymous::<Sender>().unwrap();
        let bytes = Unclaimed::<stream::Reader>::from(memory(sender.as_fd()));
        is_another_face(bytes.claim_with(&options), 1, 2);
        let slots = Unclaimed::<slot::Consumer<u64>>::from(memory(sender.as_fd()));
        is_another_face(slots.claim_with(&options), 3, 2);
    }
}

/// A header that says something impossible of the alignment.
#[test]
fn a_ring_whose_alignment_is_damaged() {
    const ELEMENT_ALIGN: u64 = 68;
    for bad in [0_u32, 1, 4, 9, 24, 8192, 1 << 31, u32::MAX] {
        let site = RecordSite::new(true, 64);
        site.words().0.write_all_at(&bad.to_ne_bytes(), ELEMENT_ALIGN).unwrap();
        let error = site.open::<Receiver>(&Options::new()).map(drop).unwrap_err();
        assert!(
            matches!(
                error.kind(),
                OpenErrorKind::Layout(LayoutError::Damaged { found, .. }) if *found == bad.into()
            ),
            "{error:?}"
        );
        let error = site.open::<Sender>(&Options::new()).map(drop).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Layout(LayoutError::Damaged { .. })));
    }
}

/// All other options are what they are for streams.
#[test]
fn capacities() {
    for kind in KINDS {
        for capacity in [page(), 4 * page(), 1 << 20] {
            let (_name, mut sender, mut receiver) =
                kind.records_with(&Options::new().capacity(capacity));
            assert_eq!((sender.capacity(), receiver.capacity()), (capacity, capacity));
            assert_eq!(sender.max_len(), capacity - HEADER);
            sender.send(&content(0, capacity - HEADER)).unwrap();
            assert_eq!(receive(&mut receiver).0, content(0, capacity - HEADER));
            assert_fails!(receiver.try_recv(), ReadError::Empty);
        }
    }
    let name = RingName::new("record");
    let sender: Sender = Options::new().capacity(page()).create_new(&name).unwrap();
    let other = Options::new().capacity(2 * page());
    let error = other.open::<Receiver>(&name).unwrap_err();
    assert!(matches!(error.kind(), OpenErrorKind::CapacityDiffers { .. }), "{error:?}");
    let receiver: Receiver = other.adopt(true).open(&name).unwrap();
    assert_eq!(receiver.capacity(), page());
    drop((sender, receiver));
    name.assert_gone();
}
