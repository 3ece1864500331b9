//! Rings that are damaged or of a layout that this version does not know:
//! nothing in them can be trusted.

use super::*;
use crate::{
    face_support::Stream,
    support::{alone, posix_only},
};
use shmpipe::{
    LayoutError,
    stream::{Reader, Writer},
};

/// Where in a ring's memory it says what it is, and what to write there.
const DAMAGES: [(&str, u64, u32); 6] = [
    ("version", 8, 77),
    ("face", 12, 99),
    ("capacity", 16, 12345),
    ("data offset", 24, 64),
    ("size of a pointer", 48, 4),
    ("number of producers", 136, 3),
];

#[test]
fn their_name_goes_if_nobody_is_there() {
    alone(|| {
        for (what, at, value) in DAMAGES {
            let name = RingName::new("damaged");
            drop(patient().persistent(true).create_new::<Writer>(&name).unwrap());
            Memory::of(&name).0.write_all_at(&value.to_ne_bytes(), at).unwrap();
            assert!(patient().open_or_create::<Writer>(&name).is_err(), "{what}");
            assert_works(&name);
        }
        if !posix_only("what was cut short") {
            return;
        }
        // To where it does not even say what it is.
        for length in [8, 100, 256, 300, 5000] {
            let name = RingName::new("cut");
            drop(patient().persistent(true).create_new::<Writer>(&name).unwrap());
            cut(&name, length);
            assert!(patient().open_or_create::<Writer>(&name).is_err(), "{length}");
            assert_works(&name);
        }
    });
}

fn cut(name: &RingName, length: u64) {
    let file = std::fs::File::options().write(true).open(name.path()).unwrap();
    file.set_len(length).unwrap();
}

#[track_caller]
fn assert_works(name: &RingName) {
    let mut writer: Writer = server().open_or_create(name).unwrap();
    let mut reader: Reader = patient().open(name).unwrap();
    assert_meet::<Stream>(&mut writer, &mut reader);
    drop((writer, reader));
    name.assert_gone();
}

/// Who cannot be told must not be left behind.
#[test]
fn they_stay_while_somebody_is_there() {
    alone(|| {
        for (what, at, value) in DAMAGES {
            let name = RingName::new("damaged-used");
            let reader: Reader = patient().create_new(&name).unwrap();
            Memory::of(&name).0.write_all_at(&value.to_ne_bytes(), at).unwrap();
            let error = server().open_or_create::<Writer>(&name).unwrap_err();
            let OpenErrorKind::InUse(why) = error.kind() else { panic!("{what}: {error:?}") };
            assert!(!matches!(why, LayoutError::NotARing), "{what}: {why:?}");
            let kind = std::io::Error::from(error).kind();
            assert_eq!(kind, std::io::ErrorKind::ResourceBusy);
            name.assert_exists();
            drop(reader);
            drop(server().open_or_create::<Writer>(&name).unwrap());
            name.assert_gone();
        }
        if !posix_only("what was cut short") {
            return;
        }
        for length in [0, 100, 300] {
            let name = RingName::new("cut-used");
            let mut child = Child::fork(|line| {
                let _reader: Reader = patient().create_new(&name).unwrap();
                line.say("there");
                wait_to_be_killed();
            });
            child.expect("there");
            cut(&name, length);
            let error = server().open_or_create::<Writer>(&name).unwrap_err();
            let OpenErrorKind::InUse(LayoutError::Truncated { found, .. }) = error.kind() else {
                panic!("{length}: {error:?}")
            };
            assert_eq!(*found, length);
            child.kill();
            assert_works(&name);
        }
    });
}

/// Shared words that make no sense do not keep those from being told who can be.
#[test]
fn a_ring_with_nonsense_in_its_words_is_replaced() {
    const PRODUCER: u64 = 256;
    const TAIL: u64 = 384;
    alone(|| {
        for (at, word) in [(PRODUCER, u64::MAX), (TAIL, u64::MAX), (TAIL, 3)] {
            let name = RingName::new("nonsense");
            let reader: Reader = patient().create_new(&name).unwrap();
            Memory::of(&name).set(at, word);
            let mut writer: Writer = server().open_or_create(&name).unwrap();
            assert_eq!(reader.peer().unwrap(), shmpipe::Peer::Replaced);
            drop(reader);
            let mut reader: Reader = patient().open(&name).unwrap();
            assert_meet::<Stream>(&mut writer, &mut reader);
        }
    });
}
