//! Those who take over the seat of a dead producer, and die over it in their turn.

use super::*;
use crate::{
    models::{
        Search::{EveryOrder, UpTo},
        before_look, explore, explore_deaths,
    },
    sync::mortal::killed_after,
};

/// Steps in which the first owner of the seat takes it, claims a block, and neither moves
/// the tail past it nor lives on.
const DIES_CLAIMING: u32 = 2 + 3 + 3;

/// Takes the seat if that can be had, and puts a record.
fn life(shared: &Shared, value: u8) -> bool {
    let mut producer = shared.producer(0);
    let seat = shared.seat(0);
    if !seat.take(shared.ring(), &mut producer).unwrap() {
        return false;
    }
    // Nothing of the last owner is in the ring: whatever is BUSY in this seat's name is ours.
    shared.put(&mut producer, 1, value);
    seat.leave(&producer);
    true
}

/// The first owner of the seat is killed after `first` steps, and then, one after the other, those
/// who come into it after so many of theirs, while perhaps another producer claims and the consumer
/// repairs. Whether the last of them was killed.
fn run(first: u32, then: &[u32], other: bool, looks: usize) -> bool {
    let shared = Shared::new();
    assert!(shared.lock(0) && shared.lock(1));
    let _ = killed_after(first, || life(&shared, 1));
    shared.unlock(0);
    let joiners = thread::spawn({
        let (shared, then) = (Arc::clone(&shared), then.to_vec());
        move || {
            let mut killed = false;
            for (value, steps) in (2..).zip(then) {
                assert!(shared.lock(0));
                killed = killed_after(steps, || life(&shared, value)).is_none();
                shared.unlock(0);
            }
            killed
        }
    });
    let other = other.then(|| {
        let theirs = Arc::clone(&shared);
        let mut producer = shared.producer(1);
        thread::spawn(move || theirs.put(&mut producer, 1, 11))
    });
    let mut consumer = shared.consumer();
    let mut got = Vec::new();
    for n in 0..looks {
        before_look(n);
        got.extend(shared.take(&mut consumer));
    }
    let killed = joiners.join().unwrap();
    let put = other.is_some_and(|other| other.join().unwrap());
    // Somebody sits in the seat, and lives: what is left of the dead must not look like theirs.
    assert!(shared.lock(0));
    let mut last = shared.producer(0);
    let seated = shared.seat(0).take(shared.ring(), &mut last).unwrap();
    got.extend(shared.drain(&mut consumer));
    assert!(got.is_sorted_by(|a, b| a < b) || got.contains(&11), "each once, in order: {got:?}");
    assert_eq!(got.iter().filter(|&&value| value == 11).count(), usize::from(put));
    if !seated {
        assert_eq!(shared.seat(0).take(shared.ring(), &mut last), Ok(true));
    }
    assert!(shared.put(&mut last, BLOCKS as u32, 55));
    assert_eq!(shared.take(&mut consumer), Some(55));
    shared.assert_empty();
    killed
}

#[test]
fn what_kills_the_first_owner_amid_its_claim() {
    // That it is these steps.
    explore(UpTo(0), || {
        let shared = Shared::new();
        let _ = killed_after(DIES_CLAIMING, || life(&shared, 1));
        assert_eq!(shared.tail.load(Ordering::Relaxed), START);
        assert_eq!(
            shared.consumer().look(shared.ring(), 0),
            Ok(Found::Busy { owner: 0, blocks: 1 })
        );
    });
}

/// The first owner has only taken the seat, has claimed, has moved the tail as well, has committed.
/// (The step before that is a look.)
const FIRST: [u32; 4] = [DIES_CLAIMING - 1, DIES_CLAIMING, DIES_CLAIMING + 1, DIES_CLAIMING + 3];

#[test]
fn a_joiner_dies() {
    for first in FIRST {
        explore_deaths(UpTo(2), move |steps| run(first, &[steps], true, 1));
    }
}

#[test]
fn a_joiner_dies_in_every_order() {
    for first in FIRST {
        explore_deaths(EveryOrder(2), move |steps| run(first, &[steps], false, 3));
    }
    explore_deaths(EveryOrder(1), |steps| run(DIES_CLAIMING, &[steps], true, 1));
}

#[test]
fn two_joiners_die_one_after_the_other() {
    for second in 1..16 {
        explore_deaths(UpTo(2), move |steps| run(DIES_CLAIMING, &[second, steps], false, 4));
    }
}
