//! The ring of many producers under loom: a ring of four blocks, which begins two
//! blocks before the lap passes 2^32.
//!
//! [`alive`] is about producers that live, [`death`] about one that is killed after each of its
//! steps in turn, [`seats`] about those who take over from it and are killed themselves,
//! [`consumer`] about a consumer that is killed after each of its steps, [`asleep`] about
//! producers that sleep for room.
//!
//! Bytes are loom cells: loom fails a model in which one is written that may still be
//! read, or read before it is whole.
//!
//! What loom cannot see here: it kills between two operations on shared words, and not amid the
//! bytes, which before a commit is the same; a seat's lock is a flag that the model takes back
//! from the dead, where in truth the kernel does; and its fences are SeqCst on both sides. Real
//! kills are the business of `tests/`.

mod alive;
mod asleep;
mod consumer;
mod death;
mod seats;

use crate::{
    ring::mpsc::{Block, Claim, Consumer, Found, Geometry, Producer, Ring, Seat},
    sync::{AtomicU64, Ordering},
};
use loom::{
    cell::UnsafeCell,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

const BLOCKS: u64 = 4;
const START: u64 = (BLOCKS << 32) - 2;

struct Place {
    gone: AtomicU64,
    /// The kernel's part: held means alive.
    lock: AtomicBool,
}

struct Shared {
    tail: AtomicU64,
    head: AtomicU64,
    blocks: [Block; BLOCKS as usize],
    data: [UnsafeCell<u8>; BLOCKS as usize],
    places: [Place; 2],
}

fn geometry() -> Geometry {
    Geometry::new(BLOCKS, 1)
}

impl Shared {
    fn new() -> Arc<Self> {
        let word = || AtomicU64::new(0);
        Arc::new(Self {
            tail: AtomicU64::new(START),
            head: AtomicU64::new(START),
            blocks: std::array::from_fn(|_| Block { claim: word(), header: word() }),
            data: Default::default(),
            places: std::array::from_fn(|_| Place { gone: word(), lock: AtomicBool::new(false) }),
        })
    }

    fn ring(&self) -> Ring<'_> {
        Ring { tail: &self.tail, head: &self.head, blocks: &self.blocks }
    }

    fn producer(&self, me: u8) -> Producer {
        Producer::new(me, self.ring(), geometry()).unwrap()
    }

    fn consumer(&self) -> Consumer {
        Consumer::take_up(self.ring(), geometry()).unwrap()
    }

    fn cell(&self, position: u64) -> &UnsafeCell<u8> {
        &self.data[(position % BLOCKS) as usize]
    }

    fn fill(&self, claim: &Claim, value: u8) {
        let from = claim.position();
        for at in from..from + u64::from(claim.blocks()) {
            // SAFETY: loom itself checks that nobody else is at this cell.
            self.cell(at).with_mut(|cell| unsafe { *cell = value });
        }
        let header = &geometry().block(self.ring(), from).header;
        header.store(value.into(), Ordering::Relaxed);
    }

    /// Puts a record whose blocks all hold `value`; false if there is no room.
    fn put(&self, producer: &mut Producer, blocks: u32, value: u8) -> bool {
        let Some(claim) = producer.claim(self.ring(), blocks, || ()).unwrap() else {
            return false;
        };
        self.fill(&claim, value);
        assert!(producer.commit(self.ring(), &claim), "it lives");
        true
    }

    /// The value of the record at `position`.
    fn read(&self, position: u64, blocks: u32) -> u8 {
        let value = geometry().block(self.ring(), position).header.load(Ordering::Relaxed) as u8;
        for at in position..position + u64::from(blocks) {
            // SAFETY: loom itself checks that nobody writes to this cell meanwhile.
            assert_eq!(self.cell(at).with(|cell| unsafe { *cell }), value, "at {at}");
        }
        value
    }

    /// One look: what was read and released, if there was a record. What else there
    /// was is repaired and stepped over.
    fn take(&self, consumer: &mut Consumer) -> Option<u8> {
        // (`first_committed` makes the same load.)
        let found = consumer.look(self.ring(), 0).unwrap();
        let Found::Committed { blocks, .. } = found else {
            self.repair(consumer, found);
            return None;
        };
        let value = self.read(consumer.position(), blocks);
        assert!(consumer.release_first(self.ring(), blocks.into()), "it was committed");
        Some(value)
    }

    fn repair(&self, consumer: &mut Consumer, found: Found) {
        match found {
            // Whether it is nobody's is asked after the look: see `Consumer::revoke`.
            Found::Busy { owner, blocks } if self.is_nobodys(owner, consumer.position()) => {
                consumer.revoke(self.ring(), owner, blocks);
            }
            Found::Pad { blocks } => self.release(consumer, blocks),
            _ => {}
        }
    }

    fn release(&self, consumer: &mut Consumer, blocks: u32) {
        let end = consumer.position() + u64::from(blocks);
        consumer.release(self.ring(), end).unwrap();
    }

    /// Everything that is in the ring, when nobody claims any more; all of it can be got at.
    fn drain(&self, consumer: &mut Consumer) -> Vec<u8> {
        let mut got = Vec::new();
        while consumer.look(self.ring(), 0) != Ok(Found::Nothing) {
            got.extend(self.take(consumer));
        }
        got
    }

    fn seat(&self, me: u8) -> Seat<'_> {
        Seat(&self.places[usize::from(me)].gone)
    }

    fn is_nobodys(&self, owner: u8, position: u64) -> bool {
        let lock = &self.places[usize::from(owner)].lock;
        !lock.load(Ordering::Acquire) || self.seat(owner).outlived(position)
    }

    /// Takes the lock of a seat, as a life that begins; false if somebody has it.
    fn lock(&self, me: u8) -> bool {
        let lock = &self.places[usize::from(me)].lock;
        lock.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The end of a life.
    fn unlock(&self, me: u8) {
        self.places[usize::from(me)].lock.store(false, Ordering::Release);
    }

    /// Nothing is in the ring, and it can be claimed as a whole.
    fn assert_empty(&self) {
        let head = self.head.load(Ordering::Relaxed);
        let (mut producer, mut consumer) = (self.producer(7), self.consumer());
        assert!(self.put(&mut producer, BLOCKS as u32, 77));
        assert_eq!(self.take(&mut consumer), Some(77));
        assert_eq!(consumer.position(), head + BLOCKS);
    }
}
