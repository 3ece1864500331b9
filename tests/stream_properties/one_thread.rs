//! In one thread, with the forms that never wait: each answer is known beforehand.

use crate::{capacities, config, endings, kinds, stream_support::*};
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options,
    stream::{ReadError, Reader, TransferError, WriteError, Writer},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek},
    os::unix::fs::FileExt,
};

/// How many bytes an operation asks for: in terms of the capacity, so that the ring is often full,
/// often empty, and asked for too much now and then.
#[derive(Clone, Copy, Debug)]
enum Size {
    Bytes(usize),
    /// That much less or more than the capacity.
    Capacity(isize),
    /// That much less or more than what is free (of a reader: than what is there).
    Rest(isize),
}

impl Size {
    fn of(self, capacity: usize, rest: usize) -> usize {
        match self {
            Self::Bytes(n) => n,
            Self::Capacity(more) => capacity.saturating_add_signed(more),
            Self::Rest(more) => rest.saturating_add_signed(more),
        }
    }
}

fn sizes() -> impl Strategy<Value = Size> {
    prop_oneof![
        6 => (0..300_usize).prop_map(Size::Bytes),
        2 => (0..9000_usize).prop_map(Size::Bytes),
        1 => (-3..=3_isize).prop_map(Size::Capacity),
        3 => (-3..=3_isize).prop_map(Size::Rest),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Write(Size),
    /// Reserves exactly so many, and commits that share of them, in percent.
    Reserve(Size, usize),
    ReserveUpTo(Size, usize),
    ReserveAndDrop(Size),
    CommitTooMuch(Size),
    ReadFrom(Size),
    Read(Size),
    /// Looks, and consumes that share of what is there, in percent.
    FillAndConsume(usize),
    WriteTo(Size),
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let share = || prop_oneof![Just(100_usize), 0..=100_usize];
    prop_oneof![
        3 => sizes().prop_map(Write),
        3 => (sizes(), share()).prop_map(|(size, share)| Reserve(size, share)),
        2 => (sizes(), share()).prop_map(|(size, share)| ReserveUpTo(size, share)),
        1 => sizes().prop_map(ReserveAndDrop),
        1 => sizes().prop_map(CommitTooMuch),
        2 => sizes().prop_map(ReadFrom),
        4 => sizes().prop_map(Read),
        3 => share().prop_map(FillAndConsume),
        2 => sizes().prop_map(WriteTo),
    ]
}

/// Both ends and what ought to be between them.
struct Model {
    writer: Writer,
    reader: Reader,
    unread: VecDeque<u8>,
    /// Of the next byte to be written, which makes it known.
    position: u64,
    capacity: usize,
    file: File,
}

impl Model {
    fn free(&self) -> usize {
        self.capacity - self.unread.len()
    }

    /// The next `n` bytes are in the ring.
    fn was_written(&mut self, n: usize) {
        self.unread.extend(bytes_from(self.position, n));
        self.position += n as u64;
    }

    fn was_read(&mut self, bytes: &[u8]) {
        let expected: Vec<u8> = self.unread.drain(..bytes.len()).collect();
        assert!(bytes == expected, "other bytes than were written");
    }

    fn run(&mut self, operation: Operation) {
        let (free, unread) = (self.free(), self.unread.len());
        let to_write = |size: Size| size.of(self.capacity, free);
        let to_read = |size: Size| size.of(self.capacity, unread);
        match operation {
            Operation::Write(size) => self.write(to_write(size)),
            Operation::Reserve(size, share) => self.reserve(to_write(size), Some(share)),
            Operation::ReserveAndDrop(size) => self.reserve(to_write(size), None),
            Operation::ReserveUpTo(size, share) => self.reserve_up_to(to_write(size), share),
            Operation::CommitTooMuch(size) => self.commit_too_much(to_write(size)),
            Operation::ReadFrom(size) => self.read_from(to_write(size)),
            Operation::Read(size) => self.read(to_read(size)),
            Operation::FillAndConsume(share) => self.fill_and_consume(share),
            Operation::WriteTo(size) => self.write_to(to_read(size)),
        }
        assert_eq!((self.writer.len(), self.reader.len()), (self.unread.len(), self.unread.len()));
        assert_eq!((self.writer.free(), self.reader.free()), (self.free(), self.free()));
        assert_eq!(self.writer.is_empty(), self.unread.is_empty());
    }

    fn write(&mut self, n: usize) {
        match self.writer.try_write(&bytes_from(self.position, n)) {
            Ok(written) => {
                assert_eq!(written, n.min(self.free()));
                self.was_written(written);
            }
            Err(WriteError::Full) => assert!(n > 0 && self.free() == 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve(&mut self, n: usize, commit: Option<usize>) {
        let free = self.free();
        match self.writer.try_reserve(n) {
            Ok(mut reservation) => {
                assert!(n <= free);
                assert_eq!(reservation.len(), n);
                fill(&mut reservation, self.position);
                if let Some(share) = commit {
                    reservation.commit(n * share / 100).unwrap();
                    self.was_written(n * share / 100);
                }
            }
            Err(WriteError::Full) => assert!(n > free && n <= self.capacity),
            Err(WriteError::TooLarge { .. }) => assert!(n > self.capacity),
            Err(error) => panic!("{error}"),
        }
    }

    fn reserve_up_to(&mut self, n: usize, share: usize) {
        let free = self.free();
        match self.writer.try_reserve_up_to(n) {
            Ok(mut reservation) => {
                let n = n.min(free);
                assert_eq!(reservation.len(), n);
                fill(&mut reservation, self.position);
                reservation.commit(n * share / 100).unwrap();
                self.was_written(n * share / 100);
            }
            Err(WriteError::Full) => assert!(n > 0 && free == 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn commit_too_much(&mut self, n: usize) {
        if let Ok(reservation) = self.writer.try_reserve(n) {
            assert!(matches!(reservation.commit(n + 1), Err(WriteError::TooLarge { .. })));
        }
    }

    fn read_from(&mut self, n: usize) {
        // One byte fewer in the file than asked for: a short read.
        let there = bytes_from(self.position, n.saturating_sub(1));
        self.file.set_len(0).unwrap();
        self.file.write_all_at(&there, 0).unwrap();
        self.file.rewind().unwrap();
        match self.writer.try_read_from(&self.file, n) {
            Ok(moved) => {
                // One call moves as much as one read(2) does, which is not said.
                assert!(moved <= there.len().min(self.free()));
                assert!(moved > 0 || there.is_empty());
                self.was_written(moved);
            }
            Err(TransferError::Ring(WriteError::Full)) => assert!(n > 0 && self.free() == 0),
            Err(error) => panic!("{error}"),
        }
    }

    fn read(&mut self, n: usize) {
        let mut into = vec![0; n];
        match self.reader.try_read(&mut into) {
            Ok(read) => {
                assert_eq!(read, n.min(self.unread.len()));
                self.was_read(&into[..read]);
            }
            Err(ReadError::Empty) => assert!(n > 0 && self.unread.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }

    fn fill_and_consume(&mut self, share: usize) {
        match self.reader.try_fill_buf() {
            Ok(bytes) => {
                assert!(!bytes.is_empty() && bytes.len() <= self.unread.len());
                let consumed = bytes[..bytes.len() * share / 100].to_vec();
                assert!(bytes == &self.unread.make_contiguous()[..bytes.len()]);
                self.reader.consume(consumed.len());
                self.was_read(&consumed);
            }
            Err(ReadError::Empty) => assert!(self.unread.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }

    fn write_to(&mut self, n: usize) {
        self.file.set_len(0).unwrap();
        self.file.rewind().unwrap();
        match self.reader.try_write_to(&self.file, n) {
            Ok(moved) => {
                assert!(moved <= n.min(self.unread.len()));
                assert!(moved > 0 || n == 0);
                let mut copied = vec![0; moved];
                self.file.read_exact_at(&mut copied, 0).unwrap();
                assert_eq!(self.file.metadata().unwrap().len(), moved as u64);
                self.was_read(&copied);
            }
            Err(TransferError::Ring(ReadError::Empty)) => assert!(n > 0 && self.unread.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn in_one_thread_every_answer_is_the_models(
        kind in kinds(),
        capacity in capacities(),
        operations in vec(operations(), 1..200),
        ending in endings(),
    ) {
        let (_name, writer, reader) = kind.pair(&Options::new().capacity(capacity));
        let file = tempfile::tempfile().unwrap();
        let unread = VecDeque::new();
        let mut model = Model { writer, reader, unread, position: 0, capacity, file };
        for operation in operations {
            model.run(operation);
        }
        let Model { writer, mut reader, unread, .. } = model;
        ending.end(writer);
        let mut rest = vec![0; unread.len()];
        reader.read_exact(&mut rest).unwrap();
        prop_assert!(unread == rest, "the rest differs");
        for _ in 0..2 {
            prop_assert!(ending.is_told(reader.try_fill_buf()));
        }
    }
}
