//! Both ends are killed, and others attach to what is left.

use crate::{
    Random, assert_fails,
    stream_support::*,
    support::{Child, alone, wait_to_be_killed},
};
use shmpipe::{
    EndReason, OpenErrorKind, Options,
    stream::{ReadError, Reader, Writer},
};
use std::{
    io::{Read, Write},
    thread,
};

/// A ring whose both ends were killed in full flight; its bytes are the known ones of their
/// positions.
struct Left {
    site: Site,
    /// The first byte that was not released, and the one after the last that was published.
    head: u64,
    tail: u64,
}

fn killed_in_full_flight(random: &mut Random, named: bool) -> Left {
    let site = Site::new(named, page());
    let options = Options::new();
    let mut writing = Child::fork(|line| {
        let mut writer = site.writer(&options);
        line.say("attached");
        let mut position = 0;
        while let Ok(mut reservation) = writer.reserve_up_to(1 + position as usize % 700) {
            fill(&mut reservation, position);
            let n = reservation.len();
            reservation.commit(n).unwrap();
            position += n as u64;
        }
        // The other was killed first.
        wait_to_be_killed();
    });
    let mut reading = Child::fork(|line| {
        let mut reader = site.reader(&options);
        line.say("attached");
        while let Ok(bytes) = reader.fill_buf() {
            let n = bytes.len().min(300);
            reader.consume(n);
        }
        wait_to_be_killed();
    });
    writing.expect("attached");
    reading.expect("attached");
    let words = site.words();
    // A writer that wrote nothing is nobody's loss and is not told of.
    until("the first byte is published", || words.get(TAIL) > 0);
    let victims = if random.below(2) == 0 { [writing, reading] } else { [reading, writing] };
    for victim in victims {
        thread::sleep(random.micros_below(1500));
        victim.kill();
    }
    let (head, tail) = (words.get(HEAD), words.get(TAIL));
    assert!(head <= tail && tail - head <= page() as u64, "{head} and {tail}");
    Left { site, head, tail }
}

fn each(rounds: usize, test: impl Fn(Left)) {
    let mut random = Random::new();
    for _ in 0..rounds {
        for named in [true, false] {
            test(killed_in_full_flight(&mut random, named));
        }
    }
}

fn reads_the_rest(reader: &mut Reader, left: &Left) {
    let mut rest = vec![0; (left.tail - left.head) as usize];
    reader.read_exact(&mut rest).unwrap();
    check(&rest, left.head);
}

#[test]
fn a_reader_gets_the_rest_and_the_truth() {
    alone(|| {
        each(20, |left| {
            let mut reader = left.site.reader(&Options::new());
            reads_the_rest(&mut reader, &left);
            for _ in 0..2 {
                assert_fails!(reader.fill_buf(), ReadError::Died);
            }
            // Once somebody was told, a writer may come.
            let mut writer = left.site.writer(&Options::new());
            writer.write_all(b"new").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"new");
        });
    });
}

#[test]
fn a_writer_is_told_what_it_would_go_on_after() {
    alone(|| {
        each(10, |left| {
            let refused = left.site.try_writer(&Options::new()).map(drop).unwrap_err();
            let OpenErrorKind::Unfinished { reason, at, unread, reader_attached } = refused.kind()
            else {
                panic!("{refused}");
            };
            assert_eq!((*reason, *at), (EndReason::Died, left.tail));
            assert_eq!((*unread, *reader_attached), (left.tail - left.head, false));
            // It was told, not taken anything from.
            let mut reader = left.site.reader(&Options::new());
            reads_the_rest(&mut reader, &left);
            assert_fails!(reader.fill_buf(), ReadError::Died);
        });
    });
}

#[test]
fn a_writer_goes_on_and_the_reader_hears_of_the_death_in_between() {
    alone(|| {
        each(20, |left| {
            let mut writer: Writer = left.site.writer(&Options::new().resume());
            let thread = thread::spawn(move || {
                writer.write_all(b"on").unwrap();
                writer.finish().unwrap();
            });
            let mut reader = left.site.reader(&Options::new());
            reads_the_rest(&mut reader, &left);
            assert_fails!(reader.fill_buf(), ReadError::Died);
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"on");
            joined(thread);
        });
    });
}

#[test]
fn a_writer_starts_clean() {
    alone(|| {
        each(10, |left| {
            let mut writer: Writer = left.site.writer(&Options::new().discard());
            writer.write_all(b"clean").unwrap();
            writer.finish().unwrap();
            let mut all = Vec::new();
            left.site.reader(&Options::new()).read_to_end(&mut all).unwrap();
            assert_eq!(all, b"clean");
        });
    });
}

/// A reader that looks for a death once an hour hears of it from the one who takes the place.
#[test]
fn a_writer_that_comes_wakes_a_reader_that_waits_for_the_dead_one() {
    alone(|| {
        for site in Site::each() {
            let mut reader = site.reader(&Options::new().liveness_interval(FOR_EVER));
            let mut victim = Child::fork(|line| {
                let mut writer = site.writer(&Options::new());
                writer.write_all(b"last words").unwrap();
                line.say("written");
                wait_to_be_killed();
            });
            victim.expect("written");
            reader.read_exact(&mut [0; 10]).unwrap();
            let thread = thread::spawn(move || (reader.fill_buf().map(drop), reader));
            let words = site.words();
            until("the reader sleeps", || words.is_parked(DATA_PARKED));
            victim.kill();
            let mut writer = site.writer(&Options::new().resume());
            let (end, mut reader) = joined(thread);
            assert_fails!(end, ReadError::Died);
            writer.write_all(b"on").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"on");
        }
    });
}

/// A name that is not persistent stays when both were killed, is taken over, and goes with the last
/// end out.
#[test]
fn a_name_that_both_left_behind() {
    alone(|| {
        for read in [0, 10] {
            let name = RingName::new("left-behind");
            let options = Options::new().capacity(page());
            let mut writing = Child::fork(|line| {
                let mut writer: Writer = options.open_or_create(&name).unwrap();
                writer.write_all(&bytes_from(0, 10)).unwrap();
                line.say("written");
                wait_to_be_killed();
            });
            writing.expect("written");
            let mut reading = Child::fork(|line| {
                let mut reader: Reader = options.open_or_create(&name).unwrap();
                reader.read_exact(&mut vec![0; read]).unwrap();
                line.say("read");
                wait_to_be_killed();
            });
            reading.expect("read");
            writing.kill();
            reading.kill();
            name.assert_exists();

            let mut reader: Reader = options.open_or_create(&name).unwrap();
            let mut rest = Vec::new();
            let end = reader.read_to_end(&mut rest).unwrap_err();
            assert!(matches!(end.downcast(), Ok(ReadError::Died)));
            assert_eq!(rest, bytes_from(read as u64, 10 - read));
            drop(reader);
            name.assert_gone();
        }
    });
}
