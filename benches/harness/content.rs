//! The bytes that workers make and check.
//!
//! Making is a `memset` and checking a sum of numbers of eight bytes, so that a benchmark measures
//! how bytes get across, not how they are made. Every 64 KiB have a value of their own: the sum
//! tells what is lost or doubled, and the first and last byte of each piece what is out of place.

/// So many bytes have one value.
const UNIT: u64 = 64 << 10;

/// The value at `position`; 256 units pass before it comes again.
fn value(position: u64) -> u8 {
    (position / UNIT).wrapping_mul(0x9d).wrapping_add(1) as u8
}

/// Makes the stream, piece by piece.
#[derive(Default)]
pub struct Maker {
    position: u64,
}

impl Maker {
    /// Fills `piece` with the next bytes.
    pub fn fill(&mut self, mut piece: &mut [u8]) {
        while !piece.is_empty() {
            let left_in_unit = UNIT - self.position % UNIT;
            let (now, later) = piece.split_at_mut(piece.len().min(left_in_unit as usize));
            now.fill(value(self.position));
            self.position += now.len() as u64;
            piece = later;
        }
    }
}

/// Sums the stream up, in pieces of any size.
#[derive(Default)]
pub struct Checker {
    position: u64,
    sum: u64,
    misplaced: bool,
}

impl Checker {
    /// Takes the next bytes.
    pub fn take(&mut self, piece: &[u8]) {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            return;
        };
        let end = self.position + piece.len() as u64;
        self.misplaced |= *first != value(self.position) || *last != value(end - 1);

        // A number may be cut in two between pieces.
        let begun = (self.position % 8) as u32;
        let lead = if begun == 0 { 0 } else { (8 - begun as usize).min(piece.len()) };
        let (head, rest) = piece.split_at(lead);
        let words = rest.chunks_exact(8);
        let tail = words.remainder();
        let sum = self.sum.wrapping_add(partial(head, begun)).wrapping_add(partial(tail, 0));
        let number = |word: &[u8]| u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        self.sum = words.fold(sum, |sum, word| sum.wrapping_add(number(word)));
        self.position = end;
    }

    /// Whether exactly `len` bytes came, all of them right.
    pub fn is_right(&self, len: u64) -> bool {
        self.position == len && !self.misplaced && self.sum == sum_of_stream(len)
    }
}

/// Makes and checks so many bytes, in blocks of this size, without handing them
/// over; whether they were right.
pub fn made_and_taken(len: u64, block: usize) -> bool {
    let (mut maker, mut checker) = (Maker::default(), Checker::default());
    let mut room = vec![0; block];
    for start in (0..len).step_by(block) {
        let piece = &mut room[..(len - start).min(block as u64) as usize];
        maker.fill(piece);
        checker.take(piece);
    }
    checker.is_right(len)
}

/// What the numbers below `count` add up to, mod 2^64.
pub fn sum_below(count: u64) -> u64 {
    // One of the two factors of count * (count - 1) / 2 is even; halving it first loses no carry.
    if count.is_multiple_of(2) {
        (count / 2).wrapping_mul(count.wrapping_sub(1))
    } else {
        count.wrapping_mul(count / 2)
    }
}

fn sum_of_stream(len: u64) -> u64 {
    let number = |position| u64::from_le_bytes([value(position); 8]);
    let unit = |start: u64| number(start).wrapping_mul((len - start).min(UNIT) / 8);
    let whole =
        (0..len).step_by(UNIT as usize).fold(0u64, |sum, start| sum.wrapping_add(unit(start)));
    let tail = &number(len.saturating_sub(1)).to_le_bytes()[..(len % 8) as usize];
    whole.wrapping_add(partial(tail, 0))
}

/// The share in the sum of bytes that begin `at` bytes into a number.
fn partial(bytes: &[u8], at: u32) -> u64 {
    bytes.iter().zip(at..).fold(0, |sum, (byte, at)| sum | u64::from(*byte) << (8 * at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_add_up_and_mistakes_show() {
        const LEN: usize = 3 * UNIT as usize + 13;
        let mut made = vec![0; LEN];
        let mut maker = Maker::default();
        for piece in made.chunks_mut(1301) {
            maker.fill(piece);
        }
        let check = |bytes: &[u8], size: usize, len: usize| {
            let mut checker = Checker::default();
            bytes.chunks(size).for_each(|piece| checker.take(piece));
            checker.is_right(len as u64)
        };
        for size in [1, 3, 8, 17, 64, 4099, LEN] {
            assert!(check(&made, size, LEN), "in pieces of {size}");
            assert!(!check(&made, size, LEN - 1));
        }
        for spoil in [0, 100, LEN - 1] {
            let mut spoilt = made.clone();
            spoilt[spoil] ^= 1;
            assert!(!check(&spoilt, 4096, LEN), "byte {spoil}");
        }
        let swapped = [&made[UNIT as usize..][..UNIT as usize], &made[..UNIT as usize]].concat();
        assert!(!check(&swapped, 4096, swapped.len()), "two units changed places");
    }
}
