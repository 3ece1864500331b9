//! A streaming writer is killed at a random moment, again and again: what its reader got is an
//! exact prefix of what it wrote, and then the truth.

use crate::{
    Random, soon_noticed,
    stream_support::*,
    support::{Child, Line, alone},
};
use shmpipe::stream::{ReadError, Reader, Writer};
use std::{io::Write, thread, time::Duration};

/// Writes known bytes for ever, in pieces of many sizes and in each way.
fn write_for_ever(writer: &mut Writer) -> ! {
    let mut position = 0;
    loop {
        let n = 1 + (position * 7 % 601) as usize;
        match position % 3 {
            0 => {
                // What was reserved and is half written when the kill comes must not be seen.
                let mut reservation = writer.reserve(2 * n).unwrap();
                reservation.fill(0xee);
                fill(&mut reservation[..n], position);
                reservation.commit(n).unwrap();
            }
            _ => writer.write_all(&bytes_from(position, n)).unwrap(),
        }
        position += n as u64;
    }
}

/// Kills the victim after a while, from a thread, so that the test's own goes on. It must be joined
/// before the next fork.
fn kill_after(delay: Duration, victim: Child) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        victim.signal(libc::SIGKILL);
        assert_eq!(victim.status(), libc::SIGKILL, "it had come to an end by itself");
    })
}

/// One reader sees hundreds of writers die, one after the other on one ring. Each is killed
/// between its coming and some milliseconds later.
#[test]
fn a_prefix_and_then_the_truth() {
    alone(|| {
        let mut random = Random::new();
        for site in Site::each() {
            let options = soon_noticed();
            let mut reader = site.reader(&options);
            let (mut bytes, mut empty) = (0, 0);
            for round in 0..150 {
                let mut victim = Child::fork(|line: &mut Line| {
                    let mut writer = site.writer(&options);
                    line.say("attached");
                    write_for_ever(&mut writer);
                });
                victim.expect("attached");
                let killer = kill_after(random.micros_below(3000), victim);
                let (got, end) = read_with_random_pauses(&mut reader, &mut random);
                assert!(matches!(end, ReadError::Died), "round {round}: {end:?}");
                joined(killer);
                bytes += got;
                empty += u64::from(got == 0);
            }
            println!("{bytes} bytes from 150 writers that were killed, {empty} before the first");
            assert!(bytes > 0);
        }
    });
}

/// Reads and checks to the end; now and then so slowly that the writer is killed on a full ring.
fn read_with_random_pauses(reader: &mut Reader, random: &mut Random) -> (u64, ReadError) {
    let mut position = 0;
    loop {
        match reader.fill_buf() {
            Ok(bytes) => {
                let n = bytes.len().min(1 + random.below(1500) as usize);
                check(&bytes[..n], position);
                reader.consume(n);
                position += n as u64;
            }
            Err(error) => return (position, error),
        }
        if random.below(40) == 0 {
            thread::sleep(random.micros_below(300));
        }
    }
}

/// As above, and the kill may come while the writer is still attaching. So a reader that cannot
/// know whether there will be a writer at all asks without waiting.
#[test]
fn killed_while_it_attaches_or_later() {
    alone(|| {
        let mut random = Random::new();
        for site in Site::each() {
            let options = soon_noticed();
            let mut reader = site.reader(&options);
            let mut without = 0;
            for round in 0..150 {
                let victim = Child::fork(|_| {
                    let mut writer = site.writer(&options);
                    write_for_ever(&mut writer);
                });
                let killer = kill_after(random.micros_below(1500), victim);
                let mut position = 0;
                let mut dead = false;
                loop {
                    // Asked before the ring is looked at: then nothing can come after it.
                    dead |= killer.is_finished();
                    match reader.try_fill_buf() {
                        Ok(bytes) => {
                            check(bytes, position);
                            let n = bytes.len();
                            reader.consume(n);
                            position += n as u64;
                        }
                        // Its end, or that of the one before it, which is told again.
                        Err(ReadError::Died) if dead || position > 0 => break,
                        // Not looked whether it lives yet; or there never was one.
                        Err(ReadError::Died | ReadError::Empty) => {
                            if dead && reader.peer().unwrap() == shmpipe::Peer::NoneYet {
                                break;
                            }
                        }
                        Err(error) => panic!("round {round}: {error:?}"),
                    }
                }
                joined(killer);
                without += u64::from(position == 0);
            }
            println!("{without} of 150 writers were killed before their first byte");
        }
    });
}
