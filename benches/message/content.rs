//! What is in a message, and how it is checked.
//!
//! A message of `N` numbers holds its stamp `N` times: cheap to make, and yet every
//! byte of it is written by the sender and read by the receiver, so that nothing of
//! the way it goes can be left out.

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

/// The first stamp of one of several senders, whose messages so tell whose they are.
pub fn first_stamp(sender: u64) -> u64 {
    sender << SENDER
}

/// Where a stamp says which sender it is of.
const SENDER: u32 = 48;

/// Sees that the messages of several senders are whole, and that those of each come in order.
pub struct SharedChecker {
    /// The next stamp of each.
    next: Vec<u64>,
    sum: u64,
    misplaced: bool,
}

impl SharedChecker {
    /// For so many senders.
    pub fn new(senders: u64) -> Self {
        Self { next: (0..senders).map(first_stamp).collect(), sum: 0, misplaced: false }
    }

    /// Takes a message.
    #[inline]
    pub fn take<const N: usize>(&mut self, message: &[u64; N]) {
        let stamp = message[0];
        match self.next.get_mut((stamp >> SENDER) as usize) {
            Some(next) => {
                self.misplaced |= *next != stamp;
                *next += 1;
            }
            None => self.misplaced = true,
        }
        self.sum = message.iter().fold(self.sum, |sum, word| sum.wrapping_add(*word));
    }

    /// Whether exactly the first `each` messages of each sender came.
    pub fn is_right<const N: usize>(&self, each: u64) -> bool {
        let firsts = || (0..self.next.len() as u64).map(first_stamp);
        let all_came = self.next.iter().zip(firsts()).all(|(next, first)| next - first == each);
        let sum = firsts().fold(0_u64, |sum, first| {
            sum.wrapping_add(sum_below(each)).wrapping_add(first.wrapping_mul(each))
        });
        !self.misplaced && all_came && self.sum == sum.wrapping_mul(N as u64)
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

    #[test]
    fn each_sender_s_messages_are_to_come_in_its_order() {
        let right = |stamps: &[(u64, u64)], spoil: u64| {
            let mut checker = SharedChecker::new(2);
            for (sender, n) in stamps {
                let mut message = message::<4>(first_stamp(*sender) + n);
                message[3] ^= spoil;
                checker.take(&message);
            }
            checker.is_right::<4>(2)
        };
        assert!(right(&[(0, 0), (0, 1), (1, 0), (1, 1)], 0));
        assert!(right(&[(1, 0), (0, 0), (1, 1), (0, 1)], 0));
        assert!(!right(&[(1, 0), (0, 0), (1, 1), (0, 1)], 8));
        assert!(!right(&[(1, 1), (0, 0), (1, 0), (0, 1)], 0));
        assert!(!right(&[(0, 0), (0, 1), (1, 0)], 0));
        assert!(!right(&[(0, 0), (0, 1), (1, 0), (2, 0)], 0));
    }
}
