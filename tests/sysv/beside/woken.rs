//! Whoever sleeps is woken, by whom and whenever that is.

use super::*;
use crate::for_each_face;
use shmpipe::mpsc;

#[test]
fn empty_and_full_by_turns() {
    fn check<F: Face>() {
        let place = Place::new();
        for mode in MODES {
            to_and_fro::<F>(&patient(mode), &place, |_| None);
        }
    }
    alone(|| for_each_face!(check));
}

/// And either sleeps until the other has answered.
#[test]
fn ping_pong() {
    fn check<F: Face>() {
        let place = Place::new();
        for mode in MODES {
            let ((key, there), (_, back)) = (place.key(), place.key());
            let options = patient(mode);
            let mut out: F::Out = options.create_new(&there).unwrap();
            let mut from: F::In = options.create_new(&back).unwrap();
            let beds = Beds::of(key);
            let child = Child::fork(|_| {
                let mut from: F::In = options.open(&there).unwrap();
                let mut out: F::Out = options.open(&back).unwrap();
                while let Some(number) = F::take(&mut from, DEADLINE).unwrap() {
                    F::put(&mut out, number).unwrap();
                }
                let stats = F::stats_of_in(&from);
                assert!(stats.sleeps >= ROUNDS && stats.late_wakeups == 0, "{stats:?}");
                F::finish_and_wait(out).unwrap();
            });
            for round in 0..10 * ROUNDS {
                // Asleep for sure in every tenth; in the others on its way there.
                if round % 10 == 0 {
                    beds.until_consumer_asleep();
                }
                F::put(&mut out, round).unwrap();
                assert_eq!(F::take(&mut from, DEADLINE).unwrap(), Some(round));
            }
            F::finish_and_wait(out).unwrap();
            assert_eq!(F::take(&mut from, DEADLINE).unwrap(), None);
            assert_eq!(F::stats_of_in(&from).late_wakeups, 0);
            drop(from);
            child.join();
            place.assert_empty();
        }
    }
    alone(|| for_each_face!(check));
}

/// Each at its own semaphore, and each is woken.
#[test]
fn several_senders_asleep_for_room() {
    const SENDERS: i32 = 5;
    const EACH: u64 = 300;
    alone(|| {
        let place = Place::new();
        for mode in MODES {
            let (key, name) = place.key();
            let options = patient(mode);
            let mut receiver: mpsc::Receiver = options.create_new(&name).unwrap();
            let beds = Beds::of(key);
            // The first seat is that of who fills the ring.
            let mut first: mpsc::Sender = options.open(&name).unwrap();
            let filled = Many::fill(&mut first);
            let mut children = Vec::new();
            for seat in 1..=SENDERS {
                children.push(Child::fork(|_| {
                    let mut sender: mpsc::Sender = options.open(&name).unwrap();
                    let number = |n| u64::from(seat.unsigned_abs()) << 32 | n;
                    (0..EACH).for_each(|n| Many::put(&mut sender, number(n)).unwrap());
                    let stats = sender.stats();
                    assert!(stats.sleeps > 0 && stats.late_wakeups == 0, "{stats:?}");
                    sender.finish().unwrap();
                }));
                beds.until_asleep(&(1..=seat).map(|n| beds.seat(n)).collect::<Vec<_>>());
            }
            (0..filled)
                .for_each(|n| assert_eq!(Many::take(&mut receiver, DEADLINE).unwrap(), Some(n)));
            let mut next = [0; SENDERS as usize + 1];
            for _ in 0..EACH * SENDERS as u64 {
                let number = Many::take(&mut receiver, DEADLINE).unwrap().unwrap();
                let next = &mut next[(number >> 32) as usize];
                assert_eq!(number & 0xffff_ffff, *next);
                *next += 1;
            }
            children.into_iter().for_each(Child::join);
            drop((first, receiver));
            place.assert_empty();
        }
    });
}
