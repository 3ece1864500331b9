//! The line that `--stats` asks for.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use indicatif::BinaryBytes;
use serde_json::json;
use shmpipe::upgrade::Traffic;

use crate::args::StatsFormat;
use crate::input::is_pipe;
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
    /// What a descriptor is, as long as no ring takes its place.
    pub fn of(fd: BorrowedFd<'_>) -> Self {
        if is_pipe(fd) { Self::Pipe } else { Self::File }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Shm => "shm",
            Self::Pipe => "pipe",
            Self::File => "file",
        }
    }
}

/// Bytes by the way they went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways {
    pub shm: u64,
    pub pipe: u64,
    pub file: u64,
}

impl Ways {
    pub fn add(&mut self, transport: Transport, bytes: u64) {
        *match transport {
            Transport::Shm => &mut self.shm,
            Transport::Pipe => &mut self.pipe,
            Transport::File => &mut self.file,
        } += bytes;
    }

    fn list(self) -> [(&'static str, u64); 3] {
        [("shm", self.shm), ("pipe", self.pipe), ("file", self.file)]
    }

    fn json(self) -> serde_json::Value {
        self.list().into_iter().collect()
    }
}

/// What a transfer came to.
pub struct Totals {
    /// What it is called if nothing went through shared memory.
    transport: Transport,
    started: Instant,
    pub bytes: u64,
    /// How the bytes came.
    pub incoming: Ways,
    /// How they went.
    pub outgoing: Ways,
    /// How often, and for how long in all, this end slept because of the other.
    pub blocked: (u64, Duration),
}

impl Totals {
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            started: Instant::now(),
            bytes: 0,
            incoming: Ways::default(),
            outgoing: Ways::default(),
            blocked: (0, Duration::ZERO),
        }
    }

    /// Counts bytes that came and went.
    pub fn moved(&mut self, from: Transport, to: Transport, bytes: u64) {
        self.bytes += bytes;
        self.incoming.add(from, bytes);
        self.outgoing.add(to, bytes);
    }

    /// Counts what a pipe's end did for this transfer, of which `Traffic` tells.
    pub fn waited(&mut self, traffic: &Traffic) {
        self.blocked.0 += traffic.sleeps;
        self.blocked.1 += traffic.blocked;
    }

    /// Prints the line.
    pub fn print(&self, format: StatsFormat) {
        let seconds = self.started.elapsed().as_secs_f64();
        match format {
            StatsFormat::Text => write_line(format_args!("shmcat: {}", self.text(seconds))),
            StatsFormat::Json => write_line(format_args!("{}", self.json(seconds))),
        }
    }

    fn transport(&self) -> Transport {
        let shared = self.incoming.shm > 0 || self.outgoing.shm > 0;
        if shared { Transport::Shm } else { self.transport }
    }

    /// Of the side where another process is; of both, the output's.
    fn by_transport(&self) -> Ways {
        let to_file = self.outgoing.shm == 0 && self.outgoing.pipe == 0;
        if to_file { self.incoming } else { self.outgoing }
    }

    fn rate(&self, seconds: f64) -> f64 {
        // The clock ticks in nanoseconds: nothing here takes none, but a
        // division must not depend on it.
        self.bytes as f64 / seconds.max(1e-9)
    }

    fn text(&self, seconds: f64) -> impl fmt::Display {
        let by = self.by_transport().list().map(|(name, bytes)| format!("{name} {bytes}"));
        let (times, blocked) = self.blocked;
        format!(
            "{} bytes in {seconds:.6} s, {}/s, transport {} ({}), blocked {} times for {:.6} s",
            self.bytes,
            BinaryBytes(self.rate(seconds) as u64),
            self.transport().name(),
            by.join(", "),
            times,
            blocked.as_secs_f64(),
        )
    }

    fn json(&self, seconds: f64) -> serde_json::Value {
        json!({
            "bytes": self.bytes,
            "seconds": seconds,
            "rate": self.rate(seconds),
            "transport": self.transport().name(),
            "bytes_by_transport": self.by_transport().json(),
            "in": self.incoming.json(),
            "out": self.outgoing.json(),
            "blocked": self.blocked.0,
            "blocked_seconds": self.blocked.1.as_secs_f64(),
        })
    }
}
