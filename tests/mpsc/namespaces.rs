//! A producer in another pid namespace: alive as long as it lives, dead when it
//! is, whatever its pid.

use crate::{
    assert_fails,
    many_support::*,
    stream_support::*,
    support::{Child, Line, alone, skip, wait_to_be_killed},
};
use nix::sched::{CloneFlags, unshare};
use shmpipe::{
    Options, Peer,
    mpsc::{ReadError, Sender},
};
use std::time::Duration;

/// Forks a process that is the first of a new pid namespace; says its pid out here, or why not.
fn in_a_namespace(line: &mut Line, body: impl FnOnce(&mut Line)) {
    let alone = unshare(CloneFlags::CLONE_NEWPID);
    let namespace =
        alone.or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID));
    if let Err(error) = namespace {
        return line.say(format!("not permitted: {error}"));
    }
    // SAFETY: this process has no other thread.
    match unsafe { libc::fork() } {
        -1 => line.say(format!("not permitted: {}", std::io::Error::last_os_error())),
        0 => {
            // SAFETY: the call takes integers only.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            assert_eq!(std::process::id(), 1, "the first of its namespace");
            body(line);
            wait_to_be_killed();
        }
        pid => {
            line.show(pid);
            wait_to_be_killed();
        }
    }
}

#[test]
fn a_producer_in_another_pid_namespace() {
    alone(|| {
        for site in ManySite::each(3) {
            let soon = Options::new().liveness_interval(Duration::from_millis(1));
            let mut receiver = site.receiver(&soon);
            let mut sender = site.sender(&soon);
            let mut child = Child::fork(|line| {
                in_a_namespace(line, |line| {
                    let mut sender: Sender = site.sender(&Options::new());
                    send_signed(&mut sender, 1, 0, 90).unwrap();
                    std::mem::forget(sender.reserve(50).unwrap());
                    line.say("claimed");
                    wait_to_be_killed();
                });
            });
            // It may be either that speaks first.
            let mut words = [child.hear(), String::new()];
            if words[0].starts_with("not permitted") {
                return skip(format!("a new pid namespace is {}", words[0]));
            }
            words[1] = child.hear();
            let pid: libc::pid_t = words.iter().find_map(|word| word.parse().ok()).unwrap();
            assert!(words.contains(&"claimed".to_owned()), "{words:?}");
            send_signed(&mut sender, 0, 0, 90).unwrap();
            let mut book = Book::new(90);
            assert_eq!(receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap(), Some((1, 0)));
            // Alive: its claim stands, and its seat is taken.
            assert_fails!(receiver.recv_timeout(Duration::from_millis(300)), ReadError::Timeout);
            let status = receiver.status().unwrap();
            let id = status.held_up_by.expect("it holds the others up");
            let one = status.producers.iter().find(|one| one.id == id).unwrap();
            assert_eq!((one.pid, one.state), (1, Peer::Alive));
            site.assert_free_seats(1);
            // SAFETY: a process that the child has not reaped, so the pid is its.
            assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
            assert_eq!(receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap(), Some((0, 0)));
            assert_eq!(receiver.stats().repaired, 1);
            site.assert_free_seats(2);
            child.kill();
        }
    });
}
