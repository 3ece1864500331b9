//! What can be done with an inherited end: nothing.

use super::*;
use shmpipe::{mpsc, record, stream::TransferError};
use std::{fs::File, io::BufRead, time::Instant};

/// Everything an inherited writer can be asked for.
pub fn exercise_writer(writer: &mut Writer) {
    macro_rules! forked {
        ($($call:expr),* $(,)?) => {
            $({
                let result = $call.map(drop);
                assert!(matches!(result, Err(WriteError::Forked)), "{}: {result:?}", stringify!($call));
            })*
        };
    }
    let soon = Instant::now() + DEADLINE;
    forked!(
        writer.reserve(1),
        writer.try_reserve(1),
        writer.reserve_timeout(1, DEADLINE),
        writer.reserve_deadline(1, soon),
        writer.reserve_up_to(1),
        writer.try_reserve_up_to(1),
        writer.reserve_up_to_timeout(1, DEADLINE),
        writer.reserve_up_to_deadline(1, soon),
        writer.try_write(b"x"),
        writer.write_timeout(b"x", DEADLINE),
        writer.write_deadline(b"x", soon),
        writer.peer(),
    );
    let error = writer.write(b"x").unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    assert!(matches!(cause, Some(WriteError::Forked)), "{error:?}");
    assert!(error.to_string().contains("forked child"), "{error}");
    let zero = File::open("/dev/zero").unwrap();
    for result in [
        writer.read_from(&zero, 1),
        writer.try_read_from(&zero, 1),
        writer.read_from_timeout(&zero, 1, DEADLINE),
        writer.read_from_deadline(&zero, 1, soon),
    ] {
        assert!(matches!(result, Err(TransferError::Ring(WriteError::Forked))), "{result:?}");
    }
    // Numbers that need no ring.
    assert_eq!(writer.capacity(), page_size());
    let _ = (writer.len(), writer.is_empty(), writer.free(), writer.stats());
    writer.flush().unwrap();
    writer.aborter().abort();
}

/// Everything an inherited reader can be asked for.
pub fn exercise_reader(reader: &mut Reader) {
    macro_rules! forked {
        ($($call:expr),* $(,)?) => {
            $({
                let result = $call.map(drop);
                assert!(matches!(result, Err(ReadError::Forked)), "{}: {result:?}", stringify!($call));
            })*
        };
    }
    let soon = Instant::now() + DEADLINE;
    let mut bytes = [0];
    forked!(
        reader.fill_buf(),
        reader.try_fill_buf(),
        reader.fill_buf_timeout(DEADLINE),
        reader.fill_buf_deadline(soon),
        reader.try_read(&mut bytes),
        reader.read_timeout(&mut bytes, DEADLINE),
        reader.read_deadline(&mut bytes, soon),
        reader.peer(),
    );
    for error in [reader.read(&mut bytes).map(drop), BufRead::fill_buf(reader).map(drop)] {
        let error = error.unwrap_err();
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Forked)), "{error:?}");
        assert!(error.to_string().contains("forked child"), "{error}");
    }
    let null = File::options().write(true).open("/dev/null").unwrap();
    for result in [
        reader.write_to(&null, 1),
        reader.try_write_to(&null, 1),
        reader.write_to_timeout(&null, 1, DEADLINE),
        reader.write_to_deadline(&null, 1, soon),
    ] {
        assert!(matches!(result, Err(TransferError::Ring(ReadError::Forked))), "{result:?}");
    }
    reader.consume(1);
    reader.consume(usize::MAX);
    assert_eq!(reader.capacity(), page_size());
    let _ = (reader.len(), reader.is_empty(), reader.free(), reader.stats());
    reader.aborter().abort();
}

#[test]
fn no_operation_works_in_a_child_and_none_does_harm() {
    alone(|| {
        let name = RingName::new("operations");
        let (mut writer, mut reader) = ends(&name);
        Child::fork(|_| {
            exercise_writer(&mut writer);
            exercise_reader(&mut reader);
        })
        .join();
        assert_unharmed((writer, reader), &name);
    });
}

#[test]
fn an_inherited_end_can_be_printed() {
    alone(|| {
        let pair = Options::new().anonymous::<record::Sender>().unwrap();
        let many = Options::new().anonymous::<mpsc::Sender>().unwrap();
        let pair = (pair.0.claim().unwrap(), pair.1.claim().unwrap());
        let many = (many.0.claim().unwrap(), many.1.claim().unwrap());
        // Not what is in the ring, either, which is not there in the child.
        Child::fork(|_| assert!(format!("{pair:?}{many:?}").len() < 1 << 14)).join();
    });
}

#[test]
fn an_inherited_end_cannot_be_ended() {
    alone(|| {
        type Ending = fn((Writer, Reader));
        let endings: [Ending; 5] = [
            |ends| drop(ends),
            |(writer, reader)| {
                assert!(matches!(writer.finish(), Err(WriteError::Forked)));
                reader.fail(7);
            },
            |(writer, _)| {
                assert!(matches!(writer.finish_and_wait(), Err(WriteError::Forked)));
            },
            |(writer, _)| {
                let waited = writer.finish_and_wait_timeout(DEADLINE);
                assert!(matches!(waited, Err(WriteError::Forked)));
            },
            |(writer, _)| writer.fail(7),
        ];
        for ending in endings {
            let name = RingName::new("ending");
            let mut ends = Some(ends(&name));
            Child::fork(|_| ending(ends.take().unwrap())).join();
            assert_unharmed(ends.unwrap(), &name);
        }
    });
}

#[test]
fn a_reservation_made_before_a_fork_is_committed_by_the_parent_only() {
    alone(|| {
        let name = RingName::new("reservation");
        let (mut writer, mut reader) = ends(&name);
        let mut reserved = writer.reserve(3).unwrap();
        reserved.copy_from_slice(b"abc");
        let mut reserved = Some(reserved);
        Child::fork(|_| {
            let committed = reserved.take().unwrap().commit(3);
            assert!(matches!(committed, Err(WriteError::Forked)), "{committed:?}");
        })
        .join();
        assert_eq!(reader.fill_buf().unwrap(), b"bytes");
        reserved.unwrap().commit(3).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"bytesabc");
        reader.consume(3);
        reader.consume(5);
        writer.write_all(b"bytes").unwrap();
        assert_unharmed((writer, reader), &name);
    });
}

#[test]
fn an_inherited_end_forgets_what_it_was_told_before() {
    alone(|| {
        let name = RingName::new("told");
        let (writer, reader) = ends(&name);
        // Aborted and ended ones are inherited as well.
        let (mut aborted_writer, mut aborted_reader) = {
            let name = RingName::new("aborted");
            let ends = ends(&name);
            ends.0.aborter().abort();
            ends.1.aborter().abort();
            ends
        };
        Child::fork(|_| {
            exercise_writer(&mut aborted_writer);
            exercise_reader(&mut aborted_reader);
            drop((aborted_writer, aborted_reader));
        })
        .join();
        assert_unharmed((writer, reader), &name);
    });
}

/// Where this process has mapped shared memory objects, from first to last byte.
fn mapped(name: &RingName) -> Vec<std::ops::Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = name.mapped_as();
    let ours = maps.lines().filter(|line| line.contains(&path));
    ours.map(|line| {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        address(from)..address(to)
    })
    .collect()
}

#[test]
fn a_dropped_inheritance_leaves_alone_what_the_child_mapped_in_its_place() {
    alone(|| {
        let name = RingName::new("in-place");
        let mut ends = Some(ends(&name));
        let places = mapped(&name);
        assert_eq!(places.len(), 4, "two ends, each mapped twice");
        Child::fork(|_| {
            assert_eq!(mapped(&name), [], "not inherited");
            for place in &places {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
                let access = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: new memory where there is none: the flag sees to that.
                let at =
                    unsafe { libc::mmap(place.start as *mut _, place.len(), access, flags, -1, 0) };
                assert_eq!(at as usize, place.start, "{}", io::Error::last_os_error());
                // SAFETY: just mapped.
                unsafe { libc::memset(at, 0x5a, place.len()) };
            }
            let (mut writer, mut reader) = ends.take().unwrap();
            exercise_writer(&mut writer);
            exercise_reader(&mut reader);
            drop((writer, reader));
            for place in &places {
                // SAFETY: mapped above; if it is not any more, this test dies, as it should.
                let bytes =
                    unsafe { std::slice::from_raw_parts(place.start as *const u8, place.len()) };
                assert!(bytes.iter().all(|byte| *byte == 0x5a), "the child's memory was changed");
            }
        })
        .join();
        assert_unharmed(ends.unwrap(), &name);
    });
}
