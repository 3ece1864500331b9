//! The copy of the newest item under loom: a consumer that takes items from the tail's line where
//! it can, and from the ring where it cannot, gets each item, whole.
//!
//! Every item is two words that must agree. The producer copies the first and the third item and
//! not the second, so that a copy grows old; the consumer is as late as loom makes it. Take away
//! either fence in `ring::newest` and this fails.

use crate::{
    ring::{
        newest::{Newest, WORDS},
        spsc::{Consumer, Producer},
    },
    sync::AtomicU64,
};
use loom::{cell::UnsafeCell, sync::Arc, thread};

const CAPACITY: u64 = 4;
const ITEMS: u64 = 3;

struct Shared {
    tail: AtomicU64,
    head: AtomicU64,
    newest: Newest,
    data: [UnsafeCell<[u64; 2]>; CAPACITY as usize],
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        tail: AtomicU64::new(0),
        head: AtomicU64::new(0),
        newest: Newest { of: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) },
        data: std::array::from_fn(|_| UnsafeCell::new([0; 2])),
    })
}

/// Item `n`, published at `n`.
fn item(n: u64) -> [u64; 2] {
    [n + 1, 100 * (n + 1)]
}

fn words([first, second]: [u64; 2]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    (words[0], words[1]) = (first, second);
    words
}

fn produce(shared: &Shared, producer: &mut Producer, copied: bool) {
    let at = producer.position();
    // SAFETY: loom itself checks that nobody else is at this cell.
    shared.data[(at % CAPACITY) as usize].with_mut(|cell| unsafe { *cell = item(at) });
    if copied {
        shared.newest.put(at, &words(item(at)));
    }
    producer.publish(1, &shared.tail);
}

fn consume(shared: &Shared, consumer: &mut Consumer) -> [u64; 2] {
    while consumer.available() == 0 {
        consumer.refresh(&shared.tail).unwrap();
        thread::yield_now();
    }
    let at = consumer.position();
    let mut words = [0; WORDS];
    let found = match shared.newest.get(at, &mut words) {
        true => [words[0], words[1]],
        // SAFETY: as above.
        false => shared.data[(at % CAPACITY) as usize].with(|cell| unsafe { *cell }),
    };
    consumer.release(1, &shared.head);
    found
}

#[test]
fn items_are_whole_wherever_they_are_taken_from() {
    loom::model(|| {
        let shared = shared();
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut producer = Producer::new(0, 0, CAPACITY).unwrap();
            for n in 0..ITEMS {
                produce(&theirs, &mut producer, n != 1);
            }
        });
        let mut consumer = Consumer::new(0, 0, CAPACITY).unwrap();
        for n in 0..ITEMS {
            assert_eq!(consume(&shared, &mut consumer), item(n));
        }
        thread.join().unwrap();
    });
}

#[test]
fn what_a_producer_that_died_has_copied_is_not_taken_for_its_successors() {
    loom::model(|| {
        let shared = shared();
        // The first was killed between the copy and the tail.
        shared.newest.put(0, &words([6, 66]));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.newest.clear();
            let mut producer = Producer::new(0, 0, CAPACITY).unwrap();
            produce(&theirs, &mut producer, false);
        });
        let mut consumer = Consumer::new(0, 0, CAPACITY).unwrap();
        assert_eq!(consume(&shared, &mut consumer), item(0));
        thread.join().unwrap();
    });
}
