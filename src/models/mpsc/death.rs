//! A producer that is killed after each of its steps, while another claims and the consumer repairs.

use super::*;
use crate::{
    models::{
        Search::{self, EveryOrder, UpTo},
        before_look, explore_deaths,
    },
    sync::mortal::killed_after,
};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The victim takes its seat, commits a record of one block and aborts a claim of two, or the other way round, and
/// leaves. Notes in `committed` what it has committed; as commit is one step, whoever is killed in it has
/// committed.
fn life(shared: &Shared, aborts: [bool; 2], committed: &AtomicU8) {
    let mut producer = shared.producer(0);
    assert_eq!(shared.seat(0).take(shared.ring(), &mut producer), Ok(true));
    for (value, aborts) in (1..).zip(aborts) {
        let Some(claim) = producer.claim(shared.ring(), value.into()).unwrap() else {
            continue;
        };
        shared.fill(&claim, value);
        if aborts {
            assert!(producer.abort(shared.ring(), &claim));
        } else {
            committed.fetch_or(value, Relaxed);
            assert!(producer.commit(shared.ring(), &claim));
        }
    }
    shared.seat(0).leave(&producer);
}

/// One execution: whether the victim was killed.
fn run(steps: u32, aborts: [bool; 2], other: &[u32], looks: usize) -> bool {
    let shared = Shared::new();
    let committed = Arc::new(AtomicU8::new(0));
    assert!(shared.lock(0) && shared.lock(1));
    let victim = thread::spawn({
        let (shared, committed) = (Arc::clone(&shared), Arc::clone(&committed));
        move || {
            let lived = killed_after(steps, || life(&shared, aborts, &committed));
            shared.unlock(0);
            lived.is_none()
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
    let (killed, put) = (victim.join().unwrap(), other.join().unwrap());
    got.extend(shared.drain(&mut consumer));

    // Everything committed arrived once, in the order of its producer, and nothing else did.
    let of = |who| got.iter().copied().filter(move |value| value / 10 == who).collect::<Vec<_>>();
    assert_eq!(of(1), put);
    let committed = committed.load(Relaxed);
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
