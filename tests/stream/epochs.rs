//! One stream after another on one ring: as with a FIFO, but no end goes unsaid.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Options, Peer,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    io::{Read, Write},
    thread,
};

fn open(name: &RingName) -> Writer {
    Options::new().open(name.as_str()).unwrap()
}

fn named() -> Pair {
    KINDS[1].page()
}

fn read_exactly(reader: &mut Reader, position: u64, n: usize) {
    let mut bytes = vec![0; n];
    reader.read_exact(&mut bytes).unwrap();
    check(&bytes, position);
}

#[test]
fn a_second_stream_begins_after_the_end_of_the_first() {
    let (name, mut writer, mut reader) = named();
    writer.write_all(&bytes_from(0, 10)).unwrap();
    writer.finish().unwrap();
    read_exactly(&mut reader, 0, 10);
    assert_eq!(reader.fill_buf().unwrap(), b"");

    let mut second = open(&name);
    assert_fails!(reader.try_fill_buf(), ReadError::Empty);
    second.write_all(&bytes_from(10, 10)).unwrap();
    read_exactly(&mut reader, 10, 10);
    second.fail(4);
    for _ in 0..2 {
        assert_fails!(reader.fill_buf(), ReadError::Failed(4));
    }
}

/// Two streams lie in the ring before the reader looks: it hears of the first one's end in between.
#[test]
fn an_end_is_told_before_the_first_byte_of_the_next_stream() {
    let (name, mut writer, mut reader) = named();
    writer.write_all(&bytes_from(0, 10)).unwrap();
    drop(writer);
    let mut second: Writer = Options::new().resume().open(name.as_str()).unwrap();
    second.write_all(&bytes_from(10, 10)).unwrap();
    second.finish().unwrap();

    assert_eq!(reader.len(), 20);
    assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10), "not a byte of the second");
    reader.consume(usize::MAX);
    assert_fails!(reader.fill_buf(), ReadError::Dropped);
    assert_eq!(reader.fill_buf().unwrap(), bytes_from(10, 10));
    reader.consume(10);
    for _ in 0..2 {
        assert_eq!(reader.fill_buf().unwrap(), b"");
    }
}

#[test]
fn an_empty_failed_stream_is_told_too() {
    let (name, writer, mut reader) = named();
    writer.fail(1);
    assert_fails!(reader.fill_buf(), ReadError::Failed(1));
    let second = open(&name);
    second.fail(2);
    assert_fails!(reader.fill_buf(), ReadError::Failed(2));
    drop(open(&name));
    assert_fails!(reader.fill_buf(), ReadError::Dropped);
    open(&name).finish().unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"");
}

#[test]
fn a_reader_that_comes_after_the_writer_gets_everything() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let name = RingName::new("stream");
        let mut writer: Writer = options.create_new(name.as_str()).unwrap();
        assert_eq!(writer.peer().unwrap(), Peer::NoneYet);
        writer.write_all(&bytes_from(0, page())).unwrap();
        writer.finish().unwrap();
        assert!(name.exists(), "bytes wait for a reader");
        let mut reader: Reader = options.open(name.as_str()).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, bytes_from(0, page()));
        drop(reader);
        assert!(!name.exists(), "the last out removes the name");
    }
}

#[test]
fn a_second_reader_goes_on_where_the_first_stopped() {
    let (name, mut writer, mut reader) = named();
    writer.write_all(&bytes_from(0, 100)).unwrap();
    read_exactly(&mut reader, 0, 30);
    drop(reader);
    assert_fails!(writer.try_write(b"x"), WriteError::ReaderLeft);
    assert_eq!(writer.peer().unwrap(), Peer::Finished);

    let mut second: Reader = Options::new().open(name.as_str()).unwrap();
    assert_eq!(writer.peer().unwrap(), Peer::Alive);
    writer.write_all(&bytes_from(100, 10)).unwrap();
    read_exactly(&mut second, 30, 80);
    writer.finish().unwrap();
    assert_eq!(second.fill_buf().unwrap(), b"");
}

/// A writer that waits for a first reader is woken when it comes and takes something.
#[test]
fn a_writer_with_a_full_ring_waits_for_the_first_reader() {
    let options = Options::new().capacity(page()).liveness_interval(FOR_EVER);
    let name = RingName::new("stream");
    let mut writer: Writer = options.create_new(name.as_str()).unwrap();
    let thread = thread::spawn(move || {
        writer.write_all(&bytes_from(0, 3 * page())).unwrap();
        writer.finish().unwrap();
    });
    let reader: Reader = options.open(name.as_str()).unwrap();
    let all = thread::spawn(move || {
        let mut reader = reader;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).map(|_| all)
    });
    assert_eq!(joined(all).unwrap(), bytes_from(0, 3 * page()));
    joined(thread);
}
