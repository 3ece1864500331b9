//! The policies of waiting, the kinds of rings, ends that move between threads.

use crate::{assert_fails, stream_support::*};
use shmpipe::{
    Options, Peer, Wait,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

const POLICIES: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Sleep];

fn write(mut writer: Writer, whole: u64) {
    let mut position = 0;
    let mut form = 0;
    while position < whole {
        // Sizes that share no factor with the ring's.
        let n = (1 + position % 1499).min(whole - position) as usize;
        form = (form + 1) % 3;
        position += match form {
            0 => {
                let mut reservation = writer.reserve(n).unwrap();
                fill(&mut reservation, position);
                reservation.commit(n).unwrap();
                n as u64
            }
            1 => {
                let mut reservation = writer.reserve_up_to(n).unwrap();
                fill(&mut reservation, position);
                let n = reservation.len();
                reservation.commit(n).unwrap();
                n as u64
            }
            _ => {
                writer.write_all(&bytes_from(position, n)).unwrap();
                n as u64
            }
        };
    }
    writer.finish_and_wait().unwrap();
}

fn read(mut reader: Reader) -> u64 {
    let mut position = 0;
    let mut into = vec![0; 977];
    loop {
        let n = if position % 2 == 0 {
            let bytes = reader.fill_buf().unwrap();
            let n = bytes.len().min(1231);
            check(&bytes[..n], position);
            reader.consume(n);
            n
        } else {
            let n = std::io::Read::read(&mut reader, &mut into).unwrap();
            check(&into[..n], position);
            n
        };
        if n == 0 {
            return position;
        }
        position += n as u64;
    }
}

/// All policies with each other on all kinds of rings, each end in a thread of its own.
#[test]
fn every_policy_on_every_kind_of_ring() {
    let whole = 64 * page() as u64 + 5;
    for kind in KINDS {
        for of_writer in POLICIES {
            for of_reader in POLICIES {
                let options = Options::new().capacity(page());
                let (_name, writer, reader) =
                    kind.pair_of(&options.clone().wait(of_writer), &options.wait(of_reader));
                let writing = thread::spawn(move || write(writer, whole));
                let reading = thread::spawn(move || read(reader));
                assert_eq!(joined(reading), whole, "{kind:?}, {of_writer:?} to {of_reader:?}");
                joined(writing);
            }
        }
    }
}

#[test]
fn every_policy_keeps_its_time_outs() {
    for policy in POLICIES {
        for interval in [Duration::from_millis(1), Duration::from_millis(50), FOR_EVER] {
            let options = Options::new().capacity(page()).wait(policy).liveness_interval(interval);
            let (_name, mut writer, mut reader) = KINDS[0].pair(&options);
            writer.write_all(&vec![0; page()]).unwrap();
            let short = Duration::from_millis(15);
            let started = Instant::now();
            assert_fails!(writer.reserve_timeout(1, short), WriteError::Timeout);
            assert!(started.elapsed() >= short, "{policy:?} gave up early");

            reader.fill_buf().unwrap();
            reader.consume(page());
            let deadline = Instant::now() + short;
            assert_fails!(reader.fill_buf_deadline(deadline), ReadError::Timeout);
            assert!(Instant::now() >= deadline, "{policy:?} gave up early");
        }
    }
}

/// The interval is a number like any other: none is too short or too long.
#[test]
fn every_liveness_interval_can_be_waited_with() {
    for policy in POLICIES {
        for interval in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_secs(u64::from(u32::MAX)),
            Duration::MAX / 2,
            Duration::MAX,
        ] {
            let options = Options::new().capacity(page()).wait(policy).liveness_interval(interval);
            let (_name, mut writer, mut reader) = KINDS[0].pair(&options);
            assert_fails!(reader.try_fill_buf(), ReadError::Empty);
            let short = Duration::from_millis(2);
            assert_fails!(reader.fill_buf_timeout(short), ReadError::Timeout);
            writer.write_all(b"x").unwrap();
            assert_eq!(reader.fill_buf_timeout(Duration::MAX).unwrap(), b"x");
        }
    }
}

/// Made in one thread, used in a second, dropped in a third.
#[test]
fn ends_move_between_threads() {
    for kind in KINDS {
        let (name, mut writer, mut reader) = kind.page();
        let writer = joined(thread::spawn(move || {
            writer.write_all(&bytes_from(0, 100)).unwrap();
            writer
        }));
        let reader = joined(thread::spawn(move || {
            assert_eq!(reader.fill_buf().unwrap(), bytes_from(0, 100));
            reader.consume(50);
            reader
        }));
        assert_eq!(writer.len(), 50);
        joined(thread::spawn(move || drop((writer, reader))));
        assert!(!name.exists(), "{kind:?}");
    }
}

/// What was promised at the time of the wait counts: a long time-out ends with the first byte.
#[test]
fn a_timed_wait_ends_as_soon_as_there_is_something() {
    for policy in POLICIES {
        let options = Options::new().capacity(page()).wait(policy).liveness_interval(FOR_EVER);
        let (_name, mut writer, mut reader) = KINDS[0].pair(&options);
        let sleeps = |peer: Result<Peer, ()>| policy == Wait::Spin || peer == Ok(Peer::Waiting);
        let thread = thread::spawn(move || {
            let n = reader.read_timeout(&mut [0; 10], FOR_EVER).unwrap();
            (n, reader)
        });
        until("the reader sleeps", || sleeps(writer.peer().map_err(drop)));
        writer.write_all(b"x").unwrap();
        let (n, mut reader) = joined(thread);
        assert_eq!(n, 1);

        writer.write_all(&vec![0; page()]).unwrap();
        let thread = thread::spawn(move || writer.write_timeout(b"x", FOR_EVER).unwrap());
        until("the writer sleeps", || sleeps(reader.peer().map_err(drop)));
        reader.fill_buf().unwrap();
        reader.consume(1);
        assert_eq!(joined(thread), 1);
    }
}
