//! Typed slots against a model: random operations of both ends, every value compared.
//!
//! The model is two numbers, for value number `i` is known from `i`. In one thread, with the forms
//! that never wait, each answer is known beforehand; in two threads, with the forms that do, what
//! comes out must be what went in.

#[path = "../slot_support/mod.rs"]
mod slot_support;
#[path = "../stream_support/mod.rs"]
mod stream_support;
#[path = "../support/mod.rs"]
mod support;

mod one_thread;
mod two_threads;

use bytemuck::Pod;
use proptest::prelude::*;
use shmpipe::slot::{Producer, ReadError};
use stream_support::*;

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(KINDS.to_vec())
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
    fn end<T: Pod>(self, producer: Producer<T>) {
        match self {
            Self::Finish => producer.finish().unwrap(),
            Self::Fail(code) => producer.fail(code),
            Self::Drop => drop(producer),
        }
    }

    /// Whether a consumer that has popped everything is told so.
    fn is_told<V>(self, end: &Result<Option<V>, ReadError>) -> bool {
        match (self, end) {
            (Self::Finish, Ok(None)) | (Self::Drop, Err(ReadError::Dropped)) => true,
            (Self::Fail(code), Err(ReadError::Failed(told))) => code == *told,
            _ => false,
        }
    }
}
