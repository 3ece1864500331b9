//! The line that `--stats` asks for.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::BinaryBytes;
use serde_json::json;

use crate::args::StatsFormat;
use crate::report::write_line;

/// How the bytes went from one process to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Through a ring in shared memory.
    Shm,
    /// Through a kernel pipe.
    Pipe,
    /// From file to file, with no other process in between.
    File,
}

impl Transport {
    const ALL: [Self; 3] = [Self::Shm, Self::Pipe, Self::File];

    fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Pipe => "pipe",
            Self::File => "file",
        }
    }
}

/// What a transfer came to.
pub struct Totals {
    transport: Transport,
    started: Instant,
    pub bytes: u64,
    /// How often, and for how long in all, this end slept because of the other.
    pub blocked: (u64, Duration),
}

impl Totals {
    pub fn new(transport: Transport) -> Self {
        Self { transport, started: Instant::now(), bytes: 0, blocked: (0, Duration::ZERO) }
    }

    /// Prints the line.
    pub fn print(&self, format: StatsFormat) {
        let seconds = self.started.elapsed().as_secs_f64();
        match format {
            StatsFormat::Text => write_line(format_args!("shmcat: {}", self.text(seconds))),
            StatsFormat::Json => write_line(format_args!("{}", self.json(seconds))),
        }
    }

    fn by_transport(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Transport::ALL
            .into_iter()
            .map(|one| (one.name(), if one == self.transport { self.bytes } else { 0 }))
    }

    fn rate(&self, seconds: f64) -> f64 {
        // The clock ticks in nanoseconds: nothing here takes none, but a division must not depend on it.
        self.bytes as f64 / seconds.max(1e-9)
    }

    fn text(&self, seconds: f64) -> impl fmt::Display {
        let by: Vec<_> =
            self.by_transport().map(|(name, bytes)| format!("{name} {bytes}")).collect();
        let (times, blocked) = self.blocked;
        format!(
            "{} bytes in {seconds:.6} s, {}/s, transport {} ({}), blocked {} times for {:.6} s",
            self.bytes,
            BinaryBytes(self.rate(seconds) as u64),
            self.transport.name(),
            by.join(", "),
            times,
            blocked.as_secs_f64(),
        )
    }

    fn json(&self, seconds: f64) -> serde_json::Value {
        let by: serde_json::Map<_, _> =
            self.by_transport().map(|(name, bytes)| (name.to_owned(), bytes.into())).collect();
        json!({
            "bytes": self.bytes,
            "seconds": seconds,
            "rate": self.rate(seconds),
            "transport": self.transport.name(),
            "bytes_by_transport": by,
            "blocked": self.blocked.0,
            "blocked_seconds": self.blocked.1.as_secs_f64(),
        })
    }
}
