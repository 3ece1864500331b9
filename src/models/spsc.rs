//! The single-producer ring under loom: every interleaving and every permitted reordering of two
//! threads, a ring of two cells, three bytes through it (so it fills, empties and comes round).
//!
//! The bytes are loom cells: loom fails the model if the producer writes one while the consumer
//! may still read it, which is what the two Release/Acquire pairs are there to rule out. Weaken
//! either to Relaxed and this test fails.

use crate::{
    ring::spsc::{Consumer, Producer},
    sync::AtomicU64,
};
use loom::{cell::UnsafeCell, sync::Arc, thread};

const CAPACITY: u64 = 2;
const BYTES: u64 = 3;

struct Shared {
    tail: AtomicU64,
    head: AtomicU64,
    data: [UnsafeCell<u8>; CAPACITY as usize],
}

#[test]
fn bytes_arrive_once_whole_and_in_order() {
    // Exhaustive: no preemption bound.
    loom::model(|| {
        let shared = Arc::new(Shared {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            data: [UnsafeCell::new(0), UnsafeCell::new(0)],
        });

        let theirs = Arc::clone(&shared);
        let producer = thread::spawn(move || {
            let mut producer = Producer::new(0, 0, CAPACITY).unwrap();
            for byte in 0..BYTES {
                while producer.free() == 0 {
                    producer.refresh(&theirs.head).unwrap();
                    thread::yield_now();
                }
                let cell = &theirs.data[(producer.position() % CAPACITY) as usize];
                // SAFETY: loom itself checks that nobody else is at this cell.
                cell.with_mut(|cell| unsafe { *cell = byte as u8 + 1 });
                producer.publish(1, &theirs.tail);
            }
        });

        let mut consumer = Consumer::new(0, 0, CAPACITY).unwrap();
        for byte in 0..BYTES {
            while consumer.available() == 0 {
                // Both ways of looking; the second is the one of a hurry.
                if !consumer.glance(&shared.tail, 1) {
                    consumer.refresh(&shared.tail).unwrap();
                }
                thread::yield_now();
            }
            let cell = &shared.data[(consumer.position() % CAPACITY) as usize];
            // SAFETY: as above.
            assert_eq!(cell.with(|cell| unsafe { *cell }), byte as u8 + 1);
            consumer.release(1, &shared.head);
        }
        producer.join().unwrap();
    });
}
