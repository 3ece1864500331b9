//! Random schedules: writers that write pieces of all sizes, leave, end and are followed by others,
//! or go on at once; readers that read some, leave or exit, and are followed by others.

use super::*;
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};

/// What one writer does before it ends.
#[derive(Clone, Debug)]
struct Part {
    upgrading: bool,
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    /// So many bytes, so many at a time.
    Write { bytes: u64, at_once: u64 },
    /// Leave the ring, go on.
    Leave,
}

/// One reader, the last of which reads to the end.
#[derive(Clone, Copy, Debug)]
struct Stay {
    upgrading: bool,
    bytes: u64,
    at_once: usize,
    /// By exit, or by a word.
    exits: bool,
}

#[derive(Clone, Debug)]
struct Schedule {
    /// Writers of the first kind follow one another, the others write at the same time.
    in_turn: Vec<Part>,
    beside: Option<Part>,
    readers: Vec<Stay>,
}

fn words() -> impl Strategy<Value = u64> {
    prop_oneof![1..100_u64, 1..10_000_u64, 60_000..140_000_u64, 100_000..300_000_u64]
        .prop_map(|n| n * WORD)
}

fn at_once() -> impl Strategy<Value = u64> {
    prop_oneof![Just(8_u64), Just(512), Just(4096), Just(65536), Just(200_000), Just(1 << 20)]
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        5 => (words(), at_once()).prop_map(|(bytes, at_once)| {
            // Not by millions of tiny pieces.
            let at_once = at_once.max((bytes / 5000).next_multiple_of(WORD));
            Piece::Write { bytes, at_once }
        }),
        1 => Just(Piece::Leave),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let pieces = prop::collection::vec(piece(), 1..5);
    (prop::bool::weighted(0.8), pieces).prop_map(|(upgrading, pieces)| Part { upgrading, pieces })
}

fn stay() -> impl Strategy<Value = Stay> {
    let at_once = prop_oneof![Just(8_usize), Just(4096), Just(65536), Just(1 << 20)];
    (prop::bool::weighted(0.8), words(), at_once, any::<bool>()).prop_map(
        |(upgrading, bytes, at_once, exits)| {
            let at_once = at_once.max(((bytes / 5000) as usize).next_multiple_of(8));
            Stay { upgrading, bytes, at_once, exits }
        },
    )
}

fn schedule() -> impl Strategy<Value = Schedule> {
    (
        prop::collection::vec(part(), 1..4),
        prop::option::weighted(0.3, part()),
        prop::collection::vec(stay(), 1..5),
    )
        .prop_map(|(in_turn, beside, readers)| Schedule { in_turn, beside, readers })
}

impl Part {
    fn bytes(&self) -> u64 {
        let of = |piece: &Piece| match piece {
            Piece::Write { bytes, .. } => *bytes,
            Piece::Leave => 0,
        };
        self.pieces.iter().map(of).sum()
    }

    /// Writes to the pipe, in the process that calls this.
    fn write(&self, pipe: PipeWriter, words: &mut Words) {
        let mut output = if self.upgrading { Output::new(pipe) } else { Output::plain(pipe) };
        for piece in &self.pieces {
            match *piece {
                Piece::Write { bytes, at_once } => words.write(&mut output, bytes, at_once),
                Piece::Leave => output.leave().unwrap(),
            }
        }
        output.finish().unwrap();
    }
}

impl Stay {
    /// Reads from the pipe, in the process that calls this, and passes on what it got.
    fn read(&self, pipe: PipeReader, to: &mut impl Write, last: bool) {
        let mut input = if self.upgrading { Input::new(pipe) } else { Input::plain(pipe) };
        let mut left = if last { u64::MAX } else { self.bytes };
        let mut buffer = vec![0; self.at_once];
        while left > 0 {
            let most = left.min(buffer.len() as u64) as usize;
            match input.read(&mut buffer[..most]).expect("no writer died") {
                0 => break,
                n => {
                    to.write_all(&buffer[..n]).unwrap();
                    left -= n as u64;
                }
            }
        }
        if self.exits {
            // As a program that is through: nothing is dropped.
            std::mem::forget(input);
        }
    }
}

fn run(schedule: &Schedule) -> Result<(), TestCaseError> {
    let (read_end, write_end) = pipe();
    let (mut result, to_result) = pipe();
    let writers = {
        let write_end = write_end.try_clone().unwrap();
        let (read_end, result, to_result) = (read_end.as_fd(), result.as_fd(), to_result.as_fd());
        Child::fork(|_| {
            for end in [read_end, result, to_result] {
                close(end);
            }
            let mut number = 0;
            for part in &schedule.in_turn {
                let pipe = write_end.try_clone().unwrap();
                let first = number;
                Child::fork(|_| part.write(pipe, &mut Words { writer: 0, next: first })).join();
                number += part.bytes() / WORD;
            }
        })
    };
    let beside = schedule.beside.as_ref().map(|part| {
        let (write_end, read_end) = (write_end.try_clone().unwrap(), read_end.as_fd());
        let (result, to_result) = (result.as_fd(), to_result.as_fd());
        Child::fork(move |_| {
            for end in [read_end, result, to_result] {
                close(end);
            }
            // Whole words stay whole among several writers up to PIPE_BUF.
            let pieces = part.pieces.iter().map(|piece| match *piece {
                Piece::Write { bytes, at_once } => {
                    Piece::Write { bytes, at_once: at_once.min(4096) }
                }
                Piece::Leave => Piece::Leave,
            });
            let part = Part { upgrading: part.upgrading, pieces: pieces.collect() };
            part.write(write_end, &mut Words::of(1));
        })
    });
    drop(write_end);
    let readers = {
        let mut to_result = to_result.try_clone().unwrap();
        let result = result.as_fd();
        Child::fork(|_| {
            close(result);
            let last = schedule.readers.len() - 1;
            for (i, stay) in schedule.readers.iter().enumerate() {
                let pipe = read_end.try_clone().unwrap();
                Child::fork(|_| stay.read(pipe, &mut to_result, i == last)).join();
            }
        })
    };
    drop((read_end, to_result));
    let mut arrived = Arrived::default();
    read(&mut result, &mut arrived, None);
    let in_turn = schedule.in_turn.iter().map(Part::bytes).sum();
    arrived.assert_bytes(&[in_turn, schedule.beside.as_ref().map_or(0, Part::bytes)]);
    writers.join();
    readers.join();
    if let Some(beside) = beside {
        beside.join();
    }
    Ok(())
}

fn run_random(cases: u32) {
    // What fails is printed; regressions worth keeping become tests of their own.
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    // Writers at once keep words whole only up to PIPE_BUF; those in turn need not.
    let bounded = schedule().prop_map(|mut schedule| {
        if schedule.beside.is_some() {
            for part in &mut schedule.in_turn {
                for piece in &mut part.pieces {
                    if let Piece::Write { at_once, .. } = piece {
                        *at_once = (*at_once).min(4096);
                    }
                }
            }
        }
        schedule
    });
    let outcome = TestRunner::new(config).run(&bounded, |schedule| run(&schedule));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn random_schedules() {
    alone(|| run_random(40));
}

/// `cargo test --release --test upgrade -- --ignored schedules`: a minute or two.
#[test]
#[ignore = "long"]
fn many_random_schedules() {
    alone(|| run_random(2000));
}
