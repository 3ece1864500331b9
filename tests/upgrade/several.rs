//! Several writers on one pipe: in turns, they are read in turns; at once, each
//! one's bytes are in order.

use super::*;
use std::time::Duration;

#[test]
fn writers_that_follow_one_another_are_read_in_that_order() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let write = write_end.try_clone().unwrap();
        let mut group = Child::fork(|line| {
            let mut words = Words::of(0);
            for round in 0..6 {
                let mut plain = write.try_clone().unwrap();
                if round % 3 == 2 {
                    words.write(&mut plain, 200_000, 4096);
                    continue;
                }
                let part = words.take(ENOUGH);
                let child = Child::fork(|_| {
                    let mut output = Output::new(plain);
                    output.write_all(&part).unwrap();
                    output.finish().unwrap();
                });
                child.join();
            }
            line.say("done");
        });
        drop((write, write_end));
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[4 * ENOUGH + 2 * 200_000]);
        assert!(input.traffic().shm > ENOUGH, "each of them: {:?}", input.traffic());
        group.expect("done");
        group.join();
    });
}

#[test]
fn of_writers_at_once_each_is_in_order() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let children: Vec<Child> = (0..3)
            .map(|number| {
                writer((&read_end, &write_end), move |output| {
                    // Whole words stay whole: pieces of PIPE_BUF.
                    Words::of(number).write(output, 2 * ENOUGH, 4096);
                })
            })
            .collect();
        let mut plain = write_end.try_clone().unwrap();
        let other = Child::fork(|_| Words::of(3).write(&mut plain, ENOUGH, 4096));
        drop((plain, write_end));
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[2 * ENOUGH, 2 * ENOUGH, 2 * ENOUGH, ENOUGH]);
        for child in children {
            child.join();
        }
        other.join();
    });
}

/// Not to look would dead-lock.
#[test]
fn a_writer_of_the_pipe_is_read_while_the_rings_waits_for_it() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut plain = write_end.try_clone().unwrap();
        let child = writer((&read_end, &write_end), |output| {
            let mut words = Words::of(0);
            words.write(output, ENOUGH, 65536);
            // More than the pipe holds, so it comes to its end only if it is read.
            Child::fork(|_| Words::of(1).write(&mut plain, 300_000 / 8 * 8, 4096)).join();
            words.write(output, 64, 64);
        });
        drop((plain, write_end));
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(ENOUGH));
        assert_upgraded(input.traffic());
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH + 64, 300_000 / 8 * 8]);
        child.join();
    });
}

/// A writer that floods the pipe does not keep the reader from the ring.
#[test]
fn a_flood_in_the_pipe_leaves_the_ring_its_turn() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut plain = write_end.try_clone().unwrap();
        let mut flood = Child::fork(|line| {
            close(&read_end);
            line.expect("flood");
            let mut words = Words::of(1);
            while plain.write_all(&words.take(4096)).is_ok() {}
        });
        let child = writer((&read_end, &write_end), |output| {
            let mut words = Words::of(0);
            words.write(output, ENOUGH, 65536);
            words.write(output, ENOUGH, 4096);
        });
        drop((plain, write_end));
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(ENOUGH));
        flood.say("flood");
        let mut buffer = vec![0; 65536];
        while arrived.due[0] < 2 * ENOUGH / WORD {
            let n = input.read(&mut buffer).unwrap();
            arrived.push(&buffer[..n]);
        }
        child.join();
        drop(input);
        flood.join();
    });
}

#[test]
fn of_two_readers_at_once_none_takes_the_others_bytes_twice() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 4 * ENOUGH, 4096);
        });
        drop(write_end);
        let mut second = read_end.try_clone().unwrap();
        let mut thief = Child::fork(|line| {
            let mut taken = 0;
            let mut buffer = [0; 4096];
            // The pipe comes to its end with the writer's.
            while let n @ 1.. = second.read(&mut buffer).unwrap() {
                taken += n as u64;
                std::thread::sleep(Duration::from_micros(50));
            }
            line.show(taken);
        });
        drop(second);
        let mut input = Input::new(read_end);
        let mut buffer = vec![0; 65536];
        let mut got = 0;
        let mut arrived = Arrived::default();
        while let n @ 1.. = input.read(&mut buffer).unwrap() {
            // In order, with gaps where the other one was faster.
            arrived.check(&buffer[..n]);
            got += n as u64;
        }
        let taken: u64 = thief.hear().parse().unwrap();
        assert_eq!(got + taken, 4 * ENOUGH);
        child.join();
        thief.join();
    });
}

/// As POSIX has it for pipes: up to PIPE_BUF bytes are written at once.
#[test]
fn small_writes_of_one_are_not_torn_by_those_of_another() {
    const LINE: u64 = 4096 - 40;
    alone(|| {
        let (read_end, write_end) = pipe();
        let first = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 2000 * LINE, LINE);
        });
        let mut plain = write_end.try_clone().unwrap();
        let mut second = Child::fork(|line| {
            line.expect("upgraded");
            Words::of(1).write(&mut plain, 20_000 * 96, 96);
        });
        drop((plain, write_end));
        let mut input = Input::new(read_end);
        let (mut all, mut at, mut upgraded) = (Vec::<u8>::new(), 0, false);
        let mut buffer = vec![0; 65536];
        while let n @ 1.. = input.read(&mut buffer).unwrap() {
            all.extend(&buffer[..n]);
            if input.traffic().shm > 0 && !std::mem::replace(&mut upgraded, true) {
                second.say("upgraded");
            }
            if upgraded {
                // So that the ring is full, and what room there is is less than a write.
                std::thread::sleep(Duration::from_millis(4));
            }
        }
        assert!(input.traffic().shm > 0);
        while at < all.len() {
            let writer = all[at + 7];
            let length = if writer == 0 { LINE as usize } else { 96 };
            assert!(
                all[at..at + length].chunks_exact(8).all(|word| word[7] == writer),
                "a write is torn at byte {at}"
            );
            at += length;
        }
        first.join();
        second.join();
    });
}
