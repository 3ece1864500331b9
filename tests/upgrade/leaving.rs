//! Readers that leave before the end, and writers that leave the ring: what is left goes to whoever
//! reads the pipe next, in order.

use super::*;

#[test]
fn a_plain_reader_goes_on_where_an_upgrading_one_left() {
    alone(|| {
        for first in [8, ENOUGH - 8, ENOUGH, ENOUGH + 65536 + 8, 3 * ENOUGH] {
            let (mut read_end, write_end) = pipe();
            let child = writer((&read_end, &write_end), |output| {
                Words::of(0).write(output, 4 * ENOUGH, 65536);
            });
            drop(write_end);
            let mut arrived = Arrived::default();
            let mut input = Input::new(read_end.try_clone().unwrap());
            read(&mut input, &mut arrived, Some(first));
            drop(input);
            read(&mut read_end, &mut arrived, None);
            arrived.assert_bytes(&[4 * ENOUGH]);
            child.join();
        }
    });
}

#[test]
fn readers_that_follow_one_another_each_change_over() {
    alone(|| {
        const READERS: u64 = 5;
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, READERS * 2 * ENOUGH, 65536);
            assert_eq!(output.traffic().pipe + output.traffic().shm, READERS * 2 * ENOUGH);
        });
        drop(write_end);
        let mut arrived = Arrived::default();
        for _ in 0..READERS {
            let mut input = Input::new(read_end.try_clone().unwrap());
            read(&mut input, &mut arrived, Some(2 * ENOUGH));
            assert!(input.traffic().shm > 0, "{:?}", input.traffic());
        }
        child.join();
        arrived.assert_bytes(&[READERS * 2 * ENOUGH]);
    });
}

#[test]
fn what_is_shown_and_not_consumed_is_left_too() {
    alone(|| {
        let (mut read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 2 * ENOUGH, 65536);
        });
        drop(write_end);
        let mut arrived = Arrived::default();
        let mut input = Input::new(read_end.try_clone().unwrap());
        while input.traffic().shm == 0 {
            read(&mut input, &mut arrived, Some(8));
        }
        let shown = io::BufRead::fill_buf(&mut input).unwrap();
        assert!(!shown.is_empty());
        input.leave();
        read(&mut read_end, &mut arrived, None);
        arrived.assert_bytes(&[2 * ENOUGH]);
        child.join();
    });
}

#[test]
fn a_reader_that_leaves_while_the_writer_does_something_else_leaves_the_rest_at_once() {
    alone(|| {
        let (mut read_end, write_end) = pipe();
        let write = write_end.try_clone().unwrap();
        let mut child = Child::fork(|line| {
            let mut output = Output::new(write);
            Words::of(0).write(&mut output, ENOUGH, 4096);
            line.say("written");
            line.expect("go on");
            output.finish().unwrap();
        });
        drop(write_end);
        let mut arrived = Arrived::default();
        let mut input = Input::new(read_end.try_clone().unwrap());
        read(&mut input, &mut arrived, Some(ENOUGH - 65536));
        assert_upgraded(input.traffic());
        child.expect("written");
        drop(input);
        // The writer is elsewhere: its watching thread has to do it.
        read(&mut read_end, &mut arrived, Some(65536));
        child.say("go on");
        child.join();
    });
}

#[test]
fn a_writer_that_leaves_may_be_followed_by_its_child() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut plain = write_end.try_clone().unwrap();
        let child = writer((&read_end, &write_end), |output| {
            let mut words = Words::of(0);
            for round in 0..5 {
                words.write(output, ENOUGH, 65536);
                output.leave().unwrap();
                if round % 2 == 0 {
                    // As a child that inherited the descriptor would.
                    words.write(&mut plain, 65536, 4096);
                }
            }
        });
        drop((plain, write_end));
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[5 * ENOUGH + 3 * 65536]);
        assert!(input.traffic().shm > ENOUGH, "again and again: {:?}", input.traffic());
        child.join();
    });
}

#[test]
fn a_reader_that_leaves_may_be_followed_by_its_child_and_come_back() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut plain = read_end.try_clone().unwrap();
        let child = writer((&read_end, &write_end), |output| {
            Words::of(0).write(output, 8 * ENOUGH, 65536);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        for _ in 0..3 {
            read(&mut input, &mut arrived, Some(ENOUGH));
            input.leave();
            read(&mut plain, &mut arrived, Some(ENOUGH));
        }
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[8 * ENOUGH]);
        child.join();
    });
}

#[test]
fn a_forked_child_reads_and_writes_the_pipe() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writer((&read_end, &write_end), |output| {
            let mut words = Words::of(0);
            words.write(output, ENOUGH, 65536);
            output.leave().unwrap();
            words.write(output, ENOUGH, 65536);
            let start = words.next;
            // Its own writer, to the same pipe, without having been told.
            Child::fork(|_| {
                Words::of(1).write(output, 65536, 4096);
            })
            .join();
            assert_eq!(words.next, start);
            words.write(output, ENOUGH, 65536);
        });
        drop(write_end);
        let mut input = Input::new(read_end);
        let mut arrived = Arrived::default();
        read(&mut input, &mut arrived, None);
        arrived.assert_bytes(&[3 * ENOUGH, 65536]);
        child.join();
    });
}

/// A FIFO keeps what was written as long as its writer is there, also while nobody reads.
#[test]
fn what_a_reader_of_a_fifo_leaves_is_kept_for_the_next_that_opens_it() {
    use std::fs::File;
    alone(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let mut child = Child::fork(|line| {
            let mut output = Output::new(File::create(&path).unwrap());
            let mut words = Words::of(0);
            words.write(&mut output, ENOUGH, 65536);
            line.say("written");
            line.expect("go on");
            words.write(&mut output, 8, 8);
            output.finish().unwrap();
        });
        let mut arrived = Arrived::default();
        let mut input = Input::new(File::open(&path).unwrap());
        read(&mut input, &mut arrived, Some(ENOUGH - 40_000));
        assert_upgraded(input.traffic());
        child.expect("written");
        drop(input);
        // Long enough for its watching thread to have looked.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let mut next = File::open(&path).unwrap();
        read(&mut next, &mut arrived, Some(40_000));
        child.say("go on");
        read(&mut next, &mut arrived, None);
        arrived.assert_bytes(&[ENOUGH + 8]);
        child.join();
    });
}
