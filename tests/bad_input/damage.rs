//! Names that lead to something that is no ring, or a ring that was damaged while nobody was there.

use super::*;
use shmpipe::LayoutError;
use std::{
    fs::{self, File},
    io::{self, Write},
};
use support::{alone, is_system_v, posix_only};

/// What stands where in a ring's first bytes.
const VERSION: usize = 8;
const FACE: usize = 12;
const CAPACITY: usize = 16;
const DATA_OFFSET: usize = 24;
const BUILDER: std::ops::Range<usize> = 40..44;
const ABI: usize = 48;
const HEADER: usize = 256;

/// Whether an object can have this length and be taken for a ring's: a segment
/// of System V has whole pages.
fn can_be(length: &usize) -> bool {
    !is_system_v() || length.is_multiple_of(page_size())
}

/// The bytes of a ring with some unread, which nobody is at.
fn ring() -> Vec<u8> {
    let name = RingName::new("template");
    let mut writer: Writer = options().create_new(&name).unwrap();
    writer.write_all(b"unread").unwrap();
    drop(writer);
    let mut bytes = name.memory().content();
    // Not this process, so that it would show if this process wrote its number down.
    bytes[BUILDER].copy_from_slice(&1_u32.to_ne_bytes());
    bytes
}

/// What is refused, and left as it is.
#[track_caller]
fn refuse(bytes: &[u8], reasons: &[&str]) -> LayoutError {
    let name = RingName::new("damaged");
    name.make(bytes);
    let error = refused(&options(), &name, reasons);
    let mut left = name.memory().content();
    if is_system_v() {
        left.truncate(bytes.len()); // Seen are whole pages.
    }
    assert_eq!(left.len(), bytes.len(), "its length was changed");
    let version = bytes.get(VERSION..VERSION + 4);
    if bytes.starts_with(b"shmpipe\n")
        && version == Some(&1_u32.to_ne_bytes())
        && left.len() >= HEADER
    {
        // Whoever has the build lock of a ring of this version writes down who it is.
        left[BUILDER].copy_from_slice(&bytes[BUILDER]);
    }
    assert!(left == bytes, "it was written to");
    let OpenErrorKind::Layout(why) = error.kind() else { panic!("{error:?}") };
    let why = why.clone();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
    why
}

#[test]
fn what_is_no_ring() {
    alone(|| {
        let text = "#!/bin/sh\necho precious\n".repeat(1000);
        // Noise that is the same each time (xorshift).
        let noise: Vec<u8> = std::iter::successors(Some(0x9e37_79b9_u32), |x| {
            let x = x ^ x << 13;
            let x = x ^ x >> 17;
            Some(x ^ x << 5)
        })
        .map(|x| x as u8)
        .take(3 * page_size())
        .collect();
        let zeros = vec![0; 3 * page_size()];
        for content in [text.as_bytes(), &noise, &zeros] {
            for length in [1, 7, 8, 9, 255, 256, 257, 4096, 2 * page_size(), 3 * page_size()] {
                if is_system_v() && content == zeros && can_be(&length) {
                    continue; // What a builder leaves.
                }
                let why = refuse(&content[..length], &["no shmpipe ring"]);
                assert_eq!(why, LayoutError::NotARing, "{length} bytes");
            }
        }
    });
}

#[test]
fn what_is_shorter_than_a_header() {
    alone(|| {
        let ring = ring();
        for length in [1, 7, 8, 12, 16, 255] {
            let why = refuse(&ring[..length], &["no shmpipe ring"]);
            assert_eq!(why, LayoutError::NotARing, "{length} bytes");
        }
    });
}

#[test]
fn what_is_shorter_than_it_says() {
    alone(|| {
        let ring = ring();
        let whole = ring.len() as u64;
        for length in
            [HEADER, 1152, page_size(), ring.len() / 2, ring.len() - 1].into_iter().filter(can_be)
        {
            let numbers = [length.to_string(), whole.to_string()];
            let why = refuse(&ring[..length], &["cut short", &numbers[0], &numbers[1]]);
            assert_eq!(why, LayoutError::Truncated { expected: whole, found: length as u64 });
        }
    });
}

#[test]
fn what_another_program_made() {
    alone(|| {
        let ring = ring();
        let with = |at: usize, value: u32| {
            let mut bytes = ring.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            bytes
        };
        for version in [0, 2, u32::MAX] {
            let number = version.to_string();
            let why = refuse(&with(VERSION, version), &["version", &number]);
            assert_eq!(why, LayoutError::Version { found: version });
        }
        for (face, what) in [(0, "(0)"), (2, "records"), (3, "slots"), (u32::MAX, "4294967295")] {
            let why = refuse(&with(FACE, face), &["is a ring of", what, "not of bytes"]);
            assert!(matches!(why, LayoutError::Face { found, .. } if found == face));
        }
        let abi = ["pointer", "semaphore", "C library", "byte order"];
        for (i, what) in abi.into_iter().enumerate() {
            let why = refuse(&with(ABI + 4 * i, 77), &["ABI", what, "77"]);
            assert!(matches!(why, LayoutError::Abi { found: 77, .. }), "{why:?}");
        }
    });
}

#[test]
fn a_geometry_that_cannot_be() {
    alone(|| {
        let ring = ring();
        let page = page_size() as u64;
        let with = |at: usize, value: u64| {
            let mut bytes = ring.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
            bytes
        };
        for capacity in [0, 1, page / 2, page + 1, 3 * page, 1 << 62, 1 << 63, u64::MAX] {
            let why = refuse(&with(CAPACITY, capacity), &["damaged", &capacity.to_string()]);
            assert!(matches!(why, LayoutError::Damaged { found, .. } if found == capacity));
        }
        for offset in [0, 1, 1152, page - 1, page + 1, 2 * page, 1 << 63, u64::MAX, 1 << 20] {
            let why = refuse(&with(DATA_OFFSET, offset), &["damaged", &offset.to_string()]);
            assert!(matches!(why, LayoutError::Damaged { found, .. } if found == offset));
        }
        // It could be, but the object is not as long.
        for capacity in [2 * page, 1 << 30, 1 << 60] {
            let why = refuse(&with(CAPACITY, capacity), &["cut short"]);
            assert!(matches!(why, LayoutError::Truncated { .. }), "{why:?}");
        }
    });
}

#[test]
fn a_truncated_file_is_refused_while_others_are_at_it() {
    alone(|| {
        if !posix_only("a size that changes") {
            return;
        }
        let name = RingName::new("cut");
        let mut writer: Writer = options().create_new(&name).unwrap();
        writer.write_all(b"x").unwrap();
        let file = File::options().write(true).open(name.path()).unwrap();
        file.set_len(page_size() as u64).unwrap();
        let cut = error(options().open::<Reader>(&name), &name, &["cut short"]);
        assert!(matches!(cut.kind(), OpenErrorKind::Layout(LayoutError::Truncated { .. })));
    });
}

/// Cut to nothing it looks like one that a builder has just made; but there is somebody at it, who
/// would find its memory turned into another ring.
#[test]
fn an_emptied_file_is_not_built_upon_while_others_are_at_it() {
    alone(|| {
        if !posix_only("a size that changes") {
            return;
        }
        let name = RingName::new("emptied");
        let writer: Writer = options().create_new(&name).unwrap();
        File::options().write(true).open(name.path()).unwrap().set_len(0).unwrap();
        assert!(options().open_or_create::<Reader>(&name).is_err());
        assert_eq!(fs::metadata(name.path()).unwrap().len(), 0);
        // Its memory is gone, which is more than it can be expected to survive.
        std::mem::forget(writer);
    });
}

#[test]
fn a_nonce_and_a_builder_can_be_anything() {
    alone(|| {
        let name = RingName::new("harmless");
        name.make(&ring());
        name.memory().write_all_at(&[0xff; 12], 32).unwrap();
        let mut reader: Reader = options().open(&name).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"unread");
    });
}
