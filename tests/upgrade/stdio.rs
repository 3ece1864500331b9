//! Standard output and standard input, as programs use them.

use super::*;
use nix::unistd::{dup2_stdin, dup2_stdout};
use shmpipe::stdio::{stdin, stdout};
use std::{io::BufRead, process, thread};

/// A program with this standard output, that comes to its end by exit(3).
fn writing(pipe: (&PipeReader, &PipeWriter), body: impl FnOnce()) -> Child {
    Child::fork(|_| {
        dup2_stdout(pipe.1).unwrap();
        close(pipe.0);
        close(pipe.1);
        body();
        process::exit(0);
    })
}

/// What it writes is all there, and a proper end.
fn assert_received(read_end: PipeReader, bytes: u64) -> Traffic {
    let mut input = Input::new(read_end);
    let mut arrived = Arrived::default();
    read(&mut input, &mut arrived, None);
    arrived.assert_bytes(&[bytes]);
    input.traffic()
}

#[test]
fn who_exits_has_finished_and_flushed() {
    alone(|| {
        for locked in [false, true] {
            for bytes in [8, 1000, ENOUGH, ENOUGH + 8] {
                let (read_end, write_end) = pipe();
                // Without an end of a line, so the last of it is in the buffer.
                let child = writing((&read_end, &write_end), || {
                    let lock = locked.then(|| stdout().lock());
                    Words::of(0).write(&mut stdout(), bytes, 8);
                    // As by exit in the midst of it all.
                    std::mem::forget(lock);
                });
                drop(write_end);
                let traffic = assert_received(read_end, bytes);
                assert_eq!(traffic.shm > 0, bytes >= ENOUGH);
                child.join();
            }
        }
    });
}

/// Handlers that were registered before ours run after it.
#[test]
fn what_later_exit_handlers_write_arrives_by_the_pipe() {
    extern "C" fn late() {
        let mut words = Words { writer: 0, next: 1 };
        words.write(&mut stdout(), ENOUGH, 65536);
        words.write(&mut stdout(), 8, 8);
    }
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            // SAFETY: a function of this program.
            unsafe { libc::atexit(late) };
            Words::of(0).write(&mut stdout(), 8, 8);
        });
        drop(write_end);
        assert_eq!(assert_received(read_end, ENOUGH + 16).shm, 0);
        child.join();
    });
}

#[test]
fn who_exits_from_another_thread_has_finished() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            Words::of(0).write(&mut stdout(), ENOUGH, 65536);
            thread::spawn(|| process::exit(0)).join().unwrap();
        });
        drop(write_end);
        assert_received(read_end, ENOUGH);
        child.join();
    });
}

#[test]
fn lines_go_out_at_once() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let mut child = Child::fork(|line| {
            dup2_stdout(&write_end).unwrap();
            writeln!(stdout(), "one").unwrap();
            write!(stdout(), "tw").unwrap();
            line.say("written");
            line.expect("go on");
            writeln!(stdout(), "o").unwrap();
            process::exit(0);
        });
        drop(write_end);
        child.expect("written");
        let mut input = io::BufReader::new(Input::new(read_end));
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        child.say("go on");
        input.read_line(&mut line).unwrap();
        assert_eq!(line, "one\ntwo\n");
        child.join();
    });
}

#[test]
fn a_child_on_the_same_standard_output_comes_after_what_was_written() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            let mut words = Words::of(0);
            for _ in 0..3 {
                words.write(&mut stdout(), ENOUGH, 65536);
                // A word that a child writes: bytes that bash's printf makes of octal numbers.
                let octal: String =
                    words.take(WORD).iter().map(|byte| format!("\\{byte:03o}")).collect();
                stdout().leave().unwrap();
                let status = process::Command::new("printf").arg(octal).status();
                assert!(status.expect("coreutils have printf").success());
            }
        });
        drop(write_end);
        let traffic = assert_received(read_end, 3 * (ENOUGH + WORD));
        assert!(traffic.shm > ENOUGH, "it changed over again: {traffic:?}");
        child.join();
    });
}

#[test]
fn lines_are_read_across_the_change() {
    alone(|| {
        const LINES: usize = 400_000;
        let (read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            let mut out = stdout().lock();
            for n in 0..LINES {
                writeln!(out, "line {n}").unwrap();
            }
        });
        drop(write_end);
        let reader = Child::fork(|_| {
            dup2_stdin(&read_end).unwrap();
            let mut first = String::new();
            stdin().read_line(&mut first).unwrap();
            assert_eq!(first, "line 0\n");
            for (n, line) in (1..).zip(stdin().lines()) {
                assert_eq!(line.unwrap(), format!("line {n}"));
            }
            assert_upgraded(stdin().traffic());
            let total = stdin().traffic().pipe + stdin().traffic().shm;
            let expected: usize = (0..LINES).map(|n| format!("line {n}\n").len()).sum();
            assert_eq!(total, expected as u64);
        });
        drop(read_end);
        reader.join();
        child.join();
    });
}

#[test]
fn a_child_on_the_same_standard_input_goes_on_where_it_was_left() {
    alone(|| {
        let (mut read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            Words::of(0).write(&mut stdout(), 3 * ENOUGH, 65536);
        });
        drop(write_end);
        let reader = Child::fork(|_| {
            dup2_stdin(&read_end).unwrap();
            let mut arrived = Arrived::default();
            read(&mut stdin(), &mut arrived, Some(ENOUGH));
            assert_upgraded(stdin().traffic());
            stdin().leave();
            // `head -c` of coreutils takes what it is asked for from a pipe.
            let mut head = process::Command::new("head");
            head.args(["-c", "8000"]).stdin(process::Stdio::inherit());
            let head = head.output().expect("coreutils have head");
            assert_eq!(head.stdout.len(), 8000);
            arrived.push(&head.stdout);
            read(&mut stdin(), &mut arrived, Some(ENOUGH));
            process::exit(0);
        });
        reader.join();
        // What it did not read is here, for it has left at its exit.
        let mut arrived =
            Arrived { due: [(2 * ENOUGH + 8000) / WORD, 0, 0, 0], ..Arrived::default() };
        read(&mut read_end, &mut arrived, None);
        arrived.assert_bytes(&[3 * ENOUGH]);
        child.join();
    });
}

/// Exit handlers run in forked children too.
#[test]
fn a_forked_child_that_exits_ends_nothing() {
    alone(|| {
        let (read_end, write_end) = pipe();
        let child = writing((&read_end, &write_end), || {
            let mut words = Words::of(0);
            words.write(&mut stdout(), ENOUGH, 65536);
            stdout().flush().unwrap();
            Child::fork(|_| process::exit(0)).join();
            words.write(&mut stdout(), ENOUGH, 65536);
        });
        drop(write_end);
        assert_received(read_end, 2 * ENOUGH);
        child.join();
    });
}
