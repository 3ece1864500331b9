//! The hand-over from a pipe to a ring, under loom: whatever the writer is doing when the
//! reader attaches, leaves or dies, each byte arrives once and in order, by the pipe or by the
//! ring, at that reader or at the next.
//!
//! The pipe is a queue under a mutex, as the kernel's is. The ring has room for everything: what a
//! full one does is the business of [`super::spsc`] and [`super::gate`]. Nobody waits: a reader
//! looks a few times and what it did not get by then is looked for at the end. The next reader is
//! the one that finds what lies in the pipe when all is over.
//!
//! Exhaustive. Weaken the orderings of `crate::upgrade::handover`, let the reader take what is in
//! the ring before what is in the pipe, let the writer give back from `head` and not from `taken`,
//! or forget what was published before the reader left, and these fail.
//!
//! What loom cannot see here: that the kernel frees a dead reader's role only after
//! its last store (`tests/upgrade/death.rs`), and that the offer leads to the right
//! ring (`tests/upgrade/offers.rs`).

use crate::{
    ring::spsc::{Consumer, Producer},
    sync::{AtomicU32, AtomicU64, Ordering},
    upgrade::handover::{Handover, State},
};
use loom::{
    cell::UnsafeCell,
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread,
};
use std::collections::VecDeque;

/// Bytes that are written: one that may go before the switch, one at it, one after.
const BYTES: u8 = 3;
const CAPACITY: u64 = 4;

struct Shared {
    pipe: Mutex<VecDeque<u8>>,
    state: AtomicU32,
    tail: AtomicU64,
    head: AtomicU64,
    taken: AtomicU64,
    data: [UnsafeCell<u8>; CAPACITY as usize],
    /// The kernel's part: the role of a reader that died is free.
    role_free: AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Self {
            pipe: Mutex::new(VecDeque::new()),
            state: AtomicU32::new(0),
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            data: Default::default(),
            role_free: AtomicBool::new(false),
        };
        Handover(&shared.state).offer();
        Arc::new(shared)
    }

    fn handover(&self) -> Handover<'_> {
        Handover(&self.state)
    }

    fn byte(&self, position: u64) -> u8 {
        // SAFETY: loom itself checks that nobody writes to this cell meanwhile.
        self.data[(position % CAPACITY) as usize].with(|cell| unsafe { *cell })
    }
}

/// As `upgrade::output::Core`.
struct Writer {
    shared: Arc<Shared>,
    ring: Producer,
    switched: bool,
    over: bool,
}

impl Writer {
    fn new(shared: &Arc<Shared>) -> Self {
        let ring = Producer::new(0, 0, CAPACITY).unwrap();
        Self { shared: Arc::clone(shared), ring, switched: false, over: false }
    }

    fn write(&mut self, byte: u8) {
        self.look();
        if self.switched {
            let cell = &self.shared.data[(self.ring.position() % CAPACITY) as usize];
            // SAFETY: as above.
            cell.with_mut(|cell| unsafe { *cell = byte });
            self.ring.publish(1, &self.shared.tail);
        } else {
            self.shared.pipe.lock().unwrap().push_back(byte);
            self.look();
        }
    }

    fn look(&mut self) {
        if self.over {
            return;
        }
        let handover = self.shared.handover();
        if self.switched {
            let died = self.shared.role_free.load(Ordering::Acquire);
            if died || handover.state() == State::Left {
                self.give_back();
            }
            return;
        }
        match handover.state() {
            State::Offered => {}
            State::Attached if handover.switch() => self.switched = true,
            _ => {
                handover.close();
                self.over = true;
            }
        }
    }

    fn give_back(&mut self) {
        self.shared.handover().leave();
        self.ring.refresh(&self.shared.head).unwrap();
        let head = self.ring.position() - self.ring.unreleased();
        let taken = self.shared.taken.load(Ordering::Acquire).max(head);
        let mut pipe = self.shared.pipe.lock().unwrap();
        pipe.extend((taken..self.ring.position()).map(|at| self.shared.byte(at)));
        self.switched = false;
        self.over = true;
    }
}

/// As `upgrade::input::Input`.
struct Reader {
    shared: Arc<Shared>,
    ring: Consumer,
    /// Bytes of the pipe that go before the ring; `None` before the switch was seen.
    in_pipe: Option<usize>,
    got: Vec<u8>,
}

impl Reader {
    fn attach(shared: &Arc<Shared>) -> Self {
        let ring = Consumer::new(0, 0, CAPACITY).unwrap();
        assert!(shared.handover().attach());
        Self { shared: Arc::clone(shared), ring, in_pipe: None, got: Vec::new() }
    }

    /// One look for one byte; false if it dies at the worst moment: with a byte taken and used, and
    /// not released.
    fn look(&mut self, dies: bool) -> bool {
        if self.in_pipe.is_none() && self.shared.handover().state() == State::Switched {
            self.in_pipe = Some(self.shared.pipe.lock().unwrap().len());
        }
        if self.in_pipe != Some(0) {
            if let Some(byte) = self.shared.pipe.lock().unwrap().pop_front() {
                self.got.push(byte);
            }
            self.in_pipe = self.in_pipe.map(|n| n - 1);
            return true;
        }
        self.ring.refresh(&self.shared.tail).unwrap();
        if self.ring.available() > 0 {
            self.shared.taken.store(self.ring.position() + 1, Ordering::Release);
            self.got.push(self.shared.byte(self.ring.position()));
            if dies {
                return false;
            }
            self.ring.release(1, &self.shared.head);
        }
        true
    }

    fn leave(&mut self) {
        self.shared.taken.store(self.ring.position(), Ordering::Release);
        self.shared.handover().leave();
    }
}

/// Runs a writer beside a reader that looks `looks` times and then does `last`; returns what
/// arrived at it, and what the next one then finds.
fn run(looks: usize, last: fn(&mut Reader)) -> Vec<u8> {
    let shared = Shared::new();
    let theirs = Arc::clone(&shared);
    let thread = thread::spawn(move || {
        let mut writer = Writer::new(&theirs);
        for byte in 1..=BYTES {
            writer.write(byte);
        }
        writer
    });
    let mut reader = Reader::attach(&shared);
    for _ in 0..looks {
        reader.look(false);
    }
    last(&mut reader);
    let mut writer = thread.join().unwrap();
    // The watching thread's look, or that of the writer that finishes.
    writer.look();
    let mut arrived = reader.got;
    arrived.extend(shared.pipe.lock().unwrap().iter());
    arrived
}

#[test]
fn a_reader_that_stays_gets_everything() {
    loom::model(|| {
        let arrived = run(1, |reader| {
            for _ in 0..2 * BYTES {
                reader.look(false);
            }
            // Where it was too fast for the writer, it is now dead: the rest is in the pipe.
            reader.leave();
        });
        assert_eq!(arrived, [1, 2, 3]);
    });
}

#[test]
fn a_reader_that_leaves_leaves_the_rest_to_the_next() {
    for looks in 0..=2 {
        loom::model(move || assert_eq!(run(looks, Reader::leave), [1, 2, 3]));
    }
}

#[test]
fn a_reader_that_dies_takes_at_most_what_it_had_taken() {
    for looks in 0..=2 {
        loom::model(move || {
            let arrived = run(looks, |reader| {
                reader.look(true);
                reader.shared.role_free.store(true, Ordering::Release);
            });
            // Here the byte it had taken was used: none is lost, none comes twice.
            assert_eq!(arrived, [1, 2, 3]);
        });
    }
}

#[test]
fn a_writer_that_ends_has_either_switched_or_withdrawn() {
    loom::model(|| {
        let shared = Shared::new();
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut writer = Writer::new(&theirs);
            writer.write(1);
            let closed = theirs.handover().close();
            assert_eq!(closed, !writer.switched, "the writer knows which");
            closed
        });
        let attached = shared.handover().attach();
        let closed = thread.join().unwrap();
        let expected = if closed { State::Closed } else { State::Switched };
        assert_eq!(shared.handover().state(), expected, "and so does the reader");
        assert!(attached || closed);
    });
}
