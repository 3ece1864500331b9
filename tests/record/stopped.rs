//! A receiver that is stopped for a while (SIGSTOP) is slow and not dead.
//!
//! The long form stops it for a minute:
//!
//! ```text
//! cargo test --test record -- --ignored --nocapture stopped
//! ```

use crate::{
    assert_fails,
    record_support::*,
    stream_support::*,
    support::{Child, alone},
};
use shmpipe::{
    Options, Peer,
    record::{ReadError, WriteError},
};
use std::{
    thread,
    time::{Duration, Instant},
};

fn stopped_for(time: Duration) {
    for site in RecordSite::each(8) {
        let mut sender = site.sender(&Options::new().liveness_interval(Duration::from_millis(1)));
        let mut child = Child::fork(|line| {
            let mut receiver = site.receiver(&Options::new());
            line.say("attached");
            let mut number = 0;
            while let Some(record) = receiver.recv().unwrap() {
                // Those that were given up are missing, and no others.
                number = u64::from_ne_bytes(record[..8].try_into().unwrap());
                check_content(&record[8..], number);
                drop(record);
            }
            line.show((number, receiver.stats().operations));
        });
        child.expect("attached");
        let record = |number: u64| {
            let mut bytes = number.to_ne_bytes().to_vec();
            bytes.extend(content(number, (number % 100) as usize));
            bytes
        };
        let mut number = 0;
        for _ in 0..200 {
            sender.send(&record(number)).unwrap();
            number += 1;
        }
        child.stop();
        let mut given_up = 0;
        while sender.send_or_drop(&record(number)).unwrap() {
            number += 1;
        }
        given_up += 1;
        number += 1;
        assert_fails!(sender.try_send(&record(99)), WriteError::Full);
        assert_fails!(
            sender.send_timeout(&record(99), Duration::from_millis(30)),
            WriteError::Timeout
        );
        let peer = sender.peer().unwrap();
        assert!(matches!(peer, Peer::Alive | Peer::Waiting), "{peer:?}");

        // One that blocks stays blocked, and is woken when the other goes on.
        let bytes = record(number);
        let sending = thread::spawn(move || (sender.send(&bytes), sender));
        let words = site.words();
        until("the sender sleeps", || words.is_parked(SPACE_PARKED));
        let started = Instant::now();
        while started.elapsed() < time {
            if sending.is_finished() {
                let (sent, _sender) = joined(sending);
                panic!("it did not wait: {sent:?} after {:?}", started.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        child.signal(libc::SIGCONT);
        let (sent, mut sender) = joined(sending);
        sent.unwrap();
        for _ in 0..200 {
            number += 1;
            sender.send(&record(number)).unwrap();
        }
        let stats = sender.stats();
        assert_eq!((stats.dropped, stats.operations), (given_up, number + 1 - given_up));
        sender.finish_and_wait().unwrap();
        assert_eq!(child.hear(), format!("({number}, {})", stats.operations));
        child.join();
    }
}

/// A sender that is stopped: its receiver waits, and says that nothing came in time.
fn stopped_sender_for(time: Duration) {
    let site = RecordSite::new(false, 8);
    let mut receiver = site.receiver(&Options::new().liveness_interval(Duration::from_millis(1)));
    let mut child = Child::fork(|line| {
        let mut sender = site.sender(&Options::new());
        send_record(&mut sender, 0, 90).unwrap();
        line.say("sent");
        assert_eq!(line.hear(), "go on");
        send_record(&mut sender, 1, 90).unwrap();
        sender.finish().unwrap();
    });
    child.expect("sent");
    child.stop();
    receive_record(&mut receiver, 0, 90);
    assert_fails!(receiver.try_recv(), ReadError::Empty);
    assert_fails!(receiver.recv_timeout(time), ReadError::Timeout);
    assert_eq!(receiver.peer().unwrap(), Peer::Alive);
    child.signal(libc::SIGCONT);
    child.say("go on");
    let record = receiver.recv().unwrap().unwrap();
    check_record(&record, record.kind(), 1, 90);
    drop(record);
    assert!(receiver.recv().unwrap().is_none());
    child.join();
}

#[test]
fn a_receiver_stopped_for_a_while() {
    alone(|| stopped_for(Duration::from_millis(400)));
}

#[test]
fn a_sender_stopped_for_a_while() {
    alone(|| stopped_sender_for(Duration::from_millis(400)));
}

#[test]
#[ignore = "takes two minutes"]
fn a_receiver_stopped_for_a_minute() {
    alone(|| stopped_for(Duration::from_secs(60)));
}
