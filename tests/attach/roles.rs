//! One writer and one reader at a time, whichever comes first.

use super::*;
use shmpipe::Peer;
use std::io::Read;
use support::{alone, eventually};

#[test]
fn either_side_may_come_first() {
    alone(|| {
        let name = RingName::new("first");
        let (mut early, mut late) = (writer(&name), reader(&name));
        assert_eq!((early.peer().unwrap(), late.peer().unwrap()), (Peer::Alive, Peer::Alive));
        early.write_all(b"writer first").unwrap();
        early.finish().unwrap();
        assert_stream(&mut late, b"writer first", EndReason::Finished);
        drop(late);
        name.assert_gone();

        let mut early = reader(&name);
        assert_eq!(early.peer().unwrap(), Peer::NoneYet);
        let mut late = writer(&name);
        assert_eq!((early.peer().unwrap(), late.peer().unwrap()), (Peer::Alive, Peer::Alive));
        late.write_all(b"reader first").unwrap();
        late.finish().unwrap();
        assert_stream(&mut early, b"reader first", EndReason::Finished);
    });
}

#[test]
fn a_reader_that_waits_is_woken_by_the_first_writer() {
    alone(|| {
        let name = RingName::new("woken");
        let mut child = Child::fork(|line| {
            let mut text = String::new();
            let mut reader = reader(&name);
            line.say("attached");
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "at last");
        });
        child.expect("attached");
        let mut writer = writer(&name);
        eventually("the reader to sleep", || {
            (writer.peer().unwrap() == Peer::Waiting).then_some(())
        });
        writer.write_all(b"at last").unwrap();
        writer.finish().unwrap();
        child.join();
        name.assert_gone();
    });
}

#[test]
fn a_second_writer_is_refused() {
    alone(|| {
        let name = RingName::new("writers");
        let mut writer = writer(&name);
        let mut reader = reader(&name);
        for _ in 0..3 {
            let own = std::process::id();
            assert_taken(options().open_or_create::<Writer>(&name), &name, "writer", own);
            assert_taken(options().open::<Writer>(&name), &name, "writer", own);
            assert_taken(options().resume().open::<Writer>(&name), &name, "writer", own);
            assert_taken(options().discard().open::<Writer>(&name), &name, "writer", own);
        }
        let parent = std::process::id();
        Child::fork(|_| {
            assert_taken(options().open::<Writer>(&name), &name, "writer", parent);
        })
        .join();
        // They did no harm to the one that is there.
        writer.write_all(b"still here").unwrap();
        writer.finish().unwrap();
        assert_stream(&mut reader, b"still here", EndReason::Finished);
    });
}

#[test]
fn a_second_reader_is_refused() {
    alone(|| {
        let name = RingName::new("readers");
        let mut writer = writer(&name);
        writer.write_all(b"for the first").unwrap();
        let mut reader = reader(&name);
        for _ in 0..3 {
            let own = std::process::id();
            assert_taken(options().open_or_create::<Reader>(&name), &name, "reader", own);
            assert_taken(options().open::<Reader>(&name), &name, "reader", own);
        }
        let parent = std::process::id();
        Child::fork(|_| {
            assert_taken(options().open::<Reader>(&name), &name, "reader", parent);
        })
        .join();
        assert_eq!(writer.peer().unwrap(), Peer::Alive);
        writer.finish().unwrap();
        assert_stream(&mut reader, b"for the first", EndReason::Finished);
    });
}

#[test]
fn the_holder_is_named_by_its_pid() {
    alone(|| {
        let name = RingName::new("pid");
        let mut child = Child::fork(|line| {
            let _ends = (writer(&name), reader(&name));
            line.say("attached");
            line.expect("go");
        });
        child.expect("attached");
        assert_taken(options().open::<Writer>(&name), &name, "writer", child.pid());
        assert_taken(options().open::<Reader>(&name), &name, "reader", child.pid());
        child.say("go");
        child.join();
        name.assert_gone();
    });
}

#[test]
fn an_aborted_end_has_its_role_until_it_is_dropped() {
    alone(|| {
        let name = RingName::new("aborted");
        let mut reader = reader(&name);
        let writer = writer(&name);
        writer.aborter().abort();
        assert_stream(&mut reader, b"", EndReason::Dropped);
        assert_taken(options().open::<Writer>(&name), &name, "writer", std::process::id());
        drop(writer);
        let mut second = super::writer(&name);
        second.write_all(b"next").unwrap();
        second.finish().unwrap();
        assert_stream(&mut reader, b"next", EndReason::Finished);
    });
}

#[test]
fn a_writer_that_waits_for_the_drain_still_has_its_role() {
    alone(|| {
        let name = RingName::new("drain");
        let mut child = Child::fork(|line| {
            let mut writer = writer(&name);
            writer.write_all(b"wait for me").unwrap();
            line.say("written");
            writer.finish_and_wait_timeout(DEADLINE).unwrap();
        });
        child.expect("written");
        let pid = child.pid();
        assert_taken(options().open::<Writer>(&name), &name, "writer", pid);
        let mut reader = reader(&name);
        eventually("the writer to finish", || {
            (reader.peer().unwrap() == Peer::Finished).then_some(())
        });
        assert_taken(options().open::<Writer>(&name), &name, "writer", pid);
        assert_stream(&mut reader, b"wait for me", EndReason::Finished);
        child.join();
        drop(super::writer(&name));
    });
}
