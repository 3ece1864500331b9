//! What is written into the segment of a ring of many senders from outside.

use crate::{CAPACITY, PRODUCERS};
use arbitrary::Arbitrary;
use nix::sys::uio::{pread, pwrite};
use std::os::fd::{AsFd, OwnedFd};

/// Words of the segment: `src/layout/identity.rs` and `control.rs` show them.
const ALIGN: u64 = 68;
const TAIL: u64 = 384;
const HEAD: u64 = 512;
const TAKEN: u64 = 520;
const MANY: u64 = 1280;
const SEATS: u64 = 1408;
const SEAT: u64 = 384;
const BLOCKS: u64 = SEATS + PRODUCERS as u64 * SEAT;
/// A block's claim, and its header.
const BLOCK: u64 = 16;
/// Bytes of the control area: a page, as all of the above lies in it but for
/// the blocks of a fine ring.
const PAGE: u64 = 4096;

/// Bytes written somewhere into the segment.
#[derive(Arbitrary, Debug)]
pub struct Scribble {
    place: Place,
    value: Number,
}

#[derive(Arbitrary, Debug)]
enum Place {
    Tail,
    Head,
    /// Up to where the claim at the head was released.
    Taken,
    /// The claim at the head, or so many blocks behind it.
    Claim(u8),
    /// The header of the block there.
    Header(u8),
    /// The claim or the header of any block.
    Block(u16),
    /// The state of a seat, or from where on it is free.
    Seat(u8),
    /// A word of a seat.
    InSeat(u8, u8),
    /// How many have come, and the like.
    Many(u8),
    /// A word that steers the ring.
    Word(u8),
    /// Any byte.
    Byte(u16),
}

/// Numbers near where something could go wrong are worth more than any number.
#[derive(Arbitrary, Debug)]
enum Number {
    Word(u64),
    /// A claim: its state, its owner, its blocks, near a power of two, and its
    /// lap, near that of the head.
    Claim(u8, u8, u8, i8, i8),
    /// A header: its length, near a power of two, and its kind.
    Header(u8, i8, u32),
    /// What says that nothing follows in a claim.
    End,
    /// A position near the head or the tail.
    Position(bool, i16),
    /// A state: of the how manieth, and its kind.
    State(u32, u8),
    /// Another number of the same ring, changed a little.
    Copy(u16, i8),
    /// A power of two and a little more or less.
    Near(u8, i8),
    Bytes(Vec<u8>),
}

fn near(power: u8, off: i8) -> u64 {
    let power = 1_u64.checked_shl(u32::from(power % 65)).unwrap_or(0);
    power.wrapping_add_signed(i64::from(off))
}

fn word(fd: &impl AsFd, at: u64) -> u64 {
    let mut bytes = [0; 8];
    let _ = pread(fd, &mut bytes, i64::try_from(at).unwrap());
    u64::from_ne_bytes(bytes)
}

/// Where the data begins, and how many bytes a block has.
fn geometry(fd: &impl AsFd) -> (u64, u64) {
    let block = (word(fd, ALIGN) & 0xffff).clamp(64, CAPACITY as u64);
    let tables = BLOCKS + CAPACITY as u64 / block * BLOCK;
    (tables.next_multiple_of(PAGE), block)
}

impl Scribble {
    pub fn write(&self, fd: &OwnedFd) {
        let (data, block) = geometry(fd);
        let blocks = CAPACITY as u64 / block;
        let from_head = |n: u8| word(fd, HEAD).wrapping_div(block).wrapping_add(n.into()) % blocks;
        let at = match self.place {
            Place::Tail => TAIL,
            Place::Head => HEAD,
            Place::Taken => TAKEN,
            Place::Claim(n) => BLOCKS + from_head(n) * BLOCK,
            Place::Header(n) => BLOCKS + from_head(n) * BLOCK + 8,
            Place::Block(n) => BLOCKS + u64::from(n) % (2 * blocks) * 8,
            Place::Seat(n) => {
                SEATS + u64::from(n / 2) % PRODUCERS as u64 * SEAT + u64::from(n % 2) * 8
            }
            Place::InSeat(n, word) => {
                SEATS + u64::from(n) % PRODUCERS as u64 * SEAT + u64::from(word) * 8 % SEAT
            }
            Place::Many(n) => MANY + u64::from(n % 4) * 8,
            Place::Word(word) => u64::from(word % 176) * 8,
            Place::Byte(byte) => u64::from(byte) % (data + CAPACITY as u64),
        };
        let bytes = match &self.value {
            Number::Bytes(bytes) => bytes.clone(),
            number => number.word(fd, at).to_ne_bytes().to_vec(),
        };
        let room = usize::try_from(data + CAPACITY as u64 - at).unwrap();
        let _ = pwrite(fd, &bytes[..bytes.len().min(room)], i64::try_from(at).unwrap());
    }
}

impl Number {
    fn word(&self, fd: &OwnedFd, at: u64) -> u64 {
        match *self {
            Self::Word(word) => word,
            Self::Claim(state, owner, power, off, lap) => {
                let blocks = near(power % 23, off) & ((1 << 22) - 1);
                let lap = (word(fd, HEAD) / CAPACITY as u64).wrapping_add_signed(lap.into());
                let owner = u64::from(if owner % 4 == 0 { owner } else { owner % 4 - 1 });
                u64::from(state) << 62 | owner << 54 | blocks << 32 | lap & u64::from(u32::MAX)
            }
            Self::Header(power, off, kind) => {
                u64::from(kind) << 32 | near(power, off) & u64::from(u32::MAX)
            }
            Self::End => u64::MAX,
            Self::Position(tail, off) => {
                word(fd, if tail { TAIL } else { HEAD }).wrapping_add_signed(off.into())
            }
            Self::State(epoch, kind) => {
                u64::from(epoch & 0xf) << 36 | u64::from(kind % 8) << 32 | u64::from(kind)
            }
            Self::Copy(from, off) => {
                let from = u64::from(from) * 8 % (2 * PAGE);
                word(fd, from).wrapping_add_signed(off.into())
            }
            Self::Near(power, off) => near(power, off),
            Self::Bytes(_) => word(fd, at),
        }
    }
}
