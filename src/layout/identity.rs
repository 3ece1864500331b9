//! Who and what a segment is: the first 256 bytes, written once by the builder.
//!
//! ```text
//! offset
//!   0  magic            "shmpipe\n", written last; "shmbuild" while the builder is at work
//!   8  layout version   1
//!  12  face             1 = byte stream, 2 = records, 3 = slots, 4 = records of many senders
//!  16  capacity         bytes of the data area, a power of two
//!  24  data offset      where the data area begins: bytes of the control area
//!  32  nonce            random: tells two rings of one name apart
//!  40  builder          pid of the builder, as it knows itself; for messages only
//!  44  flags            1 = persistent, 2 = ends sleep at semaphores beside the segment,
//!                       4 = memory is got as the first lap is written
//!  48  abi: word        bytes of a pointer
//!  52  abi: semaphore   bytes of a sem_t
//!  56  abi: libc        1 = glibc
//!  60  abi: byte order  0x01020304, as this machine stores it
//!  64  element size     of a slot ring's type, else 0
//!  68  element align    likewise, or the alignment of a record's payload
//!  72  type tag         name of a slot ring's type, zero-padded
//! 136  producers        how many there can be at once, if there can be many, else 0
//! 140  -                zero, for later
//! 256
//! ```
//!
//! It is read and written with pread(2) and pwrite(2), never through the mapping: an end copies it
//! to private memory once, checks it and never looks again, and an observer needs no mapping.

use bytemuck::{Pod, Zeroable};
use std::{fmt, mem::offset_of};
use thiserror::Error;

/// See the module's picture.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Identity {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    pub(crate) face: u32,
    pub(crate) capacity: u64,
    pub(crate) data_offset: u64,
    pub(crate) nonce: u64,
    pub(crate) builder: u32,
    pub(crate) flags: u32,
    pub(crate) abi: Abi,
    pub(crate) element_size: u32,
    pub(crate) element_align: u32,
    pub(crate) type_tag: [u8; TAG],
    pub(crate) producers: u32,
    reserved: [u32; 29],
}

/// What two programs must have in common to share a semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Abi {
    pub(crate) word: u32,
    pub(crate) semaphore: u32,
    pub(crate) libc: u32,
    pub(crate) byte_order: u32,
}

/// Bytes of the identity.
pub(crate) const SIZE: usize = 256;

const _: () = assert!(size_of::<Identity>() == SIZE, "the control block follows at 256");
const _: () = assert!(offset_of!(Identity, magic) == 0, "a single pwrite of 8 bytes publishes");
const _: () = assert!(offset_of!(Identity, version) == 8, "version 1's place, in all versions");
const _: () = assert!(offset_of!(Identity, capacity) == 16, "layout version 1");
const _: () = assert!(offset_of!(Identity, data_offset) == 24, "layout version 1");
const _: () = assert!(offset_of!(Identity, nonce) == 32, "layout version 1");
const _: () = assert!(offset_of!(Identity, builder) == 40, "layout version 1");
const _: () = assert!(offset_of!(Identity, abi) == 48, "layout version 1");
const _: () = assert!(offset_of!(Identity, element_size) == 64, "layout version 1");
const _: () = assert!(offset_of!(Identity, type_tag) == 72, "layout version 1");
const _: () = assert!(offset_of!(Identity, producers) == 136, "layout version 1");

pub(crate) use crate::segment::stage::{BUILDING, GONE, READY};

pub(crate) const VERSION: u32 = 1;

/// What a ring carries: which of this crate's modules its ends are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Face {
    /// A stream of bytes.
    Stream = 1,
    /// Records of one sender.
    Record = 2,
    /// Values of one type.
    Slot = 3,
    /// Records of many senders.
    Many = 4,
}

impl Face {
    fn of(number: u32) -> Option<Self> {
        let all = [Self::Stream, Self::Record, Self::Slot, Self::Many];
        all.into_iter().find(|face| *face as u32 == number)
    }
}

/// What lies in the data area, as an end asks for it. Public to be named, and
/// unreachable from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    pub(crate) face: Face,
    /// Bytes of a slot.
    pub(crate) element_size: usize,
    /// Alignment of a slot, or of a record's payload; then `None` takes what is there.
    pub(crate) element_align: Option<usize>,
    pub(crate) type_tag: [u8; TAG],
    /// Of a ring of many producers, how many; `None` = the default, and
    /// whatever an existing ring has.
    pub(crate) producers: Option<usize>,
}

/// The most bytes of a type's name that count.
pub(crate) const TAG: usize = 64;

/// What a record's payload is aligned to: at least that, at most a page, for which
/// every ring's data area is aligned.
pub(crate) const ALIGN: std::ops::RangeInclusive<usize> = 8..=4096;

impl Content {
    pub(crate) const STREAM: Self = Self {
        face: Face::Stream,
        element_size: 0,
        element_align: Some(0),
        type_tag: [0; TAG],
        producers: None,
    };

    /// Records whose payload is aligned to so many bytes, or to at least so many.
    pub(crate) fn records(align: Option<usize>) -> Self {
        Self { face: Face::Record, element_align: align, ..Self::STREAM }
    }

    /// Records of so many producers at once.
    pub(crate) fn many(align: Option<usize>, producers: Option<usize>) -> Self {
        Self { face: Face::Many, element_align: align, producers, ..Self::STREAM }
    }

    /// What an identity says itself, for who takes it as it is.
    pub(crate) fn of(identity: &Identity) -> Result<Self, LayoutError> {
        let found = identity.face;
        let face = Face::of(found)
            .ok_or(LayoutError::Damaged { what: "its face", found: found.into() })?;
        Ok(Self {
            face,
            element_size: identity.element_size as usize,
            element_align: Some(identity.element_align as usize),
            type_tag: identity.type_tag,
            producers: None,
        })
    }

    /// Whether it is records, whoever sends them.
    pub(crate) fn holds_records(&self) -> bool {
        matches!(self.face, Face::Record | Face::Many)
    }

    /// Slots of a type.
    pub(crate) fn slots(size: usize, align: usize, name: &str) -> Self {
        let mut type_tag = [0; TAG];
        let kept = name.len().min(TAG);
        type_tag[..kept].copy_from_slice(&name.as_bytes()[..kept]);
        let element_align = Some(align);
        Self { face: Face::Slot, element_size: size, element_align, type_tag, ..Self::STREAM }
    }
}

/// The type of what lies in the slots of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementType {
    /// Its name or tag, of which 64 bytes are kept.
    pub name: String,
    /// Bytes of one.
    pub size: usize,
    /// Bytes it is aligned to.
    pub align: usize,
}

impl ElementType {
    fn new((tag, size, align): ([u8; TAG], usize, usize)) -> Self {
        let name = String::from_utf8_lossy(&tag);
        Self { name: name.trim_end_matches('\0').to_owned(), size, align }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, aligned to {})", self.name, self.size, self.align)
    }
}

/// Bytes of the smallest block in a ring of many producers: a cache line, so
/// that no two of them write to one.
pub(crate) const LEAST_BLOCK: usize = 64;

/// In `flags`: the name outlives its ends.
pub(crate) const PERSISTENT: u32 = 1;

/// In `flags`: the producer gets the memory for what it writes first.
pub(crate) const GROWS: u32 = 4;

/// In `flags`: ends sleep at semaphores of the System V set, not at those in the segment.
pub(crate) const SLEEPS_BESIDE: u32 = 2;

impl Abi {
    /// This program's.
    pub(crate) const OWN: Self = Self {
        word: size_of::<usize>() as u32,
        semaphore: size_of::<libc::sem_t>() as u32,
        // Only glibc has sem_clockwait; lib.rs refuses to build on others.
        libc: 1,
        byte_order: 0x0102_0304,
    };
}

/// Why some memory is not a ring that this program can use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The object does not start as a ring does.
    #[error("it is no shmpipe ring (it does not start with the magic number)")]
    NotARing,
    /// The object ends before the ring does: somebody cut it.
    #[error("it is cut short: {found} bytes long where {expected} are needed")]
    Truncated {
        /// Bytes a ring of this geometry has.
        expected: u64,
        /// Bytes the object has.
        found: u64,
    },
    /// Built by another version of this crate.
    #[error("its layout is version {found}, and this program speaks version {VERSION}")]
    Version {
        /// The segment's layout version.
        found: u32,
    },
    /// Built by a program whose semaphores look different.
    #[error(
        "it was built by a program of another ABI: {what} is {found} there and {expected} here"
    )]
    Abi {
        /// Which property differs.
        what: &'static str,
        /// This program's value.
        expected: u32,
        /// The segment's value.
        found: u32,
    },
    /// It carries something else.
    #[error(
        "it is a ring of {} and not of {}",
        FaceNumber(*found),
        FaceNumber(*expected)
    )]
    Face {
        /// What was asked for: 1 = a stream of bytes, 2 = records, 3 = slots, 4 = records of many.
        expected: u32,
        /// What was found.
        found: u32,
    },
    /// Its slots hold another type.
    #[error("its slots hold {found} and not {expected}")]
    TypeMismatch {
        /// The type asked for.
        expected: ElementType,
        /// The type found.
        found: ElementType,
    },
    /// The header says something impossible.
    #[error("its header is damaged: {what} cannot be {found}")]
    Damaged {
        /// Which field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
}

/// A face as people call it.
struct FaceNumber(u32);

impl fmt::Display for FaceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("bytes"),
            2 => f.write_str("records"),
            3 => f.write_str("slots"),
            4 => f.write_str("records of many senders"),
            other => write!(f, "something newer ({other})"),
        }
    }
}

/// The geometry of a ring, checked: what an end keeps of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) capacity: usize,
    pub(crate) control: usize,
    /// What a record's payload or a slot is aligned to; 0 in a stream of bytes.
    pub(crate) align: usize,
    /// How many producers there can be at once, in a ring of many; else 0.
    pub(crate) producers: usize,
    /// In a ring of many producers, bytes of a block: records begin with one.
    pub(crate) block: usize,
    /// How many of them there are.
    pub(crate) blocks: usize,
}

impl Geometry {
    /// That of a ring whose values were checked, one by one.
    pub(crate) fn new(capacity: usize, align: usize, producers: usize) -> Self {
        let block = align.max(LEAST_BLOCK);
        let blocks = if producers == 0 { 0 } else { capacity / block };
        let mut geometry = Self { capacity, control: 0, align, producers, block, blocks };
        geometry.control = super::control_size(geometry);
        geometry
    }

    /// Whether what lies in it is bytes, and not items.
    pub(crate) fn holds_bytes(self) -> bool {
        self.align == 0
    }

    /// Bytes of the whole object.
    pub(crate) fn size(self) -> u64 {
        self.control as u64 + self.capacity as u64
    }
}

impl Identity {
    /// The identity of a new ring, not yet ready.
    pub(crate) fn new(content: &Content, geometry: Geometry, persistent: bool) -> Self {
        Self {
            magic: BUILDING,
            version: VERSION,
            face: content.face as u32,
            // Checked to fit where a type is chosen.
            element_size: content.element_size as u32,
            element_align: geometry.align as u32,
            producers: geometry.producers as u32,
            type_tag: content.type_tag,
            capacity: geometry.capacity as u64,
            data_offset: geometry.control as u64,
            nonce: crate::sys::memory::random(),
            builder: std::process::id(),
            flags: if persistent { PERSISTENT } else { 0 },
            abi: Abi::OWN,
            ..Zeroable::zeroed()
        }
    }

    /// The type of a slot, of a ring of slots.
    pub(crate) fn element(&self) -> ElementType {
        let (size, align) = (self.element_size as usize, self.element_align as usize);
        ElementType::new((self.type_tag, size, align))
    }

    pub(crate) fn persistent(&self) -> bool {
        self.flags & PERSISTENT != 0
    }

    pub(crate) fn grows(&self) -> bool {
        self.flags & GROWS != 0
    }

    pub(crate) fn sleeps_beside(&self) -> bool {
        self.flags & SLEEPS_BESIDE != 0
    }

    /// Checks everything that later code relies upon: after this, and only after this, the
    /// geometry may be mapped.
    pub(crate) fn validate(
        &self,
        content: &Content,
        object_size: u64,
    ) -> Result<Geometry, LayoutError> {
        if self.magic != READY {
            return Err(LayoutError::NotARing);
        }
        if self.version != VERSION {
            return Err(LayoutError::Version { found: self.version });
        }
        let abi = [
            ("byte order", Abi::OWN.byte_order, self.abi.byte_order),
            ("the size of a pointer", Abi::OWN.word, self.abi.word),
            ("the C library", Abi::OWN.libc, self.abi.libc),
            ("the size of a semaphore", Abi::OWN.semaphore, self.abi.semaphore),
        ];
        for (what, expected, found) in abi {
            if expected != found {
                return Err(LayoutError::Abi { what, expected, found });
            }
        }
        if self.face != content.face as u32 {
            return Err(LayoutError::Face { expected: content.face as u32, found: self.face });
        }
        self.check_elements(content)?;
        let page = crate::sys::memory::page_size();
        let capacity = usize::try_from(self.capacity)
            .ok()
            .filter(|capacity| is_capacity(*capacity, page))
            .ok_or(LayoutError::Damaged { what: "capacity", found: self.capacity })?;
        let producers = self.producers as usize;
        let fits = match content.face {
            Face::Many => is_producers(producers),
            _ => producers == 0,
        };
        if !fits {
            let found = self.producers.into();
            return Err(LayoutError::Damaged { what: "the number of producers", found });
        }
        let geometry = Geometry::new(capacity, self.element_align as usize, producers);
        if self.data_offset != geometry.control as u64 {
            return Err(LayoutError::Damaged {
                what: "the data's offset",
                found: self.data_offset,
            });
        }
        if object_size < geometry.size() {
            return Err(LayoutError::Truncated { expected: geometry.size(), found: object_size });
        }
        Ok(geometry)
    }
}

impl Identity {
    /// Whether slots hold the type asked for; whether records are aligned to anything sensible.
    fn check_elements(&self, content: &Content) -> Result<(), LayoutError> {
        match content.face {
            Face::Stream => Ok(()),
            Face::Record | Face::Many if is_align(self.element_align as usize) => Ok(()),
            Face::Record | Face::Many => Err(LayoutError::Damaged {
                what: "the records' alignment",
                found: self.element_align.into(),
            }),
            Face::Slot => {
                let (size, align) = (self.element_size as usize, self.element_align as usize);
                let found = (self.type_tag, size, align);
                let align = content.element_align.unwrap_or(align);
                let expected = (content.type_tag, content.element_size, align);
                if expected == found {
                    return Ok(());
                }
                Err(LayoutError::TypeMismatch {
                    expected: ElementType::new(expected),
                    found: ElementType::new(found),
                })
            }
        }
    }
}

/// Whether records can be aligned to this.
pub(crate) fn is_align(align: usize) -> bool {
    align.is_power_of_two() && ALIGN.contains(&align)
}

/// Whether a ring of many producers can be for so many at once: a claim names
/// its owner in eight bits.
pub(crate) fn is_producers(n: usize) -> bool {
    (1..=255).contains(&n)
}

/// Whether a data area can have this size: a power of two, whole pages, and small enough that it
/// can be mapped twice.
pub(crate) fn is_capacity(bytes: usize, page: usize) -> bool {
    bytes.is_power_of_two() && bytes >= page && bytes <= 1 << 60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> (Identity, u64) {
        let geometry = Geometry::new(1 << 16, 0, 0);
        let identity =
            Identity { magic: READY, ..Identity::new(&Content::STREAM, geometry, false) };
        (identity, geometry.size())
    }

    #[test]
    fn a_sound_identity_passes() {
        let (identity, size) = sound();
        assert_eq!(identity.validate(&Content::STREAM, size).unwrap().capacity, 1 << 16);
    }

    #[test]
    fn each_damage_is_named() {
        let (identity, size) = sound();
        let refuse = |change: fn(&mut Identity)| {
            let mut identity = identity;
            change(&mut identity);
            identity.validate(&Content::STREAM, size).unwrap_err()
        };
        assert_eq!(refuse(|it| it.magic = [0; 8]), LayoutError::NotARing);
        assert_eq!(refuse(|it| it.magic = BUILDING), LayoutError::NotARing);
        assert_eq!(refuse(|it| it.version = 2), LayoutError::Version { found: 2 });
        assert!(matches!(refuse(|it| it.face = 9), LayoutError::Face { found: 9, .. }));
        assert!(matches!(refuse(|it| it.abi.word = 4), LayoutError::Abi { found: 4, .. }));
        assert!(matches!(refuse(|it| it.abi.libc = 2), LayoutError::Abi { found: 2, .. }));
        assert!(matches!(refuse(|it| it.abi.semaphore = 16), LayoutError::Abi { found: 16, .. }));
        assert!(matches!(refuse(|it| it.abi.byte_order = 0x0403_0201), LayoutError::Abi { .. }));
        for capacity in [0, 1, 2048, (1 << 16) + 4096, u64::MAX, 1 << 63] {
            let mut identity = identity;
            identity.capacity = capacity;
            let error = identity.validate(&Content::STREAM, u64::MAX).unwrap_err();
            assert_eq!(error, LayoutError::Damaged { what: "capacity", found: capacity });
        }
        assert!(matches!(refuse(|it| it.data_offset = 0), LayoutError::Damaged { .. }));
        assert_eq!(
            identity.validate(&Content::STREAM, size - 1).unwrap_err(),
            LayoutError::Truncated { expected: size, found: size - 1 }
        );
    }
}
