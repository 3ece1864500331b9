//! What cannot be had, whatever is there.

use super::*;
use shmpipe::Backend;
use std::io::{self, Write};
use support::alone;

#[test]
fn capacities_that_are_none() {
    alone(|| {
        let page = page_size();
        for capacity in [0, 1, page / 2, page - 1, page + 1, page + 8, 3 * page, usize::MAX] {
            let name = RingName::new("capacity");
            let error = refused(
                &options().capacity(capacity),
                &name,
                &[&format!(" {capacity} "), "power of two", "page"],
            );
            assert!(matches!(error.kind(), OpenErrorKind::Capacity(n) if *n == capacity));
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
            name.assert_gone();
            let error = options().capacity(capacity).anonymous::<Writer>().unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::Capacity(n) if *n == capacity));
        }
    });
}

#[test]
fn a_power_of_two_that_is_too_much_is_not_called_none() {
    alone(|| {
        for shift in 61..64 {
            let name = RingName::new("huge");
            let message = options().capacity(1 << shift).open_or_create::<Writer>(&name);
            let message = message.unwrap_err().to_string();
            assert!(!message.contains("must be a power of two of at least one page"), "{message}");
            name.assert_gone();
        }
    });
}

#[test]
fn modes_that_are_none() {
    alone(|| {
        let unusable = [0, 0o400, 0o200, 0o060, 0o066, 0o577, 0o700, 0o601, 0o1600, 0o4600, 0o7777];
        for mode in unusable.into_iter().chain([u32::MAX]) {
            let name = RingName::new("mode");
            let error =
                refused(&options().mode(mode), &name, &[&format!("{mode:04o}"), "read and write"]);
            assert!(matches!(error.kind(), OpenErrorKind::UnusableMode(found) if *found == mode));
            name.assert_gone();
            let error = options().mode(mode).anonymous::<Writer>().unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::UnusableMode(found) if *found == mode));
        }
    });
}

#[test]
fn rings_of_memfds_have_no_names() {
    alone(|| {
        let name = RingName::new("memfd");
        let error = refused(&options().backend(Backend::Memfd), &name, &["no names", "anonymous"]);
        assert!(matches!(error.kind(), OpenErrorKind::NoName));
        name.assert_gone();
    });
}

#[test]
fn what_must_exist_and_does_not() {
    alone(|| {
        let name = RingName::new("missing");
        let missing = error(options().open::<Writer>(&name), &name, &["no such ring"]);
        assert!(matches!(missing.kind(), OpenErrorKind::NotFound));
        let missing = error(options().open::<Reader>(&name), &name, &["no such ring"]);
        assert_eq!(io::Error::from(missing).kind(), io::ErrorKind::NotFound);
        name.assert_gone();
    });
}

#[test]
fn what_must_not_exist_and_does() {
    alone(|| {
        let name = RingName::new("existing");
        let mut writer: Writer = options().create_new(&name).unwrap();
        writer.write_all(b"unharmed").unwrap();
        let exists = error(options().create_new::<Reader>(&name), &name, &["exists already"]);
        assert!(matches!(exists.kind(), OpenErrorKind::AlreadyExists));
        let exists = error(options().create_new::<Writer>(&name), &name, &["exists already"]);
        assert_eq!(io::Error::from(exists).kind(), io::ErrorKind::AlreadyExists);
        let mut reader: Reader = options().open(&name).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"unharmed");

        // Nor if it is no ring at all.
        let file = RingName::new("file");
        file.make(b"precious");
        let exists = error(options().create_new::<Writer>(&file), &file, &["exists already"]);
        assert!(matches!(exists.kind(), OpenErrorKind::AlreadyExists));
        assert!(file.memory().content().starts_with(b"precious"));
    });
}

#[test]
fn another_capacity_than_the_ring_has() {
    alone(|| {
        let name = RingName::new("differs");
        let page = page_size();
        let mut writer: Writer = options().capacity(4 * page).create_new(&name).unwrap();
        writer.write_all(b"unharmed").unwrap();
        for asked in [page, 8 * page] {
            let asking = options().capacity(asked);
            let numbers = [asked.to_string(), (4 * page).to_string()];
            let reasons = [&numbers[0][..], &numbers[1], "adopt"];
            for opened in [asking.open::<Reader>(&name), asking.open_or_create(&name)] {
                let error = error(opened, &name, &reasons);
                let OpenErrorKind::CapacityDiffers { asked: a, found, .. } = *error.kind() else {
                    panic!("{error:?}")
                };
                assert_eq!((a, found), (asked, 4 * page));
            }
            let reader: Reader = asking.adopt(true).open(&name).unwrap();
            assert_eq!(reader.capacity(), 4 * page);
            std::mem::drop(reader);
        }
        // The same, and none.
        drop(options().capacity(4 * page).open::<Reader>(&name).unwrap());
        let mut reader: Reader = Options::new().open(&name).unwrap();
        assert_eq!(reader.capacity(), 4 * page);
        assert_eq!(reader.fill_buf().unwrap(), b"unharmed");
        // To adopt is not to have: what is asked for must be possible all the same.
        let error = options().capacity(3).adopt(true).open::<Writer>(&name).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::Capacity(3)));
    });
}

#[test]
fn another_capacity_than_an_anonymous_ring_has() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let asking = options().capacity(2 * page_size());
        let error = reader.claim_with(&asking).unwrap_err();
        assert!(matches!(error.kind(), OpenErrorKind::CapacityDiffers { .. }), "{error:?}");
        assert!(error.to_string().starts_with("anonymous ring: "), "{error}");
        let writer = writer.claim_with(&asking.adopt(true)).unwrap();
        assert_eq!(writer.capacity(), page_size());
    });
}
