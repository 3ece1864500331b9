//! The survivor waits when the other is killed: each kind of wait, each policy, each kind of ring.

use crate::{
    assert_fails, kill_and_join,
    stream_support::*,
    support::{Child, alone, wait_to_be_killed},
};
use shmpipe::{
    Options, Peer, Wait,
    stream::{ReadError, WriteError},
};
use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

const POLICIES: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Sleep];

fn each(test: impl Fn(&Site, Wait, &Options)) {
    for policy in POLICIES {
        for site in Site::each() {
            test(&site, policy, &Options::new().wait(policy));
        }
    }
}

/// Nothing shows that a spinning end waits; and a survivor that is found out before it waits must
/// come to the same.
fn until_it_waits(policy: Wait, words: &Words, gate: u64) {
    if policy == Wait::Spin {
        thread::sleep(Duration::from_millis(5));
    } else {
        until("the survivor sleeps", || words.is_parked(gate));
    }
}

#[test]
fn a_reader_on_an_empty_ring() {
    alone(|| {
        each(|site, policy, options| {
            for written in [0, 10] {
                let mut reader = site.reader(options);
                let mut victim = Child::fork(|line| {
                    let mut writer = site.writer(options);
                    writer.write_all(&bytes_from(0, written)).unwrap();
                    line.say("written");
                    wait_to_be_killed();
                });
                victim.expect("written");
                let survivor = thread::spawn(move || {
                    let mut all = Vec::new();
                    let end = reader.read_to_end(&mut all).unwrap_err();
                    assert_eq!(all, bytes_from(0, written));
                    (end, reader)
                });
                until_it_waits(policy, &site.words(), DATA_PARKED);
                let what = format!("reader, {policy:?}, named: {}", site.is_named());
                let (end, mut reader) = kill_and_join(&what, victim, survivor);
                let end = end.downcast::<ReadError>().unwrap();
                assert!(matches!(end, ReadError::Died), "{end:?}");
                for _ in 0..3 {
                    assert_fails!(reader.fill_buf(), ReadError::Died);
                    assert_fails!(reader.try_fill_buf(), ReadError::Died);
                    assert_eq!(reader.peer().unwrap(), Peer::Died);
                }
            }
        });
    });
}

#[test]
fn a_writer_on_a_full_ring() {
    alone(|| {
        each(|site, policy, options| {
            let mut writer = site.writer(options);
            let mut victim = Child::fork(|line| {
                let mut reader = site.reader(options);
                reader.read_exact(&mut [0; 10]).unwrap();
                line.say("read");
                wait_to_be_killed();
            });
            writer.write_all(&bytes_from(0, page())).unwrap();
            victim.expect("read");
            writer.write_all(&bytes_from(page() as u64, 10)).unwrap();
            let survivor = thread::spawn(move || (writer.reserve(1).map(drop), writer));
            until_it_waits(policy, &site.words(), SPACE_PARKED);
            let what = format!("writer, {policy:?}, named: {}", site.is_named());
            let (end, mut writer) = kill_and_join(&what, victim, survivor);
            assert_fails!(end, WriteError::ReaderDied);
            for _ in 0..2 {
                assert_fails!(writer.reserve(1), WriteError::ReaderDied);
                assert_eq!(writer.peer().unwrap(), Peer::Died);
            }
            // Another reader takes the place and goes on where the dead one was.
            let mut reader = site.reader(options);
            assert_eq!(reader.fill_buf().unwrap(), bytes_from(10, page()));
            reader.consume(page());
            writer.write_all(b"on").unwrap();
            assert_eq!(reader.fill_buf().unwrap(), b"on");
        });
    });
}

#[test]
fn a_writer_that_waits_for_its_end_to_be_seen() {
    alone(|| {
        each(|site, policy, options| {
            for read in [0, 9, 10] {
                let mut writer = site.writer(options);
                let mut victim = Child::fork(|line| {
                    let mut reader = site.reader(options);
                    line.say("attached");
                    reader.read_exact(&mut vec![0; read]).unwrap();
                    line.say("read");
                    wait_to_be_killed();
                });
                victim.expect("attached");
                writer.write_all(&bytes_from(0, 10)).unwrap();
                victim.expect("read");
                let survivor = thread::spawn(move || writer.finish_and_wait());
                until_it_waits(policy, &site.words(), SPACE_PARKED);
                let what = format!("finish_and_wait, {policy:?}, {read} of 10 bytes read");
                let waited = kill_and_join(&what, victim, survivor);
                // Also if it had everything: who is killed may not have done
                // with it what he was to.
                assert_fails!(waited, WriteError::ReaderDied);
                // The rest of the stream is whole for the next one, and its end is told.
                let mut rest = Vec::new();
                site.reader(options).read_to_end(&mut rest).unwrap();
                assert_eq!(rest, bytes_from(read as u64, 10 - read));
            }
        });
    });
}

/// Who never waits learns of it too.
#[test]
fn with_the_forms_that_do_not_wait() {
    alone(|| {
        for site in Site::each() {
            let options = Options::new();
            let mut reader = site.reader(&options);
            let mut victim = Child::fork(|line| {
                let _writer = site.writer(&options);
                line.say("attached");
                wait_to_be_killed();
            });
            victim.expect("attached");
            assert_fails!(reader.try_fill_buf(), ReadError::Empty);
            victim.kill();
            assert_eq!(reader.peer().unwrap(), Peer::Died, "peer always looks");
            until("it is found out", || match reader.try_fill_buf() {
                Err(ReadError::Died) => true,
                Err(ReadError::Empty) => false,
                other => panic!("{other:?}"),
            });
            drop(reader);

            let mut writer = site.writer(&options);
            let mut victim = Child::fork(|line| {
                let _reader = site.reader(&options);
                line.say("attached");
                wait_to_be_killed();
            });
            victim.expect("attached");
            writer.write_all(&vec![0; page()]).unwrap();
            assert_fails!(writer.try_write(b"x"), WriteError::Full);
            victim.kill();
            assert_eq!(writer.peer().unwrap(), Peer::Died);
            until("it is found out", || match writer.try_write(b"x") {
                Err(WriteError::ReaderDied) => true,
                Err(WriteError::Full) => false,
                other => panic!("{other:?}"),
            });
        }
    });
}

/// A wait with a time-out ends with the death, not with the time-out.
#[test]
fn with_the_forms_that_wait_for_a_time() {
    alone(|| {
        for site in Site::each() {
            let options = Options::new();
            let mut reader = site.reader(&options);
            let mut victim = Child::fork(|line| {
                let _writer = site.writer(&options);
                line.say("attached");
                wait_to_be_killed();
            });
            victim.expect("attached");
            let survivor = thread::spawn(move || reader.fill_buf_timeout(FOR_EVER).map(drop));
            until_it_waits(Wait::Adaptive, &site.words(), DATA_PARKED);
            assert_fails!(kill_and_join("timed wait", victim, survivor), ReadError::Died);
        }
    });
}
