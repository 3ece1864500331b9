//! The byte stream against a model: random operations of both ends, every byte compared.
//!
//! The model is a queue of bytes. In one thread, with the forms that never wait, each answer is
//! known beforehand; in two threads, with the forms that do, what comes out must be what went in.

#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod one_thread;
mod two_threads;

use proptest::prelude::*;
use shmpipe::stream::{ReadError, Writer};
use stream_support::*;

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(KINDS.to_vec())
}

/// One page and more, up to more than one call moves at a time.
fn capacities() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => Just(page()),
        4 => (1..4_u32).prop_map(|power| page() << power),
        1 => Just(1 << 20),
    ]
}

fn config(cases: u32) -> ProptestConfig {
    // What fails is printed; regressions worth keeping become tests of their own.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Finish,
    Fail(i32),
    Drop,
}

fn endings() -> impl Strategy<Value = Ending> {
    prop_oneof![Just(Ending::Finish), any::<i32>().prop_map(Ending::Fail), Just(Ending::Drop)]
}

impl Ending {
    fn end(self, writer: Writer) {
        match self {
            Self::Finish => writer.finish().unwrap(),
            Self::Fail(code) => writer.fail(code),
            Self::Drop => drop(writer),
        }
    }

    /// Whether a reader that has read everything is told so.
    fn is_told(self, end: Result<&[u8], ReadError>) -> bool {
        match (self, end) {
            (Self::Finish, Ok(bytes)) => bytes.is_empty(),
            (Self::Fail(code), Err(ReadError::Failed(told))) => code == told,
            (Self::Drop, Err(ReadError::Dropped)) => true,
            _ => false,
        }
    }
}
