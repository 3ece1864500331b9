//! Lines of the ring that are asked for before it is their turn.
//!
//! A processor fetches what a loop will need by itself if the loop is short: it looks some
//! hundreds of instructions ahead. To send or to receive a small item takes fifty or more, so
//! that it sees the next few items at best, and waits for each line that the other processor had
//! last. So each item is followed by a line or two that are asked for, far enough ahead to be
//! there in time, and only where they are this end's already: a line that the other end is still
//! at work on would be taken away from it.

use std::ptr::NonNull;

/// So far ahead: some twenty items' time, in which a line comes from any cache, and yet a
/// small part of the nearest one.
pub(crate) const AHEAD: u64 = 2 << 10;

/// Items of fewer bytes are left to the processor.
pub(super) const LEAST: u64 = 24;

/// A line, as all processors have it that asking does anything for.
const LINE: u64 = 64;

/// For an item of `n` bytes at `at`, where a part of the ring begins that is this end's for `there`
/// bytes: `ask`s for as many lines.
#[inline(always)]
pub(crate) fn ask_ahead(at: NonNull<u8>, n: u64, there: u64, ask: impl Fn(*const u8)) {
    if n < LEAST || there < 2 * AHEAD {
        return;
    }
    let first = at.as_ptr().cast_const().wrapping_add(AHEAD as usize);
    if n <= LINE + LINE / 2 {
        ask(first);
    } else if n <= AHEAD {
        ask_for_lines(first, n / LINE, ask);
    }
}

/// (Out of the way: what the caller has at hand need not make room for it.)
#[cold]
#[inline(never)]
fn ask_for_lines(first: *const u8, lines: u64, ask: impl Fn(*const u8)) {
    for line in 0..lines {
        ask(first.wrapping_add((line * LINE) as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn asked(n: u64, there: u64) -> Vec<u64> {
        let asked = RefCell::new(Vec::new());
        let first = NonNull::<u8>::dangling();
        ask_ahead(first, n, there, |at| {
            asked.borrow_mut().push((at.addr() - first.addr().get()) as u64)
        });
        asked.into_inner()
    }

    #[test]
    fn as_many_lines_as_the_item_has_and_none_that_are_not_ours() {
        for n in 1..=AHEAD + 1 {
            for there in [0, n, 2 * AHEAD - 1, 2 * AHEAD, 4 << 20] {
                let lines = asked(n, there);
                let many = if n <= LINE + LINE / 2 { 1 } else { n / LINE };
                let asks = (LEAST..=AHEAD).contains(&n) && there >= 2 * AHEAD;
                assert_eq!(lines.len() as u64, if asks { many } else { 0 }, "{n} of {there}");
                assert!(lines.iter().all(|line| line + LINE <= there), "{n} of {there}");
                assert!(lines.iter().zip(0..).all(|(line, i)| *line == AHEAD + i * LINE));
            }
        }
    }
}
