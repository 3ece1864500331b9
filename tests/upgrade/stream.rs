//! One writer, one reader.

use super::*;
use std::{io::BufRead, process, thread};

/// One writer of so many bytes, and this process reading them all.
fn transfer(bytes: u64, piece: u64) -> Traffic {
    let (read_end, write_end) = pipe();
    let child = writer((&read_end, &write_end), |output| {
        Words::of(0).write(output, bytes, piece);
    });
    drop(write_end);
    let mut input = Input::new(read_end);
    let mut arrived = Arrived::default();
    read(&mut input, &mut arrived, None);
    arrived.assert_bytes(&[bytes]);
    child.join();
    let traffic = input.traffic();
    assert_eq!(traffic.pipe + traffic.shm, bytes);
    traffic
}

#[test]
fn a_long_stream_changes_over() {
    alone(|| {
        for piece in [64, 1000, 4096, 65536, 1 << 20, 8 << 20] {
            assert_upgraded(transfer(8 << 20, piece));
        }
    });
}

#[test]
fn a_short_stream_does_not() {
    alone(|| {
        for bytes in [0, 8, 65536, 65544, 1 << 20] {
            assert_eq!(transfer(bytes, 65536).shm, 0, "{bytes} bytes");
        }
    });
}

#[test]
fn every_size_around_the_change_arrives() {
    alone(|| {
        for size in (960..1300).step_by(8) {
            transfer((size << 10) + 8, 65536);
        }
    });
}

#[test]
fn it_can_be_switched_off_at_either_end() {
    alone(|| {
        for (plain_writer, plain_reader) in [(true, false), (false, true), (true, true)] {
            let (read_end, write_end) = pipe();
            let output = write_end.try_clone().unwrap();
            let child = Child::fork(|_| {
                close(&read_end);
                close(&write_end);
                let mut output =
                    if plain_writer { Output::plain(output) } else { Output::new(output) };
                Words::of(0).write(&mut output, ENOUGH, 65536);
            });
            drop(write_end);
            let mut input =
                if plain_reader { Input::plain(read_end) } else { Input::new(read_end) };
            let mut arrived = Arrived::default();
            read(&mut input, &mut arrived, None);
            arrived.assert_bytes(&[ENOUGH]);
            assert_eq!(input.traffic().shm, 0);
            child.join();
        }
    });
}

#[test]
fn the_same_process_at_both_ends_keeps_the_pipe() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let thread = thread::spawn(move || {
            let mut output = Output::new(write_end);
            Words::of(0).write(&mut output, ENOUGH, 65536);
            output.traffic()
        });
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH]);
        assert_eq!((input.traffic().shm, thread.join().unwrap().shm), (0, 0));
    });
}

#[test]
fn each_word_arrives_before_the_next_is_written() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut child = {
            let write = write_end.try_clone().unwrap();
            Child::fork(|line| {
                let mut output = Output::new(write);
                let mut words = Words::of(0);
                words.write(&mut output, ENOUGH, 65536);
                for _ in 0..50 {
                    line.expect("next");
                    words.write(&mut output, WORD, WORD);
                }
                output.finish().unwrap();
            })
        };
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(ENOUGH));
        for _ in 0..50 {
            child.say("next");
            read(&mut input, &mut arrived, Some(WORD));
        }
        assert_upgraded(input.traffic());
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH + 50 * WORD]);
        child.join();
    });
}

#[test]
fn bytes_are_shown_and_consumed_in_place() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 4 * ENOUGH, 65536);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        for step in 1.. {
            let shown = input.fill_buf().unwrap();
            if shown.is_empty() {
                break;
            }
            // Never all of it, so that what is shown next begins in the middle.
            let n = (shown.len() / 2).max(1).min(step * 8);
            arrived.push(&shown[..n]);
            let again = input.fill_buf().unwrap()[0];
            input.consume(n);
            let _ = again;
        }
        arrived.assert_bytes(&[4 * ENOUGH]);
        assert_upgraded(input.traffic());
        child.join();
    });
}

#[test]
fn a_file_is_read_straight_into_the_ring() {
    alone(|| {
        let mut file = tempfile::tempfile().unwrap();
        Words::of(0).write(&mut file, 2 * ENOUGH, 65536);
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            io::Seek::rewind(&mut file).unwrap();
            while output.read_from(&file, 1 << 20).unwrap() > 0 {}
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[2 * ENOUGH]);
        assert_upgraded(input.traffic());
        child.join();
    });
}

#[test]
fn descriptors_that_do_not_block_are_waited_for_and_stay_so() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    alone(|| {
        let (read_end, write_end) = pipe();
        let flags = |fd: &dyn AsFd| fcntl(fd.as_fd(), FcntlArg::F_GETFL).unwrap();
        for end in [&read_end as &dyn AsFd, &write_end] {
            fcntl(end.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        }
        let before = (flags(&read_end), flags(&write_end));
        let copies = (read_end.try_clone().unwrap(), write_end.try_clone().unwrap());
        let child = writer((&copies.0, &write_end), |output| {
            Words::of(0).write(output, 2 * ENOUGH, 1 << 20);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(2 * ENOUGH));
        assert_upgraded(input.traffic());
        assert_eq!((flags(&copies.0), flags(&copies.1)), before, "others share them");
        child.join();
    });
}

#[test]
fn who_exits_without_finishing_has_finished() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let write = write_end.try_clone().unwrap();
        let child = Child::fork(|_| {
            let mut output = Output::new(write);
            Words::of(0).write(&mut output, ENOUGH, 65536);
            process::exit(0);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH]);
        assert_upgraded(input.traffic());
        child.join();
    });
}
