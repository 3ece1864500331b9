//! `len`, `free`, `capacity`, `is_empty`, `peer` and `stats`.

use crate::{stream_support::*, support::DEADLINE};
use shmpipe::{
    Options, Peer,
    stream::{Reader, Writer},
};
use std::{
    io::{Read, Write},
    thread,
};

#[track_caller]
fn both_say(writer: &Writer, reader: &Reader, len: usize) {
    let capacity = writer.capacity();
    assert_eq!((writer.len(), reader.len()), (len, len));
    assert_eq!((writer.free(), reader.free()), (capacity - len, capacity - len));
    assert_eq!((writer.is_empty(), reader.is_empty()), (len == 0, len == 0));
}

#[test]
fn how_full_it_is() {
    for kind in KINDS {
        for capacity in [page(), 2 * page(), 1 << 20] {
            let (_name, mut writer, mut reader) = kind.pair(&Options::new().capacity(capacity));
            assert_eq!((writer.capacity(), reader.capacity()), (capacity, capacity));
            both_say(&writer, &reader, 0);
            writer.write_all(&[0; 10]).unwrap();
            both_say(&writer, &reader, 10);
            writer.reserve(20).unwrap().fill(0);
            both_say(&writer, &reader, 10);
            reader.fill_buf().unwrap();
            both_say(&writer, &reader, 10);
            reader.consume(4);
            both_say(&writer, &reader, 6);
            writer.write_all(&vec![0; capacity - 6]).unwrap();
            both_say(&writer, &reader, capacity);
            reader.read_exact(&mut vec![0; capacity]).unwrap();
            both_say(&writer, &reader, 0);
        }
    }
}

#[test]
fn an_end_that_is_alone_sees_how_full_it_is() {
    for kind in KINDS {
        let (_name, mut writer, reader) = kind.page();
        writer.write_all(&[0; 10]).unwrap();
        drop(reader);
        assert_eq!((writer.len(), writer.free(), writer.is_empty()), (10, page() - 10, false));

        let (_name, mut writer, mut reader) = kind.page();
        writer.write_all(&[0; 10]).unwrap();
        writer.finish().unwrap();
        assert_eq!((reader.len(), reader.free(), reader.is_empty()), (10, page() - 10, false));
        reader.read_exact(&mut [0; 10]).unwrap();
        assert!(reader.is_empty());
    }
}

#[test]
fn the_peer_before_it_comes_and_while_it_is_there() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let name = RingName::new("stream");
        if kind.named {
            let writer: Writer = options.create_new(name.as_str()).unwrap();
            assert_eq!(writer.peer().unwrap(), Peer::NoneYet);
            let reader: Reader = options.open(name.as_str()).unwrap();
            assert_eq!(writer.peer().unwrap(), Peer::Alive);
            assert_eq!(reader.peer().unwrap(), Peer::Alive);
        } else {
            let (writer, reader) = options.anonymous::<Writer>().unwrap();
            let reader = reader.claim_with(&options).unwrap();
            assert_eq!(reader.peer().unwrap(), Peer::NoneYet);
            let writer = writer.claim_with(&options).unwrap();
            assert_eq!(reader.peer().unwrap(), Peer::Alive);
            assert_eq!(writer.peer().unwrap(), Peer::Alive);
        }
    }
}

#[test]
fn a_peer_that_sleeps_is_waiting() {
    for kind in KINDS {
        let (_name, writer, mut reader) = kind.page();
        let thread = thread::spawn(move || {
            reader.read_exact(&mut [0; 1]).unwrap();
            reader
        });
        until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
        let mut writer = writer;
        writer.write_all(b"x").unwrap();
        let mut reader = joined(thread);
        assert_eq!(writer.peer().unwrap(), Peer::Alive, "awake again");

        let thread = thread::spawn(move || {
            writer.write_all(&vec![0; page() + 1]).unwrap();
            writer
        });
        until("the writer sleeps", || reader.peer().unwrap() == Peer::Waiting);
        reader.read_exact(&mut vec![0; page()]).unwrap();
        let _writer = joined(thread);
        assert_eq!(reader.peer().unwrap(), Peer::Alive, "{kind:?}");
    }
}

// Finished, Failed and Dropped: see `ending`. Died takes another process: see tests/death.rs.

#[test]
fn a_reader_that_comes_late_sees_no_writer_that_it_missed() {
    let options = Options::new().capacity(page()).persistent(true);
    let name = RingName::new("stream");
    let writer: Writer = options.create_new(name.as_str()).unwrap();
    writer.finish().unwrap();
    let mut reader: Reader = options.open(name.as_str()).unwrap();
    assert_eq!(reader.peer().unwrap(), Peer::Finished, "nobody was told of that end yet");
    assert_eq!(reader.fill_buf().unwrap(), b"");
    drop(reader);
    let reader: Reader = options.open(name.as_str()).unwrap();
    assert_eq!(reader.peer().unwrap(), Peer::NoneYet, "the one before was told");
    let _writer: Writer = options.open(name.as_str()).unwrap();
    assert_eq!(reader.peer().unwrap(), Peer::Alive);
}

#[test]
fn what_was_moved_is_counted() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.page();
        for _ in 0..3 {
            writer.write_all(&[0; 10]).unwrap();
        }
        drop(writer.reserve(10).unwrap());
        reader.fill_buf().unwrap();
        reader.consume(20);
        let (written, read) = (writer.stats(), reader.stats());
        assert_eq!((written.operations, written.bytes), (3, 30));
        assert_eq!((read.operations, read.bytes), (1, 20), "{kind:?}");
        assert_eq!((written.sleeps, written.late_wakeups), (0, 0));
        assert_eq!((read.sleeps, read.late_wakeups), (0, 0));
        assert!(written.blocked.is_zero() && read.blocked.is_zero());
    }
}

#[test]
fn sleeps_and_the_time_that_was_waited_are_counted() {
    for kind in KINDS {
        let (_name, mut writer, mut reader) = kind.uncapped();
        let thread = thread::spawn(move || {
            reader.read_exact(&mut [0; 1]).unwrap();
            reader.stats()
        });
        until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
        let pause = std::time::Duration::from_millis(20);
        thread::sleep(pause);
        writer.write_all(b"x").unwrap();
        let stats = joined(thread);
        assert!(stats.sleeps >= 1, "{stats:?}");
        assert!(stats.blocked >= pause, "{stats:?}");
        assert_eq!(stats.late_wakeups, 0, "{kind:?}");
    }
}

/// A wake-up that is lost: the byte is published, and nobody woken.
#[test]
fn who_is_not_woken_looks_after_a_fifth_of_the_interval_and_counts_it() {
    // Whole, it is longer than a test waits.
    let options = Options::new().liveness_interval(DEADLINE + DEADLINE / 3);
    // (A reader that has announced itself may still be on its way to sleep.)
    let slept = (0..10).find_map(|_| {
        let site = Site::new(false, page());
        let (writer, mut reader) = (site.writer(&options), site.reader(&options));
        let thread = thread::spawn(move || {
            reader.read_exact(&mut [0; 1]).unwrap();
            reader.stats()
        });
        until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
        site.words().set(TAIL, 1);
        Some(joined(thread)).filter(|stats| stats.sleeps > 0)
    });
    let stats = slept.expect("a reader sleeps");
    assert_eq!(stats.late_wakeups, 1, "{stats:?}");
}
