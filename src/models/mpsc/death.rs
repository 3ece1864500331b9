//! A producer that is killed after each of its steps, while another claims and
//! the consumer repairs.

use super::*;
use crate::{
    models::{
        Search::{self, EveryOrder, UpTo},
        before_look, explore_deaths,
    },
    sync::mortal::killed_after,
};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// The victim takes its seat, commits a record of one block and aborts a claim of two, or the other
/// way round, and leaves. Notes in `deeds` what it has committed, or is about to.
fn life(shared: &Shared, aborts: [bool; 2], deeds: &Deeds) {
    let mut producer = shared.producer(0);
    assert_eq!(shared.seat(0).take(shared.ring(), &mut producer), Ok(true));
    for (value, aborts) in (1..).zip(aborts) {
        let Some(claim) = producer.claim(shared.ring(), value.into(), || ()).unwrap() else {
            continue;
        };
        shared.fill(&claim, value);
        if aborts {
            assert!(producer.abort(shared.ring(), &claim));
        } else {
            deeds.committed.fetch_or(value, Relaxed);
            deeds.last.store(claim.position(), Relaxed);
            assert!(producer.commit(shared.ring(), &claim));
        }
    }
    shared.seat(0).leave(&producer);
}

/// What the victim has committed; of the last, where it was: whoever is killed in its commit, which
/// is a look and a store, has perhaps not come to the store.
#[derive(Default)]
struct Deeds {
    committed: AtomicU8,
    last: AtomicU64,
}

impl Deeds {
    /// What the victim has committed, or had when it was killed. While it has the seat: so long
    /// nobody but itself changes its claim before that is committed.
    fn committed(&self, shared: &Shared) -> u8 {
        let committed = self.committed.load(Relaxed);
        let last = geometry().unfinished(shared.ring(), self.last.load(Relaxed));
        match (committed, last) {
            (0, _) | (_, None) => committed,
            // The values are bits, and the last is the highest.
            (committed, Some(owner)) if owner == 0 => committed & !(1 << committed.ilog2()),
            _ => committed,
        }
    }
}

/// One execution: whether the victim was killed.
fn run(steps: u32, aborts: [bool; 2], other: &[u32], looks: usize) -> bool {
    let shared = Shared::new();
    assert!(shared.lock(0) && shared.lock(1));
    let victim = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let deeds = Deeds::default();
            let lived = killed_after(steps, || life(&shared, aborts, &deeds));
            let committed = match lived {
                Some(()) => deeds.committed.load(Relaxed),
                None => deeds.committed(&shared),
            };
            shared.unlock(0);
            (lived.is_none(), committed)
        }
    });
    let other = {
        let theirs = Arc::clone(&shared);
        let (mut producer, other) = (shared.producer(1), other.to_vec());
        thread::spawn(move || {
            let values = (11..).zip(other);
            let put = values.filter(|&(value, blocks)| theirs.put(&mut producer, blocks, value));
            put.map(|(value, _)| value).collect::<Vec<_>>()
        })
    };
    let mut consumer = shared.consumer();
    let mut got = Vec::new();
    for n in 0..looks {
        before_look(n);
        got.extend(shared.take(&mut consumer));
    }
    let ((killed, committed), put) = (victim.join().unwrap(), other.join().unwrap());
    got.extend(shared.drain(&mut consumer));

    // Everything committed arrived once, in the order of its producer, and nothing else did.
    let of = |who| got.iter().copied().filter(move |value| value / 10 == who).collect::<Vec<_>>();
    assert_eq!(of(1), put);
    assert_eq!(of(0), [1, 2].into_iter().filter(|bit| committed & bit != 0).collect::<Vec<_>>());
    // The seat is to be had, and the ring goes on.
    let mut next = shared.producer(0);
    assert_eq!(shared.seat(0).take(shared.ring(), &mut next), Ok(true));
    assert!(shared.put(&mut next, BLOCKS as u32, 55));
    assert_eq!(shared.take(&mut consumer), Some(55));
    shared.assert_empty();
    killed
}

#[track_caller]
fn explore(search: Search, aborts: [bool; 2], other: &'static [u32], looks: usize) {
    explore_deaths(search, move |steps| run(steps, aborts, other, looks));
}

#[test]
fn while_another_claims() {
    explore(UpTo(1), [false, true], &[1], 2);
    explore(UpTo(1), [true, false], &[1, 2], 1);
}

#[test]
fn in_every_order() {
    explore(EveryOrder(1), [false, true], &[1], 2);
}
