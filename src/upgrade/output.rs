//! The writing end.

use super::{
    Traffic,
    handover::State,
    is_enabled, offer,
    pipe::{self, PipeId},
    ring::{Ring, Stopped},
    watch,
};
use crate::end::fork::Process;
use memmap2::MmapMut;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use thiserror::Error;

/// So much goes by the pipe before a ring is made: a short stream loses more by the making than it
/// gains by the ring.
const OFFER_AFTER: u64 = 1 << 20;

/// Of a file of which less than this is left it is known that making a ring does not pay, unless
/// more of its kind follow: when [`MANY`] has gone by the pipe, that is likely.
const WORTH: u64 = 6 << 20;

/// See [`WORTH`].
const MANY: u64 = 12 << 20;

/// An offer that could not be made, or may have been lost, is made again after so much more.
const OFFER_AGAIN: u64 = 1 << 20;

/// The most that goes into a pipe by one write(2): in between it is looked
/// whether somebody has come.
const PIECE: usize = 128 << 10;

/// What [`Output::read_from`] reads at once if it does not read into the ring.
const BLOCK: usize = 128 << 10;

/// The writing end of a pipe, or of anything else that bytes can be written to.
///
/// If it is a pipe whose reading end is read through an [`Input`](super::Input), the bytes
/// change over to shared memory, see [the module](super) also for what is different then; to
/// every other reader this is write(2).
///
/// Nothing is held back: what is written is at the other end. A descriptor that is
/// set to not block is waited for.
///
/// Dropping it [`finish`](Self::finish)es it. A normal exit of the process does too, also by
/// [`std::process::exit`], and waits for the reader, even if another thread is in the midst of a
/// write. If the process ends in another way (it is killed, aborts, or executes another program)
/// its reader is told that the writer died: [`leave`](Self::leave) before exec.
///
/// A child process that inherits the descriptor may write to it; its bytes and those that this
/// process writes from then on come in any order, unless this end is left ([`leave`](Self::leave))
/// before the child is started. In a forked child itself, this writes to the descriptor.
///
/// # Examples
/// ```
/// use shmpipe::upgrade::{Input, Output};
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let (reader, writer) = std::io::pipe()?;
/// let mut output = Output::new(writer);
/// output.write_all(b"as through any pipe")?;
/// output.finish()?;
///
/// let mut text = String::new();
/// Input::new(reader).read_to_string(&mut text)?;
/// assert_eq!(text, "as through any pipe");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Output<F: AsFd + Send + Sync + 'static = OwnedFd> {
    shared: Arc<Shared<F>>,
}

/// Why [`Output::read_from`] failed: at which of its two sides.
#[derive(Debug, Error)]
pub enum CopyError {
    /// What read(2) said. Nothing was written.
    #[error("{0}")]
    Source(#[source] io::Error),
    /// The bytes could not be written, or not all.
    #[error("{0}")]
    Output(#[source] io::Error),
}

/// What the end shares with the thread that watches it and with the handler at exit.
#[derive(Debug)]
pub(super) struct Shared<F> {
    fd: F,
    /// `None` = there is no telling; then it is never upgraded.
    process: Option<Process>,
    /// Whether bytes may be in a ring: without the lock, which a thread may hold
    /// for long that writes to the pipe.
    has_ring: AtomicBool,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    line: Line,
    /// `None` = it is no pipe, or not to be upgraded.
    pipe: Option<PipeId>,
    /// So much more goes by the pipe before a ring is offered (again).
    until_offer: u64,
    traffic: Traffic,
    /// Whether a thread looks after the ring; see `watch`.
    watched: bool,
    /// Bytes that had gone by rings when it last looked.
    seen: u64,
    /// A ring that is over, and is kept until the descriptor is closed: to give its memory back
    /// takes longer than all else at the end of a stream, and the reader need not wait for it.
    over: Option<Ring>,
    /// How many bytes are yet to come, if that is known.
    expected: Option<u64>,
    /// For bytes that are read from elsewhere; `None` before the first, and while a thread uses it.
    block: Option<MmapMut>,
}

/// Where the next byte goes.
#[derive(Debug)]
enum Line {
    Pipe,
    /// To the pipe, but somebody may come for the ring.
    Offered(Ring),
    Ring(Ring),
    /// To the pipe, behind what the ring's reader left there, of which so many
    /// bytes are in the pipe by now.
    Rest(Ring, usize),
}

/// What the watching thread found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing was written since it last looked.
    Quiet,
    /// Something was, or somebody is at it.
    Busy,
    /// No ring is in use.
    Over,
}

impl<F: AsFd + Send + Sync + 'static> Output<F> {
    /// An end that upgrades if it can; see [`super::is_enabled`] for when it does not.
    ///
    /// It takes the descriptor; to keep it, give a [`BorrowedFd<'static>`] or a
    /// duplicate. If what you give is buffered itself (such as [`std::io::Stdout`]), what
    /// is in that buffer comes later.
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
        let pipe = pipe.filter(|_| process.is_some());
        let core = Core {
            line: Line::Pipe,
            pipe,
            until_offer: OFFER_AFTER,
            traffic: Traffic::default(),
            watched: false,
            seen: 0,
            over: None,
            expected: None,
            block: None,
        };
        let has_ring = AtomicBool::new(false);
        Self { shared: Arc::new(Shared { fd, process, has_ring, core: Mutex::new(core) }) }
    }

    /// Moves up to `max` bytes from a descriptor, by one read(2); returns how many, 0 at the end
    /// of that file (or if `max` is 0).
    ///
    /// From a file on a disk they go straight into the ring, if there is one.
    ///
    /// # Errors
    /// [`CopyError`], which says whether it was the reading or the writing that failed.
    pub fn read_from(&mut self, source: impl AsFd, max: usize) -> Result<usize, CopyError> {
        self.shared.read_from(source.as_fd(), max)
    }

    /// Ends the stream through shared memory, if there is one, and waits until the reader
    /// has all of it; from here on bytes go by the pipe (until another ring is offered).
    /// To be called before another process is to write to the same pipe, for its bytes to
    /// come after those written so far.
    ///
    /// A reader that is stopped is waited for.
    ///
    /// # Errors
    /// The reader has gone, and what it has not read cannot be given back to the pipe because
    /// nobody else reads it. If that would have found room in a pipe, it is no error: a writer to a
    /// pipe would not have learnt of it either.
    pub fn leave(&mut self) -> io::Result<()> {
        let left = self.shared.finish();
        if !self.shared.is_inherited() {
            self.shared.lock().over = None;
        }
        left
    }

    /// [`leave`](Self::leave)s, and drops the descriptor; returns how many bytes went each way.
    ///
    /// # Errors
    /// As [`leave`](Self::leave).
    pub fn finish(self) -> io::Result<Traffic> {
        self.shared.finish()?;
        Ok(self.traffic())
    }

    /// How many bytes went each way so far.
    pub fn traffic(&self) -> Traffic {
        if self.shared.is_inherited() {
            return Traffic::default();
        }
        let core = self.shared.lock();
        let mut traffic = core.traffic;
        if let Line::Ring(ring) = &core.line {
            traffic.wait(&ring.stats());
        }
        traffic
    }
}

impl<F: AsFd + Send + Sync + 'static> io::Write for Output<F> {
    /// Writes as many of `bytes` as the pipe or the ring takes at once, waiting until it takes any.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.write(bytes)
    }

    /// Does nothing: nothing is held back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<F: AsFd + Send + Sync + 'static> Drop for Output<F> {
    fn drop(&mut self) {
        // Who wants to know calls `finish`.
        let _ = self.shared.finish();
    }
}

impl<F: AsFd + Send + Sync + 'static> Shared<F> {
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a forked child the ring is not mapped, and the lock may be held by a
    /// thread that is not there.
    fn is_inherited(&self) -> bool {
        self.process.is_some_and(|process| !process.is_this())
    }

    fn write(self: &Arc<Self>, bytes: &[u8]) -> io::Result<usize> {
        if self.is_inherited() {
            return pipe::write(&self.fd, bytes);
        }
        self.lock().write(self, bytes)
    }

    fn write_all(self: &Arc<Self>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read_from(self: &Arc<Self>, source: BorrowedFd<'_>, max: usize) -> Result<usize, CopyError> {
        let mut block = None;
        if !self.is_inherited() {
            let mut core = self.lock();
            if let Some(read) = core.read_into_ring(self.fd.as_fd(), source, max) {
                return read;
            }
            block = core.block.take();
        }
        // Without the lock, for this may take long: the other thread must be able to give back what
        // is in the ring. So not into the ring either.
        let mut block = match block {
            Some(block) => block,
            // Not from malloc: where a block begins with a page, the kernel's
            // copying touches fewer.
            None => MmapMut::map_anon(BLOCK).map_err(CopyError::Source)?,
        };
        let read = pipe::read(source, &mut block[..max.min(BLOCK)]).map_err(CopyError::Source);
        let copied = read.and_then(|n| {
            if !self.is_inherited() {
                self.lock().note_expected(source);
            }
            self.write_all(&block[..n]).map_err(CopyError::Output)?;
            Ok(n)
        });
        if !self.is_inherited() {
            let mut core = self.lock();
            core.expected = None;
            core.block = Some(block);
        }
        copied
    }

    /// Looks after bytes in the ring whose reader has gone, while nobody writes.
    pub(super) fn look(&self) -> Look {
        let Ok(mut core) = self.core.try_lock() else { return Look::Busy };
        let look = core.look(self.fd.as_fd());
        if look == Look::Over {
            self.has_ring.store(false, Relaxed);
        }
        look
    }
}

impl<F: AsFd + Send + Sync + 'static> watch::Finish for Shared<F> {
    fn finish(&self) -> io::Result<()> {
        if self.is_inherited() {
            return Ok(());
        }
        let finished = self.lock().finish(self.fd.as_fd());
        self.has_ring.store(false, Relaxed);
        finished
    }

    fn has_ring(&self) -> bool {
        self.has_ring.load(Relaxed)
    }
}

impl<F> Shared<F>
where
    F: AsFd + Send + Sync + 'static,
{
    fn finish(&self) -> io::Result<()> {
        watch::Finish::finish(self)
    }
}

impl Core {
    fn write<F: AsFd + Send + Sync + 'static>(
        &mut self,
        shared: &Arc<Shared<F>>,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let fd = shared.fd.as_fd();
        loop {
            if let Line::Ring(ring) = &mut self.line {
                match ring.write(fd, bytes) {
                    Ok(n) => {
                        self.traffic.shm += n as u64;
                        return Ok(n);
                    }
                    Err(Stopped::ReaderGone) => self.begin_to_give_back(),
                    Err(Stopped::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
                    Err(Stopped::Source(error)) => return Err(error),
                    Err(Stopped::Broken(error)) => return Err(error.into()),
                }
            } else if let Line::Rest(..) = &self.line {
                self.give_back(fd)?;
                // Not later: the write to the pipe that follows may wait for
                // ever, and is not to be waited for.
                shared.has_ring.store(false, Relaxed);
            } else if !self.switch_if_attached(shared) {
                let piece = if self.pipe.is_some() { PIECE } else { usize::MAX };
                let n = pipe::write(fd, &bytes[..bytes.len().min(piece)])?;
                self.went_by_pipe(fd, n as u64);
                // Again, because the next write may be long in coming, and the
                // reader waits for the word.
                self.switch_if_attached(shared);
                return Ok(n);
            }
        }
    }

    /// `None` if the ring is not in use, or bytes of this source might be long in coming.
    fn read_into_ring(
        &mut self,
        fd: BorrowedFd<'_>,
        source: BorrowedFd<'_>,
        max: usize,
    ) -> Option<Result<usize, CopyError>> {
        let Line::Ring(ring) = &mut self.line else { return None };
        if !pipe::is_file(source) {
            return None;
        }
        match ring.read_from(fd, source, max) {
            Ok(n) => {
                self.traffic.shm += n as u64;
                Some(Ok(n))
            }
            Err(Stopped::ReaderGone) => {
                self.begin_to_give_back();
                None
            }
            Err(Stopped::Interrupted) => None,
            Err(Stopped::Source(error)) => Some(Err(CopyError::Source(error))),
            Err(Stopped::Broken(error)) => Some(Err(CopyError::Output(error.into()))),
        }
    }

    fn went_by_pipe(&mut self, fd: BorrowedFd<'_>, n: u64) {
        self.traffic.pipe += n;
        let Some(id) = self.pipe else { return };
        self.until_offer = self.until_offer.saturating_sub(n);
        if self.until_offer > 0 {
            return;
        }
        self.until_offer = OFFER_AGAIN;
        if let Line::Offered(ring) = &self.line {
            // It may be lost, see `offer`.
            ring.offer(fd);
        } else if self.is_worth_a_ring()
            && may_be_upgraded(fd, id)
            && let Some(ring) = Ring::new(id, self.expected).filter(|ring| ring.offer(fd))
        {
            self.line = Line::Offered(ring);
        }
    }

    /// Looks how much is left of a file that is being copied, if it matters now.
    fn note_expected(&mut self, source: BorrowedFd<'_>) {
        if self.pipe.is_some() && self.until_offer <= BLOCK as u64 {
            self.expected = pipe::left(source);
        }
    }

    fn is_worth_a_ring(&self) -> bool {
        self.traffic.pipe >= MANY || self.expected.is_none_or(|bytes| bytes >= WORTH)
    }

    /// Looks whether a reader has come for the ring, and if so goes over to it.
    fn switch_if_attached<F: AsFd + Send + Sync + 'static>(
        &mut self,
        shared: &Arc<Shared<F>>,
    ) -> bool {
        let Line::Offered(ring) = &self.line else { return false };
        if ring.state() == State::Offered {
            return false;
        }
        // Without somebody who looks after it while the caller does something
        // else, a ring is no pipe.
        self.watched = self.watched || watch::start(shared);
        // After the start, which has this end finished at exit: who exits now
        // finds it there, or is found.
        let switched = self.watched && !watch::is_exiting() && ring.switch(shared.fd.as_fd());
        if switched {
            // Relaxed, here and where it is read: whoever exits knows what was
            // written before by other means.
            shared.has_ring.store(true, Relaxed);
            if let Line::Offered(ring) = std::mem::replace(&mut self.line, Line::Pipe) {
                self.line = Line::Ring(ring);
            }
        } else {
            ring.close();
            drop(self.end_ring(shared.fd.as_fd()));
        }
        switched
    }

    fn look(&mut self, fd: BorrowedFd<'_>) -> Look {
        if let Line::Ring(ring) = &self.line {
            let moved = std::mem::replace(&mut self.seen, self.traffic.shm) != self.traffic.shm;
            if ring.is_empty() || !ring.has_lost_its_reader() {
                return if moved { Look::Busy } else { Look::Quiet };
            }
            self.begin_to_give_back();
        }
        if let Line::Rest(..) = &self.line {
            // In a FIFO's pipe it would wait for the next reader, as long as a writer is
            // there: so it does here. And whether it is an error that nobody comes is
            // decided when somebody can be told.
            if pipe::has_no_reader(fd) || self.give_back(fd).is_err() {
                return Look::Quiet;
            }
        }
        self.watched = false;
        Look::Over
    }

    /// The reader is gone: what it did not take is for whoever reads the pipe next.
    fn begin_to_give_back(&mut self) {
        self.line = match std::mem::replace(&mut self.line, Line::Pipe) {
            Line::Ring(ring) => Line::Rest(ring, 0),
            // Begun already.
            line => line,
        };
    }

    /// Writes what the reader did not take to the pipe, and goes on there. What
    /// could not be written is kept.
    fn give_back(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        while let Line::Rest(ring, given) = &mut self.line {
            let rest = &ring.take_back()?[*given..];
            if rest.is_empty() {
                drop(self.end_ring(fd));
                break;
            }
            let n = pipe::write(fd, rest)?;
            *given += n;
            self.traffic.shm -= n as u64;
            self.traffic.pipe += n as u64;
        }
        Ok(())
    }

    /// As [`give_back`](Self::give_back), by a writer that is done: it would not have been told if
    /// what it wrote had found room in the pipe before its reader went.
    fn give_back_at_last(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let Line::Rest(ring, given) = &mut self.line else { return Ok(()) };
        let fits = ring.take_back()?.len() - *given <= pipe::capacity(fd);
        let given = if fits {
            match pipe::without_sigpipe(|| self.give_back(fd)) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                given => given,
            }
        } else {
            self.give_back(fd)
        };
        drop(self.end_ring(fd));
        given
    }

    /// From here on there is no ring. Returns the one there was, to be dropped or kept for later.
    #[must_use = "it is to be dropped, or kept for later"]
    fn end_ring(&mut self, fd: BorrowedFd<'_>) -> Option<Ring> {
        let (Line::Offered(ring) | Line::Ring(ring) | Line::Rest(ring, _)) =
            std::mem::replace(&mut self.line, Line::Pipe)
        else {
            return None;
        };
        offer::withdraw(fd);
        self.traffic.wait(&ring.stats());
        self.until_offer = OFFER_AFTER;
        Some(ring)
    }

    fn finish(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let finished = match &mut self.line {
            Line::Pipe => return Ok(()),
            Line::Offered(ring) => {
                ring.close();
                Ok(())
            }
            Line::Ring(ring) => ring.finish(fd),
            Line::Rest(..) => Err(Stopped::ReaderGone),
        };
        match finished {
            Ok(()) => {
                self.over = self.end_ring(fd);
                Ok(())
            }
            Err(Stopped::ReaderGone) => {
                self.begin_to_give_back();
                self.give_back_at_last(fd)
            }
            Err(Stopped::Interrupted) => Ok(()),
            Err(Stopped::Source(error)) => Err(error),
            Err(Stopped::Broken(error)) => {
                drop(self.end_ring(fd));
                Err(error.into())
            }
        }
    }
}

/// Whether the pipe is one whose bytes may go another way.
fn may_be_upgraded(fd: BorrowedFd<'_>, id: PipeId) -> bool {
    !watch::is_exiting()
        && !pipe::is_packets(fd)
        && !offer::shares_standard_error(id)
        && offer::find(fd).is_none()
}
