//! `Aborter`: an end is ended from another thread.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Aborter, Options, Peer, Wait,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    io::{Read, Write},
    sync::mpsc,
    thread,
    time::Duration,
};

fn is_shareable<T: Send + Sync + Clone>(_: &T) {}

#[test]
fn every_operation_of_an_aborted_writer_says_so() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let aborter = writer.aborter();
        is_shareable(&aborter);
        writer.write_all(b"before").unwrap();
        joined(thread::spawn(move || aborter.abort()));
        for _ in 0..2 {
            assert_fails!(writer.reserve(1), WriteError::Aborted);
            assert_fails!(writer.try_reserve(1), WriteError::Aborted);
            assert_fails!(writer.reserve_up_to(1), WriteError::Aborted);
            assert_fails!(writer.try_write(b"x"), WriteError::Aborted);
            assert_fails!(writer.write_timeout(b"x", FOR_EVER), WriteError::Aborted);
            assert_fails!(writer.peer(), WriteError::Aborted);
        }
        let mut all = Vec::new();
        assert!(reader.read_to_end(&mut all).is_err());
        assert_eq!(all, b"before", "every byte came, {kind:?}");
        assert_fails!(reader.fill_buf(), ReadError::Dropped);
        assert_fails!(writer.finish(), WriteError::Aborted);
        assert_fails!(reader.fill_buf(), ReadError::Dropped, "finishing is no more possible");
    }
}

#[test]
fn every_operation_of_an_aborted_reader_says_so() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"before").unwrap();
        reader.fill_buf().unwrap();
        reader.aborter().abort();
        for _ in 0..2 {
            assert_fails!(reader.fill_buf(), ReadError::Aborted);
            assert_fails!(reader.try_fill_buf(), ReadError::Aborted);
            assert_fails!(reader.read_timeout(&mut [0; 1], FOR_EVER), ReadError::Aborted);
            assert_fails!(reader.try_read(&mut [0; 1]), ReadError::Aborted);
            assert_fails!(reader.peer(), ReadError::Aborted);
            reader.consume(3);
        }
        assert_eq!(writer.len(), 6, "an aborted end moves nothing, {kind:?}");
        assert_fails!(writer.try_write(b"x"), WriteError::ReaderLeft);
        assert_eq!(writer.peer().unwrap(), Peer::Finished);
    }
}

/// A reservation that was being filled is not published any more.
#[test]
fn a_commit_after_the_abort_publishes_nothing() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        let aborter = writer.aborter();
        let reservation = writer.reserve(10).unwrap();
        aborter.abort();
        assert_fails!(reservation.commit(10), WriteError::Aborted);
        assert_fails!(reader.fill_buf(), ReadError::Dropped);
        assert!(reader.is_empty(), "{kind:?}");
    }
}

/// Aborts an end that waits, and gives back what the wait came to. The cap is an hour: it is the
/// abort that wakes it.
fn abort_while_waiting<T: Send + 'static>(
    aborter: &Aborter,
    is_waiting: impl FnMut() -> bool,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let thread = thread::spawn(wait);
    until("it waits", is_waiting);
    aborter.abort();
    joined(thread)
}

#[test]
fn a_writer_that_waits_is_woken() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        let aborter = writer.aborter();
        writer.write_all(&bytes_from(0, page())).unwrap();
        let waiting = || reader.peer().unwrap() == Peer::Waiting;
        let wait = move || (writer.reserve(1).map(drop), writer);
        let (waited, _writer) = abort_while_waiting(&aborter, waiting, wait);
        assert_fails!(waited, WriteError::Aborted, "{kind:?}");
        let mut all = vec![0; page()];
        reader.read_exact(&mut all).unwrap();
        check(&all, 0);
        assert_fails!(reader.fill_buf(), ReadError::Dropped);
    }
}

#[test]
fn a_reader_that_waits_is_woken() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        let aborter = reader.aborter();
        let waiting = || writer.peer().unwrap() == Peer::Waiting;
        let wait = move || (reader.fill_buf().map(drop), reader);
        let (waited, _reader) = abort_while_waiting(&aborter, waiting, wait);
        assert_fails!(waited, ReadError::Aborted, "{kind:?}");
        assert_fails!(writer.try_write(b"x"), WriteError::ReaderLeft);
    }
}

#[test]
fn a_writer_that_waits_for_the_end_to_be_seen_is_woken() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        writer.write_all(b"whole").unwrap();
        let aborter = writer.aborter();
        let waiting = || reader.peer().unwrap() == Peer::Finished;
        let waited = abort_while_waiting(&aborter, waiting, move || writer.finish_and_wait());
        assert_fails!(waited, WriteError::Aborted, "{kind:?}");
        // It had said that the stream is whole, and it is.
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"whole");
    }
}

/// An end that spins looks at shared memory only, but finds out too.
#[test]
fn an_end_that_spins_finds_out() {
    for kind in KINDS {
        for interval in [Duration::from_millis(50), FOR_EVER] {
            let options = Options::new().capacity(page()).wait(Wait::Spin);
            let (_name, writer, mut reader) = kind.pair(&options.liveness_interval(interval));
            let aborter = reader.aborter();
            let (sender, begins) = mpsc::channel();
            let thread = thread::spawn(move || {
                sender.send(()).unwrap();
                reader.fill_buf().map(drop)
            });
            // Nothing shows that it spins. A pause makes it likely, and the test no less true
            // where it does not yet.
            begins.recv().unwrap();
            thread::sleep(Duration::from_millis(20));
            aborter.abort();
            assert_fails!(joined(thread), ReadError::Aborted, "{kind:?}");
            drop(writer);
        }
    }
}

#[test]
fn the_other_end_is_woken_too() {
    for kind in KINDS {
        let (_name, writer, mut reader) = kind.uncapped();
        let thread = thread::spawn(move || reader.fill_buf().map(drop));
        until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
        writer.aborter().abort();
        assert_fails!(joined(thread), ReadError::Dropped, "{kind:?}");

        let (_name, mut writer, reader) = kind.uncapped();
        let thread = thread::spawn(move || writer.write_all(&vec![0; 2 * page()]));
        until("the writer sleeps", || reader.peer().unwrap() == Peer::Waiting);
        reader.aborter().abort();
        let error = joined(thread).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{kind:?}");
    }
}

#[test]
fn the_name_goes_if_nobody_else_is_there() {
    let options = Options::new().capacity(page());
    let name = RingName::new("stream");
    let mut writer: Writer = options.create_new(name.as_str()).unwrap();
    writer.write_all(b"nobody will read this").unwrap();
    writer.aborter().abort();
    assert!(!name.exists());
    drop(writer);

    let reader: Reader = options.create_new(name.as_str()).unwrap();
    reader.aborter().abort();
    assert!(!name.exists());
    drop(reader);

    // A new ring of this name is none of the aborted end's business.
    let writer: Writer = options.create_new(name.as_str()).unwrap();
    let aborter = writer.aborter();
    aborter.abort();
    let _other: Writer = options.create_new(name.as_str()).unwrap();
    aborter.abort();
    drop(writer);
    assert!(name.exists(), "it removed another ring's name");
}

#[test]
fn the_name_stays_while_somebody_is_there_and_goes_with_him() {
    for writer_first in [true, false] {
        let (name, mut writer, reader) = KINDS[1].page();
        writer.write_all(b"unread").unwrap();
        let (first, second) = (writer.aborter(), reader.aborter());
        let (first, second) = if writer_first { (first, second) } else { (second, first) };
        first.abort();
        assert!(name.exists(), "the other end is still there");
        second.abort();
        assert!(!name.exists());
        drop((writer, reader));
    }
}

#[test]
fn a_persistent_name_stays() {
    let name = RingName::new("stream");
    let options = Options::new().capacity(page()).persistent(true);
    let writer: Writer = options.create_new(name.as_str()).unwrap();
    writer.aborter().abort();
    drop(writer);
    assert!(name.exists());
}

#[test]
fn an_aborter_outlives_its_end_and_does_nothing() {
    for kind in KINDS {
        let (name, mut writer, mut reader) = kind.page();
        let (of_writer, of_reader) = (writer.aborter(), reader.aborter());
        writer.write_all(b"whole").unwrap();
        writer.finish().unwrap();
        of_writer.abort();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"whole");
        drop(reader);
        of_reader.abort();
        assert!(!name.exists());
    }
}

/// From several threads at once, and while the end is in full flight.
#[test]
fn aborting_a_busy_stream() {
    for kind in KINDS {
        for round in 0..20 {
            let (name, mut writer, mut reader) = kind.uncapped();
            let aborters = if round % 2 == 0 {
                [writer.aborter(), writer.aborter()]
            } else {
                [reader.aborter(), reader.aborter()]
            };
            let write = thread::spawn(move || {
                let mut position = 0;
                loop {
                    if let Err(error) = writer.write_all(&bytes_from(position, 100)) {
                        return error;
                    }
                    position += 100;
                }
            });
            let read = thread::spawn(move || {
                let mut position = 0;
                loop {
                    match reader.fill_buf() {
                        Ok(bytes) => {
                            check(bytes, position);
                            let n = bytes.len();
                            position += n as u64;
                            reader.consume(n);
                        }
                        Err(error) => return error,
                    }
                }
            });
            let aborts = aborters.map(|aborter| thread::spawn(move || aborter.abort()));
            aborts.into_iter().for_each(joined);
            let (wrote, read) = (joined(write), joined(read));
            if round % 2 == 0 {
                let inner = wrote.get_ref().and_then(|error| error.downcast_ref());
                assert!(matches!(inner, Some(WriteError::Aborted)), "{wrote:?}");
                assert!(matches!(read, ReadError::Dropped), "{read:?}");
            } else {
                assert_eq!(wrote.kind(), std::io::ErrorKind::BrokenPipe);
                // The writer was told and has gone before the reader, in the midst of a look, was.
                let overtaken = matches!(read, ReadError::Dropped);
                assert!(overtaken || matches!(read, ReadError::Aborted), "{read:?}");
            }
            assert!(!name.exists());
        }
    }
}
