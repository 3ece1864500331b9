//! Records against a model: random operations of both ends, every record compared.
//!
//! In one thread, with the forms that never wait, each answer is known beforehand; in two threads,
//! with the forms that do, what comes out must be what went in.

#[path = "../record_support/mod.rs"]
mod record_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod one_thread;
mod operations;
mod two_threads;

use proptest::prelude::*;
use shmpipe::record::{ReadError, Sender};
use stream_support::*;

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(KINDS.to_vec())
}

fn aligns() -> impl Strategy<Value = usize> {
    prop::sample::select(record_support::ALIGNS.to_vec())
}

/// The smallest ring and some larger ones, as a factor.
fn factors() -> impl Strategy<Value = usize> {
    (0..3_u32).prop_map(|power| 1 << power)
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
    fn end(self, sender: Sender) {
        match self {
            Self::Finish => sender.finish().unwrap(),
            Self::Fail(code) => sender.fail(code),
            Self::Drop => drop(sender),
        }
    }

    /// Whether a receiver that has received everything is told so.
    fn is_told<V>(self, end: &Result<Option<V>, ReadError>) -> bool {
        match (self, end) {
            (Self::Finish, Ok(None)) | (Self::Drop, Err(ReadError::Dropped)) => true,
            (Self::Fail(code), Err(ReadError::Failed(told))) => code == *told,
            _ => false,
        }
    }
}
