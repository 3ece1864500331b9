//! Ends that sleep when the server comes back are woken and told.

use super::*;
use crate::{for_each_face, for_each_single_face, support::alone};
use shmpipe::{Peer, WriteError, mpsc};
use std::thread;

#[test]
fn a_consumer_on_an_empty_ring() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        kill_one::<F::Out>(&name, &server(), |out| F::put(out, 1).unwrap());
        let mut from: F::In = patient().open(&name).unwrap();
        let memory = Memory::of(&name);
        let reader = thread::spawn(move || (take_all::<F>(&mut from), from));
        memory.until_parked(CONSUMER_PARKED);
        let mut out: F::Out = server().open_or_create(&name).unwrap();
        let ((numbers, end), mut from) = reader.join().unwrap();
        assert!(matches!(end, Some(ReadError::Replaced)), "{}: {end:?}", F::NAME);
        assert_eq!(numbers, [1]);
        assert_replaced::<F>(&mut from);
        drop(from);
        let mut from: F::In = patient().open(&name).unwrap();
        assert_meet::<F>(&mut out, &mut from);
        drop((out, from));
        name.assert_gone();
    }
    alone(|| for_each_single_face!(check));
}

/// Whether somebody had come to read or not.
#[test]
fn a_producer_on_a_full_ring() {
    fn check<F: Face>() {
        for reader_had_come in [true, false] {
            let name = RingName::new(F::NAME);
            if reader_had_come {
                kill_one::<F::In>(&name, &server(), |_| {});
            }
            let mut out: F::Out = patient().open_or_create(&name).unwrap();
            let n = F::fill(&mut out);
            let memory = Memory::of(&name);
            let writer = thread::spawn(move || (F::put(&mut out, n), out));
            memory.until_parked(parked_producer(F::NAME));
            let mut from: F::In = server().open_or_create(&name).unwrap();
            let (told, mut out) = writer.join().unwrap();
            assert!(matches!(told, Err(WriteError::Replaced)), "{}: {told:?}", F::NAME);
            for _ in 0..2 {
                assert!(matches!(F::put(&mut out, n), Err(WriteError::Replaced)));
                assert!(matches!(F::try_put(&mut out, n), Err(WriteError::Replaced)));
                assert_eq!(F::peer_of_out(&out), Peer::Replaced);
            }
            drop(out);
            let mut out: F::Out = patient().open(&name).unwrap();
            assert_meet::<F>(&mut out, &mut from);
            drop((out, from));
            name.assert_gone();
        }
    }
    alone(|| for_each_face!(check));
}

/// Also if the last reader had got everything: it did not say that it has.
#[test]
fn a_producer_that_waits_for_its_end_to_be_seen() {
    fn check<F: Face>() {
        // In a ring of many it is enough that all was received.
        for read in if F::NAME == "many" { 0..1 } else { 0..2 } {
            let name = RingName::new(F::NAME);
            let mut out: F::Out = patient().open_or_create(&name).unwrap();
            let mut victim = Child::fork(|line| {
                let mut from: F::In = patient().open(&name).unwrap();
                line.expect("read");
                (0..read).for_each(|_| assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(1)));
                line.say("read");
                wait_to_be_killed();
            });
            F::put(&mut out, 1).unwrap();
            victim.say("read");
            victim.expect("read");
            let memory = Memory::of(&name);
            let writer = thread::spawn(move || F::finish_and_wait(out));
            memory.until_parked(parked_producer(F::NAME));
            victim.kill();
            let from: F::In = server().open_or_create(&name).unwrap();
            let told = writer.join().unwrap();
            assert!(matches!(told, Err(WriteError::Replaced)), "{}, {read}: {told:?}", F::NAME);
            drop(from);
            name.assert_gone();
        }
    }
    alone(|| for_each_face!(check));
}

#[test]
fn each_of_many_senders() {
    alone(|| {
        let name = RingName::new("senders");
        kill_one::<mpsc::Receiver>(&name, &server(), |_| {});
        let mut first: mpsc::Sender = patient().open_or_create(&name).unwrap();
        let second = first.try_clone().unwrap();
        let third: mpsc::Sender = patient().open_or_create(&name).unwrap();
        face_support::Many::fill(&mut first);
        let memory = Memory::of(&name);
        let mut threads = Vec::new();
        for (number, mut sender) in [first, second, third].into_iter().enumerate() {
            threads.push(thread::spawn(move || (sender.send(b"one more"), sender)));
            memory.until_parked(FIRST_SEAT + number as u64 * SEAT + SEAT_PARKED);
        }
        let mut receiver: mpsc::Receiver = server().open_or_create(&name).unwrap();
        for thread in threads {
            let (told, sender) = thread.join().unwrap();
            assert!(matches!(told, Err(WriteError::Replaced)), "{told:?}");
            let error = sender.try_clone().unwrap_err();
            assert!(matches!(error.kind(), OpenErrorKind::Replaced), "{error:?}");
        }
        let mut sender: mpsc::Sender = patient().open(&name).unwrap();
        assert_meet::<face_support::Many>(&mut sender, &mut receiver);
        drop((sender, receiver));
        name.assert_gone();
    });
}

/// Senders may replace a ring, too, as long as nobody is there to receive.
#[test]
fn senders_by_a_sender() {
    alone(|| {
        let name = RingName::new("by-a-sender");
        let mut receiver: mpsc::Receiver = patient().open_or_create(&name).unwrap();
        assert_taken(server().open::<mpsc::Sender>(&name), "reader");
        let mut old: mpsc::Sender = patient().open(&name).unwrap();
        assert_meet::<face_support::Many>(&mut old, &mut receiver);
        drop(receiver);
        let mut new: mpsc::Sender = server().open_or_create(&name).unwrap();
        assert!(matches!(old.send(b"x"), Err(WriteError::Replaced)));
        let mut receiver: mpsc::Receiver = patient().open(&name).unwrap();
        assert_meet::<face_support::Many>(&mut new, &mut receiver);
        drop((old, new, receiver));
        name.assert_gone();
    });
}

fn parked_producer(face: &str) -> u64 {
    if face == "many" { FIRST_SEAT + SEAT_PARKED } else { PRODUCER_PARKED }
}
