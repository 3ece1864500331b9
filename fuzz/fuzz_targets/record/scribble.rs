//! What is written into the segment from outside.

use crate::{CAPACITY, Input};
use arbitrary::Arbitrary;
use nix::sys::uio::{pread, pwrite};
use std::os::fd::{AsFd, OwnedFd};

/// Bytes of the control area.
const CONTROL: u64 = 4096;

/// Words of the segment: `src/layout/identity.rs` and `control.rs` show them.
const ALIGN: u64 = 68;
const BOUNDARIES: [u64; 2] = [272, 280];
const TAIL: u64 = 384;
const HEAD: u64 = 512;

/// Bytes written somewhere into the segment.
#[derive(Arbitrary, Debug)]
pub struct Scribble {
    place: Place,
    value: Number,
}

#[derive(Arbitrary, Debug)]
enum Place {
    /// The producer's position.
    Tail,
    /// The consumer's position.
    Head,
    /// A word that steers the ring.
    Word(u8),
    /// The header of the first record that was not released.
    Header,
    /// A word of the data area, where a header may be.
    Data(u16),
    /// Any byte.
    Byte(u16),
}

/// Numbers near where something could go wrong are worth more than any number.
#[derive(Arbitrary, Debug)]
enum Number {
    Word(u64),
    /// A header: its length, near a power of two, and its kind.
    Header(u8, i8, u32),
    /// A header with a length near that of what was not released.
    Unread(i8),
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

fn set_word(fd: &impl AsFd, at: u64, value: u64) {
    let _ = pwrite(fd, &value.to_ne_bytes(), i64::try_from(at).unwrap());
}

impl Scribble {
    pub fn write(&self, fd: &OwnedFd) {
        let at = match self.place {
            Place::Tail => TAIL,
            Place::Head => HEAD,
            Place::Header => {
                let first = word(fd, HEAD).wrapping_add(word(fd, ALIGN) & 0xffff);
                CONTROL + first.wrapping_sub(8) % CAPACITY as u64
            }
            Place::Word(word) => u64::from(word % 144) * 8,
            Place::Data(word) => CONTROL + u64::from(word) * 8 % CAPACITY as u64,
            Place::Byte(byte) => u64::from(byte) % (CONTROL + CAPACITY as u64),
        };
        let bytes = match &self.value {
            Number::Word(word) => word.to_ne_bytes().to_vec(),
            Number::Header(power, off, kind) => {
                let len = near(*power, *off) & u64::from(u32::MAX);
                (u64::from(*kind) << 32 | len).to_ne_bytes().to_vec()
            }
            Number::Unread(off) => {
                let unread = word(fd, TAIL).wrapping_sub(word(fd, HEAD));
                let len = unread.wrapping_add_signed(i64::from(*off)) & u64::from(u32::MAX);
                len.to_ne_bytes().to_vec()
            }
            Number::Near(power, off) => near(*power, *off).to_ne_bytes().to_vec(),
            Number::Bytes(bytes) => bytes.clone(),
        };
        let room = usize::try_from(CONTROL + CAPACITY as u64 - at).unwrap();
        let _ = pwrite(fd, &bytes[..bytes.len().min(room)], i64::try_from(at).unwrap());
    }
}

impl Input {
    /// Brings a new ring to where the stream begins, and to what was written into it before.
    pub fn prepare(&self, fd: &OwnedFd) {
        // A multiple of every alignment and of the size of a value.
        let start = near(self.start.0, self.start.1) / (3 * 4096) * (3 * 4096);
        for at in [TAIL, HEAD].into_iter().chain(BOUNDARIES) {
            set_word(fd, at, start);
        }
        self.before.iter().for_each(|scribble| scribble.write(fd));
    }
}
