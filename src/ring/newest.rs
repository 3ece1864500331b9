//! A copy of the newest item beside the tail.
//!
//! Who waits for an item polls the tail's cache line; when that changes, the item itself lies in
//! another line, which the producer's processor has just written and must be fetched in its turn:
//! two transfers where one could do. So in a conversation, where items come singly, the producer
//! puts a copy of a small item into the tail's own line, and the consumer takes it from there.
//!
//! ```text
//!   tail | of | word 0 ... word 5        64 bytes, one cache line
//! ```
//!
//! The copy is a sequence lock whose number is the item's position (Boehm, "Can seqlocks get along
//! with programming language memory models?", MSPC 2012):
//!
//! ```text
//! producer                            consumer
//!   of = NOTHING                        sees in the tail that there is an item at `position`
//!   fence(Release)                      of == position ?         no: reads it in the ring
//!   words                               words
//!   of = position                       fence(Acquire)
//!   tail = ... (Release)                of == position, still ?  no: reads it in the ring
//! ```
//!
//! The item lies in the ring as every other, so that nothing depends on the copy: not a consumer
//! that is late and finds a newer one, and not one that takes over.
//!
//! The one subtle point: a producer may be killed between `of` and `tail`, and the one that goes on
//! puts another item at the same position, perhaps without a copy. So a producer that attaches
//! clears `of` before it publishes anything.

use crate::sync::{AtomicU64, Ordering, fence};

/// Words of a copy; two under loom, whose schedules would otherwise be too many.
pub(crate) const WORDS: usize = if cfg!(shmpipe_loom) { 2 } else { 6 };

/// Bytes of the largest item that is copied.
pub(crate) const BYTES: u64 = 8 * WORDS as u64;

/// In `of`, where positions are one more than they are.
const NOTHING: u64 = 0;

/// See the module's picture.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Newest {
    pub(crate) of: AtomicU64,
    pub(crate) words: [AtomicU64; WORDS],
}

impl Newest {
    /// Takes the copy away. For a producer that attaches.
    pub(crate) fn clear(&self) {
        // Relaxed: the Release of the first `tail` that this producer publishes orders it.
        self.of.store(NOTHING, Ordering::Relaxed);
    }

    /// Copies an item that is to be published at `position`, as the next, and
    /// perhaps what follows it.
    #[inline]
    pub(crate) fn put(&self, position: u64, words: &[u64]) {
        // Relaxed: ordered by the fence.
        self.of.store(NOTHING, Ordering::Relaxed);
        // Pairs with the Acquire fence in `get`: who reads one of these words reads afterwards that
        // `of` is no longer what it was.
        fence(Ordering::Release);
        for (to, word) in self.words.iter().zip(words) {
            // Relaxed: ordered by the fence before and the tail after.
            to.store(*word, Ordering::Relaxed);
        }
        // Relaxed: the Release of the tail that is published next orders it, as the words: who asks
        // for this item has seen that tail.
        self.of.store(position.wrapping_add(1), Ordering::Relaxed);
    }

    /// Gets the item at `position`, which the tail says is published; true if
    /// it is the one that was copied.
    #[inline]
    pub(crate) fn get(&self, position: u64, words: &mut [u64]) -> bool {
        let of = position.wrapping_add(1);
        // Relaxed: the Acquire of the tail by which the item was found orders it, and the words.
        if self.of.load(Ordering::Relaxed) != of {
            return false;
        }
        for (word, from) in words.iter_mut().zip(&self.words) {
            // Relaxed: ordered by the tail before and the fence after.
            *word = from.load(Ordering::Relaxed);
        }
        // Pairs with the Release fence in `put`.
        fence(Ordering::Acquire);
        // Relaxed: ordered by the fence.
        self.of.load(Ordering::Relaxed) == of
    }
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests {
    use super::*;

    fn newest() -> Newest {
        Newest { of: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn get(newest: &Newest, position: u64) -> Option<u64> {
        let mut words = [0; WORDS];
        newest.get(position, &mut words).then_some(words[0])
    }

    #[test]
    fn only_the_item_that_was_copied_is_given() {
        let newest = newest();
        assert_eq!(get(&newest, 0), None, "nothing was copied");
        newest.put(0, &[7; WORDS]);
        assert_eq!((get(&newest, 0), get(&newest, 8)), (Some(7), None));
        newest.put(8, &[9; WORDS]);
        assert_eq!((get(&newest, 0), get(&newest, 8)), (None, Some(9)));
        newest.clear();
        assert_eq!(get(&newest, 8), None);
    }

    #[test]
    fn at_the_end_of_positions() {
        let newest = newest();
        newest.put(u64::MAX - 8, &[1; WORDS]);
        assert_eq!(get(&newest, u64::MAX - 8), Some(1));
        // An item that begins at the very last position cannot be published.
        assert_eq!(get(&newest, 0), None);
    }
}
