//! Positions: how far into the stream, in bytes since the ring was made.
//!
//! A position is a `u64` that only grows and in practice never wraps (at 100 GB/s, 2^64 bytes take
//! five years); the place in the data area is the position modulo the capacity. All differences
//! and sums go through the two functions below, so that "a position jumped" and "a position would
//! pass 2^64" are each decided in one place.

use std::fmt;
use thiserror::Error;

/// The other process wrote a value into shared memory that the protocol rules out.
///
/// The end that found it works no longer: nothing in the ring can be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} is {found}, but must {}", if *exactly { Must::Be(*low, *high) } else { Must::LieBetween(*low, *high) })]
pub struct Violation {
    /// Which shared word.
    pub(crate) what: &'static str,
    pub(crate) found: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Whether only the two bounds themselves would do.
    pub(crate) exactly: bool,
}

/// What a value would have to be.
enum Must {
    LieBetween(u64, u64),
    Be(u64, u64),
}

impl fmt::Display for Must {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LieBetween(low, high) if low == high => write!(f, "be {low}"),
            Self::LieBetween(low, high) => write!(f, "lie between {low} and {high}"),
            Self::Be(low, high) => write!(f, "be {low}, {high} or as much more or less again"),
        }
    }
}

/// The distance from `from` to `to`, which must not be before `from` nor more than `limit` past it.
///
/// # Errors
/// [`Violation`], naming the position `what`.
pub(crate) fn distance(
    what: &'static str,
    from: u64,
    to: u64,
    limit: u64,
) -> Result<u64, Violation> {
    match to.checked_sub(from) {
        Some(distance) if distance <= limit => Ok(distance),
        _ => {
            let high = from.saturating_add(limit);
            Err(Violation { what, found: to, low: from, high, exactly: false })
        }
    }
}

/// Whether a position `distance` past `from`, which are known to be sound, is
/// whole `unit`s from there.
///
/// # Errors
/// [`Violation`], naming the position `what`.
#[inline]
pub(crate) fn whole(
    what: &'static str,
    from: u64,
    distance: u64,
    unit: u64,
) -> Result<(), Violation> {
    // Units are mostly powers of two, and this is looked at often.
    let rest = if unit.is_power_of_two() { distance & (unit - 1) } else { distance % unit };
    match rest {
        0 => Ok(()),
        rest => {
            let found = from.wrapping_add(distance);
            let low = found - rest;
            Err(Violation { what, found, low, high: low.saturating_add(unit), exactly: true })
        }
    }
}

/// How many bytes a producer at `position` may still publish before positions run out.
pub(crate) fn left(position: u64) -> u64 {
    u64::MAX - position
}

#[cfg(all(test, not(shmpipe_loom)))]
mod tests {
    use super::*;

    #[test]
    fn distances_are_checked_at_both_sides() {
        assert_eq!(distance("tail", 10, 10, 4), Ok(0));
        assert_eq!(distance("tail", 10, 14, 4), Ok(4));
        assert!(distance("tail", 10, 15, 4).is_err(), "past the limit");
        assert!(distance("tail", 10, 9, 4).is_err(), "backwards");
        assert!(distance("tail", u64::MAX - 1, 1, 4).is_err(), "wrapped");
        assert_eq!(distance("tail", u64::MAX - 1, u64::MAX, 4), Ok(1));
    }

    #[test]
    fn a_violation_names_the_word_and_its_bounds() {
        let error = distance("tail", 10, 99, 4).unwrap_err();
        assert_eq!(error.to_string(), "tail is 99, but must lie between 10 and 14");
        let error = distance("head", 7, 8, 0).unwrap_err();
        assert_eq!(error.to_string(), "head is 8, but must be 7");
        let error = whole("head", 48, 25, 24).unwrap_err();
        let told = "head is 73, but must be 72, 96 or as much more or less again";
        assert_eq!((error.to_string().as_str(), whole("head", 48, 48, 24)), (told, Ok(())));
    }
}
