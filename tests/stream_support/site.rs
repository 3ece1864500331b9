//! A ring that several processes come to, and a look into it from outside.

use super::{RingName, page};
use crate::support::Memory;
use shmpipe::{
    OpenError, Options, Unclaimed,
    stream::{Reader, Writer},
};
use std::os::fd::{AsFd, OwnedFd};

/// A ring, named or anonymous, that any process forked after it was made can take an end of.
#[derive(Debug)]
pub struct Site {
    pub name: RingName,
    /// Of an anonymous ring: what its ends are claimed by.
    memory: Option<OwnedFd>,
}

impl Site {
    /// Both kinds, of one page.
    pub fn each() -> [Self; 2] {
        [Self::new(true, page()), Self::new(false, page())]
    }

    pub fn new(named: bool, capacity: usize) -> Self {
        let name = RingName::new("site");
        let options = Options::new().capacity(capacity);
        let memory = if named {
            // Persistent: an end that makes it alone and dies would otherwise take it away.
            drop(options.persistent(true).create_new::<Reader>(&name).unwrap());
            None
        } else {
            let (memory, _) = options.anonymous::<Writer>().unwrap();
            Some(memory.into())
        };
        Self { name, memory }
    }

    pub fn is_named(&self) -> bool {
        self.memory.is_none()
    }

    fn memory(&self) -> Option<OwnedFd> {
        self.memory.as_ref().map(|memory| memory.as_fd().try_clone_to_owned().unwrap())
    }

    pub fn try_writer(&self, options: &Options) -> Result<Writer, OpenError> {
        match self.memory() {
            Some(memory) => Unclaimed::from(memory).claim_with(options),
            None => options.open(&self.name),
        }
    }

    pub fn try_reader(&self, options: &Options) -> Result<Reader, OpenError> {
        match self.memory() {
            Some(memory) => Unclaimed::from(memory).claim_with(options),
            None => options.open(&self.name),
        }
    }

    pub fn writer(&self, options: &Options) -> Writer {
        self.try_writer(options).unwrap()
    }

    pub fn reader(&self, options: &Options) -> Reader {
        self.try_reader(options).unwrap()
    }

    pub fn words(&self) -> Words {
        Words(match self.memory() {
            Some(memory) => memory.into(),
            None => self.name.memory(),
        })
    }
}

/// The shared words of a ring, from outside: `src/layout/control.rs` shows where they are.
#[derive(Debug)]
pub struct Words(pub Memory);

/// Offsets in the segment, layout version 1.
pub const PRODUCER: u64 = 256;
pub const CONSUMER: u64 = 264;
/// Of even epochs and of odd ones.
pub const BOUNDARIES: [u64; 2] = [272, 280];
pub const PREVIOUS: u64 = 288;
pub const ACKNOWLEDGED: u64 = 296;
pub const TAIL: u64 = 384;
pub const HEAD: u64 = 512;
/// Whether the reader sleeps.
pub const DATA_PARKED: u64 = 640;
/// Whether the writer sleeps.
pub const SPACE_PARKED: u64 = 768;
const WRITER_STATS: u64 = 896;
const READER_STATS: u64 = 1024;
/// Within the statistics of an end.
const SLEEPS: u64 = 16;
const LATE_WAKEUPS: u64 = 32;
const FENCED: u64 = 52;

/// What an end says of itself to observers.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub sleeps: u64,
    pub late_wakeups: u64,
    /// Whether it has registered for the barriers of others.
    pub fenced: bool,
}

impl Words {
    pub fn get(&self, offset: u64) -> u64 {
        let mut word = [0; 8];
        self.0.read_exact_at(&mut word, offset).unwrap();
        u64::from_ne_bytes(word)
    }

    pub fn set(&self, offset: u64, value: u64) {
        self.0.write_all_at(&value.to_ne_bytes(), offset).unwrap();
    }

    fn shown(&self, at: u64) -> Shown {
        let fenced = self.get(at + FENCED) as u32 == 1;
        Shown { sleeps: self.get(at + SLEEPS), late_wakeups: self.get(at + LATE_WAKEUPS), fenced }
    }

    /// What the writer shows, its last wait included if it is gone.
    pub fn writer(&self) -> Shown {
        self.shown(WRITER_STATS)
    }

    pub fn reader(&self) -> Shown {
        self.shown(READER_STATS)
    }

    /// Whether the end whose word lies at this offset sleeps.
    pub fn is_parked(&self, offset: u64) -> bool {
        self.get(offset) as u32 != 0
    }
}
