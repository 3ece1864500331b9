//! Ends that are killed.

use super::*;
use shmpipe::stream::ReadError;
use std::io::ErrorKind;

/// What a killed reader may take with it: what it was shown, or had read from the pipe.
const CHUNK: u64 = 128 << 10;

#[test]
fn a_writer_killed_after_the_switch_is_told_once_after_its_last_byte() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let write = write_end.try_clone().unwrap();
        let mut child = Child::fork(|line| {
            let mut output = Output::new(write);
            Words::of(0).write(&mut output, ENOUGH, 65536);
            line.say("written");
            support::wait_to_be_killed();
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(ENOUGH));
        assert_upgraded(input.traffic());
        child.expect("written");
        child.kill();
        let error = input.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Died)), "{error:?}");
        for _ in 0..2 {
            assert_eq!(input.read(&mut [0; 8]).unwrap(), 0, "then the pipe, which is at its end");
        }
    });
}

#[test]
fn after_a_writer_that_was_killed_the_next_one_is_read() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let first = {
            let write = write_end.try_clone().unwrap();
            Child::fork(|_| {
                let mut output = Output::new(write);
                Words::of(0).write(&mut output, ENOUGH, 65536);
                support::wait_to_be_killed();
            })
        };
        let mut input = Input::new(read_end.try_clone().unwrap());
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, Some(ENOUGH));
        first.kill();
        let second = writer((&read_end, &write_end), |output| {
            Words::of(1).write(output, ENOUGH, 65536);
        });
        drop((read_end, write_end));
        let mut told = 0;
        let mut buffer = vec![0; 65536];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => arrived.push(&buffer[..n]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                    told += 1;
                }
            }
        }
        arrived.assert_bytes(&[ENOUGH, ENOUGH]);
        assert_eq!(told, 1);
        assert!(input.traffic().shm > ENOUGH, "both changed over: {:?}", input.traffic());
        second.join();
    });
}

#[test]
fn a_writer_killed_before_the_switch_is_the_end_of_the_file() {
    alone(|| {
        for bytes in [0, 8, 65536] {
            let (read_end, write_end) = pipe();
            let write = write_end.try_clone().unwrap();
            let mut child = Child::fork(|line| {
                Words::of(0).write(&mut Output::new(write), bytes, 65536);
                line.say("written");
                support::wait_to_be_killed();
            });
            child.expect("written");
            child.kill();
            drop(write_end);
            let mut arrived = Arrived::default();
            read(&mut Input::new(read_end), &mut arrived, None);
            arrived.assert_bytes(&[bytes]);
        }
    });
}

#[test]
fn what_a_killed_reader_had_not_taken_goes_to_the_next() {
    alone(|| {
        for round in 0..30 {
            let (mut read_end, write_end) = pipe();
            let child = writer((&read_end, &write_end), |output| {
                Words::of(0).write(output, 4 * ENOUGH, 65536);
            });
            drop(write_end);
            let copy = read_end.try_clone().unwrap();
            let mut reader = Child::fork(|line| {
                let mut input = Input::new(copy);
                let mut arrived = Arrived::default();
                read(&mut input, &mut arrived, Some(ENOUGH + round * 30_000 / 8 * 8));
                assert_upgraded(input.traffic());
                line.show(arrived.due[0]);
                // Until death finds it somewhere in here.
                let mut buffer = [0; 8192];
                let mut read = arrived.due[0] * WORD;
                while let Ok(n @ 1..) = input.read(&mut buffer) {
                    read += n as u64;
                    if read > 3 * ENOUGH {
                        support::wait_to_be_killed();
                    }
                }
            });
            let least: u64 = reader.hear().parse().unwrap();
            reader.kill();
            // The next byte is one that it may not have had.
            let mut arrived = Arrived { due: [least, 0, 0, 0], ..Arrived::default() };
            let mut buffer = vec![0; 65536];
            let n = read_end.read(&mut buffer).unwrap();
            arrived.check(&buffer[..n / 8 * 8]);
            assert_eq!(n % 8, 0);
            // From there on, all of them.
            read(&mut read_end, &mut arrived, None);
            arrived.assert_bytes(&[4 * ENOUGH]);
            child.join();
        }
    });
}

#[test]
fn a_killed_reader_takes_no_more_than_it_was_shown() {
    alone(|| {
        let (mut read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 2 * ENOUGH, 65536);
        });
        drop(write_end);
        let copy = read_end.try_clone().unwrap();
        let mut reader = Child::fork(|line| {
            let mut input = Input::new(copy);
            let mut arrived = Arrived::default();
            read(&mut input, &mut arrived, Some(ENOUGH + 8));
            let shown = io::BufRead::fill_buf(&mut input).unwrap().len();
            line.show(shown);
            support::wait_to_be_killed();
        });
        let shown: u64 = reader.hear().parse().unwrap();
        assert!(0 < shown && shown <= CHUNK, "{shown}");
        reader.kill();
        let mut arrived = Arrived::default();
        let mut buffer = [0; 8];
        read_end.read_exact(&mut buffer).unwrap();
        assert_eq!(arrived.check(&buffer) * WORD, ENOUGH + 8 + shown);
        read(&mut read_end, &mut arrived, None);
        arrived.assert_bytes(&[2 * ENOUGH]);
        child.join();
    });
}

#[test]
fn a_writer_whose_readers_are_all_gone_gets_a_broken_pipe() {
    alone(|| {
        for killed in [false, true] {
            let (read_end, write_end) = pipe();
            let write = write_end.try_clone().unwrap();
            let mut child = Child::fork(|line| {
                close(&read_end);
                close(&write_end);
                let mut output = Output::new(write);
                let mut words = Words::of(0);
                words.write(&mut output, ENOUGH, 65536);
                let error = loop {
                    if let Err(error) = output.write_all(&words.take(65536)) {
                        break error;
                    }
                };
                line.show(error.kind());
            });
            drop(write_end);
            let mut reader = Child::fork(|line| {
                let mut input = Input::new(read_end.try_clone().unwrap());
                close(&read_end);
                read(&mut input, &mut Arrived::default(), Some(ENOUGH));
                assert_upgraded(input.traffic());
                line.say("read");
                if killed {
                    support::wait_to_be_killed();
                }
            });
            drop(read_end);
            reader.expect("read");
            if killed {
                reader.kill();
            } else {
                reader.join();
            }
            child.expect("BrokenPipe");
            child.join();
        }
    });
}

/// As `cat` would: what is left would have found room in the pipe, and `cat` would be gone.
#[test]
fn a_finished_writer_whose_reader_leaves_little_behind_has_succeeded() {
    alone(|| {
        for (left, succeeds) in [(8, true), (65536, true), (65536 + 8, false), (500_000, false)] {
            let (read_end, write_end) = pipe();
            let write = write_end.try_clone().unwrap();
            let mut child = Child::fork(|line| {
                close(&read_end);
                close(&write_end);
                let mut output = Output::new(write);
                Words::of(0).write(&mut output, ENOUGH, 65536);
                line.say("written");
                line.show(output.finish().is_ok());
            });
            drop(write_end);
            let mut input = Input::new(read_end);
            let mut arrived = Arrived::default();
            read(&mut input, &mut arrived, Some(ENOUGH - left));
            assert_upgraded(input.traffic());
            child.expect("written");
            drop(input);
            child.expect(if succeeds { "true" } else { "false" });
            child.join();
        }
    });
}

#[test]
fn a_stopped_reader_is_waited_for() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 4 * ENOUGH, 65536);
        });
        drop(write_end);
        let mut reader = Child::fork(|line| {
            let mut input = Input::new(read_end);
            let mut arrived = Arrived::default();
            read(&mut input, &mut arrived, Some(ENOUGH));
            line.say("upgraded");
            read(&mut input, &mut arrived, None);
            arrived.assert_bytes(&[4 * ENOUGH]);
        });
        reader.expect("upgraded");
        reader.stop();
        // Blocked on the full ring, it sleeps.
        eventually("the writer to wait", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
            stat.contains(") S ").then_some(())
        });
        reader.signal(libc::SIGCONT);
        reader.join();
        child.join();
    });
}

/// In a program that lets SIGPIPE kill it, as most that are not written in Rust.
#[test]
fn sigpipe_kills_a_finished_writer_only_where_a_pipe_would_have() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    alone(|| {
        // Between one pipe and two it may be either: what the watching thread finds time to put
        // into the pipe before its reader closes that is lost in it, as in any pipe.
        for (left, killed) in [(8, false), (65536, false), (131_072 + 8, true), (500_000, true)] {
            let (read_end, write_end) = pipe();
            let write = write_end.try_clone().unwrap();
            let mut child = Child::fork(|line| {
                close(&read_end);
                close(&write_end);
                // SAFETY: the default action is no handler.
                unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.unwrap();
                let mut output = Output::new(write);
                Words::of(0).write(&mut output, ENOUGH, 65536);
                line.say("written");
                line.expect("finish");
                drop(output);
            });
            drop(write_end);
            let mut input = Input::new(read_end);
            let mut arrived = Arrived::default();
            read(&mut input, &mut arrived, Some(ENOUGH - left));
            assert_upgraded(input.traffic());
            child.expect("written");
            drop(input);
            child.say("finish");
            let status = child.status();
            let expected = if killed { libc::SIGPIPE } else { 0 };
            assert_eq!(status, expected, "{left} bytes left");
        }
    });
}

/// The reader dies while its writer has all in the ring and does something else; then the writer
/// ends, while nobody has come yet for what is left.
#[test]
fn a_writer_that_finishes_behind_a_dead_reader_gives_back_all_the_same() {
    alone(|| {
        let (mut read_end, write_end) = pipe();
        let write = write_end.try_clone().unwrap();
        let mut child = Child::fork(|line| {
            let mut output = Output::new(write);
            Words::of(0).write(&mut output, ENOUGH, 65536);
            line.say("written");
            line.expect("finish");
            output.finish().unwrap();
        });
        drop(write_end);
        let copy = read_end.try_clone().unwrap();
        let mut reader = Child::fork(|line| {
            let mut input = Input::new(copy);
            read(&mut input, &mut Arrived::default(), Some(ENOUGH - 600_000));
            line.say("read");
            support::wait_to_be_killed();
        });
        reader.expect("read");
        child.expect("written");
        reader.kill();
        // Its watching thread fills the pipe and waits there, or the writer is first: both must do.
        std::thread::sleep(std::time::Duration::from_millis(100));
        child.say("finish");
        let mut arrived =
            Arrived { due: [(ENOUGH - 600_000) / WORD, 0, 0, 0], ..Arrived::default() };
        read(&mut read_end, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH]);
        child.join();
    });
}
