//! What every kind of memory must do, whatever it is made of: one suite for all backends.

mod backends;
#[path = "../support/mod.rs"]
mod support;

use backends::{Memfd, Posix, Ring, SystemV};
use nix::sys::stat::{Mode, umask};
use shmpipe::{
    OpenError, OpenErrorKind, Options, Peer,
    stream::{ReadError, WriteError},
};
use std::{
    io::{Read, Write},
    thread,
};
use support::{
    Child, DEADLINE, Holdings, Orphan, alone, eventually, page_size, skip, wait_to_be_killed,
};

macro_rules! conformance {
    ($($case:ident)*) => {
        mod posix {
            $(#[test] fn $case() { super::alone(|| super::$case::<super::Posix>()); })*
        }
        mod memfd {
            $(#[test] fn $case() { super::alone(|| super::$case::<super::Memfd>()); })*
        }
        mod system_v {
            $(#[test] fn $case() {
                super::alone(|| match super::support::system_v::is_available() {
                    true => super::$case::<super::SystemV>(),
                    false => super::skip("no System V IPC here"),
                });
            })*
        }
    };
}

conformance! {
    geometry_is_a_control_page_and_the_capacity
    pages_are_reserved_when_a_ring_is_made
    a_span_across_the_end_is_one_slice
    the_mode_is_what_was_asked_for_whatever_the_umask
    the_owner_is_the_effective_user
    memory_that_is_cut_short_is_an_error_and_no_crash
    memory_that_grows_is_ignored_or_impossible
    capacities_have_limits
    one_writer_and_one_reader
    a_dropped_end_leaves_its_role
    a_killed_process_leaves_its_role
    a_forked_child_does_not_keep_its_dead_parents_role
    a_second_reader_goes_on_where_the_first_stopped
    nothing_is_left_over
}

fn geometry_is_a_control_page_and_the_capacity<R: Ring>() {
    let page = page_size();
    for capacity in [page, 1 << 16, 1 << 20] {
        let ring = R::make(&Options::new().capacity(capacity));
        let writer = ring.writer().unwrap();
        assert_eq!(writer.capacity(), capacity);
        assert_eq!(ring.facts().size, page + capacity);
        let reader = ring.reader().unwrap();
        assert_eq!(reader.capacity(), capacity);
        assert_eq!((writer.free(), reader.free()), (capacity, capacity));
    }
    let ring = R::make(&Options::new());
    let writer = ring.writer().unwrap();
    assert_eq!(writer.capacity(), Options::DEFAULT_CAPACITY);
    assert_eq!(ring.facts().size, page + Options::DEFAULT_CAPACITY);
}

fn pages_are_reserved_when_a_ring_is_made<R: Ring>() {
    // Without the wish an anonymous one gets them later: see `tests/memory.rs`.
    let ring = R::make(&Options::new().capacity(1 << 20).preallocate(true));
    let _writer = ring.writer().unwrap();
    let facts = ring.facts();
    assert!(facts.reserved >= facts.size, "{facts:?}");
}

fn a_span_across_the_end_is_one_slice<R: Ring>() {
    let capacity = page_size();
    let ring = R::make(&Options::new().capacity(capacity));
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader().unwrap());
    // Steps that share no divisor with the capacity but 1: the span begins all over the ring.
    for (round, step) in
        [1, 7, capacity - 1, 1001, 2047, capacity].into_iter().cycle().take(500).enumerate()
    {
        writer.reserve(step).unwrap().commit(step).unwrap();
        assert_eq!(reader.fill_buf().unwrap().len(), step);
        reader.consume(step);

        let pattern: Vec<u8> =
            (0..capacity).map(|i| (i * 31 + round) as u8 ^ (i >> 8) as u8).collect();
        let mut all = writer.reserve(capacity).unwrap();
        assert_eq!(all.len(), capacity);
        all.copy_from_slice(&pattern);
        all.commit(capacity).unwrap();
        assert!(reader.fill_buf().unwrap() == pattern, "round {round}");
        reader.consume(capacity);
    }
}

fn the_mode_is_what_was_asked_for_whatever_the_umask<R: Ring>() {
    for mask in [0o077, 0, 0o777] {
        umask(Mode::from_bits_truncate(mask));
        for mode in [0o600, 0o640, 0o660, 0o666] {
            let ring = R::make(&Options::new().capacity(page_size()).mode(mode));
            let _writer = ring.writer().unwrap();
            assert_eq!(ring.facts().mode, mode, "umask {mask:o}");
        }
        let ring = R::make(&Options::new().capacity(page_size()));
        let _writer = ring.writer().unwrap();
        assert_eq!(ring.facts().mode, 0o600, "the default; umask {mask:o}");
    }
}

fn the_owner_is_the_effective_user<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let _writer = ring.writer().unwrap();
    assert_eq!(ring.facts().owner, nix::unistd::geteuid().as_raw());
}

fn memory_that_is_cut_short_is_an_error_and_no_crash<R: Ring>() {
    let (page, capacity) = (page_size(), 4 * page_size());
    for left in [page, page + capacity / 2, page + capacity - 1] {
        let ring = R::make(&Options::new().capacity(capacity));
        let (writer, mut reader) = (ring.writer().unwrap(), ring.reader().unwrap());
        let waiting = thread::spawn(move || reader.fill_buf_timeout(DEADLINE).map(<[u8]>::len));
        eventually("the reader to sleep", || {
            (writer.peer().unwrap() == Peer::Waiting).then_some(())
        });
        let cut = ring.resize(left as u64);
        assert_eq!(cut.is_ok(), R::CAN_BE_CUT, "{left}: {cut:?}");
        if R::CAN_BE_CUT {
            let read = waiting.join().unwrap();
            assert!(matches!(read, Err(ReadError::Truncated)), "{left}: {read:?}");
        } else {
            writer.finish().unwrap();
            assert_eq!(waiting.join().unwrap().unwrap(), 0);
        }

        let ring = R::make(&Options::new().capacity(capacity));
        let (mut writer, reader) = (ring.writer().unwrap(), ring.reader().unwrap());
        writer.write_all(&vec![1; capacity]).unwrap();
        let waiting = thread::spawn(move || writer.write_timeout(&[1], DEADLINE));
        eventually("the writer to sleep", || {
            (reader.peer().unwrap() == Peer::Waiting).then_some(())
        });
        assert_eq!(ring.resize(left as u64).is_ok(), R::CAN_BE_CUT);
        if R::CAN_BE_CUT {
            let written = waiting.join().unwrap();
            assert!(matches!(written, Err(WriteError::Truncated)), "{left}: {written:?}");
        } else {
            drop(reader);
            let written = waiting.join().unwrap();
            assert!(matches!(written, Err(WriteError::ReaderLeft)), "{left}: {written:?}");
        }
    }
}

fn memory_that_grows_is_ignored_or_impossible<R: Ring>() {
    let capacity = page_size();
    let ring = R::make(&Options::new().capacity(capacity));
    let mut writer = ring.writer().unwrap();
    let grown = ring.resize(1 << 20);
    assert_eq!(grown.is_ok(), R::CAN_BE_CUT, "{grown:?}");
    let mut reader = ring.reader().unwrap();
    assert_eq!(reader.capacity(), capacity);
    writer.write_all(&vec![9; capacity]).unwrap();
    assert_eq!(reader.fill_buf().unwrap(), vec![9; capacity]);
}

fn capacities_have_limits<R: Ring>() {
    let page = page_size();
    let half = usize::MAX / 2 + 1;
    for none in [0, 1, page / 2, page - 1, page + 1, 3 * page, usize::MAX, half, half / 2] {
        let refusal = R::refusal(&Options::new().capacity(none));
        assert!(matches!(refusal, OpenErrorKind::Capacity(n) if n == none), "{none}: {refusal:?}");
    }
    // A petabyte is a capacity, but nobody has it.
    let refusal = R::refusal(&Options::new().capacity(1 << 50));
    match refusal {
        OpenErrorKind::NoSpace { needed, available } => {
            assert_eq!(needed, (1 << 50) + page as u64);
            assert!(0 < available && available < needed, "{available}");
        }
        other => panic!("{other:?}"),
    }
}

fn one_writer_and_one_reader<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let (mut writer, mut reader) = (ring.writer().unwrap(), ring.reader().unwrap());
    assert_taken(ring.writer().map(drop), "writer", std::process::id());
    assert_taken(ring.reader().map(drop), "reader", std::process::id());
    // And the refused did no harm.
    writer.write_all(b"x").unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"x");
    assert_eq!((writer.peer().unwrap(), reader.peer().unwrap()), (Peer::Alive, Peer::Alive));
}

#[track_caller]
fn assert_taken(opened: Result<(), OpenError>, asked: &str, holder: u32) {
    let error = opened.unwrap_err();
    let OpenErrorKind::RoleTaken { role, pid, .. } = *error.kind() else { panic!("{error:?}") };
    assert_eq!((role, pid), (asked, holder));
    let message = error.to_string();
    assert!(message.contains(asked) && message.contains(&pid.to_string()), "{message}");
}

fn a_dropped_end_leaves_its_role<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let writer = ring.writer().unwrap();
    for _ in 0..10 {
        drop(ring.reader().unwrap());
    }
    let mut reader = ring.reader().unwrap();
    writer.finish().unwrap();
    assert_eq!(reader.fill_buf().unwrap(), b"");
    for _ in 0..10 {
        ring.writer().unwrap().finish().unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"");
    }
}

fn a_killed_process_leaves_its_role<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let stays = ring.reader().unwrap();
    let mut child = Child::fork(|line| {
        let _writer = ring.writer().unwrap();
        line.say("attached");
        wait_to_be_killed();
    });
    child.expect("attached");
    assert_taken(ring.writer().map(drop), "writer", child.pid());
    child.kill();
    let _writer = eventually("the writer's role", || ring.writer().ok());
    drop(stays);

    let mut child = Child::fork(|line| {
        let _reader = ring.reader().unwrap();
        line.say("attached");
        wait_to_be_killed();
    });
    child.expect("attached");
    assert_taken(ring.reader().map(drop), "reader", child.pid());
    child.kill();
    eventually("the reader's role", || ring.reader().ok());
}

fn a_forked_child_does_not_keep_its_dead_parents_role<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let mut reader = ring.reader().unwrap();
    let mut orphan = Orphan::prepare();
    let mut child = Child::fork(|line| {
        let mut writer = ring.writer().unwrap();
        writer.write_all(b"last words").unwrap();
        orphan.fork();
        line.say("forked");
        wait_to_be_killed();
    });
    child.expect("forked");
    assert_eq!(reader.peer().unwrap(), Peer::Alive);
    child.kill();
    let mut text = Vec::new();
    let error = reader.read_to_end(&mut text).unwrap_err();
    assert_eq!(text, b"last words");
    assert!(matches!(cause(&error), ReadError::Died), "{error:?}");
    ring.writer().unwrap();
    orphan.assert_alive();
}

fn cause(error: &std::io::Error) -> &ReadError {
    error.get_ref().and_then(|inner| inner.downcast_ref()).expect("a ReadError")
}

fn a_second_reader_goes_on_where_the_first_stopped<R: Ring>() {
    let ring = R::make(&Options::new().capacity(page_size()));
    let mut writer = ring.writer().unwrap();
    writer.write_all(b"abcdefgh").unwrap();
    let mut first = ring.reader().unwrap();
    assert_eq!(first.fill_buf().unwrap(), b"abcdefgh");
    first.consume(3);
    drop(first);
    let mut second = ring.reader().unwrap();
    assert_eq!(second.fill_buf().unwrap(), b"defgh");
    second.consume(2);
    drop(second);

    let mut child = Child::fork(|line| {
        let mut third = ring.reader().unwrap();
        assert_eq!(third.fill_buf().unwrap(), b"fgh");
        third.consume(1);
        // What was shown and not consumed is not lost with its reader.
        assert_eq!(third.fill_buf().unwrap(), b"gh");
        line.say("consumed");
        wait_to_be_killed();
    });
    child.expect("consumed");
    child.kill();
    let mut fourth = eventually("the reader's role", || ring.reader().ok());
    writer.write_all(b"ij").unwrap();
    writer.finish().unwrap();
    let mut rest = String::new();
    fourth.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "ghij");
}

fn nothing_is_left_over<R: Ring>() {
    // Whatever the library keeps for the process's whole life, it has after this.
    drop(R::make(&Options::new()).writer().unwrap());
    let before = Holdings::now();
    for round in 0..4 {
        let ring = R::make(&Options::new().capacity(page_size()));
        let mut writer = ring.writer().unwrap();
        let mut reader = ring.reader().unwrap();
        writer.write_all(b"x").unwrap();
        assert_ne!(Holdings::now(), before, "the test would notice");
        match round {
            0 => writer.finish().unwrap(),
            1 => writer.fail(3),
            _ => drop(writer),
        }
        let mut text = Vec::new();
        assert_eq!(reader.read_to_end(&mut text).is_ok(), round == 0);
        assert_eq!(text, b"x");
        if round == 3 {
            reader.fail(4);
        } else {
            drop(reader);
        }
        ring.assert_gone();
        assert_eq!(Holdings::now(), before, "round {round}");
    }
}
