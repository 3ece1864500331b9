//! Nothing is allocated per record or value, on any path: a global allocator counts.
//!
//! Each path is warmed up once, for what is allocated once (the copy that a ring between users is
//! read through grows to the longest record), and is then gone through many times.

mod record_support;
mod stream_support;
mod support;

use shmpipe::{
    Options, Peer, Wait, record,
    slot::{Consumer, Producer},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::IoSlice,
    mem::forget,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use stream_support::*;

/// The system's allocator; counts what the calling thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Not while a thread ends.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by this function's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by this function's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: by this function's contract.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by this function's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread has allocated in there.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

/// Goes through something once to warm it up, and then as often as would show
/// the rarest allocation.
#[track_caller]
fn never_allocates(what: &str, mut run: impl FnMut()) {
    run();
    let found = allocations(|| (0..500).for_each(|_| run()));
    assert_eq!(found, 0, "{what}");
}

#[test]
fn the_counter_counts() {
    let found = allocations(|| drop(Box::new(1)));
    assert_eq!(found, 1);
    assert!(allocations(|| drop(vec![0_u8; 5])) > 0);
    assert_eq!(allocations(|| ()), 0);
}

type Step<'a> = (&'a str, fn(&mut record::Sender, &mut record::Receiver));

fn take(receiver: &mut record::Receiver) {
    receiver.recv().unwrap().unwrap();
}

const BYTES: [u8; 300] = [7; 300];

/// One record, or a few, there and out again, in every way.
const RECORDS: [Step<'_>; 20] = [
    ("send", |s, r| {
        s.kind(3).send(&BYTES).unwrap();
        take(r);
    }),
    ("an empty one", |s, r| {
        s.send(b"").unwrap();
        take(r);
    }),
    ("try_send", |s, r| {
        s.try_send(&BYTES).unwrap();
        drop(r.try_recv().unwrap());
    }),
    ("send_timeout", |s, r| {
        s.send_timeout(&BYTES, FOR_EVER).unwrap();
        drop(r.recv_timeout(FOR_EVER).unwrap());
    }),
    ("send_deadline", |s, r| {
        let soon = Instant::now() + FOR_EVER;
        s.send_deadline(&BYTES, soon).unwrap();
        drop(r.recv_deadline(soon).unwrap());
    }),
    ("send_or_drop", |s, r| {
        assert!(s.send_or_drop(&BYTES).unwrap());
        take(r);
    }),
    ("send_vectored", |s, r| {
        let (left, right) = BYTES.split_at(30);
        s.send_vectored(&[left, &[], right].map(IoSlice::new)).unwrap();
        take(r);
    }),
    ("send_pod", |s, r| {
        s.send_pod(&[1_u64, 2, 3]).unwrap();
        let record = r.recv().unwrap().unwrap();
        assert_eq!(record.as_pod::<[u64; 3]>(), Ok(&[1, 2, 3]));
        assert_eq!(record.as_pods::<u64>().unwrap().len(), 3);
        assert!(record.as_pod::<u8>().is_err());
    }),
    ("reserve", |s, r| {
        let mut reservation = s.reserve(300).unwrap();
        reservation.copy_from_slice(&BYTES);
        reservation.commit().unwrap();
        take(r);
    }),
    ("commit_truncated", |s, r| {
        let mut reservation = s.try_reserve(300).unwrap();
        reservation.set_kind(4);
        reservation.fill(4);
        reservation.commit_truncated(7).unwrap();
        take(r);
    }),
    ("a dropped reservation", |s, _| drop(s.reserve(300).unwrap())),
    ("a forgotten reservation", |s, _| forget(s.reserve(300).unwrap())),
    ("a batch", |s, r| {
        let mut batch = s.batch();
        for n in 0..10_usize {
            batch.send(&BYTES[..n]).unwrap();
            batch.try_send(&BYTES[..2 * n]).unwrap();
            batch.send_pod(&n).unwrap();
            batch.send_vectored(&[IoSlice::new(&BYTES[..n])]).unwrap();
            batch.reserve(n).unwrap().commit().unwrap();
            drop(batch.try_reserve(n).unwrap());
        }
        batch.commit().unwrap();
        let mut records = r.recv_batch().unwrap().unwrap();
        while records.next().unwrap().is_some() {}
    }),
    ("a batch received in parts", |s, r| {
        let mut batch = s.batch();
        (0..3).for_each(|_| batch.send(&BYTES).unwrap());
        batch.commit().unwrap();
        r.recv_batch().unwrap().unwrap().next().unwrap().unwrap();
        forget(r.try_recv_batch().unwrap().unwrap());
        drop(r.recv_batch_timeout(FOR_EVER).unwrap());
        (0..2).for_each(|_| take(r));
    }),
    ("a dropped batch", |s, _| s.batch().send(&BYTES).unwrap()),
    ("peek", |s, r| {
        s.send(&BYTES).unwrap();
        assert_eq!(r.peek().unwrap().unwrap().len(), 300);
        assert_eq!(r.try_peek().unwrap().unwrap().len(), 300);
        assert_eq!(r.peek_timeout(FOR_EVER).unwrap().unwrap().len(), 300);
        take(r);
    }),
    ("a forgotten record", |s, r| {
        s.send(&BYTES).unwrap();
        forget(r.recv().unwrap());
        take(r);
    }),
    ("a ring that is empty", |_, r| {
        assert!(r.try_recv().is_err() && r.try_peek().is_err() && r.try_recv_batch().is_err());
        assert!(r.recv_timeout(Duration::ZERO).is_err());
    }),
    ("a ring that is full", |s, r| {
        let mut all = 0;
        while s.try_send(&BYTES).is_ok() {
            all += 1;
        }
        assert!(!s.send_or_drop(&BYTES).unwrap());
        assert!(s.try_reserve(300).is_err() && s.try_send_vectored(&[]).is_ok());
        assert!(s.send_timeout(&BYTES, Duration::ZERO).is_err());
        assert!(s.batch().try_send(&BYTES).is_err());
        assert!(s.send(&[0; 1 << 16]).is_err(), "too large");
        (0..=all).for_each(|_| take(r));
    }),
    ("questions", |s, r| {
        let _ = (s.stats(), s.unread(), s.is_empty(), s.capacity(), s.max_len());
        let _ = (r.stats(), r.unread(), r.is_empty(), r.capacity());
    }),
];

#[test]
fn records() {
    for kind in KINDS {
        for align in [8, 64] {
            let (_name, mut sender, mut receiver) =
                kind.records_with(&Options::new().capacity(page()).payload_align(align));
            for (what, step) in RECORDS {
                never_allocates(what, || step(&mut sender, &mut receiver));
            }
        }
    }
}

#[test]
fn slots() {
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let (producer, consumer) = options.anonymous::<Producer<[u64; 3]>>().unwrap();
        let mut producer = producer.claim_with(&options).unwrap();
        let mut consumer: Consumer<[u64; 3]> = consumer.claim_with(&options).unwrap();
        let value = [1, 2, 3];
        never_allocates("push and pop", || {
            producer.push(value).unwrap();
            consumer.pop().unwrap().unwrap();
            producer.try_push(value).unwrap();
            consumer.try_pop().unwrap().unwrap();
            assert!(producer.push_or_drop(value).unwrap());
            consumer.pop_timeout(FOR_EVER).unwrap().unwrap();
            producer.push_timeout(value, FOR_EVER).unwrap();
            drop(consumer.pop_batch().unwrap());
        });
        never_allocates("slices", || {
            producer.push_slice(&[value; 100]).unwrap();
            assert_eq!(producer.try_push_slice(&[value; 100]).unwrap(), 70);
            consumer.pop_batch().unwrap().unwrap().release(10);
            drop(consumer.try_pop_batch().unwrap());
        });
        never_allocates("reservations", || {
            let mut slots = producer.reserve(50).unwrap();
            slots.fill(value);
            slots.commit().unwrap();
            producer.reserve_up_to(500).unwrap().commit_first(3).unwrap();
            drop(producer.reserve(1).unwrap());
            forget(producer.reserve(1).unwrap());
            forget(consumer.pop_batch().unwrap().unwrap());
            assert_eq!(consumer.pop_batch().unwrap().unwrap().len(), 53);
        });
        never_allocates("full and empty", || {
            while producer.try_push(value).is_ok() {}
            assert!(producer.push_timeout(value, Duration::ZERO).is_err());
            assert!(!producer.push_or_drop(value).unwrap());
            assert!(producer.try_push_slice(&[value]).is_err());
            assert!(producer.try_reserve(1).is_err());
            drop(consumer.pop_batch().unwrap());
            assert!(consumer.try_pop().is_err() && consumer.try_pop_batch().is_err());
            assert!(consumer.pop_timeout(Duration::ZERO).is_err());
        });
    }
}

const POLICIES: [Wait; 3] = [Wait::Adaptive, Wait::Spin, Wait::Sleep];

/// Neither end allocates when it waits, sleeps and is woken: each thread counts its own.
#[test]
fn ends_that_wait() {
    for kind in KINDS {
        for policy in POLICIES {
            let options = Options::new().capacity(page()).wait(policy);
            let (_name, mut sender, mut receiver) = kind.records_with(&options);
            let slow = Arc::new(AtomicBool::new(false));
            let receiver_is_slow = slow.clone();
            let receiving = thread::spawn(move || {
                let mut received = 0;
                let mut receive = |receiver: &mut record::Receiver| {
                    if receiver_is_slow.load(Relaxed) {
                        thread::sleep(Duration::from_micros(50));
                    }
                    let Some(mut records) = receiver.recv_batch().unwrap() else { return false };
                    while let Some(view) = records.next().unwrap() {
                        received += 1;
                        if view.is_empty() {
                            break;
                        }
                    }
                    true
                };
                assert!(receive(&mut receiver));
                let found = allocations(|| while receive(&mut receiver) {});
                (found, received, receiver.stats().sleeps)
            });
            sender.reserve(300).unwrap().commit().unwrap();
            // A ring that is empty most of the time: the receiver waits.
            let found = allocations(|| {
                for _ in 0..100 {
                    thread::sleep(Duration::from_micros(50));
                    sender.send(&BYTES).unwrap();
                }
                // And one that is full: the sender does.
                slow.store(true, Relaxed);
                for n in 0..1000 {
                    match n % 3 {
                        0 => sender.send(&BYTES).unwrap(),
                        1 => sender.reserve(300).unwrap().commit().unwrap(),
                        _ => {
                            let mut batch = sender.batch();
                            (0..20).for_each(|_| batch.send(&BYTES).unwrap());
                            batch.commit().unwrap();
                        }
                    }
                }
            });
            assert_eq!(found, 0, "{kind:?}, {policy:?}, the sender");
            let all = sender.stats().operations;
            let slept = sender.stats().sleeps;
            sender.finish().unwrap();
            let (found, received, sleeps) = joined(receiving);
            assert_eq!(found, 0, "{kind:?}, {policy:?}, the receiver");
            assert_eq!(received, all);
            assert!(
                policy != Wait::Sleep || (slept > 0 && sleeps > 0),
                "it was a test of sleeping"
            );
        }
    }
}

/// A receiver that sleeps until a record comes, again and again, and a sender that sleeps for room.
#[test]
fn slots_that_wait() {
    let options = Options::new().capacity(page()).wait(Wait::Sleep);
    let (producer, consumer) = options.anonymous::<Producer<u64>>().unwrap();
    let mut producer = producer.claim_with(&options).unwrap();
    let mut consumer: Consumer<u64> = consumer.claim_with(&options).unwrap();
    let thread = thread::spawn(move || {
        consumer.pop().unwrap().unwrap();
        let found = allocations(|| while consumer.pop().unwrap().is_some() {});
        (found, consumer.stats().sleeps)
    });
    producer.push(0).unwrap();
    for n in 0..20 {
        until("the consumer sleeps", || producer.peer().unwrap() == Peer::Waiting);
        let found = allocations(|| producer.push(n).unwrap());
        assert_eq!(found, 0);
    }
    let found = allocations(|| (0..5000).for_each(|n| producer.push(n).unwrap()));
    assert_eq!(found, 0);
    producer.finish().unwrap();
    let (found, sleeps) = joined(thread);
    assert_eq!(found, 0);
    assert!(sleeps > 0);
}

/// Requests and their answers, singly: then small ones come another way, with the
/// word that says that they came.
#[test]
fn conversations() {
    const ROUNDS: usize = 2000;
    for kind in KINDS {
        let options = Options::new().capacity(page()).trust(kind.trust);
        let (_name, mut ask, mut asked) = kind.records_with(&options);
        let (answer, answered) = options.anonymous::<Producer<u64>>().unwrap();
        let mut answer = answer.claim_with(&options).unwrap();
        let mut answered: Consumer<u64> = answered.claim_with(&options).unwrap();
        let thread = thread::spawn(move || {
            let mut serve = || {
                let record = asked.recv().unwrap().unwrap();
                let sum = record.iter().map(|byte| u64::from(*byte)).sum();
                drop(record);
                answer.push(sum).unwrap();
            };
            (0..ROUNDS).for_each(|_| serve());
            allocations(|| (0..ROUNDS).for_each(|_| serve()))
        });
        let mut request = || {
            ask.send(&BYTES[..40]).unwrap();
            assert_eq!(answered.pop().unwrap(), Some(280));
        };
        (0..ROUNDS).for_each(|_| request());
        let found = allocations(|| (0..ROUNDS).for_each(|_| request()));
        assert_eq!((found, joined(thread)), (0, 0), "{kind:?}");
    }
}
