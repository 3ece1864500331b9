//! Positions: where numbers of 32 and 63 bits would have ended, where 64 bits do end, and what
//! becomes of an end whose peer writes positions that cannot be.
//!
//! A ring is brought to a position by writing the words of its control block, as
//! `src/layout/control.rs` shows them.

mod stream_support;
mod support;

use shmpipe::{
    Options,
    stream::{ReadError, Reader, TransferError, WriteError, Writer},
};
use std::{
    io::{Read, Seek, Write},
    os::fd::{AsFd, OwnedFd},
};
use stream_support::*;

/// A ring whose stream begins at `position`, and its words.
fn ring_at(position: u64, named: bool) -> (RingName, Writer, Reader, Words) {
    let options = Options::new().capacity(page()).persistent(true);
    let name = RingName::new("positions");
    let begin_at = |words: &Words| {
        for offset in [TAIL, HEAD].into_iter().chain(BOUNDARIES) {
            assert_eq!(words.get(offset), 0, "a new ring begins at 0");
            words.set(offset, position);
        }
    };
    if named {
        drop(options.create_new::<Reader>(&name).unwrap());
        let words = Words(name.memory());
        begin_at(&words);
        let writer = options.open(&name).unwrap();
        let reader = options.open(&name).unwrap();
        (name, writer, reader, words)
    } else {
        let (writer, reader) = options.anonymous::<Writer>().unwrap();
        let fd: OwnedFd = writer.as_fd().try_clone_to_owned().unwrap();
        let words = Words(fd.into());
        begin_at(&words);
        (name, writer.claim().unwrap(), reader.claim().unwrap(), words)
    }
}

/// Streams `n` bytes through in pieces of all sizes; one thread, so each look is at a known state.
fn stream(writer: &mut Writer, reader: &mut Reader, n: u64) {
    let (mut written, mut read) = (0, 0);
    let mut into = vec![0; page()];
    while read < n {
        let size = (1 + written * 7 % 1201).min(n - written) as usize;
        if size > 0 {
            match writer.try_write(&bytes_from(written, size)) {
                Ok(n) => written += n as u64,
                Err(WriteError::Full) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(writer.len() as u64, written - read);
        assert_eq!(reader.len() as u64, written - read);
        if writer.free() < 1000 || written == n {
            let size = (1 + read * 5 % 2011) as usize;
            let got = reader.read(&mut into[..size]).unwrap();
            check(&into[..got], read);
            read += got as u64;
        }
    }
    assert!(reader.is_empty());
}

#[test]
fn across_every_power_of_two_that_a_smaller_number_would_end_at() {
    let ring = page() as u64;
    for named in [true, false] {
        for power in [12, 16, 31, 32, 33, 48, 62, 63] {
            for before in [0, 1, 100, ring - 1, ring, ring + 1, 5 * ring + 3] {
                let position = (1_u64 << power).saturating_sub(before);
                let (_name, mut writer, mut reader, words) = ring_at(position, named);
                stream(&mut writer, &mut reader, 12 * ring);
                assert_eq!(words.get(TAIL), position + 12 * ring);
                assert_eq!(words.get(HEAD), position + 12 * ring);
                writer.finish().unwrap();
                assert_eq!(reader.fill_buf().unwrap(), b"");
            }
        }
    }
}

#[test]
fn a_stream_between_two_threads_across_two_to_the_32() {
    for named in [true, false] {
        let (_name, mut writer, mut reader, _) = ring_at((1 << 32) - 10 * page() as u64, named);
        let thread = std::thread::spawn(move || {
            writer.write_all(&bytes_from(0, 40 * page())).unwrap();
            writer.finish_and_wait().unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == bytes_from(0, 40 * page()));
        joined(thread);
    }
}

/// A stream that was interrupted at such a place is taken up again there.
#[test]
fn attached_again_with_bytes_across_two_to_the_32() {
    let position = (1 << 32) - 50;
    let (name, mut writer, mut reader, _) = ring_at(position, true);
    writer.write_all(&bytes_from(0, 100)).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop((writer, reader));
    let mut writer: Writer = Options::new().resume().open(&name).unwrap();
    let mut reader: Reader = Options::new().open(&name).unwrap();
    writer.write_all(&bytes_from(100, 100)).unwrap();
    assert_eq!(reader.fill_buf().unwrap(), bytes_from(10, 90));
    reader.consume(90);
    assert!(matches!(reader.fill_buf(), Err(ReadError::Dropped)));
    assert_eq!(reader.fill_buf().unwrap(), bytes_from(100, 100));
}

#[test]
fn the_end_of_the_numbers_is_an_error_after_exactly_the_bytes_that_fit() {
    let ring = page() as u64;
    for named in [true, false] {
        for before in [1, 2, 100, ring - 1, ring, ring + 1, 3 * ring + 7, 1 << 20] {
            // The last position is 2^64 - 1, for there is one after each byte.
            let fit = before - 1;
            let (_name, mut writer, mut reader, words) = ring_at(0_u64.wrapping_sub(before), named);
            stream(&mut writer, &mut reader, fit);
            assert_eq!(words.get(TAIL), u64::MAX);
            for _ in 0..3 {
                assert_fails!(writer.try_write(b"x"), WriteError::Exhausted);
                assert_fails!(writer.reserve(1), WriteError::Exhausted);
                assert_fails!(writer.reserve(page()), WriteError::Exhausted);
                assert_fails!(writer.reserve_up_to(page()), WriteError::Exhausted);
                let file = tempfile::tempfile().unwrap();
                assert_fails!(
                    writer.read_from(&file, 1),
                    TransferError::Ring(WriteError::Exhausted)
                );
            }
            assert_eq!((writer.len(), writer.free(), reader.free()), (0, 0, page()));
            writer.finish().unwrap();
            for _ in 0..2 {
                assert_eq!(reader.fill_buf().unwrap(), b"");
            }
        }
    }
}

/// Each call writes what still fits and no more.
#[test]
fn the_last_bytes() {
    let ring_at_ten_before = |named| ring_at(u64::MAX - 10, named);
    for named in [true, false] {
        let (_name, mut writer, mut reader, _) = ring_at_ten_before(named);
        assert_eq!(writer.write(&bytes_from(0, 20)).unwrap(), 10);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10));
        assert_fails!(writer.write_all(b"x"), error if error.kind() == std::io::ErrorKind::Other);

        let (_name, mut writer, mut reader, _) = ring_at_ten_before(named);
        assert_fails!(writer.reserve(11), WriteError::Exhausted);
        assert_fails!(writer.try_reserve(11), WriteError::Exhausted);
        let mut reservation = writer.reserve(10).unwrap();
        fill(&mut reservation, 0);
        reservation.commit(4).unwrap();
        assert_fails!(writer.reserve(7), WriteError::Exhausted);
        let mut reservation = writer.reserve_up_to(20).unwrap();
        assert_eq!(reservation.len(), 6);
        fill(&mut reservation, 4);
        reservation.commit(6).unwrap();
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10));

        let (_name, mut writer, mut reader, _) = ring_at_ten_before(named);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes_from(0, 20)).unwrap();
        file.rewind().unwrap();
        assert_eq!(writer.read_from(&file, usize::MAX).unwrap(), 10);
        assert_eq!(file.stream_position().unwrap(), 10, "the rest is still in the file");
        writer.fail(3);
        assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10));
        reader.consume(10);
        assert!(matches!(reader.fill_buf(), Err(ReadError::Failed(3))));
    }
}

/// A ring that has come to its end can be opened, and says so at the first write.
#[test]
fn an_exhausted_ring_attached_again() {
    let (name, mut writer, mut reader, _) = ring_at(u64::MAX - 10, true);
    writer.write_all(&[0; 10]).unwrap();
    writer.finish().unwrap();
    reader.read_to_end(&mut Vec::new()).unwrap();
    drop(reader);
    let mut writer: Writer = Options::new().open(&name).unwrap();
    let mut reader: Reader = Options::new().open(&name).unwrap();
    assert_fails!(writer.try_write(b"x"), WriteError::Exhausted);
    assert!(matches!(reader.try_fill_buf(), Err(ReadError::Empty)));
    writer.finish().unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"");
}

/// All that a broken writer can be asked, again and again, also after the word was put right.
fn is_broken_writer(writer: &mut Writer, repair: impl Fn()) {
    for round in 0..3 {
        let errors = [
            writer.try_write(b"x").err(),
            writer.reserve(1).err(),
            writer.reserve_up_to(page()).err(),
            writer.try_reserve(0).err(),
            writer.peer().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(WriteError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        assert!(writer.len() <= page() && writer.free() <= page());
        repair();
    }
}

fn is_broken_reader(reader: &mut Reader, repair: impl Fn()) {
    for round in 0..3 {
        let errors = [
            reader.try_fill_buf().err(),
            reader.fill_buf().err(),
            reader.try_read(&mut [0; 10]).err(),
            reader.try_read(&mut []).err(),
            reader.peer().err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(
                matches!(error, Some(ReadError::Corrupt(_))),
                "call {call} in round {round}: {error:?}"
            );
        }
        reader.consume(1);
        assert!(reader.len() <= page() && reader.free() <= page());
        repair();
    }
}

const STARTS: [u64; 4] = [0, 1 << 20, (1 << 32) - 100, u64::MAX - (1 << 20)];

#[test]
fn a_readers_position_that_jumps_breaks_the_writer() {
    for named in [true, false] {
        for start in STARTS {
            // Of a full ring: before what was released, past what was published, and far off.
            let (back, ahead) = (start.wrapping_add(9), start + page() as u64 + 11);
            let far = [0, start.wrapping_sub(page() as u64), u64::MAX, start ^ (1 << 63), 1 << 63];
            for bad in [back, ahead].into_iter().chain(far) {
                let (_name, mut writer, mut reader, words) = ring_at(start, named);
                writer.write_all(&bytes_from(0, page())).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                writer.write_all(&bytes_from(0, 10)).unwrap();
                let right = words.get(HEAD);
                if bad == right {
                    continue;
                }
                words.set(HEAD, bad);
                assert_fails!(writer.try_write(b"x"), WriteError::Corrupt(_), "head {bad}");
                is_broken_writer(&mut writer, || words.set(HEAD, right));
                assert_fails!(writer.finish(), WriteError::Corrupt(_));
                // The other end is sound. It gets what was published, and
                // learns that no more comes.
                let mut rest = vec![0; page()];
                reader.read_exact(&mut rest).unwrap();
                assert!(matches!(reader.fill_buf(), Err(ReadError::Dropped)));
            }
        }
    }
}

#[test]
fn a_writers_position_that_jumps_breaks_the_reader() {
    for named in [true, false] {
        for start in STARTS {
            // Of an empty ring: before what was seen, more than a ring further, and far off.
            let (back, ahead) = (start.wrapping_add(9), start + 10 + page() as u64 + 1);
            let far = [0, start.wrapping_sub(page() as u64), u64::MAX, start ^ (1 << 63), 1 << 63];
            for bad in [back, ahead].into_iter().chain(far) {
                let (_name, mut writer, mut reader, words) = ring_at(start, named);
                writer.write_all(&bytes_from(0, 10)).unwrap();
                reader.read_exact(&mut [0; 10]).unwrap();
                let right = words.get(TAIL);
                if bad == right {
                    continue;
                }
                words.set(TAIL, bad);
                assert_fails!(reader.try_fill_buf(), ReadError::Corrupt(_), "tail {bad}");
                is_broken_reader(&mut reader, || words.set(TAIL, right));
                drop(reader);
                assert_fails!(writer.try_write(b"x"), WriteError::ReaderLeft);
            }
        }
    }
}

/// Bytes that were seen before the jump can be read; the look behind them fails.
#[test]
fn what_was_seen_before_a_jump_is_not_taken_back() {
    let (_name, mut writer, mut reader, words) = ring_at(0, true);
    writer.write_all(&bytes_from(0, 10)).unwrap();
    assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 10));
    words.set(TAIL, 5);
    let mut into = [0; 6];
    assert_eq!(reader.try_read(&mut into).unwrap(), 6);
    assert_eq!(into, bytes_from(0, 6)[..]);
    assert_eq!(reader.try_fill_buf().unwrap(), bytes_from(6, 4));
    assert_fails!(reader.try_fill_buf(), ReadError::Corrupt(_));
    is_broken_reader(&mut reader, || words.set(TAIL, 10));
}

/// An end that waits looks at the word when it wakes.
#[test]
fn a_jump_while_it_waits() {
    for named in [true, false] {
        let (_name, mut writer, reader, words) = ring_at(0, named);
        writer.write_all(&vec![0; page()]).unwrap();
        let thread = std::thread::spawn(move || writer.reserve(1).map(drop).unwrap_err());
        until("the writer sleeps", || reader.peer().unwrap() == shmpipe::Peer::Waiting);
        words.set(HEAD, page() as u64 + 1);
        assert!(matches!(joined(thread), WriteError::Corrupt(_)));

        let (_name, writer, mut reader, words) = ring_at(0, named);
        let thread = std::thread::spawn(move || reader.fill_buf().map(drop).unwrap_err());
        until("the reader sleeps", || writer.peer().unwrap() == shmpipe::Peer::Waiting);
        words.set(TAIL, page() as u64 + 1);
        assert!(matches!(joined(thread), ReadError::Corrupt(_)));
    }
}

/// The words of life are believed no more than positions.
#[test]
fn words_of_life_that_cannot_be() {
    const KIND: u64 = 1 << 32;
    const EPOCH: u64 = 1 << 36;
    // What the writer reads.
    for bad in [EPOCH + 9 * KIND, 15 * KIND, u64::MAX] {
        let (_name, mut writer, reader, words) = ring_at(0, true);
        let right = words.get(CONSUMER);
        words.set(CONSUMER, bad);
        assert_fails!(writer.try_write(b"x"), WriteError::Corrupt(_));
        is_broken_writer(&mut writer, || words.set(CONSUMER, right));
        drop(reader);
    }
    // What the reader reads: no such state; a later epoch that begins before or after what is
    // there; a later epoch whose predecessor is not the one being read.
    type Scribble = fn(&Words);
    let scribbles: [Scribble; 5] = [
        |words| words.set(PRODUCER, EPOCH + 9 * KIND),
        |words| {
            words.set(BOUNDARIES[0], 9);
            words.set(PRODUCER, 2 * EPOCH + KIND);
        },
        |words| {
            words.set(BOUNDARIES[0], 11);
            words.set(PRODUCER, 2 * EPOCH + KIND);
        },
        |words| {
            words.set(BOUNDARIES[0], 10);
            words.set(PREVIOUS, 7 * EPOCH + 2 * KIND);
            words.set(PRODUCER, 2 * EPOCH + KIND);
        },
        |words| {
            words.set(BOUNDARIES[0], 10);
            words.set(PREVIOUS, EPOCH + 9 * KIND);
            words.set(PRODUCER, 2 * EPOCH + KIND);
        },
    ];
    for (number, scribble) in scribbles.iter().enumerate() {
        let (_name, mut writer, mut reader, words) = ring_at(0, true);
        writer.write_all(&bytes_from(0, 10)).unwrap();
        reader.read_exact(&mut [0; 10]).unwrap();
        let right = words.get(PRODUCER);
        assert_eq!(right, EPOCH + KIND, "the first epoch, open");
        scribble(&words);
        assert_fails!(reader.try_fill_buf(), ReadError::Corrupt(_), "scribble {number}");
        is_broken_reader(&mut reader, || words.set(PRODUCER, right));
    }
}

/// Nothing that stands in the words makes attaching panic.
#[test]
fn attaching_to_words_that_cannot_be() {
    let [even, odd] = BOUNDARIES;
    for offset in [PRODUCER, CONSUMER, even, odd, PREVIOUS, ACKNOWLEDGED, TAIL, HEAD] {
        for bad in [1, 7, 1 << 31, 1 << 36, (1 << 36) + (1 << 32), 1 << 63, u64::MAX - 1, u64::MAX]
        {
            let (name, mut writer, mut reader, words) = ring_at(1 << 20, true);
            writer.write_all(&bytes_from(0, 10)).unwrap();
            reader.read_exact(&mut [0; 5]).unwrap();
            drop((writer, reader));
            words.set(offset, bad);
            for options in [Options::new(), Options::new().resume(), Options::new().discard()] {
                // Whether it can be attached to and used is not the question here.
                if let Ok(mut writer) = options.open::<Writer>(&name) {
                    let _ = writer.try_write(b"bytes");
                    let _ = (writer.len(), writer.free(), writer.peer());
                }
                if let Ok(mut reader) = options.open::<Reader>(&name) {
                    for _ in 0..3 {
                        let shown = reader.try_fill_buf().map_or(0, <[u8]>::len);
                        reader.consume(shown);
                        let _ = (reader.len(), reader.free(), reader.peer());
                    }
                }
            }
        }
    }
}
