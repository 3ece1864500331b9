//! A producer that is stopped (SIGSTOP) with a claim open: it lives, so everybody waits for it, and
//! can find out whom they wait for.

use crate::{
    assert_fails,
    many_support::*,
    stream_support::*,
    support::{Child, DEADLINE, alone, eventually},
};
use shmpipe::{
    Options, Peer,
    mpsc::{ReadError, WriteError},
};
use std::{thread, time::Duration};

#[test]
fn with_a_claim_open() {
    alone(|| {
        for batch in [false, true] {
            for site in ManySite::each(4) {
                let soon = Options::new().liveness_interval(Duration::from_millis(1));
                let mut receiver = site.receiver(&soon);
                let mut sender = site.sender(&soon);
                let mut child = Child::fork(|line| {
                    let mut stopped = site.sender(&Options::new());
                    send_signed(&mut stopped, 1, 0, 90).unwrap();
                    line.show(stopped.id().number());
                    if batch {
                        let mut batch = stopped.batch_of(900);
                        for number in 1..4 {
                            let (kind, bytes) = signed(1, number, 90);
                            batch.kind(kind).send(&bytes).unwrap();
                        }
                        line.say("claimed");
                        line.expect("go on");
                        batch.commit().unwrap();
                    } else {
                        let (kind, bytes) = signed(1, 1, 90);
                        let mut reservation = stopped.kind(kind).reserve(bytes.len()).unwrap();
                        line.say("claimed");
                        line.expect("go on");
                        reservation.copy_from_slice(&bytes);
                        reservation.commit().unwrap();
                    }
                    stopped.finish().unwrap();
                });
                let number = child.hear();
                child.expect("claimed");
                child.stop();
                // The others send until the ring is full, and then wait.
                let mut sent = 0;
                while send_or_full(&mut sender, sent) {
                    sent += 1;
                }
                assert_fails!(sender.try_send(&[0; 300]), WriteError::Full);
                assert_fails!(
                    sender.send_timeout(&[0; 300], Duration::from_millis(20)),
                    WriteError::Timeout
                );
                // All in front of the claim comes, and nothing behind it, however long it takes.
                let mut book = Book::new(90);
                assert_eq!(
                    receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap(),
                    Some((1, 0))
                );
                assert_fails!(
                    receiver.recv_timeout(Duration::from_millis(400)),
                    ReadError::Timeout
                );
                for status in [receiver.status().unwrap(), sender.status().unwrap()] {
                    let held_up_by = status.held_up_by.expect("somebody holds them up");
                    assert_eq!(held_up_by.to_string(), number);
                    let one = status.producers.iter().find(|one| one.id == held_up_by).unwrap();
                    assert_eq!((one.pid, one.state), (child.pid(), Peer::Alive));
                    assert_eq!(status.repaired, 0);
                }
                // One that blocks stays blocked, and goes on when the other does.
                let blocked = thread::spawn(move || {
                    while send_signed(&mut sender, 0, sent, 90).is_ok() && sent < 200 {
                        sent += 1;
                    }
                    sender.finish().unwrap();
                    sent
                });
                until("the sender sleeps", || {
                    let status = receiver.status().unwrap();
                    status.producers.iter().any(|one| one.state == Peer::Waiting)
                });
                assert_fails!(
                    receiver.recv_timeout(Duration::from_millis(100)),
                    ReadError::Timeout
                );
                assert!(!blocked.is_finished());
                child.say("go on");
                child.signal(libc::SIGCONT);
                while receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap().is_some() {}
                let sent = joined(blocked);
                assert_eq!((book.of(0), book.of(1)), (sent + 1, if batch { 4 } else { 2 }));
                assert_eq!(receiver.stats().repaired, 0);
                assert_eq!(receiver.status().unwrap().held_up_by, None);
                child.join();
            }
        }
    });
}

fn send_or_full(sender: &mut shmpipe::mpsc::Sender, number: u64) -> bool {
    let (kind, bytes) = signed(0, number, 90);
    match sender.kind(kind).try_send(&bytes) {
        Ok(()) => true,
        Err(WriteError::Full) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Stopped elsewhere it holds nobody up.
#[test]
fn without_a_claim() {
    alone(|| {
        for site in ManySite::each(3) {
            let soon = Options::new().liveness_interval(Duration::from_millis(1));
            let mut receiver = site.receiver(&soon);
            let mut sender = site.sender(&soon);
            let mut child = Child::fork(|line| {
                let stopped = site.sender(&Options::new());
                line.say("there");
                line.expect("go on");
                stopped.finish().unwrap();
            });
            child.expect("there");
            child.stop();
            for number in 0..300_u64 {
                sender.send(&number.to_ne_bytes()).unwrap();
                assert_eq!(*receiver.recv().unwrap().unwrap(), number.to_ne_bytes());
            }
            sender.finish().unwrap();
            assert_fails!(receiver.recv_timeout(Duration::from_millis(200)), ReadError::Timeout);
            child.say("go on");
            child.signal(libc::SIGCONT);
            assert!(receiver.recv().unwrap().is_none());
            child.join();
        }
    });
}

/// All that it sent is received, the receiver leaves, and another sender comes, for whom a reader
/// is still to come, before it runs again: what it waited for has happened.
#[test]
fn one_that_waits_until_all_is_received() {
    alone(|| {
        let site = ManySite::new(true, 4, page());
        let mut receiver = site.receiver(&Options::new());
        let mut child = Child::fork(|line| {
            let mut sender = site.sender(&Options::new());
            sender.send(b"x").unwrap();
            line.say("sent");
            sender.finish_and_wait_timeout(DEADLINE).unwrap();
        });
        child.expect("sent");
        eventually("it to have finished", || {
            let producers = receiver.status().unwrap().producers;
            producers.iter().any(|it| it.state == Peer::Finished).then_some(())
        });
        child.stop();
        assert_eq!(receiver.recv().unwrap().map(|it| it.to_vec()).unwrap(), b"x");
        drop(receiver);
        let next = site.sender(&Options::new());
        assert_eq!(next.peer().unwrap(), Peer::NoneYet);
        child.signal(libc::SIGCONT);
        child.join();
    });
}
