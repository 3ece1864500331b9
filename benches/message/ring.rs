//! What the faces of the ring have in common: where it lives, how large it is, how its ends wait.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use shmpipe::{Key, Options, Unclaimed, Wait};

use super::{End, Link};
use crate::transport::doomed::Doomed;
use crate::transport::{self, Unavailable, size};

/// What follows the name of a face: `1M`, `spin`, `sleep`, `adaptive`, `posix`,
/// `sysv`, `sysv-shared`, in any order.
pub struct Ring {
    capacity: usize,
    wait: Wait,
    named: bool,
    home: Home,
}

/// Where it lives.
#[derive(Clone, Copy, PartialEq)]
enum Home {
    Anonymous,
    Posix,
    SystemV,
    /// With a mode by which other users may write to it: then its ends sleep at
    /// semaphores beside it.
    SystemVShared,
}

impl Ring {
    /// Reads the options.
    pub fn parse(options: &str) -> Result<Self, Unavailable> {
        let mut ring = Ring {
            capacity: Options::DEFAULT_CAPACITY,
            wait: Wait::Adaptive,
            named: false,
            home: Home::Anonymous,
        };
        for option in options.split(':').filter(|option| !option.is_empty()) {
            match option {
                "adaptive" => (ring.wait, ring.named) = (Wait::Adaptive, true),
                "spin" => (ring.wait, ring.named) = (Wait::Spin, true),
                "sleep" => (ring.wait, ring.named) = (Wait::Sleep, true),
                "posix" => ring.home = Home::Posix,
                "sysv" => ring.home = Home::SystemV,
                "sysv-shared" => ring.home = Home::SystemVShared,
                capacity => {
                    let capacity = size::parse(capacity).map_err(Unavailable::because)?;
                    ring.capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
                }
            }
        }
        Ok(ring)
    }

    /// For a ring like that, and its ends.
    fn options(&self) -> Options {
        let mode = if self.home == Home::SystemVShared { 0o666 } else { 0o600 };
        Options::new().capacity(self.capacity).wait(self.wait).mode(mode)
    }

    /// Makes a link, whose sending end is to be an `E`.
    pub fn connect<E: shmpipe::End>(&self) -> Result<Link, Unavailable> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let (pid, nth) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let name = match self.home {
            Home::Anonymous => {
                let pair = self.options().anonymous::<E>();
                let (sender, receiver) = pair.map_err(|e| Unavailable::because(e.to_string()))?;
                return Ok(transport::Link::of_descriptors(sender, receiver).into());
            }
            Home::Posix => format!("/shmpipe-bench-{pid}-{nth}"),
            Home::SystemV | Home::SystemVShared => {
                let key = Key::raw((pid << 8 | nth & 0xff) as i32 & i32::MAX);
                AsRef::<std::ffi::OsStr>::as_ref(&key).to_string_lossy().into_owned()
            }
        };
        Ok(Link::of_names(&name, &name, Doomed::ring(name.clone())))
    }

    /// Takes an end.
    pub fn take<E: shmpipe::End>(&self, end: End) -> io::Result<E> {
        let options = self.options();
        let taken = match self.home {
            Home::Anonymous => Unclaimed::<E>::from(end.descriptor()?).claim_with(&options),
            _ => options.open_or_create(end.name()?),
        };
        taken.map_err(io::Error::other)
    }

    /// What a table calls `face`.
    pub fn title(&self, face: &str) -> String {
        let wait = match self.wait {
            _ if !self.named => "",
            Wait::Spin => ", spinning",
            Wait::Sleep => ", sleeping",
            _ => ", adaptive",
        };
        let home = match self.home {
            Home::Anonymous => "",
            Home::Posix => ", POSIX",
            Home::SystemV => ", System V",
            Home::SystemVShared => ", System V, for other users, too",
        };
        format!("shmpipe {face}{home}{wait}")
    }
}
