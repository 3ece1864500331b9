//! What the tests of the byte stream have in common: rings of each kind, bytes that know where
//! they belong, and waiting that gives up.

// Each test binary uses a part of it.
#![allow(dead_code)]

use crate::support::eventually;
use shmpipe::{
    Options, Trust,
    stream::{Reader, Writer},
};
use std::{thread::JoinHandle, time::Duration};

pub use crate::support::RingName;

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
        let options = options.clone().trust(self.trust);
        let name = RingName::new("stream");
        let (writer, reader) = if self.named {
            let writer = options.create_new(name.as_str()).unwrap();
            (writer, options.open(name.as_str()).unwrap())
        } else {
            let (writer, reader) = options.anonymous::<Writer>().unwrap();
            (writer.claim_with(&options).unwrap(), reader.claim_with(&options).unwrap())
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

/// The byte at a position: neighbours differ, and so do the same places of different laps.
pub fn byte_at(position: u64) -> u8 {
    let mixed = position.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

/// Fills a slice with the bytes that belong at `position` and after it.
pub fn fill(bytes: &mut [u8], position: u64) {
    for (place, byte) in (position..).zip(bytes) {
        *byte = byte_at(place);
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
pub fn check(bytes: &[u8], position: u64) {
    for (place, byte) in (position..).zip(bytes) {
        assert_eq!(*byte, byte_at(place), "the byte at position {place}");
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
