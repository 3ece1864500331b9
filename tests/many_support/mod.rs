//! What the tests of rings of many producers have in common: places to meet, records that know who
//! sent them as the how manieth, and a book of what has come.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

use crate::{record_support::*, stream_support::*, support::RingName};
use shmpipe::{
    End, OpenError, OpenErrorKind, Options, Unclaimed,
    mpsc::{ProducerId, ReadError, Receiver, Sender, WriteError},
};
use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant, SystemTime},
};

/// Bytes of a block where nothing else was asked for: what the shortest record takes.
pub const BLOCK: usize = 64;

/// A ring of many producers that any process forked after it was made can come to.
#[derive(Debug)]
pub struct ManySite {
    pub name: RingName,
    pub producers: usize,
    /// Of an anonymous ring: what its ends are claimed by.
    memory: Option<OwnedFd>,
}

impl ManySite {
    /// Both kinds, of one page.
    pub fn each(producers: usize) -> [Self; 2] {
        [true, false].map(|named| Self::new(named, producers, page()))
    }

    pub fn new(named: bool, producers: usize, capacity: usize) -> Self {
        Self::with(named, producers, &Options::new().capacity(capacity))
    }

    /// Made with these options.
    pub fn with(named: bool, producers: usize, options: &Options) -> Self {
        let name = RingName::new("many");
        let options = options.clone().producers(producers);
        let memory = if named {
            // Persistent: an end that makes it alone and dies would otherwise take it away.
            drop(options.persistent(true).create_new::<Receiver>(&name).unwrap());
            None
        } else {
            Some(options.anonymous::<Sender>().unwrap().0.into())
        };
        Self { name, producers, memory }
    }

    /// A ring whose stream begins at a position.
    pub fn at(named: bool, options: &Options, position: u64) -> Self {
        let site = Self::with(named, 4, options);
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

    pub fn open<E: End>(&self, options: &Options) -> Result<E, OpenError> {
        match self.memory() {
            Some(memory) => Unclaimed::from(memory).claim_with(options),
            None => options.open(&self.name),
        }
    }

    #[track_caller]
    pub fn sender(&self, options: &Options) -> Sender {
        self.open(options).unwrap()
    }

    #[track_caller]
    pub fn receiver(&self, options: &Options) -> Receiver {
        self.open(options).unwrap()
    }

    pub fn words(&self) -> Words {
        Words(match self.memory() {
            Some(memory) => memory.into(),
            None => self.name.memory(),
        })
    }

    pub fn is_named(&self) -> bool {
        self.memory.is_none()
    }

    /// Takes every seat that is free, of which there must be so many, and gives them back.
    #[track_caller]
    pub fn assert_free_seats(&self, free: usize) {
        let options = Options::new();
        let senders: Vec<Sender> = (0..free)
            .map(|n| self.open(&options).unwrap_or_else(|e| panic!("seat {n} of {free}: {e}")))
            .collect();
        match self.open::<Sender>(&options) {
            Err(error) => assert!(
                matches!(error.kind(), OpenErrorKind::TableFull { limit, .. } if *limit == self.producers),
                "{error}"
            ),
            Ok(_) => panic!("more than {free} seats are free"),
        }
        drop(senders);
    }
}

/// Bytes of a record that say whose it is.
const SIGNED: usize = 16;

/// An author whose records consist of that, and take one block each.
pub const BRIEF: u64 = u64::MAX;

/// From here on up to that one, authors whose records are all as long.
pub const STEADY: u64 = 1 << 32;

/// Bytes of a record behind the signature, all together at most `longest`.
fn length_of(author: u64, number: u64, longest: usize) -> usize {
    match author {
        BRIEF => 0,
        STEADY.. => 100 - SIGNED,
        _ => length(seed(author, number), longest - SIGNED),
    }
}

fn seed(author: u64, number: u64) -> u64 {
    author.wrapping_mul(1_000_003).wrapping_add(number)
}

/// The record that an author sends as the `number`th: its kind and its bytes, at most `longest`.
pub fn signed(author: u64, number: u64, longest: usize) -> (u32, Vec<u8>) {
    let seed = seed(author, number);
    let mut bytes = [author.to_ne_bytes(), number.to_ne_bytes()].concat();
    bytes.extend(content(seed, length_of(author, number, longest)));
    (kind_of(seed), bytes)
}

/// What has come, by author: each record whole, none missing, none twice, all in order.
#[derive(Debug, Default)]
pub struct Book {
    /// How many have come, and as whose the ring gave them out.
    authors: HashMap<u64, (u64, ProducerId)>,
    ids: HashMap<ProducerId, u64>,
    longest: usize,
}

impl Book {
    pub fn new(longest: usize) -> Self {
        Self { longest, ..Self::default() }
    }

    /// Notes the next record; returns its author and its number.
    #[track_caller]
    pub fn note(&mut self, bytes: &[u8], kind: u32, producer: ProducerId) -> (u64, u64) {
        let (author, number) = self.check(bytes, kind, producer);
        let (next, _) = self.authors.entry(author).or_insert((0, producer));
        assert_eq!(number, *next, "the next record of author {author}");
        *next += 1;
        (author, number)
    }

    /// Checks that a record is whole and from the producer that its author is,
    /// but not whether it is its turn.
    #[track_caller]
    pub fn check(&mut self, bytes: &[u8], kind: u32, producer: ProducerId) -> (u64, u64) {
        assert!(bytes.len() >= SIGNED, "{} bytes are no record of ours", bytes.len());
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        let (author, number) = (word(0), word(8));
        let seed = seed(author, number);
        assert_eq!(kind, kind_of(seed), "the kind of record {number} of author {author}");
        assert_eq!(
            bytes.len() - SIGNED,
            length_of(author, number, self.longest),
            "the length of record {number} of author {author}"
        );
        check_content(&bytes[SIGNED..], seed);
        let known = self.authors.get(&author).map_or(producer, |(_, id)| *id);
        assert_eq!(producer, known, "whose records author {author}'s are");
        assert_eq!(*self.ids.entry(producer).or_insert(author), author, "producer {producer} is");
        (author, number)
    }

    /// How many of an author's have come.
    pub fn of(&self, author: u64) -> u64 {
        self.authors.get(&author).map_or(0, |(next, _)| *next)
    }

    /// Which producer of the ring an author is, if anything of it has come.
    pub fn id_of(&self, author: u64) -> Option<ProducerId> {
        self.authors.get(&author).map(|(_, id)| *id)
    }

    pub fn total(&self) -> u64 {
        self.authors.values().map(|(next, _)| next).sum()
    }
}

/// Receives one record into the book, within a time.
#[track_caller]
pub fn receive_signed(
    receiver: &mut Receiver,
    book: &mut Book,
    timeout: Duration,
) -> Result<Option<(u64, u64)>, ReadError> {
    let Some(record) = receiver.recv_timeout(timeout)? else { return Ok(None) };
    Ok(Some(book.note(&record, record.kind(), record.producer())))
}

pub fn send_signed(
    sender: &mut Sender,
    author: u64,
    number: u64,
    longest: usize,
) -> Result<(), WriteError> {
    let (kind, bytes) = signed(author, number, longest);
    sender.kind(kind).send(&bytes)
}

/// Numbers that are different in each run, which prints where they began.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("random numbers from {seed}");
        Self(seed | 1)
    }

    /// Any number (Marsaglia's xorshift).
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Mostly less than it takes to be scheduled, sometimes several milliseconds.
    pub fn delay(&mut self) -> Duration {
        let limit = [50, 300, 1500, 4000][self.below(4) as usize];
        Duration::from_micros(self.below(limit))
    }
}

/// How long things took, to be printed.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = |part: usize| {
            let index = (sorted.len() * part / 1000).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        write!(f, "median {:.2} ms, 99 % {:.2} ms, worst {:.2} ms", at(500), at(990), at(1000))
    }
}
