//! A dead end's place is taken.

use super::*;
use shmpipe::{Peer, stream::WriteError};
use support::alone;

#[test]
fn a_dead_writers_stream_is_not_taken_over_unasked() {
    alone(|| {
        let name = RingName::new("unasked");
        kill_writer(&options(), &name, b"last words").unwrap();
        let found = (EndReason::Died, 10, 10, false);
        // Refused as often as it is tried, without a trace.
        for _ in 0..5 {
            assert_unfinished(options().open::<Writer>(&name), &name, found);
            assert_unfinished(options().open_or_create::<Writer>(&name), &name, found);
        }
        let mut reader = reader(&name);
        let found = (EndReason::Died, 10, 10, true);
        assert_unfinished(options().open::<Writer>(&name), &name, found);
        assert_stream(&mut reader, b"last words", EndReason::Died);
        // The reader was told; nothing stands in the way of the next stream.
        write_stream(&options(), &name, b"next", EndReason::Finished).unwrap();
        assert_stream(&mut reader, b"next", EndReason::Finished);
    });
}

#[test]
fn resume_goes_on_after_the_last_byte_and_the_reader_is_told() {
    alone(|| {
        for attached in [false, true] {
            let name = RingName::new("resume");
            let early = attached.then(|| reader(&name));
            kill_writer(&options(), &name, b"last words").unwrap();
            let mut writer: Writer = options().resume().open_or_create(&name).unwrap();
            assert_eq!((writer.len(), writer.free()), (10, page_size() - 10));
            writer.write_all(b"and on").unwrap();
            let mut reader = early.unwrap_or_else(|| reader(&name));
            assert_stream(&mut reader, b"last words", EndReason::Died);
            assert_eq!(reader.fill_buf_timeout(DEADLINE).unwrap(), b"and on");
            writer.finish().unwrap();
            assert_stream(&mut reader, b"and on", EndReason::Finished);
        }
    });
}

#[test]
fn resume_after_a_death_with_a_full_ring_waits_for_room() {
    alone(|| {
        let name = RingName::new("resume-full");
        let full = vec![7; page_size()];
        kill_writer(&options(), &name, &full).unwrap();
        let mut writer: Writer = options().resume().open(&name).unwrap();
        assert!(matches!(writer.try_write(b"x"), Err(WriteError::Full)));
        let mut reader = reader(&name);
        assert_stream(&mut reader, &full, EndReason::Died);
        writer.write_all(&full).unwrap();
        writer.finish().unwrap();
        assert_stream(&mut reader, &full, EndReason::Finished);
    });
}

#[test]
fn discard_starts_clean_but_not_under_a_reader() {
    alone(|| {
        let name = RingName::new("discard");
        kill_writer(&options(), &name, b"last words").unwrap();
        let mut child = Child::fork(|line| {
            let mut reader = reader(&name);
            reader.fill_buf().unwrap();
            reader.consume(5);
            line.say("attached");
            wait_to_be_killed();
        });
        child.expect("attached");
        let discard = options().discard();
        let found = (EndReason::Died, 10, 5, true);
        assert_unfinished(discard.open::<Writer>(&name), &name, found);
        child.kill();

        let mut writer: Writer = discard.open(&name).unwrap();
        assert_eq!((writer.len(), writer.free()), (0, page_size()));
        writer.write_all(b"clean").unwrap();
        writer.finish().unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"clean", EndReason::Finished);
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn nothing_is_discarded_or_resumed_where_nothing_is_unfinished() {
    alone(|| {
        let name = RingName::new("nothing");
        for options in [options().resume(), options().discard()] {
            let mut reader = reader(&name);
            for text in [&b"one"[..], b"", b"three"] {
                write_stream(&options, &name, text, EndReason::Finished).unwrap();
                assert_stream(&mut reader, text, EndReason::Finished);
            }
        }
    });
}

#[test]
fn of_two_ends_that_nobody_was_told_neither_is_lost() {
    alone(|| {
        let name = RingName::new("two-untold");
        kill_writer(&options(), &name, b"first").unwrap();
        kill_writer(&options().resume(), &name, b"second").unwrap();
        // There is room to remember one end before the last, so a third stream must wait.
        let found = (EndReason::Died, 11, 11, false);
        assert_unfinished(options().open::<Writer>(&name), &name, found);
        assert_unfinished(options().resume().open::<Writer>(&name), &name, found);
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"first", EndReason::Died);
        let found = (EndReason::Died, 11, 6, true);
        assert_unfinished(options().open::<Writer>(&name), &name, found);
        let resume = options().resume();
        write_stream(&resume, &name, b"third", EndReason::Finished).unwrap();
        assert_stream(&mut reader, b"second", EndReason::Died);
        assert_stream(&mut reader, b"third", EndReason::Finished);
    });
}

#[test]
fn two_ends_that_nobody_was_told_can_be_discarded() {
    alone(|| {
        let name = RingName::new("two-discarded");
        kill_writer(&options(), &name, b"first").unwrap();
        kill_writer(&options().resume(), &name, b"second").unwrap();
        write_stream(&options().discard(), &name, b"third", EndReason::Failed(3)).unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"third", EndReason::Failed(3));
    });
}

#[test]
fn an_end_that_was_not_told_outlives_its_reader() {
    alone(|| {
        let name = RingName::new("outlives");
        // The reader has every byte of a stream whose writer died, and dies before it knows.
        let mut child = Child::fork(|line| {
            let (mut writer, mut reader) = (writer(&name), reader(&name));
            writer.write_all(b"all read").unwrap();
            reader.fill_buf().unwrap();
            reader.consume(8);
            line.say("read");
            wait_to_be_killed();
        });
        child.expect("read");
        child.kill();
        let found = (EndReason::Died, 8, 0, false);
        assert_unfinished(options().open::<Writer>(&name), &name, found);
        write_stream(&options().resume(), &name, b"next", EndReason::Finished).unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"", EndReason::Died);
        assert_stream(&mut reader, b"next", EndReason::Finished);
    });
}

#[test]
fn a_finished_stream_that_nobody_read_can_be_discarded_too() {
    alone(|| {
        let name = RingName::new("finished-discarded");
        write_stream(&options(), &name, b"stale", EndReason::Finished).unwrap();
        write_stream(&options().discard(), &name, b"fresh", EndReason::Finished).unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"fresh", EndReason::Finished);
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn finished_streams_queue_up_as_far_as_their_ends_can_be_kept() {
    alone(|| {
        let name = RingName::new("queue");
        write_stream(&options(), &name, b"first", EndReason::Finished).unwrap();
        write_stream(&options(), &name, b"second", EndReason::Finished).unwrap();
        let found = (EndReason::Finished, 11, 11, false);
        assert_unfinished(options().open::<Writer>(&name), &name, found);
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"first", EndReason::Finished);
        write_stream(&options(), &name, b"third", EndReason::Finished).unwrap();
        assert_stream(&mut reader, b"second", EndReason::Finished);
        assert_stream(&mut reader, b"third", EndReason::Finished);
    });
}

#[test]
fn a_dead_readers_place_is_taken_and_the_writer_goes_on() {
    alone(|| {
        let name = RingName::new("next-reader");
        let mut expected: Vec<u8> = (0..page_size()).map(|i| (i * 7) as u8).collect();
        let mut writer = writer(&name);
        writer.write_all(&expected).unwrap();
        for round in 0..3 {
            let mut child = Child::fork(|line| {
                let mut reader = reader(&name);
                reader.fill_buf().unwrap();
                reader.consume(100);
                line.say("read");
                wait_to_be_killed();
            });
            child.expect("read");
            child.kill();
            expected.drain(..100);
            expected.extend([round; 100]);
            writer.write_all(&[round; 100]).unwrap();
            // Now it is full again, and waiting shows that nobody will make room.
            let died = writer.write_timeout(b"x", DEADLINE);
            assert!(matches!(died, Err(WriteError::ReaderDied)), "{died:?}");
        }
        let mut reader = reader(&name);
        assert!(reader.fill_buf().unwrap() == expected);
        reader.consume(expected.len());
        writer.write_all(b"and on").unwrap();
        writer.finish().unwrap();
        assert_stream(&mut reader, b"and on", EndReason::Finished);
    });
}

#[test]
fn a_reader_that_left_can_be_followed_by_another() {
    alone(|| {
        let name = RingName::new("followed");
        let mut writer = writer(&name);
        writer.write_all(b"abcdef").unwrap();
        let mut first = reader(&name);
        first.fill_buf().unwrap();
        first.consume(2);
        drop(first);
        let left = writer.write_timeout(b"x", DEADLINE);
        assert!(matches!(left, Err(WriteError::ReaderLeft)), "{left:?}");
        let mut second = reader(&name);
        writer.write_all(b"gh").unwrap();
        writer.finish().unwrap();
        assert_stream(&mut second, b"cdefgh", EndReason::Finished);
    });
}

#[test]
fn a_reader_that_left_is_not_the_next_writers() {
    alone(|| {
        let name = RingName::new("not-the-next");
        let mut first: Writer = options().persistent(true).create_new(&name).unwrap();
        first.write_all(b"first").unwrap();
        drop(reader(&name));
        let left = first.write_timeout(b"x", DEADLINE);
        assert!(matches!(left, Err(WriteError::ReaderLeft)), "{left:?}");
        first.finish().unwrap();
        // It was this one's reader that left.
        let mut second = writer(&name);
        assert_eq!(second.peer().unwrap(), Peer::NoneYet);
        second.write_all(b"second").unwrap();
        second.finish().unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"first", EndReason::Finished);
        assert_stream(&mut reader, b"second", EndReason::Finished);
    });
}
