//! A reader is killed at a random moment, again and again, and the next one goes on: every byte is
//! read at least once, from the last position that was released.

use crate::{
    Random, soon_noticed,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::stream::{Reader, WriteError, Writer};
use std::{
    io::{Read, Write},
    thread,
};

/// Reads and checks, from a position, for ever or to the end.
fn read_on(reader: &mut Reader, mut position: u64) {
    let mut into = [0; 700];
    loop {
        let n = if position.is_multiple_of(2) {
            let bytes = reader.fill_buf().unwrap();
            check(bytes, position);
            let n = bytes.len().min(1 + (position * 7 % 1009) as usize);
            reader.consume(n);
            n
        } else {
            let n = reader.read(&mut into).unwrap();
            check(&into[..n], position);
            n
        };
        if n == 0 {
            return;
        }
        position += n as u64;
    }
}

/// Writes known bytes until it hears that the reader is dead; returns the next position.
fn write_until_it_died(writer: &mut Writer, mut position: u64) -> u64 {
    loop {
        let n = 1 + (position * 5 % 901) as usize;
        let mut reservation = match writer.reserve_up_to(n) {
            Ok(reservation) => reservation,
            Err(WriteError::ReaderDied) => return position,
            Err(error) => panic!("{error:?}"),
        };
        fill(&mut reservation, position);
        let n = reservation.len();
        reservation.commit(n).unwrap();
        position += n as u64;
    }
}

#[test]
fn the_next_reader_goes_on_at_the_last_released_byte() {
    alone(|| {
        let mut random = Random::new();
        for site in Site::each() {
            let options = soon_noticed();
            let mut writer = site.writer(&options);
            let mut written = 0;
            let mut released = 0;
            for _ in 0..150 {
                let mut victim = Child::fork(|line| {
                    let mut reader = site.reader(&options);
                    line.say("attached");
                    read_on(&mut reader, released);
                });
                // Before it has come, writing would still say that the one before it died.
                victim.expect("attached");
                let delay = random.micros_below(3000);
                let killer = thread::spawn(move || {
                    thread::sleep(delay);
                    victim.signal(libc::SIGKILL);
                    victim.status()
                });
                written = write_until_it_died(&mut writer, written);
                let status = joined(killer);
                assert_eq!(status, libc::SIGKILL, "it found a wrong byte and panicked");
                let now_released = written - writer.len() as u64;
                assert!(now_released >= released, "a release was taken back");
                released = now_released;
            }
            println!("{released} bytes read by 150 readers that were killed");
            assert!(released > 0);

            let last = Child::fork(|_| read_on(&mut site.reader(&options), released));
            // It may not be there yet.
            until("the last reader comes", || {
                !matches!(writer.try_reserve(1), Err(WriteError::ReaderDied))
            });
            for _ in 0..100 {
                writer.write_all(&bytes_from(written, 1000)).unwrap();
                written += 1000;
            }
            writer.finish_and_wait().unwrap();
            last.join();
        }
    });
}
