//! Streams that are hard on the gate: both ends go to sleep as often as can be, and are woken at
//! every moment of it.
//!
//! Both parts run in forked processes, which have one thread each.

use super::{Site, bytes_from, check, page};
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

/// In which stretches the writer is the slow one, so that the reader sleeps; in the others it is
/// the other way round.
fn writer_is_slow(position: u64) -> bool {
    (position / (4 * page() as u64)).is_multiple_of(2)
}

/// Bytes in the message at a position, the same for both ends: few where the reader shall sleep
/// for each, many where the writer shall sleep for space after a few.
fn message(position: u64) -> usize {
    let n = if writer_is_slow(position) { position % 61 } else { 900 + position % 901 };
    n as usize + 1
}

/// Streams for so long; what is late is found out at once.
pub fn write_for(site: &Site, options: &Options, time: Duration) -> u64 {
    let mut writer = site.writer(options);
    let mut pauses = Pauses::new(0x1234_5678_9abc);
    let started = Instant::now();
    let mut position = 0;
    while started.elapsed() < time {
        for _ in 0..64 {
            if writer_is_slow(position) {
                pauses.pause();
            }
            let bytes = bytes_from(position, message(position));
            writer.write_all(&bytes).unwrap();
            position += bytes.len() as u64;
        }
    }
    writer.finish_and_wait().unwrap();
    position
}

pub fn read_all(site: &Site, options: &Options) -> u64 {
    let mut reader = site.reader(options);
    let mut pauses = Pauses::new(0xfedc_ba98_7654);
    let mut position = 0;
    let mut into = [0; 600];
    loop {
        if !writer_is_slow(position) {
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

/// Sends a byte over one ring and waits for it to come back over the other.
pub fn serve(there: &Site, back: &Site, options: &Options, time: Duration) {
    let (mut writer, mut reader) = (there.writer(options), back.reader(options));
    let mut pauses = Pauses::new(0x1111_2222_3333);
    let started = Instant::now();
    let mut round = 0_u64;
    while started.elapsed() < time {
        for _ in 0..64 {
            let byte = [round as u8];
            writer.write_all(&byte).unwrap();
            let mut answer = [0];
            reader.read_exact(&mut answer).unwrap();
            assert_eq!(answer, byte);
            pauses.pause();
            round += 1;
        }
    }
    writer.finish_and_wait().unwrap();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

pub fn answer(there: &Site, back: &Site, options: &Options) {
    let (mut reader, mut writer) = (there.reader(options), back.writer(options));
    let mut pauses = Pauses::new(0x4444_5555_6666);
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 {
        pauses.pause();
        writer.write_all(&byte).unwrap();
    }
    writer.finish_and_wait().unwrap();
}
