//! The upgrade of a kernel pipe through the library's own faces, between real processes.
//!
//! Every stream here is words that count from 0, each with the number of its writer, so that what
//! arrives tells what is missing, doubled or out of order.

mod death;
mod leaving;
mod offers;
mod schedules;
mod several;
mod stdio;
mod stream;
#[path = "../support/mod.rs"]
mod support;

use shmpipe::upgrade::{Input, Output, Traffic};
use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::AsFd,
};
use support::{Child, alone, eventually};

/// Enough to be upgraded, and then some.
const ENOUGH: u64 = 4 << 20;

/// Bytes of a word.
const WORD: u64 = 8;

/// Bytes of a stream, made as they are wanted.
struct Words {
    writer: u8,
    next: u64,
}

impl Words {
    fn of(writer: u8) -> Self {
        Self { writer, next: 0 }
    }

    /// The next `n` bytes, a multiple of a word.
    fn take(&mut self, n: u64) -> Vec<u8> {
        assert_eq!(n % WORD, 0, "whole words");
        let words = self.next..self.next + n / WORD;
        self.next = words.end;
        words.flat_map(|n| (u64::from(self.writer) << 56 | n).to_ne_bytes()).collect()
    }

    /// Writes the next `n` bytes by pieces.
    fn write(&mut self, to: &mut impl Write, n: u64, piece: u64) {
        let mut left = n;
        while left > 0 {
            let piece = piece.min(left);
            to.write_all(&self.take(piece)).expect("somebody reads");
            left -= piece;
        }
    }
}

/// What arrived, to be checked.
#[derive(Default)]
struct Arrived {
    /// Of each writer, the number of the word that is due.
    due: [u64; 4],
    /// Bytes of a word that is not whole yet.
    rest: Vec<u8>,
}

impl Arrived {
    #[track_caller]
    fn push(&mut self, bytes: &[u8]) {
        let missing = self.check(bytes);
        assert_eq!(missing, 0, "words are missing");
    }

    /// Returns how many words are missing before and in between.
    #[track_caller]
    fn check(&mut self, bytes: &[u8]) -> u64 {
        self.rest.extend(bytes);
        let whole = self.rest.len() - self.rest.len() % WORD as usize;
        let mut missing = 0;
        for word in self.rest[..whole].chunks_exact(WORD as usize) {
            let word = u64::from_ne_bytes(word.try_into().unwrap());
            let (writer, number) = ((word >> 56) as usize, word << 8 >> 8);
            assert!(writer < self.due.len(), "no word of ours: {word:#x}");
            let due = &mut self.due[writer];
            assert!(number >= *due, "word {number} of writer {writer} comes again, {due} was due");
            missing += number - *due;
            *due = number + 1;
        }
        self.rest.drain(..whole);
        missing
    }

    /// That so many bytes of each writer arrived.
    #[track_caller]
    fn assert_bytes(&self, bytes: &[u64]) {
        for (writer, bytes) in bytes.iter().enumerate() {
            assert_eq!(self.due[writer] * WORD, *bytes, "bytes of writer {writer}");
        }
        assert!(self.rest.is_empty(), "half a word is left");
    }
}

/// Reads `n` bytes, or to the end.
#[track_caller]
fn read(from: &mut impl Read, arrived: &mut Arrived, n: Option<u64>) {
    let mut left = n.unwrap_or(u64::MAX);
    let mut buffer = vec![0; 100_000 / 8 * 8];
    while left > 0 {
        let most = left.min(buffer.len() as u64) as usize;
        match from.read(&mut buffer[..most]).expect("a whole stream") {
            0 => break,
            read => {
                arrived.push(&buffer[..read]);
                left -= read as u64;
            }
        }
    }
    assert!(n.is_none() || left == 0, "the stream ends {left} bytes too early");
}

/// A process that writes to the pipe through an [`Output`].
fn writer(pipe: (&PipeReader, &PipeWriter), body: impl FnOnce(&mut Output<PipeWriter>)) -> Child {
    let write = pipe.1.try_clone().unwrap();
    // Nobody else's copy of the reading end may keep it from learning that its readers have gone.
    let read = pipe.0.as_fd();
    Child::fork(move |_| {
        close(read);
        let mut output = Output::new(write);
        body(&mut output);
        output.finish().expect("a reader that reads it all");
    })
}

/// Closes a descriptor that this process inherited and does not own.
fn close(fd: impl AsFd) {
    use std::os::fd::AsRawFd;
    // SAFETY: of a forked child's copies, none of which it uses afterwards.
    unsafe { libc::close(fd.as_fd().as_raw_fd()) };
}

fn pipe() -> (PipeReader, PipeWriter) {
    io::pipe().unwrap()
}

#[track_caller]
fn assert_upgraded(traffic: Traffic) {
    assert!(traffic.shm > 0, "upgraded: {traffic:?}");
    assert!(traffic.pipe <= 2 << 20, "early: {traffic:?}");
}
