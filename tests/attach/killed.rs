//! Killed at any moment: while building, attaching, taking over, working, leaving. Whoever comes
//! next finds a ring that works, and the truth about the streams in it.

use super::*;
use std::{cell::Cell, time::Instant};
use support::alone;

/// Runs `work` in a process that is killed, each time at another moment of it; `check` sees what
/// that left behind, and tidies up.
fn kill_at_any_moment(rounds: u32, prepare: impl Fn(), work: impl Fn(), check: impl Fn()) {
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        prepare();
        let mut child = Child::fork(|line| {
            line.say("go");
            let started = Instant::now();
            work();
            line.show(started.elapsed().as_nanos());
            wait_to_be_killed();
        });
        child.expect("go");
        if round < 4 {
            // How long it takes; the first time longer.
            let took = Duration::from_nanos(child.hear().parse().unwrap());
            longest = if round == 0 { took } else { took.max(longest.min(took * 2)) };
        } else {
            let started = Instant::now();
            // Each part of it as often, in an order that has nothing to do with what else happens.
            while started.elapsed() < longest * (round * 37 % 101) / 90 {
                std::hint::spin_loop();
            }
        }
        child.kill();
        check();
    }
}

/// The streams in the ring up to `last`, after which there is none.
fn streams_to(last: &[u8], name: &RingName) -> Vec<(Vec<u8>, EndReason)> {
    let mut reader = reader(name);
    let mut streams = Vec::new();
    while streams.last().is_none_or(|(bytes, _): &(Vec<u8>, _)| bytes != last) {
        streams.push(read_stream(&mut reader));
    }
    drop(reader);
    name.assert_gone();
    streams
}

fn stream(bytes: &[u8], reason: EndReason) -> (Vec<u8>, EndReason) {
    (bytes.to_vec(), reason)
}

#[test]
fn a_builder_killed_at_any_moment_is_in_nobodys_way() {
    alone(|| {
        let name = RingName::new("killed");
        // Long enough to build that many kills fall into it.
        let large = options().capacity(1 << 20);
        kill_at_any_moment(
            300,
            || name.assert_gone(),
            || large.open_or_create::<Writer>(&name).unwrap().finish().unwrap(),
            || {
                // What is found is nothing, remains, or a ring of that capacity.
                let mut writer: Writer = large.open_or_create(&name).unwrap();
                let mut reader: Reader = large.open_or_create(&name).unwrap();
                writer.write_all(b"built").unwrap();
                writer.finish().unwrap();
                assert_stream(&mut reader, b"built", EndReason::Finished);
                drop(reader);
                name.assert_gone();
            },
        );
    });
}

#[test]
fn resume_killed_at_any_moment_neither_loses_nor_doubles_an_end() {
    alone(|| {
        let name = RingName::new("resume-killed");
        kill_at_any_moment(
            300,
            || kill_writer(&options(), &name, b"first").unwrap(),
            || std::mem::forget(options().resume().open::<Writer>(&name).unwrap()),
            || {
                write_stream(&options().resume(), &name, b"second", EndReason::Finished).unwrap();
                let expected =
                    [stream(b"first", EndReason::Died), stream(b"second", EndReason::Finished)];
                assert_eq!(streams_to(b"second", &name), expected);
            },
        );
    });
}

#[test]
fn discard_killed_at_any_moment_throws_away_all_or_nothing() {
    alone(|| {
        let name = RingName::new("discard-killed");
        let discarded = Cell::new([0; 2]);
        kill_at_any_moment(
            300,
            || kill_writer(&options(), &name, b"first").unwrap(),
            || std::mem::forget(options().discard().open::<Writer>(&name).unwrap()),
            || {
                let plain = write_stream(&options(), &name, b"second", EndReason::Finished);
                let mut expected = vec![stream(b"second", EndReason::Finished)];
                let mut counts = discarded.get();
                counts[usize::from(plain.is_ok())] += 1;
                discarded.set(counts);
                if plain.is_err() {
                    assert_unfinished(plain, &name, (EndReason::Died, 5, 5, false));
                    let resume = options().resume();
                    write_stream(&resume, &name, b"second", EndReason::Finished).unwrap();
                    expected.insert(0, stream(b"first", EndReason::Died));
                }
                assert_eq!(streams_to(b"second", &name), expected);
            },
        );
        println!("kept, discarded: {discarded:?}");
    });
}

/// So that some kills come between two steps that take no time.
fn linger() {
    let started = Instant::now();
    while started.elapsed() < Duration::from_micros(100) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_writer_killed_at_any_moment_of_its_life() {
    alone(|| {
        let name = RingName::new("writers-life");
        let outcomes = Cell::new([0; 3]);
        kill_at_any_moment(
            300,
            || name.assert_gone(),
            || {
                let mut writer = writer(&name);
                for byte in b"first" {
                    linger();
                    writer.write_all(&[*byte]).unwrap();
                }
                linger();
                writer.finish().unwrap();
            },
            || {
                write_stream(&options().resume(), &name, b"second", EndReason::Finished).unwrap();
                let mut streams = streams_to(b"second", &name);
                assert_eq!(streams.pop(), Some(stream(b"second", EndReason::Finished)));
                let mut counts = outcomes.get();
                match &streams[..] {
                    [] => counts[0] += 1,
                    [(bytes, EndReason::Died)] if b"first".starts_with(bytes) => {
                        assert!(!bytes.is_empty(), "nothing was published, so nothing died");
                        counts[1] += 1;
                    }
                    [(bytes, EndReason::Finished)] if bytes == b"first" => counts[2] += 1,
                    _ => panic!("{streams:?}"),
                }
                outcomes.set(counts);
            },
        );
        println!("nothing, died, finished: {outcomes:?}");
    });
}

#[test]
fn a_reader_killed_at_any_moment_of_its_life() {
    alone(|| {
        let name = RingName::new("readers-life");
        let writer = Cell::new(None);
        let outcomes = Cell::new([0; 3]);
        kill_at_any_moment(
            300,
            || {
                let mut new = super::writer(&name);
                new.write_all(b"abcdef").unwrap();
                writer.set(Some(new));
            },
            || {
                let mut reader = reader(&name);
                for _ in 0..2 {
                    linger();
                    reader.fill_buf().unwrap();
                    reader.consume(2);
                }
                linger();
                drop(reader);
            },
            || {
                let mut next = reader(&name);
                writer.take().unwrap().finish().unwrap();
                let (rest, reason) = read_stream(&mut next);
                assert_eq!(reason, EndReason::Finished);
                let consumed = b"abcdef".len() - rest.len();
                assert!(
                    consumed <= 4 && consumed.is_multiple_of(2) && rest == b"abcdef"[consumed..]
                );
                let mut counts = outcomes.get();
                counts[consumed / 2] += 1;
                outcomes.set(counts);
                drop(next);
                name.assert_gone();
            },
        );
        println!("consumed 0, 2, 4: {outcomes:?}");
    });
}

/// Both ends in one process, which dies while they come and go.
#[test]
fn both_killed_at_any_moment_of_their_lives() {
    alone(|| {
        let name = RingName::new("both-lives");
        kill_at_any_moment(
            300,
            || name.assert_gone(),
            || {
                let (mut writer, mut reader) = (writer(&name), reader(&name));
                writer.write_all(b"first").unwrap();
                linger();
                reader.fill_buf().unwrap();
                reader.consume(5);
                linger();
                writer.finish().unwrap();
                linger();
                assert_stream(&mut reader, b"", EndReason::Finished);
            },
            || {
                write_stream(&options().resume(), &name, b"second", EndReason::Finished).unwrap();
                let mut streams = streams_to(b"second", &name);
                assert_eq!(streams.pop(), Some(stream(b"second", EndReason::Finished)));
                // The first, or what was left of it.
                let left: Vec<_> = ["first", ""]
                    .into_iter()
                    .flat_map(|text| {
                        [EndReason::Died, EndReason::Finished]
                            .map(|reason| stream(text.as_bytes(), reason))
                    })
                    .collect();
                assert!(streams.len() <= 1, "{streams:?}");
                assert!(streams.iter().all(|stream| left.contains(stream)), "{streams:?}");
            },
        );
    });
}
