//! What the tests of the byte stream have in common: rings of each kind, bytes that know where
//! they belong, and waiting that gives up.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod hard;
mod rendezvous;
mod site;

use crate::support::eventually;
use shmpipe::{
    Options, Trust,
    stream::{Reader, Writer},
};
use std::{sync::OnceLock, thread::JoinHandle, time::Duration};

pub use crate::support::RingName;
pub use hard::*;
pub use rendezvous::*;
pub use site::*;

/// Longer than any test waits.
pub const FOR_EVER: Duration = Duration::from_secs(3600);

/// The smallest capacity.
pub fn page() -> usize {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.unwrap().unwrap() as usize
}

/// Where a ring comes from and how its ends trust each other.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub named: bool,
    pub trust: Trust,
}

/// Every kind of ring: what a test says of one must hold for all.
pub const KINDS: [Kind; 4] = [
    Kind { named: false, trust: Trust::SameUser },
    Kind { named: true, trust: Trust::SameUser },
    Kind { named: false, trust: Trust::AnyUser },
    Kind { named: true, trust: Trust::AnyUser },
];

/// Both ends of a ring, in one process. The name comes first, so that it is dropped last.
pub type Pair = (RingName, Writer, Reader);

impl Kind {
    pub fn pair(self, options: &Options) -> Pair {
        self.pair_of(options, options)
    }

    /// With options of its own for each end.
    pub fn pair_of(self, of_writer: &Options, of_reader: &Options) -> Pair {
        let [of_writer, of_reader] =
            [of_writer, of_reader].map(|options| options.clone().trust(self.trust));
        let name = RingName::new("stream");
        let (writer, reader) = if self.named {
            let writer = of_writer.create_new(&name).unwrap();
            (writer, of_reader.open(&name).unwrap())
        } else {
            let (writer, reader) = of_writer.anonymous::<Writer>().unwrap();
            (writer.claim_with(&of_writer).unwrap(), reader.claim_with(&of_reader).unwrap())
        };
        (name, writer, reader)
    }

    /// A pair whose ring holds one page.
    pub fn page(self) -> Pair {
        self.pair(&Options::new().capacity(page()))
    }

    /// The same with ends that sleep until they are woken: no cap hides a lost wake-up.
    pub fn uncapped(self) -> Pair {
        self.pair(&Options::new().capacity(page()).liveness_interval(FOR_EVER))
    }
}

/// Bytes that lie this far apart are the same: a prime, so that places which are confused by a ring
/// (a lap apart, a page apart) differ.
const PERIOD: usize = 65_521;

fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mixed = |place: u64| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        (0..PERIOD as u64).map(mixed).collect()
    })
}

/// The bytes that belong at `position` and after it, as far as they go in one piece.
fn piece(position: u64) -> &'static [u8] {
    &table()[(position % PERIOD as u64) as usize..]
}

/// The byte that belongs at a position.
pub fn byte_at(position: u64) -> u8 {
    piece(position)[0]
}

/// Fills a slice with the bytes that belong at `position` and after it.
pub fn fill(mut bytes: &mut [u8], mut position: u64) {
    while !bytes.is_empty() {
        let piece = piece(position);
        let (now, rest) = bytes.split_at_mut(piece.len().min(bytes.len()));
        now.copy_from_slice(&piece[..now.len()]);
        position += now.len() as u64;
        bytes = rest;
    }
}

/// The `n` bytes from `position` on.
pub fn bytes_from(position: u64, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    fill(&mut bytes, position);
    bytes
}

/// Fails at the first byte that does not belong at its position.
#[track_caller]
pub fn check(mut bytes: &[u8], mut position: u64) {
    while !bytes.is_empty() {
        let piece = piece(position);
        let (now, rest) = bytes.split_at(piece.len().min(bytes.len()));
        if now != &piece[..now.len()] {
            let wrong = now.iter().zip(piece).position(|(found, right)| found != right).unwrap();
            panic!("a wrong byte at position {}", position + wrong as u64);
        }
        position += now.len() as u64;
        bytes = rest;
    }
}

/// Looks again and again until the condition holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// What a thread came to; fails if it does not end: a call that should not block did, or was never
/// woken.
#[track_caller]
pub fn joined<T>(thread: JoinHandle<T>) -> T {
    until("the thread ends", || thread.is_finished());
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Asserts that a result is a certain error.
#[macro_export]
macro_rules! assert_fails {
    ($result:expr, $pattern:pat $(if $guard:expr)? $(, $($note:tt)+)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!(
                "{} came to {:?} and not to {}{}",
                stringify!($result),
                other.map(drop),
                stringify!($pattern),
                $crate::note!($($($note)+)?),
            ),
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! note {
    () => {
        ""
    };
    ($($note:tt)+) => {
        format!(": {}", format_args!($($note)+))
    };
}
