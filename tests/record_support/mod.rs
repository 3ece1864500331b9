//! What the tests of the records have in common: rings of each kind and alignment for them, and
//! records that know where they belong.
//!
//! There are two ways to know that. Record `number` of a series has a length, a kind and
//! bytes that follow from the number. And where processes come and go, the record at a
//! position of the ring has those that follow from the position: whoever takes over need not
//! be told how far the one before came.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use crate::stream_support::*;
use shmpipe::{
    OpenError, Options, Unclaimed,
    record::{Receiver, Sender, WriteError},
};
use std::os::fd::{AsFd, OwnedFd};

/// All that payloads can be aligned to.
pub const ALIGNS: [usize; 10] = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// The least, that of a line, and the most.
pub const SOME_ALIGNS: [usize; 3] = [8, 64, 4096];

/// Bytes of a header.
pub const HEADER: usize = 8;

/// Bytes of the ring that a record takes.
pub fn frame(align: usize, len: usize) -> usize {
    (HEADER + len).next_multiple_of(align)
}

/// Bytes of a ring that holds several records of any alignment.
pub fn room(align: usize) -> usize {
    page().max(4 * align)
}

/// Both ends of a ring of records, in one process. The name comes first, so
/// that it is dropped last.
pub type Ends = (RingName, Sender, Receiver);

impl Kind {
    pub fn records_of(self, of_sender: &Options, of_receiver: &Options) -> Ends {
        let [of_sender, of_receiver] =
            [of_sender, of_receiver].map(|options| options.clone().trust(self.trust));
        let name = RingName::new("record");
        let (sender, receiver) = if self.named {
            let sender = of_sender.create_new(&name).unwrap();
            (sender, of_receiver.open(&name).unwrap())
        } else {
            let (sender, receiver) = of_sender.anonymous::<Sender>().unwrap();
            let sender = sender.claim_with(&of_sender).unwrap();
            (sender, receiver.claim_with(&of_receiver).unwrap())
        };
        (name, sender, receiver)
    }

    pub fn records_with(self, options: &Options) -> Ends {
        self.records_of(options, options)
    }

    /// A pair whose ring is a page, the least, of the least alignment.
    pub fn records(self) -> Ends {
        self.records_with(&Options::new().capacity(page()))
    }

    /// A pair whose ring is small.
    pub fn aligned_records(self, align: usize) -> Ends {
        self.records_with(&Options::new().capacity(room(align)).payload_align(align))
    }

    /// The same with ends that sleep until they are woken: no cap hides a lost wake-up.
    pub fn uncapped_records(self) -> Ends {
        self.records_with(&Options::new().capacity(page()).liveness_interval(FOR_EVER))
    }
}

/// Looks random, and is the same for the same number.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x2545_f491);
    let mixed = (number ^ number >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// How long a record is: most are short, some are of any length up to the longest, some are empty.
pub fn length(number: u64, longest: usize) -> usize {
    let mixed = mixed(number);
    match mixed % 8 {
        0 => 0,
        1 => (mixed >> 8) as usize % (longest + 1),
        _ => (mixed >> 8) as usize % (longest.min(99) + 1),
    }
}

/// Different for each number up to 2^32.
pub fn kind_of(number: u64) -> u32 {
    (number as u32).wrapping_mul(0x9e37_79b1)
}

/// What is in a record.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    bytes_from(number.wrapping_mul(10_007), len)
}

pub fn fill_content(bytes: &mut [u8], number: u64) {
    fill(bytes, number.wrapping_mul(10_007));
}

#[track_caller]
pub fn check_content(bytes: &[u8], number: u64) {
    check(bytes, number.wrapping_mul(10_007));
}

/// Fails if it is not that record of the series.
#[track_caller]
pub fn check_record(bytes: &[u8], kind: u32, number: u64, longest: usize) {
    assert_eq!(kind, kind_of(number), "not record number {number}");
    assert_eq!(bytes.len(), length(number, longest), "the length of record number {number}");
    check_content(bytes, number);
}

/// Sends that record of the series.
pub fn send_record(sender: &mut Sender, number: u64, longest: usize) -> Result<(), WriteError> {
    sender.kind(kind_of(number)).send(&content(number, length(number, longest)))
}

/// Receives that record of the series, which must be there.
#[track_caller]
pub fn receive_record(receiver: &mut Receiver, number: u64, longest: usize) {
    let record = receiver.try_recv().unwrap().expect("the stream has not ended");
    check_record(&record, record.kind(), number, longest);
}

/// Receives the next record, which must be there: its bytes and its kind.
#[track_caller]
pub fn receive(receiver: &mut Receiver) -> (Vec<u8>, u32) {
    let record = receiver.try_recv().unwrap().expect("the stream has not ended");
    (record.to_vec(), record.kind())
}

/// Fills the ring with empty records to the last byte; returns how many there was room for.
pub fn fill_up(sender: &mut Sender) -> usize {
    let mut n = 0;
    while sender.try_send(b"").is_ok() {
        n += 1;
    }
    n
}

/// A small ring of records that any process forked after it was made can take an end of.
#[derive(Debug)]
pub struct RecordSite {
    pub name: RingName,
    pub align: usize,
    pub capacity: usize,
    /// Of an anonymous ring: what its ends are claimed by.
    memory: Option<OwnedFd>,
}

impl RecordSite {
    pub fn each(align: usize) -> [Self; 2] {
        [Self::new(true, align), Self::new(false, align)]
    }

    pub fn new(named: bool, align: usize) -> Self {
        let name = RingName::new("record-site");
        let capacity = room(align);
        let options = Options::new().capacity(capacity).payload_align(align);
        let memory = if named {
            // Persistent: an end that makes it alone and dies would otherwise take it away.
            drop(options.persistent(true).create_new::<Receiver>(&name).unwrap());
            None
        } else {
            let (memory, _) = options.anonymous::<Sender>().unwrap();
            Some(memory.into())
        };
        Self { name, align, capacity, memory }
    }

    /// A ring whose stream begins at a position.
    pub fn at(named: bool, align: usize, position: u64) -> Self {
        let site = Self::new(named, align);
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

    pub fn sender(&self, options: &Options) -> Sender {
        self.open(options).unwrap()
    }

    pub fn receiver(&self, options: &Options) -> Receiver {
        self.open(options).unwrap()
    }

    pub fn words(&self) -> Words {
        Words(match self.memory() {
            Some(memory) => memory.into(),
            None => self.name.memory(),
        })
    }

    /// Where in the object the header of the record at a position lies.
    pub fn header_at(&self, words: &Words, position: u64) -> u64 {
        const DATA_OFFSET: u64 = 24;
        let place = (position + (self.align - HEADER) as u64) % self.capacity as u64;
        words.get(DATA_OFFSET) + place
    }

    /// Writes the header of the record at a position.
    pub fn scribble(&self, words: &Words, position: u64, len: u32, kind: u32) {
        let at = self.header_at(words, position);
        words.0.write_all_at(&len.to_ne_bytes(), at).unwrap();
        words.0.write_all_at(&kind.to_ne_bytes(), at + 4).unwrap();
    }
}
