//! How a stream ends, and what the other end hears of it: every byte, then the reason, again and
//! again.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Peer,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

/// Everything a reader can ask at the end, again and again.
fn reads_the_end(reader: &mut Reader, is_end: impl Fn(Result<usize, ReadError>) -> bool) {
    let mut into = [0; 10];
    let later = Duration::from_secs(3600);
    for _ in 0..3 {
        assert!(is_end(reader.fill_buf().map(<[u8]>::len)));
        assert!(is_end(reader.try_fill_buf().map(<[u8]>::len)));
        assert!(is_end(reader.fill_buf_timeout(later).map(<[u8]>::len)));
        assert!(is_end(reader.fill_buf_deadline(Instant::now() + later).map(<[u8]>::len)));
        assert!(is_end(reader.try_read(&mut into)));
        assert!(is_end(reader.read_timeout(&mut into, later)));
        assert!(is_end(reader.read_deadline(&mut into, Instant::now() + later)));
        reader.consume(1);
    }
}

/// Reads what was written and then the end.
fn reads(reader: &mut Reader, written: usize, is_end: impl Fn(Result<usize, ReadError>) -> bool) {
    if written > 0 {
        assert_eq!(reader.len(), written);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, written));
        // Also after a look at the last byte the end does not come before it is consumed.
        reader.consume(written - 1);
        assert_eq!(reader.fill_buf().unwrap(), [byte_at(written as u64 - 1)]);
        reader.consume(1);
    }
    reads_the_end(reader, is_end);
}

fn each_length(test: impl Fn(Kind, usize)) {
    for kind in KINDS {
        for written in [0, 1, 100, page() - 1, page()] {
            test(kind, written);
        }
    }
}

#[test]
fn finished() {
    each_length(|kind, written| {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&bytes_from(0, written)).unwrap();
        writer.finish().unwrap();
        reads(&mut reader, written, |read| matches!(read, Ok(0)));
        assert_eq!(reader.peer().unwrap(), Peer::Finished);
    });
}

#[test]
fn failed() {
    each_length(|kind, written| {
        for code in [0, 1, -1, i32::MIN, i32::MAX] {
            let (_name, mut writer, mut reader) = kind.page();
            writer.write_all(&bytes_from(0, written)).unwrap();
            writer.fail(code);
            reads(
                &mut reader,
                written,
                |read| matches!(read, Err(ReadError::Failed(found)) if found == code),
            );
            assert_eq!(reader.peer().unwrap(), Peer::Failed(code));
        }
    });
}

#[test]
fn dropped() {
    each_length(|kind, written| {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&bytes_from(0, written)).unwrap();
        drop(writer);
        reads(&mut reader, written, |read| matches!(read, Err(ReadError::Dropped)));
        assert_eq!(reader.peer().unwrap(), Peer::Dropped);
    });
}

/// A panic drops the writer: no reader takes its stream for a whole one.
#[test]
fn panicked() {
    let (_name, mut writer, mut reader) = KINDS[0].page();
    let thread = thread::spawn(move || {
        writer.write_all(b"half of").unwrap();
        std::panic::resume_unwind(Box::new("as a panic, without its message"));
    });
    assert!(thread.join().is_err());
    let mut all = Vec::new();
    assert!(reader.read_to_end(&mut all).is_err());
    assert_eq!(all, b"half of");
    assert_fails!(reader.try_fill_buf(), ReadError::Dropped);
}

/// An uncommitted reservation is no part of the stream.
#[test]
fn a_reservation_that_was_not_committed_is_not_delivered_at_the_end() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"kept").unwrap();
        writer.reserve(10).unwrap().fill(b'x');
        writer.finish().unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"kept", "{kind:?}");
    }
}

/// Everything a writer can ask once its reader is gone, again and again.
fn writes_fail(writer: &mut Writer, is_reason: impl Fn(WriteError) -> bool) {
    let later = Duration::from_secs(3600);
    let deadline = Instant::now() + later;
    for _ in 0..3 {
        let errors = [
            writer.reserve(1).err(),
            writer.try_reserve(1).err(),
            writer.reserve_timeout(1, later).err(),
            writer.reserve_deadline(1, deadline).err(),
            writer.reserve_up_to(1).err(),
            writer.try_reserve_up_to(1).err(),
            writer.try_write(b"x").err(),
            writer.write_timeout(b"x", later).err(),
            writer.write_deadline(b"x", deadline).err(),
        ];
        assert!(errors.into_iter().all(|error| is_reason(error.expect("nobody reads it"))));
    }
}

#[test]
fn the_reader_left() {
    each_length(|kind, written| {
        let (_name, mut writer, reader) = kind.page();
        writer.write_all(&bytes_from(0, written)).unwrap();
        drop(reader);
        writes_fail(&mut writer, |error| matches!(error, WriteError::ReaderLeft));
        assert_eq!(writer.peer().unwrap(), Peer::Finished);
        let error = writer.write(b"x").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!((writer.len(), writer.free()), (written, page() - written));
        writer.finish().unwrap();
    });
}

#[test]
fn the_reader_failed() {
    for kind in KINDS {
        for code in [0, 7, -1, i32::MIN] {
            let (_name, mut writer, reader) = kind.page();
            reader.fail(code);
            writes_fail(
                &mut writer,
                |error| matches!(error, WriteError::ReaderFailed(found) if found == code),
            );
            assert_eq!(writer.peer().unwrap(), Peer::Failed(code));
        }
    }
}

/// A full ring is the other place where a writer finds out.
#[test]
fn the_reader_left_a_full_ring() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.page();
        writer.write_all(&vec![0; page()]).unwrap();
        assert_fails!(writer.try_write(b"x"), WriteError::Full);
        drop(reader);
        writes_fail(&mut writer, |error| matches!(error, WriteError::ReaderLeft));
    }
}

/// What was reserved while the reader was there can still be committed: only the next call tells.
#[test]
fn the_reader_left_while_a_reservation_was_being_filled() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.page();
        let mut reservation = writer.reserve(10).unwrap();
        drop(reader);
        reservation.fill(1);
        reservation.commit(10).unwrap();
        assert_fails!(writer.reserve(1), WriteError::ReaderLeft);
    }
}

/// Each way to end wakes an end that sleeps.
#[test]
fn a_reader_that_sleeps_is_woken_by_each_end() {
    type Ending = fn(Writer);
    type IsEnd = fn(Result<usize, ReadError>) -> bool;
    let endings: [(Ending, IsEnd); 3] = [
        (|writer| writer.finish().unwrap(), |read| matches!(read, Ok(0))),
        (|writer| writer.fail(5), |read| matches!(read, Err(ReadError::Failed(5)))),
        (drop, |read| matches!(read, Err(ReadError::Dropped))),
    ];
    for kind in KINDS {
        for (end, is_end) in endings {
            let (_name, writer, mut reader) = kind.uncapped();
            let thread = thread::spawn(move || reader.fill_buf().map(<[u8]>::len));
            until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
            end(writer);
            assert!(is_end(joined(thread)), "{kind:?}");
        }
    }
}

#[test]
fn a_writer_that_sleeps_is_woken_by_each_end() {
    type Ending = fn(Reader);
    type IsEnd = fn(WriteError) -> bool;
    let endings: [(Ending, IsEnd); 2] = [
        (drop, |error| matches!(error, WriteError::ReaderLeft)),
        (|reader| reader.fail(5), |error| matches!(error, WriteError::ReaderFailed(5))),
    ];
    for kind in KINDS {
        for (end, is_end) in endings {
            let (_name, mut writer, reader) = kind.uncapped();
            let thread = thread::spawn(move || {
                writer.write_all(&vec![0; page()]).unwrap();
                writer.reserve(1).map(drop).unwrap_err()
            });
            until("the writer sleeps", || reader.peer().unwrap() == Peer::Waiting);
            end(reader);
            assert!(is_end(joined(thread)), "{kind:?}");
        }
    }
}

/// The natural order of looking (tail, then end) loses the last bytes of a short stream: many
/// short streams against a reader that never pauses.
#[test]
fn the_last_bytes_of_short_streams_are_never_lost() {
    for kind in KINDS {
        for round in 0..500_u64 {
            let (_name, mut writer, mut reader) = kind.page();
            let thread = thread::spawn(move || {
                writer.write_all(&bytes_from(0, 3)).unwrap();
                writer.write_all(&bytes_from(3, 5)).unwrap();
                match round % 2 {
                    0 => writer.finish().unwrap(),
                    _ => drop(writer),
                }
            });
            let mut position = 0;
            let end = loop {
                match reader.try_fill_buf() {
                    Ok([]) => break None,
                    Ok(bytes) => {
                        check(bytes, position);
                        let n = bytes.len();
                        position += n as u64;
                        reader.consume(n);
                    }
                    Err(ReadError::Empty) => {}
                    Err(error) => break Some(error),
                }
            };
            assert_eq!(position, 8, "{kind:?}, round {round}");
            assert!(match round % 2 {
                0 => end.is_none(),
                _ => matches!(end, Some(ReadError::Dropped)),
            });
            thread.join().unwrap();
        }
    }
}
