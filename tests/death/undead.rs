//! What is not a death, and what is one though something of the dead lives on.

use crate::{
    assert_fails, kill_and_join,
    stream_support::*,
    support::{Child, alone, wait_to_be_killed},
};
use shmpipe::{
    Options, Peer,
    stream::{ReadError, WriteError},
};
use std::{
    io::{PipeReader, Read, Write, pipe},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// Something that a victim leaves behind and that lives until the test lets it go.
#[derive(Clone, Copy, Debug)]
enum Offspring {
    /// A child, with copies of all the victim's memory and descriptors.
    Forked,
    /// A program.
    Spawned,
}

impl Offspring {
    #[expect(clippy::zombie_processes, reason = "whoever begets it is killed while it lives")]
    fn beget(self, until_closed: PipeReader) {
        match self {
            Self::Forked => {
                // SAFETY: the victim has no other thread.
                let pid = unsafe { libc::fork() };
                assert!(pid >= 0);
                if pid == 0 {
                    let _ = { &until_closed }.read(&mut [0]);
                    // SAFETY: ends the process, at once.
                    unsafe { libc::_exit(0) }
                }
            }
            Self::Spawned => {
                Command::new("cat")
                    .stdin(until_closed)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
            }
        }
    }
}

/// Runs `part` in a victim that then begets and waits to be killed. The pipe's writing end keeps
/// the offspring alive.
fn victim(offspring: Offspring, part: impl FnOnce(&mut dyn FnMut())) -> (Child, impl Drop) {
    let (until_closed, open) = pipe().unwrap();
    let closed_by_victim = open.as_raw_fd();
    let mut child = Child::fork(|line| {
        // SAFETY: a copy that nothing else in this process will use: it never returns.
        unsafe { libc::close(closed_by_victim) };
        let mut until_closed = Some(until_closed);
        part(&mut || {
            offspring.beget(until_closed.take().unwrap());
            line.say("ready");
            wait_to_be_killed();
        });
    });
    child.expect("ready");
    (child, Open(Some(open)))
}

struct Open(Option<std::io::PipeWriter>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.take();
    }
}

#[test]
fn a_victim_that_leaves_a_child_behind() {
    alone(|| {
        for offspring in [Offspring::Forked, Offspring::Spawned] {
            for site in Site::each() {
                let options = Options::new();
                let mut reader = site.reader(&options);
                let (killed, open) = victim(offspring, |ready| {
                    let mut writer = site.writer(&options);
                    writer.write_all(b"last words").unwrap();
                    ready();
                });
                let mut words = [0; 10];
                reader.read_exact(&mut words).unwrap();
                let survivor = thread::spawn(move || reader.fill_buf().map(drop));
                until("the reader sleeps", || site.words().is_parked(DATA_PARKED));
                let what = format!("writer with a child, {offspring:?}");
                assert_fails!(kill_and_join(&what, killed, survivor), ReadError::Died);
                // The place is free while the child still lives.
                drop(site.writer(&options));
                drop(open);

                // What that writer left is told to somebody.
                let _ = site.reader(&options).try_fill_buf();
                let mut writer = site.writer(&options);
                let (killed, open) = victim(offspring, |ready| {
                    let _reader = site.reader(&options);
                    ready();
                });
                writer.write_all(&vec![0; page()]).unwrap();
                let survivor = thread::spawn(move || writer.reserve(1).map(drop));
                until("the writer sleeps", || site.words().is_parked(SPACE_PARKED));
                let what = format!("reader with a child, {offspring:?}");
                assert_fails!(kill_and_join(&what, killed, survivor), WriteError::ReaderDied);
                drop(site.reader(&options));
                drop(open);
            }
        }
    });
}

/// An end that nobody dropped, at the exit of its process and at an exec.
#[test]
fn other_ways_to_go_without_a_word() {
    alone(|| {
        for site in Site::each() {
            for exec in [false, true] {
                let options = Options::new();
                let mut reader = site.reader(&options);
                let mut child = Child::fork(|line| {
                    let mut writer = site.writer(&options);
                    writer.write_all(b"words").unwrap();
                    std::mem::forget(writer);
                    line.say("written");
                    line.expect("go");
                    if exec {
                        panic!("{}", Command::new("true").exec());
                    }
                });
                child.expect("written");
                reader.read_exact(&mut [0; 5]).unwrap();
                let survivor = thread::spawn(move || reader.fill_buf().map(drop));
                until("the reader sleeps", || site.words().is_parked(DATA_PARKED));
                child.say("go");
                child.join();
                assert_fails!(joined(survivor), ReadError::Died, "exec: {exec}");
            }
        }
    });
}

/// Longer than it takes to notice a death, several times over.
const LONG: Duration = Duration::from_millis(400);

#[test]
fn a_stopped_writer_is_not_dead() {
    alone(|| {
        for site in Site::each() {
            let options = Options::new();
            let mut reader = site.reader(&options);
            let mut child = Child::fork(|line| {
                let mut writer = site.writer(&options);
                line.say("attached");
                line.expect("go");
                writer.write_all(b"after all").unwrap();
                writer.finish().unwrap();
            });
            child.expect("attached");
            child.stop();
            assert_fails!(reader.fill_buf_timeout(LONG), ReadError::Timeout);
            assert_fails!(reader.try_fill_buf(), ReadError::Empty);
            assert_eq!(reader.peer().unwrap(), Peer::Alive);
            child.say("go");
            child.signal(libc::SIGCONT);
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"after all");
            child.join();
        }
    });
}

#[test]
fn a_stopped_reader_is_not_dead() {
    alone(|| {
        for site in Site::each() {
            let options = Options::new();
            let mut writer = site.writer(&options);
            let mut child = Child::fork(|line| {
                let mut reader = site.reader(&options);
                line.say("attached");
                let mut all = Vec::new();
                reader.read_to_end(&mut all).unwrap();
                assert_eq!(all, bytes_from(0, 3 * page()));
            });
            child.expect("attached");
            until("the reader sleeps", || writer.peer().unwrap() == Peer::Waiting);
            child.stop();
            assert_eq!(writer.write(&bytes_from(0, page())).unwrap(), page());
            assert_fails!(writer.reserve_timeout(1, LONG), WriteError::Timeout);
            assert_fails!(writer.try_write(b"x"), WriteError::Full);
            child.signal(libc::SIGCONT);
            writer.write_all(&bytes_from(page() as u64, 2 * page())).unwrap();
            writer.finish_and_wait().unwrap();
            child.join();
        }
    });
}
