//! The last one out takes the name away, unless somebody may still want what is in the ring.

use super::*;
use std::{sync::Barrier, thread};
use support::alone;

#[test]
fn writer_first() {
    alone(|| {
        let name = RingName::new("writer-first");
        let (mut writer, mut reader) = (writer(&name), reader(&name));
        writer.write_all(b"abc").unwrap();
        writer.finish().unwrap();
        name.assert_exists();
        assert_stream(&mut reader, b"abc", EndReason::Finished);
        name.assert_exists();
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn reader_first() {
    alone(|| {
        let name = RingName::new("reader-first");
        let (mut writer, mut reader) = (writer(&name), reader(&name));
        writer.write_all(b"abc").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"abc");
        reader.consume(3);
        drop(reader);
        name.assert_exists();
        drop(writer);
        name.assert_gone();
    });
}

#[test]
fn both_at_once() {
    alone(|| {
        let name = RingName::new("at-once");
        let barrier = Barrier::new(2);
        for round in 0..500 {
            let (mut writer, mut reader) = (writer(&name), reader(&name));
            writer.write_all(b"abc").unwrap();
            if round % 2 == 0 {
                reader.fill_buf().unwrap();
                reader.consume(3);
            }
            thread::scope(|scope| {
                scope.spawn(|| {
                    barrier.wait();
                    drop(reader);
                });
                barrier.wait();
                if round % 4 < 2 { drop(writer) } else { writer.finish().unwrap() }
            });
            name.assert_gone();
        }
    });
}

#[test]
fn a_finished_writer_leaves_its_bytes_to_a_later_reader() {
    alone(|| {
        let name = RingName::new("later");
        for reason in [EndReason::Finished, EndReason::Failed(-3), EndReason::Dropped] {
            write_stream(&options(), &name, b"for later", reason).unwrap();
            name.assert_exists();
            let mut reader = reader(&name);
            assert_stream(&mut reader, b"for later", reason);
            // And once more says the same.
            assert_stream(&mut reader, b"", reason);
            drop(reader);
            name.assert_gone();
        }
    });
}

#[test]
fn a_killed_writer_leaves_its_bytes_to_a_later_reader() {
    alone(|| {
        let name = RingName::new("killed");
        kill_writer(&options(), &name, b"last words").unwrap();
        name.assert_exists();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"last words", EndReason::Died);
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn a_reader_that_left_early_wants_no_more() {
    alone(|| {
        let name = RingName::new("early");
        for fails in [false, true] {
            let (mut writer, mut reader) = (writer(&name), reader(&name));
            writer.write_all(b"abcdef").unwrap();
            assert_eq!(reader.fill_buf().unwrap().len(), 6);
            reader.consume(2);
            if fails {
                reader.fail(1)
            } else {
                drop(reader)
            }
            name.assert_exists();
            writer.finish().unwrap();
            name.assert_gone();
        }
    });
}

#[test]
fn a_reader_that_leaves_last_and_early_wants_no_more() {
    alone(|| {
        let name = RingName::new("early-last");
        for fails in [false, true] {
            write_stream(&options(), &name, b"abcdef", EndReason::Finished).unwrap();
            let mut reader = reader(&name);
            assert_eq!(reader.fill_buf().unwrap().len(), 6);
            reader.consume(2);
            if fails {
                reader.fail(1)
            } else {
                drop(reader)
            }
            name.assert_gone();
        }
    });
}

#[test]
fn a_killed_reader_leaves_the_rest_to_the_next() {
    alone(|| {
        let name = RingName::new("killed-reader");
        let mut writer = writer(&name);
        writer.write_all(b"abcdef").unwrap();
        let mut child = Child::fork(|line| {
            let mut reader = reader(&name);
            assert_eq!(reader.fill_buf().unwrap(), b"abcdef");
            reader.consume(2);
            line.say("read");
            wait_to_be_killed();
        });
        child.expect("read");
        child.kill();
        writer.finish().unwrap();
        name.assert_exists();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"cdef", EndReason::Finished);
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn an_end_that_a_killed_reader_was_not_told_is_kept_for_the_next() {
    alone(|| {
        let name = RingName::new("untold");
        for reason in [EndReason::Finished, EndReason::Failed(4), EndReason::Dropped] {
            let mut writer = writer(&name);
            writer.write_all(b"abc").unwrap();
            let mut child = Child::fork(|line| {
                let mut reader = reader(&name);
                reader.fill_buf().unwrap();
                reader.consume(3);
                line.say("read");
                wait_to_be_killed();
            });
            child.expect("read");
            child.kill();
            match reason {
                EndReason::Finished => writer.finish().unwrap(),
                EndReason::Failed(code) => writer.fail(code),
                _ => drop(writer),
            }
            name.assert_exists();
            let mut reader = reader(&name);
            assert_stream(&mut reader, b"", reason);
            drop(reader);
            name.assert_gone();
        }
    });
}

#[test]
fn nothing_was_ever_published() {
    alone(|| {
        let name = RingName::new("empty");
        drop(writer(&name));
        name.assert_gone();
        writer(&name).finish().unwrap();
        name.assert_gone();
        writer(&name).fail(1);
        name.assert_gone();
        drop(reader(&name));
        name.assert_gone();
        reader(&name).fail(1);
        name.assert_gone();

        let (writer, reader) = (writer(&name), reader(&name));
        drop(reader);
        name.assert_exists();
        drop(writer);
        name.assert_gone();
    });
}

#[test]
fn both_killed_leaves_the_name_and_the_next_takes_it_over() {
    alone(|| {
        let name = RingName::new("both-killed");
        let mut child = Child::fork(|line| {
            let (mut writer, mut reader) = (writer(&name), reader(&name));
            writer.write_all(b"abcdef").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"abcdef");
            reader.consume(3);
            line.say("working");
            wait_to_be_killed();
        });
        child.expect("working");
        child.kill();
        name.assert_exists();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"def", EndReason::Died);
        drop(reader);
        name.assert_gone();
    });
}

#[test]
fn a_persistent_ring_stays() {
    alone(|| {
        let name = RingName::new("persistent");
        let persistent = options().persistent(true);
        // Empty, drained, and with bytes in it.
        drop(persistent.create_new::<Writer>(&name).unwrap());
        name.assert_exists();
        let made = name.identity();
        for round in 0..3 {
            // Persistent is what it was made, not what it is opened as.
            let text = format!("round {round}");
            write_stream(&options(), &name, text.as_bytes(), EndReason::Finished).unwrap();
            name.assert_exists();
            let mut reader = reader(&name);
            assert_stream(&mut reader, text.as_bytes(), EndReason::Finished);
            drop(reader);
            name.assert_exists();
        }
        assert_eq!(name.identity(), made, "the same object");
    });
}

#[test]
fn a_persistent_ring_forgets_who_left_nothing_in_it() {
    alone(|| {
        let name = RingName::new("forgets");
        drop(options().persistent(true).create_new::<Reader>(&name).unwrap());
        let endings = [
            EndReason::Finished,
            EndReason::Failed(9),
            EndReason::Dropped,
            EndReason::Died,
            EndReason::Dropped,
        ];
        for reason in endings {
            write_stream(&options(), &name, b"", reason).unwrap();
        }
        write_stream(&options(), &name, b"something", EndReason::Finished).unwrap();
        let mut reader = reader(&name);
        assert_stream(&mut reader, b"something", EndReason::Finished);
    });
}

#[test]
fn a_ring_that_exists_does_not_become_persistent() {
    alone(|| {
        let name = RingName::new("not-persistent");
        let writer = writer(&name);
        drop(options().persistent(true).open::<Reader>(&name).unwrap());
        name.assert_exists();
        drop(writer);
        name.assert_gone();
    });
}

#[test]
fn a_name_that_leads_elsewhere_by_now_is_left_alone() {
    alone(|| {
        let name = RingName::new("elsewhere");
        let (mut old_writer, mut old_reader) = (writer(&name), reader(&name));
        name.remove().unwrap();
        // A newcomer makes another ring, and has nothing to do with the first.
        let (mut new_writer, mut new_reader) = (writer(&name), reader(&name));
        old_writer.write_all(b"old").unwrap();
        old_writer.finish().unwrap();
        assert_stream(&mut old_reader, b"old", EndReason::Finished);
        drop(old_reader);
        name.assert_exists();
        new_writer.write_all(b"new").unwrap();
        new_writer.finish().unwrap();
        assert_stream(&mut new_reader, b"new", EndReason::Finished);
        drop(new_reader);
        name.assert_gone();

        // And an object that is none of ours.
        let old = writer(&name);
        name.remove().unwrap();
        name.make(b"precious");
        drop(old);
        assert!(name.memory().content().starts_with(b"precious"));
    });
}
