//! How streams end: when the last of those who came has gone, and with a reason for each of them.

use crate::{
    assert_fails,
    many_support::*,
    stream_support::*,
    support::{Child, DEADLINE, RingName, alone, eventually, wait_to_be_killed},
};
use shmpipe::{
    EndReason, Options, Peer, inspect,
    mpsc::{ReadError, Receiver, Sender, WriteError},
};
use std::{thread, time::Duration};

/// Each producer's number and reason, as told.
fn told(receiver: &Receiver) -> Vec<(u32, EndReason)> {
    receiver.ends().iter().map(|end| (end.id.number(), end.reason)).collect()
}

fn soon() -> Options {
    Options::new().liveness_interval(Duration::from_millis(1))
}

/// Says the same again and again.
#[track_caller]
fn has_ended(receiver: &mut Receiver, reason: EndReason) {
    for call in 0..6 {
        let end = match call % 3 {
            0 => receiver.recv().map(|record| record.is_none()),
            1 => receiver.try_recv().map(|record| record.is_none()),
            _ => receiver.recv_batch().map(|batch| batch.is_none()),
        };
        match (reason, end) {
            (EndReason::Finished, Ok(true)) => {}
            (EndReason::Failed(code), Err(ReadError::Failed(found))) => assert_eq!(found, code),
            (EndReason::Dropped, Err(ReadError::Dropped)) => {}
            (EndReason::Died, Err(ReadError::Died)) => {}
            (_, end) => panic!("{end:?} and not {reason:?} at call {call}"),
        }
    }
}

/// Ends one producer in one of the ways.
#[derive(Clone, Copy, Debug)]
enum Way {
    Finish,
    FinishAndWait,
    Fail(i32),
    Drop,
    Die,
}

impl Way {
    fn reason(self) -> EndReason {
        match self {
            Self::Finish | Self::FinishAndWait => EndReason::Finished,
            Self::Fail(code) => EndReason::Failed(code),
            Self::Drop => EndReason::Dropped,
            Self::Die => EndReason::Died,
        }
    }
}

/// A producer that sends a record and waits to be told that it is to go.
fn producer(site: &ManySite, author: u64, way: Way) -> (Child, u32) {
    let mut child = Child::fork(|line| {
        let mut sender = site.sender(&Options::new());
        send_signed(&mut sender, author, 0, 90).unwrap();
        line.show(sender.id().number());
        line.expect("go");
        match way {
            Way::Finish => sender.finish().unwrap(),
            Way::FinishAndWait => sender.finish_and_wait().unwrap(),
            Way::Fail(code) => sender.fail(code),
            Way::Drop => drop(sender),
            Way::Die => {
                line.say("gone");
                wait_to_be_killed();
            }
        }
        line.say("gone");
    });
    let number = child.hear().parse().unwrap();
    (child, number)
}

fn go(mut child: Child, way: Way) {
    child.say("go");
    child.expect("gone");
    match way {
        Way::Die => child.kill(),
        _ => child.join(),
    }
}

#[test]
fn each_ones_reason() {
    use Way::*;
    let streams: [&[Way]; 8] = [
        &[Finish],
        &[Finish, FinishAndWait, Finish],
        &[Finish, Die, Finish],
        &[Drop, Finish],
        &[Finish, Fail(-7), Finish, Finish],
        &[Die],
        &[Fail(i32::MIN)],
        &[Drop, Die, Fail(3), Finish],
    ];
    alone(|| {
        for site in ManySite::each(9) {
            let mut receiver = site.receiver(&soon());
            for ways in streams {
                let mut book = Book::new(90);
                let mut producers: Vec<_> = (0..)
                    .zip(ways)
                    .map(|(author, way)| (producer(&site, author, *way), *way))
                    .collect();
                for _ in ways {
                    receive_signed(&mut receiver, &mut book, FOR_EVER).unwrap().unwrap();
                }
                // From the last to the first: they end in another order than they came in.
                let mut reasons = vec![];
                while let Some(((child, number), way)) = producers.pop() {
                    assert_fails!(receiver.try_recv(), ReadError::Empty);
                    go(child, way);
                    reasons.insert(0, (number, way.reason()));
                }
                let (end, expected) = match receiver.recv().map(|record| record.is_none()) {
                    Ok(end) => (end, EndReason::Finished),
                    Err(ReadError::Died) => (true, EndReason::Died),
                    Err(ReadError::Dropped) => (true, EndReason::Dropped),
                    Err(ReadError::Failed(code)) => (true, EndReason::Failed(code)),
                    Err(error) => panic!("{error}"),
                };
                assert!(end, "a record that nobody sent");
                let broken = ways.iter().any(|way| way.reason() != EndReason::Finished);
                assert_eq!(expected != EndReason::Finished, broken, "{ways:?}: {expected:?}");
                assert!(ways.iter().any(|way| way.reason() == expected));
                has_ended(&mut receiver, expected);
                assert_eq!(told(&receiver), reasons);
            }
        }
    });
}

/// Nothing is left out and nothing is told twice: numbers and reasons of all
/// that came, stream by stream.
#[test]
fn all_who_came_are_told_of() {
    for site in ManySite::each(8) {
        let mut receiver = site.receiver(&Options::new());
        assert!(receiver.ends().is_empty());
        let mut came = 0;
        for stream in 0..12_u32 {
            let n = 1 + stream % 8;
            let mut senders: Vec<_> = (0..n).map(|_| site.sender(&Options::new())).collect();
            for sender in &mut senders {
                sender.send(b"x").unwrap();
            }
            for _ in 0..n {
                receiver.try_recv().unwrap().unwrap();
            }
            for sender in senders {
                assert_fails!(receiver.try_recv(), ReadError::Empty);
                sender.finish().unwrap();
            }
            has_ended(&mut receiver, EndReason::Finished);
            let expected: Vec<_> =
                (came + 1..=came + n).map(|number| (number, EndReason::Finished)).collect();
            assert_eq!(told(&receiver), expected);
            assert!(receiver.ends().iter().all(|end| end.pid == std::process::id()));
            came += n;
        }
    }
}

/// As in a FIFO: as long as somebody writes it goes on, though it be another one.
#[test]
fn a_stream_goes_on_while_somebody_writes() {
    for site in ManySite::each(3) {
        let mut receiver = site.receiver(&Options::new());
        let mut last = site.sender(&Options::new());
        for round in 0..20_u64 {
            last.send(&round.to_ne_bytes()).unwrap();
            let next = site.sender(&Options::new());
            std::mem::replace(&mut last, next).finish().unwrap();
            assert_eq!(*receiver.recv().unwrap().unwrap(), round.to_ne_bytes());
            assert_fails!(receiver.try_recv(), ReadError::Empty);
            assert_fails!(receiver.recv_timeout(Duration::from_millis(2)), ReadError::Timeout);
        }
        last.finish().unwrap();
        has_ended(&mut receiver, EndReason::Finished);
    }
}

/// One that came and broke off is remembered, though others have its seat since and finish.
#[test]
fn a_broken_one_is_not_forgotten() {
    alone(|| {
        for die in [false, true] {
            for site in ManySite::each(2) {
                let mut receiver = site.receiver(&soon());
                let mut keeper = site.sender(&Options::new());
                if die {
                    let mut child = Child::fork(|line| {
                        let _sender = site.sender(&Options::new());
                        line.say("there");
                        wait_to_be_killed();
                    });
                    child.expect("there");
                    child.kill();
                } else {
                    drop(site.sender(&Options::new()));
                }
                for _ in 0..5 {
                    // Comes to an empty ring: nothing of the one before is left.
                    let mut next = site.sender(&Options::new());
                    keeper.send(b"x").unwrap();
                    next.send(b"y").unwrap();
                    next.finish().unwrap();
                    receiver.recv().unwrap().unwrap();
                    receiver.recv().unwrap().unwrap();
                }
                keeper.finish().unwrap();
                let reason = if die { EndReason::Died } else { EndReason::Dropped };
                has_ended(&mut receiver, reason);
                assert!(told(&receiver).contains(&(2, reason)), "{:?}", receiver.ends());
                // The next stream is none of its business.
                site.sender(&Options::new()).finish().unwrap();
                has_ended_after_none(&mut receiver, reason);
            }
        }
    });
}

/// A stream in which nothing was sent: its end is told, or the one before stays the last word.
#[track_caller]
fn has_ended_after_none(receiver: &mut Receiver, before: EndReason) {
    match receiver.recv().map(|record| record.is_none()) {
        Ok(end) => assert!(end),
        Err(ReadError::Died) => assert_eq!(before, EndReason::Died),
        Err(ReadError::Dropped) => assert_eq!(before, EndReason::Dropped),
        Err(error) => panic!("{error}"),
    }
}

/// An end that no receiver was there for is told to the one that comes.
#[test]
fn told_to_a_receiver_that_comes_later() {
    for site in ManySite::each(4) {
        for round in 0..4 {
            let mut senders = [site.sender(&Options::new()), site.sender(&Options::new())];
            for sender in &mut senders {
                sender.send(b"x").unwrap();
            }
            let [one, other] = senders;
            one.finish().unwrap();
            other.fail(round);
            let mut receiver = site.receiver(&Options::new());
            for _ in 0..2 {
                receiver.try_recv().unwrap().unwrap();
            }
            has_ended(&mut receiver, EndReason::Failed(round));
            assert_eq!(receiver.ends().len(), 2);
            drop(receiver);
            // Told once: the next one waits for a new stream.
            let mut receiver = site.receiver(&Options::new());
            assert_fails!(receiver.try_recv(), ReadError::Empty);
        }
    }
}

/// A receiver that sleeps is woken by the end, and by nothing less.
#[test]
fn an_end_wakes_the_receiver() {
    for site in ManySite::each(4) {
        let uncapped = Options::new().liveness_interval(FOR_EVER);
        let mut receiver = site.receiver(&uncapped);
        let mut senders: Vec<_> = (0..4).map(|_| site.sender(&uncapped)).collect();
        let receiving = thread::spawn(move || {
            let end = receiver.recv().map(|record| record.is_none());
            (end, receiver)
        });
        let words = site.words();
        until("the receiver sleeps", || words.is_parked(DATA_PARKED));
        senders.drain(1..).for_each(|sender| sender.finish().unwrap());
        until("it sleeps on", || words.is_parked(DATA_PARKED));
        assert!(!receiving.is_finished());
        senders.pop().unwrap().finish().unwrap();
        let (end, receiver) = joined(receiving);
        assert!(end.unwrap());
        assert_eq!(receiver.ends().len(), 4);
    }
}

/// Who waits for the end of its stream waits for its own records.
#[test]
fn finish_and_wait() {
    for site in ManySite::each(4) {
        let uncapped = Options::new().liveness_interval(FOR_EVER);
        let mut receiver = site.receiver(&uncapped);
        let (mut one, mut other) = (site.sender(&uncapped), site.sender(&uncapped));
        one.send(b"one").unwrap();
        other.send(b"other").unwrap();
        let waiting = thread::spawn(move || one.finish_and_wait());
        until("it has finished", || {
            let status = receiver.status().unwrap();
            status.producers.iter().any(|producer| producer.state == Peer::Finished)
        });
        assert!(!waiting.is_finished(), "its record was not received");
        assert_eq!(*receiver.recv().unwrap().unwrap(), *b"one");
        assert_eq!(*receiver.recv().unwrap().unwrap(), *b"other");
        drop(other);
        has_ended(&mut receiver, EndReason::Dropped);
        joined(waiting).unwrap();

        let mut one = site.sender(&uncapped);
        one.send(b"one").unwrap();
        assert_fails!(one.finish_and_wait_timeout(Duration::from_millis(5)), WriteError::Timeout);
        let mut one = site.sender(&uncapped);
        one.send(b"one").unwrap();
        drop(receiver);
        assert_fails!(one.finish_and_wait(), WriteError::ReaderLeft);
    }
}

/// The last that broke off is what the stream is said to have come to, whoever
/// has had its seat before it.
#[test]
fn the_seats_of_those_who_broke_off_earlier() {
    for site in ManySite::each(2) {
        let mut receiver = site.receiver(&Options::new());
        let open = || site.sender(&Options::new());
        let (one, other) = (open(), open());
        one.finish().unwrap();
        drop(other);
        has_ended(&mut receiver, EndReason::Dropped);
        // Of the next stream the first breaks off; then both seats are taken by such as finish.
        drop(open());
        let (one, other) = (open(), open());
        one.finish().unwrap();
        other.finish().unwrap();
        has_ended(&mut receiver, EndReason::Dropped);
        open().finish().unwrap();
        has_ended(&mut receiver, EndReason::Finished);
    }
}

/// A batch that has room left is no reason not to hear that nobody is there to receive it.
#[test]
fn a_receiver_that_goes_during_a_batch() {
    for site in ManySite::each(2) {
        let receiver = site.receiver(&Options::new());
        let mut sender = site.sender(&Options::new());
        let mut batch = sender.batch_of(2000);
        batch.send(b"one").unwrap();
        drop(receiver);
        assert_fails!(batch.send(b"two"), WriteError::ReaderLeft);
        assert_fails!(batch.try_send(b"two"), WriteError::ReaderLeft);
    }
}

/// What a receiver says when it goes, each of them hears; who begins anew waits for another.
#[test]
fn a_receiver_that_goes() {
    for site in ManySite::each(4) {
        for code in [None, Some(5)] {
            let receiver = site.receiver(&Options::new());
            let mut senders: Vec<_> = (0..3).map(|_| site.sender(&Options::new())).collect();
            match code {
                Some(code) => receiver.fail(code),
                None => drop(receiver),
            }
            for sender in &mut senders {
                for _ in 0..2 {
                    match code {
                        Some(_) => assert_fails!(sender.send(b"x"), WriteError::ReaderFailed(5)),
                        None => assert_fails!(sender.send(b"x"), WriteError::ReaderLeft),
                    }
                }
            }
            // Who comes while they are there is of their stream.
            let mut late = site.sender(&Options::new());
            assert!(late.send(b"x").is_err());
            late.finish().unwrap();
            senders.into_iter().for_each(|sender| sender.finish().unwrap());
            let mut anew: Sender = site.sender(&Options::new());
            anew.send(b"anew").unwrap();
            assert_eq!(anew.peer().unwrap(), Peer::NoneYet);
            let mut receiver = site.receiver(&Options::new());
            let got = receiver.recv().unwrap().map(|record| record.to_vec());
            assert_eq!(got.unwrap(), b"anew");
            anew.finish().unwrap();
            assert!(receiver.recv().unwrap().is_none());
        }
    }
}

/// Who sent nothing and waits for somebody to be told so keeps the ring, also
/// when it is not the last to leave.
#[test]
fn a_sender_that_waits_for_a_reader_is_not_left_without_a_ring() {
    alone(|| {
        let name = RingName::new("waits");
        let one: Sender = soon().create_new(&name).unwrap();
        let other: Sender = soon().open(&name).unwrap();
        let waiting = thread::spawn(move || one.finish_and_wait());
        eventually("the sender to have finished", || {
            let ring = inspect::status(&name).unwrap();
            let mut ends = ring.ends_of(inspect::Role::Producer);
            ends.any(|end| end.attached && end.state == Peer::Finished).then_some(())
        });
        other.finish().unwrap();
        name.assert_exists();
        let mut receiver: Receiver = soon().open(&name).unwrap();
        assert!(receiver.recv_timeout(DEADLINE).unwrap().is_none());
        waiting.join().unwrap().unwrap();
        drop(receiver);
        name.assert_gone();
    });
}
