//! Ends that have something to do when the server comes back.

use super::*;
use crate::{
    for_each_face, for_each_single_face,
    support::{Shared, alone},
};
use shmpipe::WriteError;
use std::{sync::atomic::Ordering, thread};

/// What was written is read first, and then how the stream ended, if its writer had said so.
#[test]
fn all_that_was_written_is_read_and_then_it_is_told() {
    fn check<F: Face>() {
        for way in ["killed", "dropped", "finished"] {
            let name = RingName::new(F::NAME);
            let mut from: F::In = patient().open_or_create(&name).unwrap();
            if way == "killed" {
                kill_one::<F::Out>(&name, &server(), |out| assert!(F::fill(out) > 10));
            } else {
                let mut out: F::Out = server().open(&name).unwrap();
                (0..11).for_each(|number| F::put(&mut out, number).unwrap());
                match way {
                    "finished" => {
                        let end = thread::spawn(move || F::finish_and_wait(out));
                        // It waits until this is told, or until its ring is gone.
                        let (numbers, end_of_stream) = take_all::<F>(&mut from);
                        assert!(numbers.len() == 11 && end_of_stream.is_none());
                        end.join().unwrap().unwrap();
                    }
                    _ => drop(out),
                }
            }
            let mut out: F::Out = server().open_or_create(&name).unwrap();
            if way != "finished" {
                let (numbers, end) = take_all::<F>(&mut from);
                assert!(numbers.len() > 10 && numbers.iter().copied().eq(0..numbers.len() as u64));
                match end {
                    Some(ReadError::Dropped) => assert_eq!(way, "dropped"),
                    Some(ReadError::Replaced) => assert_eq!(way, "killed"),
                    end => panic!("{}, {way}: {end:?}", F::NAME),
                }
            }
            assert_replaced::<F>(&mut from);
            let mut new: F::In = patient().open(&name).unwrap();
            assert_meet::<F>(&mut out, &mut new);
            // The old one does not take the new one's name with it.
            drop(from);
            name.assert_exists();
            drop((out, new));
            name.assert_gone();
        }
    }
    alone(|| for_each_single_face!(check));
}

/// A whole stream that was not read yet is told to be whole.
#[test]
fn a_stream_that_was_finished_is_finished() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        let mut from: F::In = patient().open_or_create(&name).unwrap();
        let mut out: F::Out = patient().open(&name).unwrap();
        (0..5).for_each(|number| F::put(&mut out, number).unwrap());
        let end = thread::spawn(move || F::finish_and_wait(out));
        let memory = Memory::of(&name);
        memory.until_parked(PRODUCER_PARKED);
        // It has finished, and keeps its place until this is told.
        assert_taken(server().open::<F::Out>(&name), "writer");
        let (numbers, told) = take_all::<F>(&mut from);
        assert!(numbers.len() == 5 && told.is_none(), "{}: {told:?}", F::NAME);
        end.join().unwrap().unwrap();
        let _out: F::Out = server().open(&name).unwrap();
        assert_replaced::<F>(&mut from);
    }
    alone(|| for_each_single_face!(check));
}

/// A reader that never stops reading while its writer is killed and replaced gets every number that
/// the writer says it has written before it is told.
#[test]
fn a_reader_of_writers_that_are_killed_and_replaced() {
    fn check<F: Face>() {
        let mut random = Random::new();
        let written = Shared::new();
        for _ in 0..60 {
            let name = RingName::new(F::NAME);
            let mut from: F::In = patient().open_or_create(&name).unwrap();
            written[0].store(0, Ordering::Release);
            let mut victim = Child::fork(|line| {
                // Of a ring that nobody has used it makes use.
                let mut out: F::Out = server().open(&name).unwrap();
                line.say("attached");
                for number in 0.. {
                    F::put(&mut out, number).unwrap();
                    written[0].store(number + 1, Ordering::Release);
                }
            });
            victim.expect("attached");
            let reader = thread::spawn(move || (take_all::<F>(&mut from), from));
            spin_for(random.micros_below(500));
            victim.kill();
            let out: F::Out = server().open(&name).unwrap();
            let ((numbers, end), from) = reader.join().unwrap();
            assert!(matches!(end, Some(ReadError::Replaced)), "{}: {end:?}", F::NAME);
            let written = written[0].load(Ordering::Acquire);
            assert!(numbers.len() as u64 >= written, "{} of {written} were read", numbers.len());
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "in order");
            drop((from, out));
            name.assert_gone();
        }
    }
    alone(|| for_each_single_face!(check));
}

#[test]
fn a_producer_with_room_is_told_at_its_next_operation() {
    fn check<F: Face>() {
        let name = RingName::new(F::NAME);
        kill_one::<F::In>(&name, &server(), |_| {});
        let mut out: F::Out = patient().open_or_create(&name).unwrap();
        F::put(&mut out, 1).unwrap();
        let from: F::In = server().open(&name).unwrap();
        assert!(matches!(F::try_put(&mut out, 2), Err(WriteError::Replaced)), "{}", F::NAME);
        assert!(matches!(F::put(&mut out, 2), Err(WriteError::Replaced)), "{}", F::NAME);
        drop(out);
        name.assert_exists();
        drop(from);
        name.assert_gone();
    }
    alone(|| for_each_face!(check));
}
