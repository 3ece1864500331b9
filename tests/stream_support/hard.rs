//! Streams that are hard on the gate: both ends go to sleep as often as can be, and are woken at
//! every moment of it.
//!
//! Both parts run in forked processes, which have one thread each.

use super::{Rendezvous, Site, bytes_from, check, page};
use shmpipe::Options;
use std::{
    hint::spin_loop,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

/// So long that a lost wake-up is not only counted: it is a test that takes seconds.
pub const UNCAPPED: Duration = Duration::from_secs(10);

/// Pauses of every length: from none, through those in which the other end is just about to sleep,
/// to those in which it surely does.
pub struct Pauses(u64);

impl Pauses {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn random(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Pauses for up to so many looks.
    fn spin(&mut self, at_most: u64) {
        for _ in 0..self.random() % (at_most + 1) {
            spin_loop();
        }
    }

    pub fn pause(&mut self) {
        let random = self.random();
        let longest = [0, 16, 128, 1024][(random % 4) as usize];
        for _ in 0..(random >> 8) % (longest + 1) {
            spin_loop();
        }
        if (random >> 40).is_multiple_of(256) {
            thread::sleep(Duration::from_micros(100));
        }
    }
}

/// What is sent through a ring of some capacity, the same for both ends.
#[derive(Clone, Copy, Debug)]
struct Shape {
    capacity: u64,
}

impl Shape {
    fn of(capacity: usize) -> Self {
        Self { capacity: capacity as u64 }
    }

    /// In which stretches the writer is the slow one, so that the reader sleeps; in the others it
    /// is the other way round.
    fn writer_is_slow(self, position: u64) -> bool {
        (position / (4 * self.capacity)).is_multiple_of(2)
    }

    /// Bytes in the message at a position. In a small ring few where the reader shall sleep for
    /// each, and many where the writer shall sleep for space after a few. In a large one so many
    /// that both are taken for ends of a stream.
    fn message(self, position: u64) -> usize {
        let n = match self.capacity {
            65_536.. => position % 60_013,
            _ if self.writer_is_slow(position) => position % 61,
            _ => 900 + position % 901,
        };
        n as usize + 1
    }
}

/// Streams for so long.
pub fn write_for(site: &Site, options: &Options, time: Duration) -> u64 {
    let mut writer = site.writer(options);
    let shape = Shape::of(writer.capacity());
    let mut pauses = Pauses::new(0x1234_5678_9abc);
    let started = Instant::now();
    let mut position = 0;
    while started.elapsed() < time {
        for _ in 0..64 {
            if shape.writer_is_slow(position) {
                pauses.pause();
            }
            let bytes = bytes_from(position, shape.message(position));
            writer.write_all(&bytes).unwrap();
            position += bytes.len() as u64;
        }
    }
    writer.finish_and_wait().unwrap();
    position
}

pub fn read_all(site: &Site, options: &Options) -> u64 {
    let mut reader = site.reader(options);
    let shape = Shape::of(reader.capacity());
    let mut pauses = Pauses::new(0xfedc_ba98_7654);
    let mut position = 0;
    let mut into = vec![0; reader.capacity() / 7];
    loop {
        if !shape.writer_is_slow(position) {
            pauses.pause();
        }
        let n = reader.read(&mut into).unwrap();
        if n == 0 {
            return position;
        }
        check(&into[..n], position);
        position += n as u64;
    }
}

/// Sends a message over one ring and waits for it to come back over the other.
///
/// The messages are long enough to keep the processor that writes them busy with fetching the
/// lines that the other has just read: the longer its stores are under way, the longer is the
/// moment in which only the fences keep the other from missing them.
pub fn serve(there: &Site, back: &Site, options: &Options, time: Duration) {
    let (mut writer, mut reader) = (there.writer(options), back.reader(options));
    let mut pauses = Pauses::new(0x1111_2222_3333);
    let started = Instant::now();
    let mut position = 0;
    let mut answer = vec![0; LONGEST];
    while started.elapsed() < time {
        for _ in 0..64 {
            let message = bytes_from(position, round_trip(position));
            writer.write_all(&message).unwrap();
            reader.read_exact(&mut answer[..message.len()]).unwrap();
            check(&answer[..message.len()], position);
            position += message.len() as u64;
            pauses.pause();
        }
    }
    writer.finish_and_wait().unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

pub fn answer(there: &Site, back: &Site, options: &Options) {
    let (mut reader, mut writer) = (there.reader(options), back.writer(options));
    let mut pauses = Pauses::new(0x4444_5555_6666);
    let mut message = vec![0; LONGEST];
    let mut position = 0;
    loop {
        let n = round_trip(position);
        // The first byte alone, to be told of the end.
        if reader.read(&mut message[..1]).unwrap() == 0 {
            break;
        }
        reader.read_exact(&mut message[1..n]).unwrap();
        pauses.pause();
        writer.write_all(&message[..n]).unwrap();
        position += n as u64;
    }
    writer.finish_and_wait().unwrap();
}

const LONGEST: usize = 1024;

/// Bytes in the message of a round trip.
fn round_trip(position: u64) -> usize {
    1 + (position * 7919 % LONGEST as u64) as usize
}

/// How the reader and the writer of a duel begin a round.
#[derive(Clone, Copy, Debug)]
pub enum Duel {
    /// On an empty ring: the one reads, the other writes.
    Empty,
    /// On a full ring: the one reserves, the other consumes.
    Full,
}

/// At most so many looks pass between the meeting and the publication: about as long as the other
/// takes to go to sleep.
const SPREAD: u64 = 120;

/// One end goes to sleep while the other publishes, at each moment of it.
pub fn duel_of_writer(site: &Site, options: &Options, duel: Duel, meet: Rendezvous, rounds: u64) {
    let mut writer = site.writer(options);
    let mut pauses = Pauses::new(0x7777_8888_9999);
    let mut position = 0;
    if let Duel::Full = duel {
        writer.write_all(&bytes_from(0, page())).unwrap();
        position += page() as u64;
    }
    for _ in 0..rounds {
        let bytes = bytes_from(position, round_trip(position));
        meet.meet(0);
        if let Duel::Empty = duel {
            pauses.spin(SPREAD);
        }
        writer.write_all(&bytes).unwrap();
        position += bytes.len() as u64;
        assert_eq!(writer.stats().late_wakeups, 0);
    }
    meet.meet(0);
    writer.finish_and_wait().unwrap();
}

pub fn duel_of_reader(site: &Site, options: &Options, duel: Duel, meet: Rendezvous, rounds: u64) {
    let mut reader = site.reader(options);
    let mut pauses = Pauses::new(0xaaaa_bbbb_cccc);
    let mut message = vec![0; LONGEST];
    let mut position = 0;
    let mut written = if let Duel::Full = duel { page() as u64 } else { 0 };
    for _ in 0..rounds {
        let n = round_trip(written);
        meet.meet(1);
        if let Duel::Full = duel {
            pauses.spin(SPREAD);
        }
        reader.read_exact(&mut message[..n]).unwrap();
        check(&message[..n], position);
        position += n as u64;
        written += n as u64;
        assert_eq!(reader.stats().late_wakeups, 0);
    }
    meet.meet(1);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    check(&rest, position);
}
