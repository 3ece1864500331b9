//! `finish_and_wait`: the stream is whole, and somebody has it.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Options, Peer,
    stream::{Reader, WriteError, Writer},
};
use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn it_returns_once_the_reader_has_seen_the_end() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        writer.write_all(&bytes_from(0, 10)).unwrap();
        let about_to_see = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&about_to_see);
        let thread = thread::spawn(move || {
            let waited = writer.finish_and_wait();
            (waited, seen.load(Ordering::SeqCst))
        });
        until("the writer waits", || reader.peer().unwrap() == Peer::Finished);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10));
        reader.consume(10);
        // All is read; the end is not seen yet. It must not return now, and if it does so a
        // little later, `seen` tells.
        assert!(!thread.is_finished());
        about_to_see.store(true, Ordering::SeqCst);
        assert_eq!(reader.fill_buf().unwrap(), b"");
        let (waited, seen) = joined(thread);
        waited.unwrap();
        assert!(seen, "it did not wait for the end to be seen, {kind:?}");
    }
}

#[test]
fn a_reader_that_reads_on_is_not_kept_waiting_nor_the_writer() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        let thread = thread::spawn(move || {
            writer.write_all(&bytes_from(0, 10 * page())).unwrap();
            writer.finish_and_wait()
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes_from(0, 10 * page()));
        joined(thread).unwrap();
    }
}

#[test]
fn with_a_time_out() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&bytes_from(0, 10)).unwrap();
        assert_fails!(writer.finish_and_wait_timeout(SHORT), WriteError::Timeout);
        // It is finished in any case.
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes_from(0, 10), "{kind:?}");

        let (_name, writer, mut reader) = kind.page();
        let thread = thread::spawn(move || writer.finish_and_wait_timeout(FOR_EVER));
        assert_eq!(reader.fill_buf().unwrap(), b"");
        joined(thread).unwrap();
    }
}

/// All read and the end not looked at, with the reader still there, is not enough.
#[test]
fn a_reader_that_has_read_all_may_still_ask() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(b"all").unwrap();
        reader.read_exact(&mut [0; 3]).unwrap();
        assert_fails!(writer.finish_and_wait_timeout(SHORT), WriteError::Timeout, "{kind:?}");
        assert_eq!(reader.fill_buf().unwrap(), b"");
    }
}

#[test]
fn a_reader_that_left_with_everything_has_it() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        writer.write_all(b"all").unwrap();
        reader.read_exact(&mut [0; 3]).unwrap();
        let thread = thread::spawn(move || writer.finish_and_wait());
        until("the writer waits", || reader.peer().unwrap() == Peer::Finished);
        drop(reader);
        joined(thread).unwrap();
    }
}

#[test]
fn a_reader_that_leaves_early_is_told() {
    for kind in KINDS {
        for leaves_first in [false, true] {
            let (_name, mut writer, mut reader) = kind.uncapped();
            writer.write_all(b"all").unwrap();
            reader.read_exact(&mut [0; 2]).unwrap();
            if leaves_first {
                drop(reader);
                assert_fails!(writer.finish_and_wait(), WriteError::ReaderLeft);
                continue;
            }
            let thread = thread::spawn(move || writer.finish_and_wait());
            until("the writer waits", || reader.peer().unwrap() == Peer::Finished);
            drop(reader);
            assert_fails!(joined(thread), WriteError::ReaderLeft, "{kind:?}");
        }
    }
}

#[test]
fn a_reader_that_fails_early_is_told() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.uncapped();
        writer.write_all(b"all").unwrap();
        let thread = thread::spawn(move || writer.finish_and_wait());
        until("the writer waits", || reader.peer().unwrap() == Peer::Finished);
        reader.fail(-3);
        assert_fails!(joined(thread), WriteError::ReaderFailed(-3), "{kind:?}");
    }
}

/// As the opener of a FIFO waits.
#[test]
fn it_waits_for_a_reader_that_has_not_come_yet() {
    let options = Options::new().capacity(page()).liveness_interval(FOR_EVER);
    for written in [0, 10] {
        let name = RingName::new("stream");
        let mut writer: Writer = options.create_new(name.as_str()).unwrap();
        writer.write_all(&bytes_from(0, written)).unwrap();
        let thread = thread::spawn(move || writer.finish_and_wait());
        thread::sleep(SHORT);
        assert!(!thread.is_finished(), "{written} bytes wait for a reader");
        let mut reader: Reader = options.open(name.as_str()).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes_from(0, written));
        joined(thread).unwrap();
        drop(reader);
        assert!(!name.exists());
    }
}

/// The second of two readers completes what the first left.
#[test]
fn a_later_reader_may_take_the_rest() {
    let (name, mut writer, mut reader) = KINDS[1].uncapped();
    writer.write_all(&bytes_from(0, 20)).unwrap();
    reader.read_exact(&mut [0; 5]).unwrap();
    drop(reader);
    let mut second: Reader = Options::new().open(name.as_str()).unwrap();
    let thread = thread::spawn(move || writer.finish_and_wait());
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, bytes_from(5, 15));
    joined(thread).unwrap();
}
