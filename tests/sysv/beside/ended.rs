//! Ends that sleep beside the segment when something comes to its end: one of them is killed,
//! asleep or while it wakes the other; the ring is removed; an end is aborted from another thread.

use super::*;
use crate::{
    for_each_face,
    removed::How,
    support::{skip, wait_to_be_killed},
    tracing::{Came, Victim, Way, permitted},
};
use shmpipe::{
    ReadError, WriteError,
    inspect::{self, Force},
};
use std::thread;

/// Deaths that were not told yet apart.
fn next<F: Face>(from: &mut F::In) -> u64 {
    loop {
        match F::take(from, DEADLINE) {
            Ok(number) => return number.unwrap(),
            Err(ReadError::Died | ReadError::Dropped) => {}
            Err(error) => panic!("{}: {error:?}", F::NAME),
        }
    }
}

/// What was posted for it wakes its successor at most once too often.
#[test]
fn a_sleeping_consumer_is_killed() {
    fn check<F: Face>() {
        let place = Place::new();
        for mode in MODES {
            let (key, name) = place.key();
            let options = patient(mode);
            let mut out: F::Out = options.create_new(&name).unwrap();
            let beds = Beds::of(key);
            for round in 0..3 {
                let sleeper = Child::fork(|_| {
                    let mut from: F::In = options.open(&name).unwrap();
                    let _ = F::take(&mut from, HOUR);
                });
                beds.until_consumer_asleep();
                sleeper.kill();
                beds.until_nobody_asleep();
                // It wakes who is not there any more.
                F::put(&mut out, 2 * round).unwrap();
                let mut heir = Child::fork(|line| {
                    let mut from: F::In = options.open(&name).unwrap();
                    assert_eq!(next::<F>(&mut from), 2 * round);
                    line.say("taken");
                    assert_eq!(next::<F>(&mut from), 2 * round + 1);
                    line.say("woken");
                    wait_to_be_killed();
                });
                heir.expect("taken");
                beds.until_consumer_asleep();
                F::put(&mut out, 2 * round + 1).unwrap();
                heir.expect("woken");
                heir.kill();
            }
            drop((out, options.open::<F::In>(&name).unwrap()));
            place.assert_empty();
        }
    }
    alone(|| for_each_face!(check));
}

#[test]
fn a_sleeping_producer_is_killed() {
    fn check<F: Face>() {
        let place = Place::new();
        for mode in MODES {
            let (key, name) = place.key();
            let options = patient(mode).resume();
            let mut from: F::In = options.create_new(&name).unwrap();
            let beds = Beds::of(key);
            for _ in 0..3 {
                let produce = || {
                    Child::fork(|line| {
                        let mut out: F::Out = options.open(&name).unwrap();
                        line.show(F::fill(&mut out));
                        F::put(&mut out, u64::MAX).unwrap();
                        line.say("woken");
                        wait_to_be_killed();
                    })
                };
                let mut sleeper = produce();
                let filled: u64 = sleeper.hear().parse().unwrap();
                beds.until_producer_asleep::<F>();
                sleeper.kill();
                beds.until_nobody_asleep();
                (0..filled).for_each(|number| assert_eq!(next::<F>(&mut from), number));
                let mut heir = produce();
                let filled: u64 = heir.hear().parse().unwrap();
                beds.until_producer_asleep::<F>();
                (0..filled).for_each(|number| assert_eq!(next::<F>(&mut from), number));
                assert_eq!(next::<F>(&mut from), u64::MAX);
                heir.expect("woken");
                heir.kill();
            }
            drop(from);
            place.assert_empty();
        }
    }
    alone(|| for_each_face!(check));
}

/// Behind each system call that the waker makes: the sleeper has what was sent, or
/// is told that nothing more comes.
#[test]
fn the_waker_is_killed() {
    fn check<F: Face>() {
        let (place, said) = (Place::new(), Shared::new());
        let options = patient(0o660).liveness_interval(Duration::from_millis(20)).resume();
        let mut arrived = 0;
        for calls in 0.. {
            let (key, name) = place.key();
            drop(options.clone().persistent(true).create_new::<F::In>(&name).unwrap());
            let beds = Beds::of(key);
            let mut sleeper = Child::fork(|line| {
                let mut from: F::In = options.open(&name).unwrap();
                line.say("here");
                let first = F::take(&mut from, DEADLINE);
                line.say(match first {
                    Ok(Some(1)) => "it came",
                    Err(ReadError::Died) => "nothing came",
                    told => panic!("{told:?}"),
                });
                assert_eq!(next::<F>(&mut from), 2);
            });
            sleeper.expect("here");
            let waker = Victim::fork(&said, |_, marks| {
                let mut out: F::Out = options.open(&name).unwrap();
                beds.until_consumer_asleep();
                marks.begin();
                F::put(&mut out, 1).unwrap();
                marks.end();
                wait_to_be_killed();
            });
            let came = waker.go(Way { calls, steps: 0 }, &mut || {});
            waker.kill();
            arrived += usize::from(sleeper.hear() == "it came");
            let mut out: F::Out = options.open(&name).unwrap();
            beds.until_consumer_asleep();
            F::put(&mut out, 2).unwrap();
            sleeper.join();
            drop(out);
            inspect::remove(&name, Force::Yes).unwrap();
            place.assert_empty();
            if came == Came::Through {
                assert!(arrived > 0, "{}: behind {calls} calls", F::NAME);
                break;
            }
        }
    }
    alone(|| match permitted() {
        Ok(()) => for_each_face!(check),
        Err(why) => skip(why),
    });
}

/// The kernel wakes who sleeps in a set that is removed (EIDRM).
#[test]
fn the_ring_is_removed() {
    fn check<F: Face>() {
        let place = Place::new();
        for how in [How::Set, How::SetFirst, How::Both, How::Forced] {
            for with_peer in [true, false] {
                let (key, name) = place.key();
                let options = patient(0o666);
                let mut from: F::In = options.create_new(&name).unwrap();
                let peer = with_peer.then(|| options.open::<F::Out>(&name).unwrap());
                let beds = Beds::of(key);
                // It stays until the removal is through, which it would have a part in.
                let reader = thread::spawn(move || (F::take(&mut from, HOUR), from));
                beds.until_consumer_asleep();
                how.remove(key, &name);
                let (told, from) = reader.join().unwrap();
                assert!(matches!(told, Err(ReadError::Removed)), "{}, {how:?}: {told:?}", F::NAME);
                drop((from, peer));
                place.assert_empty();

                let (key, name) = place.key();
                let mut out: F::Out = options.create_new(&name).unwrap();
                let peer = with_peer.then(|| options.open::<F::In>(&name).unwrap());
                let beds = Beds::of(key);
                let n = F::fill(&mut out);
                let writer = thread::spawn(move || (F::put(&mut out, n), out));
                beds.until_producer_asleep::<F>();
                how.remove(key, &name);
                let (told, out) = writer.join().unwrap();
                assert!(matches!(told, Err(WriteError::Removed)), "{}, {how:?}: {told:?}", F::NAME);
                drop((out, peer));
                place.assert_empty();
            }
        }
    }
    alone(|| for_each_face!(check));
}

#[test]
fn an_end_is_aborted_from_another_thread() {
    fn check<F: Face>() {
        let place = Place::new();
        for mode in MODES {
            let options = patient(mode);
            let (key, name) = place.key();
            let mut from: F::In = options.create_new(&name).unwrap();
            let (aborter, beds) = (F::aborter_of_in(&from), Beds::of(key));
            let reader = thread::spawn(move || F::take(&mut from, HOUR));
            beds.until_consumer_asleep();
            aborter.abort();
            let told = reader.join().unwrap();
            assert!(matches!(told, Err(ReadError::Aborted)), "{}: {told:?}", F::NAME);
            place.assert_empty();

            let (key, name) = place.key();
            let mut out: F::Out = options.create_new(&name).unwrap();
            let from: F::In = options.open(&name).unwrap();
            let (aborter, beds) = (F::aborter_of_out(&out), Beds::of(key));
            let n = F::fill(&mut out);
            let writer = thread::spawn(move || F::put(&mut out, n));
            beds.until_producer_asleep::<F>();
            aborter.abort();
            let told = writer.join().unwrap();
            assert!(matches!(told, Err(WriteError::Aborted)), "{}: {told:?}", F::NAME);
            // What it had written nobody has read.
            drop(from);
            let _ = inspect::remove(&name, Force::Yes);
            place.assert_empty();
        }
    }
    alone(|| for_each_face!(check));
}
