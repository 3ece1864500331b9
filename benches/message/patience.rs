//! Waiting awake, for the ways that leave waiting to who uses them.

use std::hint::spin_loop;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// Who waits longer than this has lost the other end.
const END: Duration = Duration::from_secs(20);

/// Looks again and again, and gives up some day, so that a rival that gets
/// stuck ends the benchmark.
#[derive(Default)]
pub struct Patience {
    looks: u32,
    since: Option<Instant>,
}

impl Patience {
    /// To be called between two looks.
    #[inline]
    pub fn look_again(&mut self) -> io::Result<()> {
        self.looks += 1;
        if self.looks.is_multiple_of(4096) {
            return self.consider();
        }
        spin_loop();
        Ok(())
    }

    #[cold]
    fn consider(&mut self) -> io::Result<()> {
        if self.since.get_or_insert_with(Instant::now).elapsed() > END {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the other end does nothing more"));
        }
        // On one CPU the other end could not go on otherwise.
        thread::yield_now();
        Ok(())
    }
}
