//! Two programs that do not mean the same type do not meet.

use crate::{assert_fails, slot_support::*, stream_support::*};
use bytemuck::{Pod, Zeroable};
use shmpipe::{
    LayoutError, OpenError, OpenErrorKind, Options, Unclaimed,
    record::{Receiver, Sender},
    slot::{Consumer, Producer},
    stream::{Reader, Writer},
};
use std::os::fd::{AsFd, OwnedFd};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Frame {
    nanos: u64,
    axes: [u64; 2],
}

/// Another program's types, of its own modules.
mod elsewhere {
    use super::*;

    /// The same by another path.
    #[derive(Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    pub struct Frame(pub [u64; 3]);

    pub mod longer {
        use super::*;

        #[derive(Clone, Copy, Pod, Zeroable)]
        #[repr(C)]
        pub struct Frame(pub [u64; 4]);
    }

    pub mod looser {
        use super::*;

        #[derive(Clone, Copy, Pod, Zeroable)]
        #[repr(C)]
        pub struct Frame(pub [u32; 6]);
    }

    /// The same but for the name.
    #[derive(Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    pub struct Picture(pub [u64; 3]);
}

/// (name, size, align)
type Element = (&'static str, usize, usize);

#[track_caller]
fn is_mismatch(opened: Result<(), OpenError>, expected: Element, found: Element) {
    let error = opened.unwrap_err();
    let OpenErrorKind::Layout(LayoutError::TypeMismatch { expected: e, found: f }) = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((e.name.as_str(), e.size, e.align), expected);
    assert_eq!((f.name.as_str(), f.size, f.align), found);
    // What people read names both.
    let text = error.to_string();
    for (name, size, align) in [expected, found] {
        for part in [name, &size.to_string(), &align.to_string()] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidData);
}

/// Tries to attach to a ring of `Frame`s as if it were one of `T`s, by name and by descriptor.
fn is_refused_as<T: Pod>(expected: Element) {
    let found = ("Frame", 24, 8);
    let site = SlotSite::new::<Frame>(true);
    is_mismatch(site.open::<Consumer<T>>(&Options::new()).map(drop), expected, found);
    is_mismatch(site.open::<Producer<T>>(&Options::new()).map(drop), expected, found);
    let opened = Options::new().open_or_create::<Consumer<T>>(&site.name);
    is_mismatch(opened.map(drop), expected, found);

    let site = SlotSite::new::<Frame>(false);
    is_mismatch(site.open::<Consumer<T>>(&Options::new()).map(drop), expected, found);
    is_mismatch(site.open::<Producer<T>>(&Options::new()).map(drop), expected, found);
    // It was refused and nothing else: who means the same type has the ring.
    let mut producer = site.producer::<Frame>(&Options::new());
    let mut consumer = site.consumer::<Frame>(&Options::new());
    producer.push(Frame { nanos: 1, axes: [2, 3] }).unwrap();
    assert_eq!(consumer.pop().unwrap().unwrap().axes, [2, 3]);
}

#[test]
fn another_size_another_alignment_another_name() {
    is_refused_as::<elsewhere::longer::Frame>(("Frame", 32, 8));
    is_refused_as::<elsewhere::looser::Frame>(("Frame", 24, 4));
    is_refused_as::<elsewhere::Picture>(("Picture", 24, 8));
    is_refused_as::<[u64; 3]>(("[u64; 3]", 24, 8));
}

#[test]
fn another_module_is_the_same_type() {
    for named in [true, false] {
        let site = SlotSite::new::<Frame>(named);
        let mut producer = site.producer::<elsewhere::Frame>(&Options::new());
        let mut consumer = site.consumer::<Frame>(&Options::new());
        producer.push(elsewhere::Frame([1, 2, 3])).unwrap();
        let frame = consumer.pop().unwrap().unwrap();
        assert_eq!((frame.nanos, frame.axes), (1, [2, 3]));
    }
}

#[test]
fn a_tag_stands_for_the_name() {
    let tagged = Options::new().capacity(page()).type_tag("frame v2");
    let name = RingName::new("tag");
    let _producer: Producer<Frame> = tagged.create_new(&name).unwrap();
    // Another type, if the two are said to be the same.
    let consumer: Consumer<elsewhere::Picture> = tagged.open(&name).unwrap();
    drop(consumer);
    // Neither the type's name nor another tag will do.
    let found = ("frame v2", 24, 8);
    let untagged = Options::new().open::<Consumer<Frame>>(&name).map(drop);
    is_mismatch(untagged, ("Frame", 24, 8), found);
    for other in ["frame v1", "frame v2 ", "frame", "", "frame v2\u{301}"] {
        let opened = Options::new().type_tag(other).open::<Consumer<Frame>>(&name).map(drop);
        is_mismatch(opened, (other, 24, 8), found);
    }
    // A tag changes nothing of what size and alignment must be.
    let opened = tagged.open::<Consumer<elsewhere::looser::Frame>>(&name).map(drop);
    is_mismatch(opened, ("frame v2", 24, 4), found);
}

/// 64 bytes of a tag count, wherever that cuts it.
#[test]
fn a_long_tag() {
    let long = "x".repeat(63);
    let with = |end: &str| Options::new().capacity(page()).type_tag(&format!("{long}{end}"));
    let name = RingName::new("long-tag");
    let _producer: Producer<Frame> = with("yes").create_new(&name).unwrap();
    drop(with("yesterday").open::<Consumer<Frame>>(&name).unwrap());
    assert!(with("no").open::<Consumer<Frame>>(&name).is_err());
    assert!(with("").open::<Consumer<Frame>>(&name).is_err());

    // In the midst of a character.
    let name = RingName::new("cut-tag");
    let _producer: Producer<Frame> = with("ä").create_new(&name).unwrap();
    drop(with("ä").open::<Consumer<Frame>>(&name).unwrap());
    let error = with("a").open::<Consumer<Frame>>(&name).unwrap_err();
    assert!(error.to_string().contains(&long), "{error}");
}

#[test]
fn a_ring_of_another_face() {
    fn is_other(opened: Result<(), OpenError>, expected: u32, found: u32) {
        let error = opened.unwrap_err();
        let OpenErrorKind::Layout(LayoutError::Face { expected: e, found: f }) = *error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!((e, f), (expected, found), "{error}");
    }
    let [name, stream, records] =
        [RingName::new("slots"), RingName::new("stream"), RingName::new("records")];
    let options = Options::new().capacity(page());
    let _slots: Producer<u64> = options.create_new(&name).unwrap();
    let _stream: Writer = options.create_new(&stream).unwrap();
    let _records: Sender = options.create_new(&records).unwrap();
    is_other(options.open::<Reader>(&name).map(drop), 1, 3);
    is_other(options.open::<Receiver>(&name).map(drop), 2, 3);
    is_other(options.open::<Consumer<u64>>(&stream).map(drop), 3, 1);
    is_other(options.open::<Consumer<u8>>(&records).map(drop), 3, 2);
    is_other(options.open_or_create::<Consumer<u64>>(&stream).map(drop), 3, 1);

    let (writer, reader) = options.anonymous::<Writer>().unwrap();
    let memory: OwnedFd = writer.as_fd().try_clone_to_owned().unwrap();
    is_other(Unclaimed::<Producer<u64>>::from(memory).claim().map(drop), 3, 1);
    // Nobody has taken the roles by that.
    drop((writer.claim().unwrap(), reader.claim().unwrap()));
}

#[test]
fn a_value_larger_than_the_ring() {
    fn is_too_large<T>(opened: Result<(), OpenError>) {
        let error = opened.unwrap_err();
        let OpenErrorKind::ElementTooLarge { size, capacity } = *error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!((size, capacity), (size_of::<T>(), page()));
        for number in [size, capacity] {
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
    }
    /// Larger than a page of any size there is.
    #[derive(Clone, Copy, Pod, Zeroable)]
    #[repr(C)]
    struct Large([[[u64; 32]; 32]; 32]);

    let name = RingName::new("too-large");
    let options = Options::new().capacity(page());
    is_too_large::<Large>(options.open_or_create::<Producer<Large>>(&name).map(drop));
    is_too_large::<Large>(options.create_new::<Consumer<Large>>(&name).map(drop));
    if size_of::<Odd>() > page() {
        // By one byte.
        is_too_large::<Odd>(options.create_new::<Consumer<Odd>>(&name).map(drop));
        is_too_large::<Odd>(options.anonymous::<Consumer<Odd>>().map(drop));
    }
    name.assert_gone();
    is_too_large::<Large>(options.anonymous::<Producer<Large>>().map(drop));
    // The default capacity is enough for it.
    drop(Options::new().create_new::<Producer<Large>>(&name).unwrap());
}

/// Neither the alignment of records nor a wish for a type has a meaning for the other faces.
#[test]
fn options_of_other_faces_are_ignored() {
    let name = RingName::new("ignored");
    let options = Options::new().capacity(page()).payload_align(64);
    let mut producer: Producer<u64> = options.create_new(&name).unwrap();
    let mut consumer: Consumer<u64> = options.open(&name).unwrap();
    producer.push(7).unwrap();
    assert_eq!(consumer.pop().unwrap(), Some(7));
    let name = RingName::new("ignored-tag");
    drop(options.type_tag("tag").create_new::<Writer>(&name).unwrap());
}

/// The name of a ring that does not exist, and the ends that do.
#[test]
fn what_the_other_faces_refuse_is_refused() {
    let name = RingName::new("missing");
    let missing = Options::new().open::<Consumer<u64>>(&name).map(drop);
    assert_fails!(missing, error if matches!(error.kind(), OpenErrorKind::NotFound));
    for capacity in [0, page() - 1, page() + 8, 3 * page()] {
        let made = Options::new().capacity(capacity).create_new::<Producer<u64>>(&name).map(drop);
        assert_fails!(made, error if matches!(error.kind(), OpenErrorKind::Capacity(_)));
    }
    name.assert_gone();
    let _producer: Producer<u64> = Options::new().capacity(page()).create_new(&name).unwrap();
    let other = Options::new().capacity(2 * page());
    let refused = other.open::<Consumer<u64>>(&name).map(drop);
    assert_fails!(refused, error if matches!(error.kind(), OpenErrorKind::CapacityDiffers { .. }));
    let adopted = other.adopt(true).open::<Consumer<u64>>(&name).unwrap();
    assert_eq!(adopted.capacity(), page() / 8);
}
