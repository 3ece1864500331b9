//! What the tests of the slots have in common: types of every shape, values that know where they
//! belong, and rings of each kind for them.
//!
//! Value number `i` of a type of `n` bytes consists of the bytes that belong at the
//! positions from `i * n` on in a byte stream, so a value that is misplaced, torn or
//! from another lap is found out.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use crate::stream_support::*;
use bytemuck::{Pod, Zeroable};
use shmpipe::{
    OpenError, Options, Unclaimed,
    slot::{Consumer, Producer},
};
use std::os::fd::{AsFd, OwnedFd};

/// Three words: 24 bytes, which no power of two is a multiple of.
pub type Three = [u64; 3];

/// Twelve bytes, aligned to four.
pub type Twelve = [u32; 3];

/// One byte more than a page, aligned to nothing.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Odd {
    page: [u8; 4096],
    one: u8,
}

macro_rules! aligned {
    ($($name:ident: $align:literal, $words:literal;)*) => {
        $(
            #[derive(Clone, Copy, Debug, Pod, Zeroable)]
            #[repr(C, align($align))]
            pub struct $name([u64; $words]);
        )*
    };
}

aligned! {
    Sixteen: 16, 2;
    ThreeSixteens: 16, 6;
    ThirtyTwo: 32, 4;
    Line: 64, 8;
    ThreeLines: 64, 24;
}

/// Runs a generic function for types of every shape, or for those that are told.
#[macro_export]
macro_rules! for_each_type {
    ($function:ident $arguments:tt) => {
        $crate::for_each_type!(
            $function $arguments for
            u8, u16, [u8; 3], u32, i64, u128, f64, [u8; 7], [u16; 5],
            $crate::slot_support::Twelve, $crate::slot_support::Three,
            $crate::slot_support::Sixteen, $crate::slot_support::ThreeSixteens,
            $crate::slot_support::ThirtyTwo, $crate::slot_support::Line,
            $crate::slot_support::ThreeLines, $crate::slot_support::Odd
        )
    };
    ($function:ident $arguments:tt for $($type:ty),+) => {
        $($function::<$type>$arguments;)+
    };
}

/// The value that belongs at an index.
pub fn value<T: Pod>(index: u64) -> T {
    let mut value = T::zeroed();
    fill(bytemuck::bytes_of_mut(&mut value), index * size_of::<T>() as u64);
    value
}

/// The `n` values from `index` on.
pub fn values<T: Pod>(index: u64, n: usize) -> Vec<T> {
    (index..index + n as u64).map(value).collect()
}

/// Puts the values into a slice that belong at `index` and after it.
pub fn fill_values<T: Pod>(slots: &mut [T], index: u64) {
    fill(bytemuck::cast_slice_mut(slots), index * size_of::<T>() as u64);
}

/// Fails at the first value that does not belong at its index.
#[track_caller]
pub fn check_values<T: Pod>(values: &[T], index: u64) {
    check(bytemuck::cast_slice(values), index * size_of::<T>() as u64);
}

#[track_caller]
pub fn check_value<T: Pod>(value: T, index: u64) {
    check_values(&[value], index);
}

/// Bytes of a small ring that holds several values.
pub fn room<T>() -> usize {
    page().max((4 * size_of::<T>()).next_power_of_two())
}

/// Values in such a ring.
pub fn whole<T>() -> usize {
    room::<T>() / size_of::<T>()
}

/// Both ends of a ring of slots, in one process. The name comes first, so that it is dropped last.
pub type Ends<T> = (RingName, Producer<T>, Consumer<T>);

impl Kind {
    pub fn slots_of<T: Pod>(self, of_producer: &Options, of_consumer: &Options) -> Ends<T> {
        let [of_producer, of_consumer] =
            [of_producer, of_consumer].map(|options| options.clone().trust(self.trust));
        let name = RingName::new("slot");
        let (producer, consumer) = if self.named {
            let producer = of_producer.create_new(&name).unwrap();
            (producer, of_consumer.open(&name).unwrap())
        } else {
            let (producer, consumer) = of_producer.anonymous::<Producer<T>>().unwrap();
            let producer = producer.claim_with(&of_producer).unwrap();
            (producer, consumer.claim_with(&of_consumer).unwrap())
        };
        (name, producer, consumer)
    }

    pub fn slots_with<T: Pod>(self, options: &Options) -> Ends<T> {
        self.slots_of(options, options)
    }

    /// A pair whose ring is small.
    pub fn slots<T: Pod>(self) -> Ends<T> {
        self.slots_with(&Options::new().capacity(room::<T>()))
    }

    /// The same with ends that sleep until they are woken: no cap hides a lost wake-up.
    pub fn uncapped_slots<T: Pod>(self) -> Ends<T> {
        self.slots_with(&Options::new().capacity(room::<T>()).liveness_interval(FOR_EVER))
    }
}

/// Fills the ring with the values from `index` on; returns how many there was room for.
pub fn fill_up<T: Pod>(producer: &mut Producer<T>, index: u64) -> usize {
    let mut n = 0;
    while producer.try_push(value(index + n as u64)).is_ok() {
        n += 1;
    }
    n
}

/// A small ring of slots that any process forked after it was made can take an end of.
#[derive(Debug)]
pub struct SlotSite {
    pub name: RingName,
    /// Of an anonymous ring: what its ends are claimed by.
    memory: Option<OwnedFd>,
}

impl SlotSite {
    pub fn each<T: Pod>() -> [Self; 2] {
        [Self::new::<T>(true), Self::new::<T>(false)]
    }

    pub fn new<T: Pod>(named: bool) -> Self {
        let name = RingName::new("slot-site");
        let options = Options::new().capacity(room::<T>());
        let memory = if named {
            // Persistent: an end that makes it alone and dies would otherwise take it away.
            drop(options.persistent(true).create_new::<Consumer<T>>(&name).unwrap());
            None
        } else {
            let (memory, _) = options.anonymous::<Producer<T>>().unwrap();
            Some(memory.into())
        };
        Self { name, memory }
    }

    /// A ring whose stream begins at a position.
    pub fn at<T: Pod>(named: bool, position: u64) -> Self {
        let site = Self::new::<T>(named);
        let words = site.words();
        for offset in [TAIL, HEAD].into_iter().chain(BOUNDARIES) {
            assert_eq!(words.get(offset), 0, "a new ring begins at 0");
            words.set(offset, position);
        }
        site
    }

    fn memory(&self) -> Option<OwnedFd> {
        self.memory.as_ref().map(|memory| memory.as_fd().try_clone_to_owned().unwrap())
    }

    pub fn open<E: shmpipe::End>(&self, options: &Options) -> Result<E, OpenError> {
        match self.memory() {
            Some(memory) => Unclaimed::from(memory).claim_with(options),
            None => options.open(&self.name),
        }
    }

    pub fn producer<T: Pod>(&self, options: &Options) -> Producer<T> {
        self.open(options).unwrap()
    }

    pub fn consumer<T: Pod>(&self, options: &Options) -> Consumer<T> {
        self.open(options).unwrap()
    }

    pub fn words(&self) -> Words {
        Words(match self.memory() {
            Some(memory) => memory.into(),
            None => self.name.memory(),
        })
    }
}
