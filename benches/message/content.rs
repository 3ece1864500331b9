//! What is in a message, and how it is checked.
//!
//! A message of `N` numbers holds its stamp `N` times: cheap to make, and yet every byte of it is written by the sender
//! and read by the receiver, so that nothing of the way it goes can be left out.

use crate::harness::content::sum_below;

/// The message of `stamp`: its place in the stream, or the time at which it was due.
#[inline]
pub fn message<const N: usize>(stamp: u64) -> [u64; N] {
    [stamp; N]
}

/// Sees that the messages of a stream are whole and come in order.
#[derive(Default)]
pub struct Checker {
    count: u64,
    sum: u64,
    misplaced: bool,
}

impl Checker {
    /// Takes the next message.
    #[inline]
    pub fn take<const N: usize>(&mut self, message: &[u64; N]) {
        self.misplaced |= message[0] != self.count;
        self.count += 1;
        self.sum = message.iter().fold(self.sum, |sum, word| sum.wrapping_add(*word));
    }

    /// Whether exactly the messages of the stamps below `count` came.
    pub fn is_right<const N: usize>(&self, count: u64) -> bool {
        !self.misplaced
            && self.count == count
            && self.sum == sum_below(count).wrapping_mul(N as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_spoilt_shows() {
        let right = |stamps: &[u64], spoil: u64| {
            let mut checker = Checker::default();
            for stamp in stamps {
                let mut message = message::<4>(*stamp);
                message[3] ^= spoil;
                checker.take(&message);
            }
            checker.is_right::<4>(3)
        };
        assert!(right(&[0, 1, 2], 0));
        assert!(!right(&[0, 1, 2], 8));
        assert!(!right(&[0, 2, 1], 0));
        assert!(!right(&[0, 1], 0));
        assert!(!right(&[0, 1, 2, 3], 0));
    }
}
