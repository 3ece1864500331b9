//! One producer, one consumer.
//!
//! ```text
//!            released            unread              free
//!   ...--------------------|==================|------------------|...
//!                         head               tail          head + capacity
//!                  moved by the consumer   moved by the producer
//! ```
//!
//! The two positions are the only words both sides share. Each is written by one side only, so the
//! protocol is two publications:
//!
//! - the producer fills bytes, then stores `tail` with Release; a consumer that loads it with
//!   Acquire sees the bytes;
//! - the consumer is done with bytes, then stores `head` with Release; a producer that loads it
//!   with Acquire may overwrite them.
//!
//! Each side keeps its own position and the last one seen of the other in private memory and looks
//! at the shared word only when the copy no longer suffices: in a stream most operations touch no
//! line that the other processor writes. (The idea is old: Giacomoni, Moseley, Vachharajani,
//! "FastForward for efficient pipeline parallelism", PPoPP 2008; Torquati's and Rigtorp's rings
//! have it too.)
//!
//! The one subtle point: a value read from the shared word is checked against the private copies
//! before it is used, once, and then the private copy is what counts. So whatever the other
//! process stores, spans stay inside the ring.

use super::cursor::{self, Violation};
use crate::sync::{AtomicU64, Ordering};

/// The producer's private side.
#[derive(Debug)]
pub(crate) struct Producer {
    tail: u64,
    /// Up to here there is room: `head` as last seen (never past the real one, so this never says
    /// too much) and the capacity, or where positions or memory run out.
    limit: u64,
    head: u64,
    capacity: u64,
    /// Where memory runs out, if not all of it is there from the beginning.
    backed: u64,
}

impl Producer {
    /// Takes up a ring where its positions stand.
    pub(crate) fn new(tail: u64, head: u64, capacity: u64) -> Result<Self, Violation> {
        cursor::distance("tail", head, tail, capacity)?;
        let mut ring = Self { tail, limit: 0, head, capacity, backed: u64::MAX };
        ring.set_limit();
        Ok(ring)
    }

    fn set_limit(&mut self) {
        self.limit = self.head.saturating_add(self.capacity).min(self.backed);
    }

    /// Where memory runs out.
    pub(crate) fn backed(&self) -> u64 {
        self.backed
    }

    /// Whether that is before the end of the next `n` bytes.
    #[inline]
    pub(crate) fn lacks_memory(&self, n: u64) -> bool {
        self.tail.saturating_add(n) > self.backed
    }

    /// There is memory up to this position, which is not before that of the next byte.
    pub(crate) fn set_backed(&mut self, position: u64) {
        debug_assert!(position >= self.tail);
        self.backed = position;
        self.set_limit();
    }

    /// The next byte to be published.
    pub(crate) fn position(&self) -> u64 {
        self.tail
    }

    /// Bytes that may be filled, as far as the private copy tells; never more than are `left`.
    #[inline]
    pub(crate) fn free(&self) -> u64 {
        self.limit - self.tail
    }

    /// Bytes that were published and not released, as far as the private copy tells.
    #[inline]
    pub(crate) fn unreleased(&self) -> u64 {
        self.tail - self.head
    }

    /// Bytes that can ever be published after this point.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        cursor::left(self.tail)
    }

    /// Looks at the consumer's position.
    #[inline]
    pub(crate) fn refresh(&mut self, head: &AtomicU64) -> Result<(), Violation> {
        // Acquire: pairs with the Release in `Consumer::release`; the consumer has finished
        // reading what we may now overwrite.
        let seen = head.load(Ordering::Acquire);
        cursor::distance("head", self.head, seen, self.tail - self.head)?;
        self.head = seen;
        self.set_limit();
        Ok(())
    }

    /// Publishes `n` bytes, which the caller found `free`.
    #[inline]
    pub(crate) fn publish(&mut self, n: u64, tail: &AtomicU64) {
        debug_assert!(n <= self.free());
        self.tail += n;
        // Release: pairs with the Acquire in `Consumer::refresh`; the bytes are there.
        tail.store(self.tail, Ordering::Release);
    }
}

/// The consumer's private side.
#[derive(Debug)]
pub(crate) struct Consumer {
    head: u64,
    /// `tail` as last seen: never past the real one.
    tail: u64,
    capacity: u64,
}

impl Consumer {
    /// Takes up a ring where its positions stand.
    pub(crate) fn new(head: u64, tail: u64, capacity: u64) -> Result<Self, Violation> {
        cursor::distance("tail", head, tail, capacity)?;
        Ok(Self { head, tail, capacity })
    }

    /// The next byte to be released.
    pub(crate) fn position(&self) -> u64 {
        self.head
    }

    /// Bytes that may be read, as far as the private copy tells.
    #[inline]
    pub(crate) fn available(&self) -> u64 {
        self.tail - self.head
    }

    /// Looks at the producer's position.
    #[inline]
    pub(crate) fn refresh(&mut self, tail: &AtomicU64) -> Result<(), Violation> {
        // Acquire: pairs with the Release in `Producer::publish`; we see the bytes.
        let seen = tail.load(Ordering::Acquire);
        let limit = self.capacity - (self.tail - self.head);
        cursor::distance("tail", self.tail, seen, limit)?;
        self.tail = seen;
        Ok(())
    }

    /// Looks at the producer's position, if that is worth it: true if there is more
    /// than was known. What is not as it should be is left to
    /// [`refresh`](Self::refresh), as if it had not been seen.
    #[inline]
    pub(crate) fn glance(&mut self, tail: &AtomicU64, unit: u64) -> bool {
        // Acquire: pairs with the Release in `Producer::publish`; we see the bytes.
        let seen = tail.load(Ordering::Acquire);
        let more = seen.wrapping_sub(self.tail);
        let sound = more <= self.capacity - self.available() && seen >= self.tail;
        let more =
            more > 0 && sound && cursor::whole("tail", self.head, seen - self.head, unit).is_ok();
        if more {
            self.tail = seen;
        }
        more
    }

    /// Gives back `n` bytes, which the caller found `available`.
    #[inline]
    pub(crate) fn release(&mut self, n: u64, head: &AtomicU64) {
        debug_assert!(n <= self.available());
        self.head += n;
        // Release: pairs with the Acquire in `Producer::refresh`; we have read the bytes.
        head.store(self.head, Ordering::Release);
    }
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests {
    use super::*;

    fn ring(at: u64) -> (AtomicU64, AtomicU64) {
        (AtomicU64::new(at), AtomicU64::new(at))
    }

    #[test]
    fn every_residual_size_around_a_full_ring() {
        const CAPACITY: u64 = 8;
        for start in [0, 3, (1 << 31) - 4, (1 << 32) - 4, u64::MAX - 64] {
            for first in 0..=CAPACITY {
                let (tail, head) = ring(start);
                let mut producer = Producer::new(start, start, CAPACITY).unwrap();
                let mut consumer = Consumer::new(start, start, CAPACITY).unwrap();
                producer.publish(first, &tail);
                assert_eq!(producer.free(), CAPACITY - first);
                producer.publish(CAPACITY - first, &tail);
                assert_eq!(producer.free(), 0);
                consumer.refresh(&tail).unwrap();
                assert_eq!(consumer.available(), CAPACITY);
                consumer.release(first, &head);
                producer.refresh(&head).unwrap();
                assert_eq!(producer.free(), first);
            }
        }
    }

    #[test]
    fn positions_that_jump_are_refused_and_change_nothing() {
        let (tail, head) = ring(100);
        let mut producer = Producer::new(100, 100, 8).unwrap();
        let mut consumer = Consumer::new(100, 100, 8).unwrap();
        for bad in [99, 109, 0, u64::MAX] {
            tail.store(bad, Ordering::Relaxed);
            assert_eq!(consumer.refresh(&tail).unwrap_err().what, "tail");
            assert_eq!(consumer.available(), 0);
        }
        tail.store(100, Ordering::Relaxed);
        producer.publish(4, &tail);
        for bad in [99, 105, 0, u64::MAX] {
            head.store(bad, Ordering::Relaxed);
            assert_eq!(producer.refresh(&head).unwrap_err().what, "head");
            assert_eq!(producer.free(), 4);
        }
    }

    #[test]
    fn there_is_room_only_where_there_is_memory() {
        let (tail, head) = ring(0);
        let mut producer = Producer::new(0, 0, 8).unwrap();
        producer.set_backed(0);
        assert_eq!((producer.free(), producer.backed()), (0, 0));
        producer.set_backed(6);
        producer.publish(4, &tail);
        head.store(4, Ordering::Relaxed);
        producer.refresh(&head).unwrap();
        assert_eq!((producer.free(), producer.unreleased()), (2, 0));
        producer.set_backed(u64::MAX);
        assert_eq!(producer.free(), 8);
    }

    #[test]
    fn a_ring_is_not_taken_up_with_positions_that_cannot_be() {
        assert!(Producer::new(9, 0, 8).is_err());
        assert!(Producer::new(0, 1, 8).is_err());
        assert!(Consumer::new(0, 9, 8).is_err());
        assert!(Consumer::new(1, 0, 8).is_err());
    }
}
