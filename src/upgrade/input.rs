//! The reading end.

use super::{
    Traffic,
    handover::{Handover, State},
    is_enabled, offer,
    pipe::{self, PipeId},
};
use crate::sync::Ordering;
use crate::{
    Options, Peer, Unclaimed,
    end::fork::Process,
    stream::{ReadError, Reader},
};
use memmap2::MmapMut;
use std::{
    io::{self, BufRead, Read},
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

/// An offer is looked for each time this much has come by the pipe,
const ASK_AGAIN: u64 = 64 << 10;

/// and less often, but never for good, when so much has come
const PATIENCE: u64 = 4 << 20;

/// that whoever writes now does not seem to speak this.
const ASK_RARELY: u64 = 512 << 10;

/// The most that is shown at once. Of a reader that is killed, what it was shown is lost,
/// as what it had read from a pipe.
const BLOCK: usize = 128 << 10;

/// The most that is taken from a ring for a caller who reads less than this at a time.
const SMALL: usize = 4 << 10;

/// In ring mode, other writers' bytes in the pipe are looked for this often: reads.
const LOOK_AFTER: u32 = 16;

/// For how long the reader of a ring sleeps before it looks into the pipe, which cannot wake it:
/// briefly at first and when it has found something there, then longer and longer.
#[derive(Debug)]
struct Naps {
    next: Duration,
}

/// For how long a reader that has just attached, or has just read from the pipe, looks for the next
/// thing to happen before it naps: about what the writer needs to come to its next write.
const EAGER: Duration = Duration::from_micros(200);

impl Naps {
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);

    fn new() -> Self {
        Self { next: Self::SHORTEST }
    }

    fn are_short(&self) -> bool {
        self.next < 4 * Self::SHORTEST
    }

    fn are_shortest(&self) -> bool {
        self.next == Self::SHORTEST
    }

    fn shorten(&mut self) {
        self.next = Self::SHORTEST;
    }

    /// A sleep's length; each is a bit longer than the one before.
    fn take(&mut self) -> Duration {
        let nap = self.next;
        self.next = (nap * 17 / 16).min(Self::LONGEST);
        nap
    }
}

/// The reading end of a pipe, or of anything else that bytes can be read from.
///
/// If it is a pipe that is written to through an [`Output`](super::Output), the bytes change over
/// to shared memory, see [the module](super) also for what is different then; with every other
/// writer this is read(2). A descriptor that is set to not block is waited for, and an
/// interrupted call is made again.
///
/// [`Read`] takes no more than it hands out: what is not asked for stays for the next process that
/// reads the pipe. [`BufRead`] reads up to 128 KiB ahead from a pipe, as a buffered reader does,
/// and nothing ahead from a ring.
///
/// Dropped, it leaves: what it has not consumed stays for others, but for what [`BufRead`] has
/// read ahead. In a forked child, this reads the pipe as it is: [`leave`](Self::leave) before
/// the child is to read on. (To close the descriptor behind its back is not to leave: the
/// writer would wait for this end.)
#[derive(Debug)]
pub struct Input<F: AsFd = OwnedFd> {
    fd: F,
    /// `None` = there is no telling; then it is never upgraded.
    process: Option<Process>,
    line: Line,
    /// `None` = it is no pipe, or not to be upgraded.
    pipe: Option<PipeId>,
    /// So much more comes by the pipe before an offer is looked for.
    until_ask: u64,
    /// Bytes that had come by the pipe when the last ring was over.
    asked_since: u64,
    traffic: Traffic,
    /// Bytes from the descriptor, read ahead: those from `used` to `filled`.
    block: Option<MmapMut>,
    used: usize,
    filled: usize,
    /// How many bytes of the ring were last shown, and how many of them were consumed: they are
    /// released together, for that takes longer than to read a line.
    shown: usize,
    consumed: usize,
}

/// Where the next byte comes from.
#[derive(Debug)]
enum Line {
    Pipe,
    /// From the pipe, until the writer switches.
    Attached(Ring, Naps),
    Ring(Ring, Naps),
}

#[derive(Debug)]
struct Ring {
    reader: Reader,
    /// The pipe once more, as a description that does not block: somebody else
    /// may be faster to what is in it.
    quiet: OwnedFd,
    /// So many bytes of the ring come before those in the pipe: those that were published before it
    /// was seen that the pipe has some.
    first: u64,
    /// So many bytes of the pipe come next.
    in_pipe: u64,
    /// Reads since the pipe was looked into.
    reads: u32,
    /// Whether it was the pipe that brought something last.
    beside: bool,
}

/// What there is to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// By read(2), at most so many bytes; and that may wait, or must not.
    Pipe { most: usize, may_wait: bool },
    /// At most so many bytes of the ring, which has some.
    Ring { most: usize },
}

impl<F: AsFd> Input<F> {
    /// An end that upgrades if it can; see [`super::is_enabled`] for when it does not.
    pub fn new(fd: F) -> Self {
        let pipe = if is_enabled() { pipe::identify(&fd) } else { None };
        Self::with(fd, pipe)
    }

    /// An end that never upgrades.
    pub fn plain(fd: F) -> Self {
        Self::with(fd, None)
    }

    fn with(fd: F, pipe: Option<PipeId>) -> Self {
        let process = Process::current().ok();
        Self {
            fd,
            process,
            line: Line::Pipe,
            pipe: pipe.filter(|_| process.is_some()),
            until_ask: 0,
            asked_since: 0,
            traffic: Traffic::default(),
            block: None,
            used: 0,
            filled: 0,
            shown: 0,
            consumed: 0,
        }
    }

    /// Leaves the ring, if there is one: what this end has not consumed goes back to the pipe, for
    /// whoever reads it next. To be called before another process is to read the same pipe.
    ///
    /// (What [`BufRead`] has read ahead from the pipe stays here.)
    pub fn leave(&mut self) {
        let (consumed, _) = self.forget_shown();
        let inherited = self.is_inherited();
        if let Line::Attached(mut ring, _) | Line::Ring(mut ring, _) = self.take_line() {
            self.until_ask = ASK_AGAIN;
            if inherited {
                return;
            }
            ring.release(consumed);
            ring.reader.mark_taken(0);
            ring.handover().leave();
            self.traffic.wait(&ring.reader.stats());
        }
    }

    /// How many bytes came each way so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = self.traffic;
        if let Line::Ring(ring, _) | Line::Attached(ring, _) = &self.line {
            traffic.wait(&ring.reader.stats());
        }
        traffic
    }

    fn take_line(&mut self) -> Line {
        std::mem::replace(&mut self.line, Line::Pipe)
    }

    /// In a forked child the ring is not mapped. The pipe is read there as it is.
    fn is_inherited(&self) -> bool {
        self.process.is_some_and(|process| !process.is_this())
    }

    /// The ring is over, one way or another: back to the pipe.
    fn end_ring(&mut self) {
        self.forget_shown();
        if let Line::Attached(ring, _) | Line::Ring(ring, _) = self.take_line() {
            self.traffic.wait(&ring.reader.stats());
        }
        // Nobody makes the next offer before so much has gone by the pipe.
        self.until_ask = ASK_AGAIN;
        self.asked_since = self.traffic.pipe;
    }

    /// Finds out where the next bytes are, and waits for them if they can only come from a ring.
    fn source(&mut self) -> io::Result<Source> {
        if self.is_inherited() {
            self.line = Line::Pipe;
            self.pipe = None;
        }
        loop {
            match &mut self.line {
                Line::Pipe => {
                    // At its first bytes, not before: there is no offer while nothing was written.
                    if self.pipe.is_some() && self.until_ask == 0 && self.traffic.pipe > 0 {
                        let rarely = self.traffic.pipe - self.asked_since > PATIENCE;
                        self.until_ask = if rarely { ASK_RARELY } else { ASK_AGAIN };
                        self.attach();
                    }
                    if matches!(self.line, Line::Pipe) {
                        return Ok(Source::Pipe { most: usize::MAX, may_wait: true });
                    }
                }
                Line::Attached(ring, naps) => match ring.handover().state() {
                    State::Attached => {
                        let n = pipe::waiting(&self.fd)?;
                        if n > 0 {
                            naps.shorten();
                            return Ok(Source::Pipe { most: n, may_wait: false });
                        }
                        let changed = |handover: Handover<'_>| handover.state() != State::Attached;
                        if naps.are_shortest() {
                            // The writer's next bytes may come either way, and
                            // only one of them wakes.
                            let started = Instant::now();
                            while !changed(ring.handover())
                                && pipe::waiting(&self.fd)? == 0
                                && started.elapsed() < EAGER
                            {
                                std::thread::yield_now();
                            }
                            naps.take();
                            continue;
                        }
                        let gone = !ring
                            .reader
                            .await_change(naps.take(), |line| changed(Handover(&line.state)))?
                            && ring.has_lost_its_writer();
                        // If it had switched before it died, that is found next time round.
                        if gone && ring.handover().state() == State::Attached {
                            self.end_ring();
                        }
                    }
                    State::Switched => {
                        // What was written to the pipe before the switch, by whomever, and is still
                        // there. Relaxed: ordered by the Acquire in `state`, which saw the switch.
                        let then = ring.reader.handover_line().in_pipe.load(Ordering::Relaxed);
                        ring.in_pipe = then.min(pipe::waiting(&self.fd)? as u64);
                        if let Line::Attached(ring, naps) = self.take_line() {
                            self.line = Line::Ring(ring, naps);
                        }
                    }
                    State::Offered | State::Left | State::Closed => self.end_ring(),
                },
                Line::Ring(ring, naps) => {
                    if ring.first > 0 {
                        return Ok(Source::Ring { most: clamp(ring.first) });
                    }
                    if ring.in_pipe > 0 {
                        return Ok(Source::Pipe { most: clamp(ring.in_pipe), may_wait: false });
                    }
                    let is_empty = ring.reader.is_empty();
                    if is_empty || ring.reads >= LOOK_AFTER {
                        ring.reads = 0;
                        ring.in_pipe = pipe::waiting(&self.fd)? as u64;
                    }
                    ring.reads += 1;
                    let any = if ring.in_pipe > 0 {
                        ring.reader.look_for_any()
                    } else if is_empty && ring.beside {
                        // More of what came last is the likelier to come next.
                        pipe::await_readable(&self.fd, naps.next);
                        ring.reader.look_for_any()
                    } else {
                        ring.reader.await_any(naps.next)
                    };
                    match any {
                        Ok(0) => self.end_ring(),
                        Ok(n) if ring.in_pipe > 0 => {
                            // Its writer may have begun when the ring's was done:
                            // the ring goes first, as far as it was filled after the
                            // pipe was found not to be empty.
                            ring.first = n as u64;
                            ring.beside = true;
                            naps.shorten();
                        }
                        Ok(_) => {
                            ring.beside = false;
                            return Ok(Source::Ring { most: usize::MAX });
                        }
                        Err(ReadError::Empty) if ring.in_pipe > 0 => {
                            ring.beside = true;
                            naps.shorten();
                        }
                        Err(ReadError::Empty | ReadError::Timeout) => {
                            naps.take();
                            // The other writer is through: the ring's wakes, and the pipe does not.
                            ring.beside &= naps.are_short();
                            ring.reads = LOOK_AFTER;
                        }
                        Err(error) => {
                            self.end_ring();
                            return Err(error.into());
                        }
                    }
                }
            }
        }
    }

    /// Looks for an offer, and takes it.
    fn attach(&mut self) {
        let attach = |id: PipeId| {
            let fd = offer::find(&self.fd)?.open(&self.fd, id)?;
            let quiet = pipe::reopen_quiet(&self.fd)?;
            let reader = Unclaimed::<Reader>::from(fd).claim_with(&Options::new()).ok()?;
            let ring = Ring { reader, quiet, first: 0, in_pipe: 0, reads: 0, beside: false };
            // It may be dead, or have withdrawn meanwhile.
            (!ring.has_lost_its_writer() && ring.handover().attach()).then_some(ring)
        };
        if let Some(ring) = self.pipe.and_then(attach) {
            self.line = Line::Attached(ring, Naps::new());
        }
    }

    /// Reads from the descriptor; `None` if somebody else was faster.
    fn read_pipe(
        &mut self,
        into: Into<'_>,
        most: usize,
        may_wait: bool,
    ) -> io::Result<Option<usize>> {
        let buffer = match into {
            Into::Caller(buffer) => buffer,
            Into::Block => match &mut self.block {
                Some(block) => &mut block[..],
                // Not from malloc: where a block begins with a page, the
                // kernel's copying touches fewer.
                none => &mut none.insert(MmapMut::map_anon(BLOCK)?)[..],
            },
        };
        let most = most.min(buffer.len());
        let buffer = &mut buffer[..most];
        let ring = match &mut self.line {
            Line::Pipe => None,
            Line::Attached(ring, _) | Line::Ring(ring, _) => Some(ring),
        };
        let quiet = ring.as_ref().map(|ring| &ring.quiet).filter(|_| !may_wait);
        let read = match quiet {
            Some(quiet) => match pipe::read_once(quiet, buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                read => Some(read?),
            },
            None => Some(pipe::read(&self.fd, buffer)?),
        };
        let n = read.unwrap_or(0) as u64;
        if let Some(ring) = ring {
            // Gone to another reader, if it is less than there was.
            ring.in_pipe = if n == 0 { 0 } else { ring.in_pipe.saturating_sub(n) };
        }
        self.traffic.pipe += n;
        self.until_ask = self.until_ask.saturating_sub(n);
        // In the pipe of a ring in use, the end of the file is not the end: the
        // ring's own comes first.
        Ok(if may_wait { read } else { read.filter(|n| *n > 0) })
    }

    fn ahead(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| &block[self.used..self.filled])
    }
}

enum Into<'a> {
    Caller(&'a mut [u8]),
    Block,
}

impl Ring {
    fn handover(&self) -> Handover<'_> {
        Handover(&self.reader.handover_line().state)
    }

    /// Whether the writer is gone. A system call.
    fn has_lost_its_writer(&self) -> bool {
        !matches!(self.reader.peer(), Ok(Peer::Alive | Peer::Waiting))
    }

    /// Gives back the first of the bytes that were shown.
    fn release(&mut self, n: usize) {
        self.reader.peek(n);
        self.reader.consume(n);
        self.first = self.first.saturating_sub(n as u64);
    }
}

fn clamp(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl<F: AsFd> Read for Input<F> {
    /// Takes as many bytes as there are, waiting until there are any; 0 at the end of the file.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.is_all_consumed() {
            match self.source_for(bytes)? {
                Some(n) => return Ok(n),
                None => self.take(SMALL)?,
            }
        }
        let n = self.shown().len().min(bytes.len());
        if self.used == self.filled {
            // No more than that: if this process dies, the others are the next reader's.
            self.mark_taken(self.consumed + n);
        }
        let shown = self.shown();
        bytes[..n].copy_from_slice(&shown[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<F: AsFd> Input<F> {
    /// Whether nothing is left of what was read ahead, or shown in the ring.
    fn is_all_consumed(&self) -> bool {
        self.used == self.filled && self.consumed == self.shown
    }

    /// What is left of what was read ahead, or shown in the ring.
    fn shown(&mut self) -> &[u8] {
        if self.used < self.filled {
            return self.ahead();
        }
        match &mut self.line {
            Line::Ring(ring, _) => &ring.reader.peek(self.shown)[self.consumed..],
            Line::Pipe | Line::Attached(..) => &[],
        }
    }

    /// Reads into the caller's memory; `None` if there are bytes in the ring,
    /// and few are asked for.
    fn source_for(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.source()? {
                Source::Pipe { most, may_wait } => {
                    if let Some(n) = self.read_pipe(Into::Caller(bytes), most, may_wait)? {
                        return Ok(Some(n));
                    }
                }
                Source::Ring { .. } if bytes.len() < SMALL => return Ok(None),
                Source::Ring { most } => {
                    let most = most.min(bytes.len());
                    let Line::Ring(ring, _) = &mut self.line else { continue };
                    let n = ring.reader.try_read(&mut bytes[..most])?;
                    ring.first = ring.first.saturating_sub(n as u64);
                    self.traffic.shm += n as u64;
                    return Ok(Some(n));
                }
            }
        }
    }

    /// Takes up to `most` bytes of the ring, which has some, to be shown.
    fn take(&mut self, most: usize) -> io::Result<()> {
        let Line::Ring(ring, _) = &mut self.line else { return Ok(()) };
        let first = if ring.first > 0 { clamp(ring.first) } else { usize::MAX };
        let n = ring.reader.await_any(Duration::ZERO)?.min(most).min(first);
        (self.shown, self.consumed) = (n, 0);
        Ok(())
    }

    /// Notes that the first `n` bytes of those in the ring are, or may be, in use from here on.
    fn mark_taken(&mut self, n: usize) {
        if let Line::Ring(ring, _) = &mut self.line {
            ring.reader.mark_taken(n);
        }
    }

    fn forget_shown(&mut self) -> (usize, usize) {
        (std::mem::take(&mut self.consumed), std::mem::take(&mut self.shown))
    }
}

impl<F: AsFd> BufRead for Input<F> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.is_all_consumed() {
            match self.source()? {
                Source::Pipe { most, may_wait } => {
                    if let Some(n) = self.read_pipe(Into::Block, most, may_wait)? {
                        (self.used, self.filled) = (0, n);
                        break;
                    }
                }
                Source::Ring { .. } => {
                    self.take(BLOCK)?;
                    break;
                }
            }
        }
        // Before anything is done with them.
        self.mark_taken(self.shown);
        Ok(self.shown())
    }

    fn consume(&mut self, n: usize) {
        if self.used < self.filled {
            self.used = self.filled.min(self.used + n);
            return;
        }
        let n = n.min(self.shown - self.consumed);
        self.consumed += n;
        self.traffic.shm += n as u64;
        if self.consumed == self.shown && self.shown > 0 {
            let (consumed, _) = self.forget_shown();
            if let Line::Ring(ring, _) = &mut self.line {
                ring.release(consumed);
            }
        }
    }
}

impl<F: AsFd> Drop for Input<F> {
    fn drop(&mut self) {
        self.leave();
    }
}
