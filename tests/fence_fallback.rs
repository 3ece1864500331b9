//! Where membarrier(2) is refused, as by a container's seccomp filter: streams complete all the
//! same, and no wake-up is lost.
//!
//! An end that was refused uses a full fence when it publishes, so the other, if it was not
//! refused, may sleep without a cap. In its own sleeps it looks every millisecond, for it cannot
//! make the other's light fence a full one.

mod stream_support;
mod support;

use nix::errno::Errno;
use shmpipe::{Options, Wait};
use std::{io, time::Duration};
use stream_support::*;
use support::{Child, alone, refuse, register_for_barriers, skip};

/// From now on membarrier(2) fails with this error, in this thread and what it starts.
fn refuse_membarrier(error: Errno) -> io::Result<()> {
    refuse(libc::SYS_membarrier, error)
}

/// Not yet in the `libc` crate.
const MEMBARRIER_CMD_GET_REGISTRATIONS: libc::c_int = 1 << 9;

fn membarrier(command: libc::c_int) -> Result<libc::c_long, Errno> {
    // SAFETY: integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) })
}

/// Whether membarrier(2) is refused to an end, and how.
type Refused = Option<Errno>;

/// In the child that will have the end.
fn begin(refused: Refused) {
    if let Some(error) = refused {
        refuse_membarrier(error).unwrap();
        let register = libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
        assert_eq!(membarrier(register), Err(error), "the filter works");
    }
}

/// Why these tests cannot run here, if so.
fn obstacle() -> Option<String> {
    // Nor must this process be, of which children would inherit it. (Linux tells since 6.3.)
    let registered = membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS).unwrap_or(0);
    assert_eq!(registered & i64::from(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED), 0);
    match membarrier(libc::MEMBARRIER_CMD_QUERY) {
        Ok(commands) if commands & i64::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0 => {}
        answer => return Some(format!("no membarrier(2) here anyway: {answer:?}")),
    }
    let mut child = Child::fork(|line| match refuse_membarrier(Errno::EPERM) {
        Ok(()) => line.say("works"),
        Err(error) => line.say(error.to_string()),
    });
    let said = child.hear();
    child.join();
    (said != "works").then(|| format!("no seccomp filters here: {said}"))
}

const TIME: Duration = Duration::from_millis(700);

fn stream(policy: Wait, of_writer: Refused, of_reader: Refused) {
    // Anonymous: this process must not attach, or its children would inherit that it registered.
    let site = Site::new(false, page());
    let options = Options::new().wait(policy).liveness_interval(UNCAPPED);
    let mut writing = Child::fork(|line| {
        begin(of_writer);
        line.show(write_for(&site, &options, TIME));
    });
    let mut reading = Child::fork(|line| {
        begin(of_reader);
        line.show(read_all(&site, &options));
    });
    assert_eq!(reading.hear(), writing.hear(), "all bytes arrived");
    reading.join();
    writing.join();

    let words = site.words();
    let (writer, reader) = (words.writer(), words.reader());
    println!("{policy:?}, writer {of_writer:?}: {writer:?}; reader {of_reader:?}: {reader:?}");
    assert_eq!((writer.fenced, reader.fenced), (of_writer.is_none(), of_reader.is_none()));
    assert!(writer.sleeps > 0 && reader.sleeps > 0);
    // A sleep of a millisecond may end just when there is something; one of ten seconds that does
    // was not woken.
    if of_writer.is_none() {
        assert_eq!(writer.late_wakeups, 0, "of the writer, whose sleeps have no cap");
    }
    if of_reader.is_none() {
        assert_eq!(reader.late_wakeups, 0, "of the reader, whose sleeps have no cap");
    }
}

fn each(test: impl Fn(Wait, Errno)) {
    for policy in [Wait::Sleep, Wait::Adaptive] {
        for error in [Errno::EPERM, Errno::ENOSYS] {
            test(policy, error);
        }
    }
}

#[test]
fn refused_to_the_writer() {
    alone(|| match obstacle() {
        Some(obstacle) => skip(obstacle),
        None => each(|policy, error| stream(policy, Some(error), None)),
    });
}

#[test]
fn refused_to_the_reader() {
    alone(|| match obstacle() {
        Some(obstacle) => skip(obstacle),
        None => each(|policy, error| stream(policy, None, Some(error))),
    });
}

#[test]
fn refused_to_both() {
    alone(|| match obstacle() {
        Some(obstacle) => skip(obstacle),
        None => each(|policy, error| stream(policy, Some(error), Some(error))),
    });
}

/// The harness itself: with nothing refused, the same streams.
#[test]
fn refused_to_nobody() {
    alone(|| {
        register_for_barriers();
        stream(Wait::Sleep, None, None);
    });
}

/// An end that was refused publishes just when the other, whose sleeps have no cap, goes to sleep.
#[test]
fn the_one_that_was_refused_wakes_the_other() {
    alone(|| match obstacle() {
        Some(obstacle) => skip(obstacle),
        None => {
            let refused = Some(Errno::EPERM);
            for (duel, of_writer, of_reader) in
                [(Duel::Empty, refused, None), (Duel::Full, None, refused)]
            {
                let (site, meet) = (Site::new(false, page()), Rendezvous::new());
                let options = Options::new().wait(Wait::Sleep).liveness_interval(UNCAPPED);
                let writing = Child::fork(|_| {
                    begin(of_writer);
                    duel_of_writer(&site, &options, duel, meet, 30_000);
                });
                let reading = Child::fork(|_| {
                    begin(of_reader);
                    duel_of_reader(&site, &options, duel, meet, 30_000);
                });
                reading.join();
                writing.join();
            }
        }
    });
}

/// An end with capped sleeps is woken all the same; the cap is not its way of finding out.
#[test]
fn the_cap_is_not_how_bytes_are_found() {
    alone(|| match obstacle() {
        Some(obstacle) => skip(obstacle),
        None => {
            let (there, back) = (Site::new(false, page()), Site::new(false, page()));
            let options = Options::new().wait(Wait::Sleep).liveness_interval(UNCAPPED);
            let serving = Child::fork(|_| {
                begin(Some(Errno::EPERM));
                serve(&there, &back, &options, TIME);
            });
            let answering = Child::fork(|_| {
                begin(Some(Errno::EPERM));
                answer(&there, &back, &options);
            });
            answering.join();
            serving.join();
            for site in [there, back] {
                let reader = site.words().reader();
                println!("{reader:?}");
                assert!(
                    reader.late_wakeups * 10 <= reader.sleeps,
                    "most sleeps end by their cap: {reader:?}"
                );
            }
        }
    });
}
