//! A consumer that is killed after each of its steps, and the one that takes over.

use super::*;
use crate::{
    models::{
        Search::{self, EveryOrder, UpTo},
        explore_deaths,
    },
    sync::mortal::killed_after,
};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What is known of the one that is killed.
#[derive(Default)]
struct Known {
    /// Records that it has read.
    read: AtomicUsize,
    /// Records whose release has come to its end.
    released: AtomicUsize,
}

/// Takes the ring up and looks some times; what it finds in a row it reads, and releases at once.
fn life(shared: &Shared, looks: usize, known: &Known) {
    let mut consumer = shared.consumer();
    for _ in 0..looks {
        let mut end = consumer.position();
        let found = loop {
            match consumer.look(shared.ring(), end - consumer.position()).unwrap() {
                Found::Committed { blocks, .. } => {
                    let value = shared.read(end, blocks);
                    assert_eq!(
                        usize::from(value),
                        1 + known.read.fetch_add(1, Relaxed),
                        "in order"
                    );
                    end += u64::from(blocks);
                }
                found => break found,
            }
        };
        if end == consumer.position() {
            shared.repair(&mut consumer, found);
        } else {
            consumer.release(shared.ring(), end).unwrap();
            known.released.store(known.read.load(Relaxed), Relaxed);
        }
    }
}

/// In the ring there are two records and a claim of a dead producer that the tail is not past;
/// another producer comes with records of these `lengths`. Whether the consumer was killed.
fn run(steps: u32, lengths: &[u32], looks: usize) -> bool {
    let shared = Shared::new();
    assert!(shared.lock(1));
    let mut dead = shared.producer(0);
    assert!(shared.put(&mut dead, 1, 1) && shared.put(&mut dead, 1, 2));
    // A claim is three steps, if there is room, and the next moves the tail.
    assert!(killed_after(3, || drop(dead.claim(shared.ring(), 1, || ()))).is_none());
    let mut consumer = Known::default();
    let producer = thread::spawn({
        let (theirs, lengths) = (Arc::clone(&shared), lengths.to_vec());
        move || {
            let mut producer = theirs.producer(1);
            let mut value = 3;
            for blocks in lengths {
                value += u8::from(theirs.put(&mut producer, blocks, value));
            }
            usize::from(value)
        }
    });
    thread::yield_now();
    let killed = killed_after(steps, || life(&shared, looks, &consumer)).is_none();
    let mut next = shared.consumer();
    thread::yield_now();
    let mut got = Vec::new();
    got.extend(shared.take(&mut next));
    let end = producer.join().unwrap();
    got.extend(shared.drain(&mut next));

    // The next one goes on where the last release was, whole or in part.
    let (read, released) = (*consumer.read.get_mut(), *consumer.released.get_mut());
    let goes_on = end - got.len();
    assert!((1 + released..=1 + read).contains(&goes_on), "{got:?}, {released} of {read}");
    assert!(got.iter().copied().map(usize::from).eq(goes_on..end), "each once and in order");
    shared.assert_empty();
    killed
}

#[track_caller]
fn explore(search: Search, lengths: &'static [u32], looks: usize) {
    explore_deaths(search, move |steps| run(steps, lengths, looks));
}

#[test]
fn while_another_claims() {
    explore(UpTo(2), &[1, 2], 4);
}

#[test]
fn in_every_order() {
    explore(EveryOrder(2), &[1], 4);
}
