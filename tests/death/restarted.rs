//! Either end is killed in every state that it can be in, two hundred times, and another goes on in
//! its place: no byte that was committed is lost, none comes twice, and in the end nothing is left.

use crate::{
    Random, soon_noticed,
    stream_support::*,
    support::{Child, alone, is_system_v, system_v, wait_to_be_killed},
};
use shmpipe::{
    Options,
    stream::{ReadError, Reader, WriteError, Writer},
};
use std::{collections::BTreeSet, sync::Mutex, thread};

/// How often in each of the eight states.
const ROUNDS: usize = 25;

/// Longer than it takes to attach or to leave.
const A_WHILE: u64 = 400;

fn options() -> Options {
    soon_noticed().capacity(page())
}

fn writer(name: &RingName) -> Writer {
    let writer = options().resume().open_or_create(name).unwrap();
    SEEN.lock().unwrap().insert(name.identity());
    writer
}

fn reader(name: &RingName) -> Reader {
    let reader = options().open_or_create(name).unwrap();
    SEEN.lock().unwrap().insert(name.identity());
    reader
}

/// The objects that the name has led to.
static SEEN: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());

fn position(name: &RingName, of: u64) -> u64 {
    Words(name.memory()).get(of)
}

/// Writes the bytes from a position on, as many as are said or until the reader
/// has died; returns up to where.
fn write_from(writer: &mut Writer, mut position: u64, most: u64) -> u64 {
    let end = position.saturating_add(most);
    while position < end {
        let n = (1 + position % 700).min(end - position) as usize;
        match writer.reserve_up_to(n) {
            Ok(mut reservation) => {
                fill(&mut reservation, position);
                let n = reservation.len();
                reservation.commit(n).unwrap();
                position += n as u64;
            }
            Err(WriteError::ReaderDied) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    position
}

/// Reads what comes from a position on, to the end of a stream; returns how far that
/// was, and whether it was finished.
fn read_from(reader: &mut Reader, mut position: u64) -> (u64, bool) {
    loop {
        match reader.fill_buf() {
            Ok([]) => return (position, true),
            Ok(bytes) => {
                check(bytes, position);
                let n = bytes.len().min(300);
                position += n as u64;
                reader.consume(n);
            }
            Err(ReadError::Died) => return (position, false),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A new writer goes on behind the last byte that was committed, and finishes.
fn finish_behind(name: &RingName) -> u64 {
    let mut writer = writer(name);
    let from = position(name, TAIL);
    let end = write_from(&mut writer, from, 1000);
    writer.finish().unwrap();
    end
}

/// The same for a reader, which is at a position and may have been told the end before.
fn finish_for(name: &RingName, reader: &mut Reader, mut position: u64) {
    let end = finish_behind(name);
    for _ in 0..3 {
        let (read, finished) = read_from(reader, position);
        position = read;
        if finished && position == end {
            return;
        }
    }
    panic!("{position} bytes came of {end}");
}

fn a_writer_asleep_on_a_full_ring(name: &RingName, _: &mut Random) {
    let victim = Child::fork(|_| {
        write_from(&mut writer(name), 0, u64::MAX);
    });
    // It has a name before it has a size.
    until("it has made the ring", || name.exists() && name.memory().length() > page());
    until("it sleeps", || Words(name.memory()).is_parked(SPACE_PARKED));
    victim.kill();
    let mut reader = reader(name);
    assert_eq!(read_from(&mut reader, 0), (page() as u64, false));
    finish_for(name, &mut reader, page() as u64);
}

fn a_reader_asleep_on_an_empty_ring(name: &RingName, _: &mut Random) {
    let mut writer = writer(name);
    write_from(&mut writer, 0, 1000);
    let victim = Child::fork(|_| {
        read_from(&mut reader(name), 0);
    });
    let words = Words(name.memory());
    until("it sleeps", || words.is_parked(DATA_PARKED) && words.get(HEAD) == 1000);
    victim.kill();
    let mut next = reader(name);
    write_from(&mut writer, 1000, 1000);
    writer.finish().unwrap();
    assert_eq!(read_from(&mut next, 1000), (2000, true));
}

fn a_writer_in_mid_transfer(name: &RingName, random: &mut Random) {
    let mut reader = reader(name);
    let victim = Child::fork(|_| {
        write_from(&mut writer(name), 0, u64::MAX);
    });
    let words = Words(name.memory());
    let read = thread::scope(|scope| {
        let reading = scope.spawn(|| read_from(&mut reader, 0));
        until("the first byte is published", || words.get(TAIL) > 0);
        thread::sleep(random.micros_below(1500));
        victim.kill();
        reading.join().unwrap()
    });
    assert_eq!(read, (words.get(TAIL), false));
    finish_for(name, &mut reader, read.0);
}

fn a_reader_in_mid_transfer(name: &RingName, random: &mut Random) {
    let mut writer = writer(name);
    let victim = Child::fork(|_| {
        read_from(&mut reader(name), 0);
    });
    let words = Words(name.memory());
    let written = thread::scope(|scope| {
        let writing = scope.spawn(|| write_from(&mut writer, 0, u64::MAX));
        until("the first byte is released", || words.get(HEAD) > 0);
        thread::sleep(random.micros_below(1500));
        victim.kill();
        writing.join().unwrap()
    });
    let mut next = reader(name);
    let writing = thread::spawn(move || {
        let end = write_from(&mut writer, written, 1000);
        writer.finish().unwrap();
        end
    });
    let read = read_from(&mut next, words.get(HEAD));
    assert_eq!(read, (joined(writing), true));
}

/// Forks a part that is killed soon after it said that it begins with what counts.
fn killed_soon(random: &mut Random, part: impl FnOnce(&mut dyn FnMut())) {
    let mut victim = Child::fork(|line| {
        part(&mut || line.say("now"));
        wait_to_be_killed();
    });
    victim.expect("now");
    let started = std::time::Instant::now();
    let delay = random.micros_below(A_WHILE);
    while started.elapsed() < delay {
        std::hint::spin_loop();
    }
    victim.kill();
}

fn a_writer_that_attaches(name: &RingName, random: &mut Random) {
    let mut reader = reader(name);
    killed_soon(random, |now| {
        now();
        let mut writer = writer(name);
        write_from(&mut writer, 0, 100);
        std::mem::forget(writer);
    });
    finish_for(name, &mut reader, 0);
}

fn a_reader_that_attaches(name: &RingName, random: &mut Random) {
    let mut writer = writer(name);
    write_from(&mut writer, 0, 1000);
    killed_soon(random, |now| {
        now();
        std::mem::forget(reader(name));
    });
    writer.finish().unwrap();
    assert_eq!(read_from(&mut reader(name), 0), (1000, true));
}

fn a_writer_that_leaves(name: &RingName, random: &mut Random) {
    killed_soon(random, |now| {
        let mut writer = writer(name);
        write_from(&mut writer, 0, 1000);
        now();
        writer.finish().unwrap();
    });
    let mut reader = reader(name);
    assert_eq!(read_from(&mut reader, 0).0, 1000);
    finish_for(name, &mut reader, 1000);
}

fn a_reader_that_leaves(name: &RingName, random: &mut Random) {
    let mut writer = writer(name);
    write_from(&mut writer, 0, 1000);
    killed_soon(random, |now| {
        let mut reader = reader(name);
        assert!(reader.fill_buf().unwrap().len() >= 500);
        reader.consume(500);
        now();
        drop(reader);
    });
    let mut next = reader(name);
    writer.finish().unwrap();
    assert_eq!(read_from(&mut next, 500), (1000, true));
}

#[test]
fn an_end_killed_in_any_state_is_gone_on_for() {
    let states = [
        a_writer_asleep_on_a_full_ring,
        a_reader_asleep_on_an_empty_ring,
        a_writer_in_mid_transfer,
        a_reader_in_mid_transfer,
        a_writer_that_attaches,
        a_reader_that_attaches,
        a_writer_that_leaves,
        a_reader_that_leaves,
    ];
    alone(|| {
        let mut random = Random::new();
        let name = RingName::new("restarted");
        for round in 0..ROUNDS * states.len() {
            states[round % states.len()](&name, &mut random);
            // Who is the last one out takes all away.
            name.assert_gone();
        }
        for segment in
            std::mem::take(&mut *SEEN.lock().unwrap()).into_iter().filter(|_| is_system_v())
        {
            assert_eq!(system_v::find_set(system_v::set_key(segment as i32)), None, "{segment}");
        }
    });
}
