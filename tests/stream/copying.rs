//! `write` and `read` with their forms, `fill_buf` and `consume`, and what std builds on them.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Options,
    stream::{ReadError, WriteError},
};
use std::{
    io::{self, BufRead, Read, Write},
    thread,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_write_takes_what_there_is_room_for() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let bytes = bytes_from(0, 3 * page());
        let soon = || Instant::now() + SHORT;
        assert_eq!(writer.try_write(&bytes[..10]).unwrap(), 10);
        assert_eq!(writer.write(&bytes[10..20]).unwrap(), 10);
        assert_eq!(writer.write_timeout(&bytes[20..30], SHORT).unwrap(), 10);
        assert_eq!(writer.write_deadline(&bytes[30..40], soon()).unwrap(), 10);
        assert_eq!(writer.write(&bytes[40..]).unwrap(), page() - 40, "the rest of the ring");

        assert_fails!(writer.try_write(&bytes), WriteError::Full);
        assert_fails!(writer.write_timeout(&bytes, SHORT), WriteError::Timeout);
        assert_fails!(writer.write_timeout(&bytes, Duration::ZERO), WriteError::Timeout);
        assert_fails!(writer.write_deadline(&bytes, soon()), WriteError::Timeout);
        assert_eq!(reader.fill_buf().unwrap(), &bytes[..page()], "{kind:?}");

        // Any room is enough.
        for form in 0..4 {
            reader.consume(1);
            let bytes = &bytes[page() + form..];
            let written = match form {
                0 => writer.try_write(bytes).unwrap(),
                1 => writer.write(bytes).unwrap(),
                2 => writer.write_timeout(bytes, Duration::MAX).unwrap(),
                _ => writer.write_deadline(bytes, soon()).unwrap(),
            };
            assert_eq!(written, 1);
        }
        assert_eq!(reader.fill_buf().unwrap(), &bytes[4..page()], "the rest, {kind:?}");
        assert_eq!(reader.fill_buf().unwrap(), &bytes[4..page() + 4], "all, {kind:?}");
    }
}

#[test]
fn a_read_takes_what_there_is() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let mut into = [0; 100];
        let soon = || Instant::now() + SHORT;
        assert_fails!(reader.try_read(&mut into), ReadError::Empty);
        assert_fails!(reader.read_timeout(&mut into, SHORT), ReadError::Timeout);
        assert_fails!(reader.read_timeout(&mut into, Duration::ZERO), ReadError::Timeout);
        assert_fails!(reader.read_deadline(&mut into, soon()), ReadError::Timeout);
        assert_fails!(reader.try_fill_buf(), ReadError::Empty);
        assert_fails!(reader.fill_buf_timeout(SHORT), ReadError::Timeout);
        assert_fails!(reader.fill_buf_deadline(soon()), ReadError::Timeout);

        let mut position = 0;
        for form in 0..4 {
            writer.write_all(&bytes_from(position, 60)).unwrap();
            let mut read = |into: &mut [u8]| match form {
                0 => reader.try_read(into).unwrap(),
                1 => reader.read(into).unwrap(),
                2 => reader.read_timeout(into, Duration::MAX).unwrap(),
                _ => reader.read_deadline(into, soon()).unwrap(),
            };
            assert_eq!(read(&mut into[..50]), 50, "a smaller buffer is filled");
            check(&into[..50], position);
            assert_eq!(read(&mut into), 10, "a larger one gets what there is, {kind:?}");
            check(&into[..10], position + 50);
            position += 60;
        }
        assert!(reader.is_empty());
    }
}

#[test]
fn every_fill_buf_shows_everything() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        // From 10 before the end of the data area to its beginning: still one slice.
        writer.write_all(&vec![0; page() - 10]).unwrap();
        reader.read_exact(&mut vec![0; page() - 10]).unwrap();
        writer.write_all(&bytes_from(0, 30)).unwrap();

        let expected = bytes_from(0, 30);
        assert_eq!(reader.fill_buf().unwrap(), expected);
        assert_eq!(reader.try_fill_buf().unwrap(), expected);
        assert_eq!(reader.fill_buf_timeout(SHORT).unwrap(), expected);
        assert_eq!(reader.fill_buf_deadline(Instant::now()).unwrap(), expected);
        assert_eq!(BufRead::fill_buf(&mut reader).unwrap(), expected, "{kind:?}");

        reader.consume(13);
        assert_eq!(reader.fill_buf().unwrap(), &expected[13..], "what is left of it");
        assert_eq!(reader.len(), 17);
        BufRead::consume(&mut reader, 17);
        assert_fails!(reader.try_fill_buf(), ReadError::Empty);
    }
}

#[test]
fn consuming_more_than_was_shown_consumes_what_was_shown() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        reader.consume(5);
        writer.write_all(b"shown").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"shown");
        writer.write_all(b"later").unwrap();
        reader.consume(usize::MAX);
        assert_eq!(reader.fill_buf().unwrap(), b"later", "{kind:?}");
    }
}

#[test]
fn what_was_not_shown_is_not_consumed() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&bytes_from(0, 10)).unwrap();
        assert_eq!(reader.try_read(&mut [0; 3]).unwrap(), 3);
        reader.consume(10);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(3, 7), "{kind:?}");
        assert_eq!(reader.try_read(&mut [0; 3]).unwrap(), 3);
        reader.consume(10);
        assert!(reader.is_empty());
    }
}

/// As the one above where a look shows less than there is: bytes that are copied out are shown in
/// portions.
#[test]
fn consuming_more_than_was_shown_of_a_large_ring() {
    for kind in KINDS {
        let capacity = 1 << 20;
        let (_name, mut writer, mut reader) = kind.pair(&Options::new().capacity(capacity));
        writer.write_all(&bytes_from(0, capacity)).unwrap();
        let mut position = 0;
        while !reader.is_empty() {
            let shown = reader.fill_buf().unwrap();
            check(shown, position);
            position += shown.len() as u64;
            reader.consume(usize::MAX);
        }
        assert_eq!(position, capacity as u64, "bytes were skipped that nobody saw, {kind:?}");
    }
}

#[test]
fn lines() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.page();
        let thread = thread::spawn(move || {
            for number in 0..5000 {
                writeln!(writer, "line {number}").unwrap();
            }
            write!(writer, "the last has no end").unwrap();
            writer.flush().unwrap();
            writer.finish().unwrap();
        });
        let mut count = 0;
        for line in reader.lines() {
            let expected = match count {
                5000 => "the last has no end".to_owned(),
                _ => format!("line {count}"),
            };
            assert_eq!(line.unwrap(), expected, "{kind:?}");
            count += 1;
        }
        assert_eq!(count, 5001);
        thread.join().unwrap();
    }
}

#[test]
fn read_to_end_and_write_all() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let bytes = bytes_from(0, 10 * page() + 7);
        let thread = thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.finish().unwrap();
        });
        let mut all = Vec::new();
        assert_eq!(reader.read_to_end(&mut all).unwrap(), 10 * page() + 7);
        assert_eq!(all, bytes_from(0, 10 * page() + 7), "{kind:?}");
        assert_eq!(reader.read_to_end(&mut all).unwrap(), 0, "and nothing follows");
        thread.join().unwrap();
    }
}

#[test]
fn a_stream_that_is_not_whole_is_no_success_of_read_to_end() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"half of").unwrap();
        drop(writer);
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(all, b"half of", "what came is there, {kind:?}");
    }
}

/// From one ring into the next.
#[test]
fn io_copy_through_two_rings() {
    for kind in KINDS {
        let (_first, mut source, mut middle_in) = kind.page();
        let (_second, mut middle_out, mut sink) = kind.pair(&Options::new().capacity(4 * page()));
        let whole = 50 * page() + 11;
        thread::scope(|scope| {
            scope.spawn(move || {
                let bytes = bytes_from(0, whole);
                assert_eq!(io::copy(&mut &bytes[..], &mut source).unwrap(), whole as u64);
                source.finish().unwrap();
            });
            scope.spawn(move || {
                assert_eq!(io::copy(&mut middle_in, &mut middle_out).unwrap(), whole as u64);
                middle_out.finish().unwrap();
            });
            let mut all = Vec::new();
            assert_eq!(io::copy(&mut sink, &mut all).unwrap(), whole as u64);
            assert_eq!(all, bytes_from(0, whole), "{kind:?}");
        });
    }
}

/// Errors keep their kind and their message as [`io::Error`]s.
#[test]
fn as_io_errors() {
    use io::ErrorKind;
    let write = |error: WriteError| io::Error::from(error).kind();
    assert_eq!(write(WriteError::Full), ErrorKind::WouldBlock);
    assert_eq!(write(WriteError::Timeout), ErrorKind::TimedOut);
    assert_eq!(write(WriteError::TooLarge { requested: 2, limit: 1 }), ErrorKind::InvalidInput);
    assert_eq!(write(WriteError::ReaderLeft), ErrorKind::BrokenPipe);
    assert_eq!(write(WriteError::ReaderFailed(3)), ErrorKind::BrokenPipe);
    assert_eq!(write(WriteError::ReaderDied), ErrorKind::BrokenPipe);
    let read = |error: ReadError| io::Error::from(error).kind();
    assert_eq!(read(ReadError::Empty), ErrorKind::WouldBlock);
    assert_eq!(read(ReadError::Timeout), ErrorKind::TimedOut);
    assert_eq!(read(ReadError::Failed(3)), ErrorKind::UnexpectedEof);
    assert_eq!(read(ReadError::Dropped), ErrorKind::UnexpectedEof);
    assert_eq!(read(ReadError::Died), ErrorKind::UnexpectedEof);

    let error = io::Error::from(ReadError::Failed(3));
    assert!(error.to_string().contains("code 3"), "{error}");
    assert!(matches!(
        error.get_ref().and_then(|inner| inner.downcast_ref()),
        Some(ReadError::Failed(3))
    ));
}
