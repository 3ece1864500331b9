//! The reading end.

use super::{ReadError, TRANSFER, TransferError};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        End, Role,
        attach::Attached,
        epoch::{EndReason, State, Word},
        error::OpenErrorKind,
        stats::Waited,
        waiting::{Gone, Patience, Until},
    },
    layout::{control::Control, identity::Face},
    options::{self, sealed},
    ring::{
        cursor::{Violation, distance},
        spsc::Consumer,
    },
    sync::Ordering,
    sys,
    wait::{gate::ANYTHING, pace::Pace},
};
use std::{
    cell::Cell,
    io,
    marker::PhantomData,
    os::fd::AsFd,
    ptr::NonNull,
    sync::Arc,
    time::{Duration, Instant},
};

/// This many bytes are asked for before they are needed.
const AHEAD: u64 = 64 << 10;

/// A copy of fewer bytes asks for none.
const PREFETCH_FROM: usize = 4 << 10;

/// The reading end of a byte stream. See [the module](super).
///
/// Dropped, it leaves in good order: the writer gets
/// [`WriteError::ReaderLeft`](super::WriteError::ReaderLeft).
///
/// After the end of the stream each further read says the same again, until another writer
/// attaches; then its stream follows. To wait for another writer, open another `Reader`.
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::stream::Reader>();
/// ```
#[derive(Debug)]
pub struct Reader {
    pub(super) end: Arc<End>,
    pub(super) epochs: Epochs,
    pub(super) waited: Waited,
    pace: Pace,
    /// Up to here bytes have been asked for; see `prefetch`.
    prefetched: u64,
    /// How many bytes the caller has been shown and has not consumed.
    shown: usize,
    /// Where bytes are shown that must not be shown in place: see [`Trust::AnyUser`].
    staging: Vec<u8>,
    not_sync: PhantomData<Cell<()>>,
}

impl options::End for Reader {
    type Peer = super::Writer;
}

impl sealed::End for Reader {
    const ROLE: Role = Role::Consumer;
    const FACE: Face = Face::Stream;

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let Attached { end, start, epoch } = attached;
        // Nothing is readable yet: what there is belongs to an epoch that must be looked at first.
        let ring = Consumer::new(start.head, start.head, end.geometry().capacity as u64)?;
        Ok(Self {
            end,
            epochs: Epochs { ring, until: start.head, reading: epoch, entered: false, ended: None },
            waited: Waited::default(),
            pace: Pace::new(start.head),
            prefetched: start.head,
            shown: 0,
            staging: Vec::new(),
            not_sync: PhantomData,
        })
    }
}

impl Reader {
    /// Shows all bytes there are, waiting until there are any; nothing at the end of a stream that
    /// was finished. [`consume`](Self::consume) what was used.
    ///
    /// # Errors
    /// After the last byte of a stream that was not finished, what became of its writer:
    /// [`ReadError::Failed`], [`Dropped`](ReadError::Dropped), [`Died`](ReadError::Died); and what
    /// can befall the end itself.
    ///
    /// A forked child must not touch the bytes that its parent was shown: they are not mapped there.
    pub fn fill_buf(&mut self) -> Result<&[u8], ReadError> {
        self.show(Patience::Forever)
    }

    /// Shows all bytes there are now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`fill_buf`](Self::fill_buf).
    pub fn try_fill_buf(&mut self) -> Result<&[u8], ReadError> {
        self.show(Patience::Never)
    }

    /// Shows all bytes there are, waiting for any no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn fill_buf_timeout(&mut self, timeout: Duration) -> Result<&[u8], ReadError> {
        self.show(Patience::from_timeout(timeout))
    }

    /// Shows all bytes there are, waiting for any until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn fill_buf_deadline(&mut self, deadline: Instant) -> Result<&[u8], ReadError> {
        self.show(Patience::Until(deadline))
    }

    /// Gives the first `n` bytes back to the writer, or all that were shown if `n` is more.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        if self.end.check().is_ok() {
            self.release(n.min(self.shown));
        }
    }

    /// Copies into `bytes` as many as there are now; returns how many, 0 at the end of the stream.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`fill_buf`](Self::fill_buf).
    pub fn try_read(&mut self, bytes: &mut [u8]) -> Result<usize, ReadError> {
        self.read_some(bytes, Patience::Never)
    }

    /// Copies into `bytes` as many as there are, waiting for any no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn read_timeout(
        &mut self,
        bytes: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, ReadError> {
        self.read_some(bytes, Patience::from_timeout(timeout))
    }

    /// Copies into `bytes` as many as there are, waiting for any until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn read_deadline(
        &mut self,
        bytes: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, ReadError> {
        self.read_some(bytes, Patience::Until(deadline))
    }

    /// Moves up to `max` bytes from the ring to a descriptor by one write(2), straight from the
    /// ring's memory; returns how many, 0 at the end of the stream (or if `max` is 0).
    ///
    /// Waits first until there are any, then as long as the descriptor's write does. An
    /// interrupted write is tried again.
    ///
    /// # Errors
    /// [`TransferError::Descriptor`] with what write(2) said, and then nothing is consumed;
    /// [`TransferError::Ring`] as [`fill_buf`](Self::fill_buf).
    pub fn write_to(
        &mut self,
        fd: impl AsFd,
        max: usize,
    ) -> Result<usize, TransferError<ReadError>> {
        self.transfer(fd, max, Patience::Forever)
    }

    /// As [`write_to`](Self::write_to), if there are bytes now. The descriptor is written as it is,
    /// blocking or not.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`write_to`](Self::write_to).
    pub fn try_write_to(
        &mut self,
        fd: impl AsFd,
        max: usize,
    ) -> Result<usize, TransferError<ReadError>> {
        self.transfer(fd, max, Patience::Never)
    }

    /// As [`write_to`](Self::write_to), waiting for bytes no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`write_to`](Self::write_to).
    pub fn write_to_timeout(
        &mut self,
        fd: impl AsFd,
        max: usize,
        timeout: Duration,
    ) -> Result<usize, TransferError<ReadError>> {
        self.transfer(fd, max, Patience::from_timeout(timeout))
    }

    /// As [`write_to`](Self::write_to), waiting for bytes until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`write_to`](Self::write_to).
    pub fn write_to_deadline(
        &mut self,
        fd: impl AsFd,
        max: usize,
        deadline: Instant,
    ) -> Result<usize, TransferError<ReadError>> {
        self.transfer(fd, max, Patience::Until(deadline))
    }

    /// Leaves, and tells the writer that this end gave up, with this code. (To leave in good
    /// order, drop it.)
    pub fn fail(self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    /// Bytes in the ring that this end has not consumed. The writer may be writing meanwhile, so
    /// there may be more already.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        // Acquire: pairs with the Release in `Producer::publish`.
        let tail = self.end.control().producer.0.tail.load(Ordering::Acquire);
        let unread = tail.saturating_sub(self.epochs.ring.position());
        unread.min(self.capacity() as u64) as usize
    }

    /// Whether everything that was written has been consumed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the writer could write now, at most.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity() - self.len()
    }

    /// How many bytes the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.end.geometry().capacity
    }

    /// What is known of the writer. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, ReadError> {
        let peer = self.end.peer()?;
        // A writer whose end another reader was told of is not one that this reader has seen.
        let stale = self.end.peer_word()?.epoch < self.epochs.reading;
        Ok(if stale && self.epochs.ended.is_none() { Peer::NoneYet } else { peer })
    }

    /// What this end has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.waited.stats()
    }

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        Aborter::new(&self.end)
    }

    fn show(&mut self, patience: Patience) -> Result<&[u8], ReadError> {
        let n = self.await_bytes(usize::MAX, patience)?;
        self.prefetch();
        let first = self.first();
        if self.end.trust == Trust::AnyUser {
            let n = n.min(TRANSFER);
            self.shown = n;
            self.staging.resize(n, 0);
            // SAFETY: `n` unread bytes are mapped from `first` on; the staging is as long. No
            // reference to shared bytes is formed.
            unsafe { std::ptr::copy_nonoverlapping(first.as_ptr(), self.staging.as_mut_ptr(), n) };
            return Ok(&self.staging);
        }
        self.shown = n;
        // SAFETY: `n` unread bytes are mapped from `first` on, and the writer leaves them alone
        // until they are released, which takes an exclusive borrow of this reader. A writer of the
        // same user that breaks the protocol could change them, as it could any memory of this
        // process: see `Trust::SameUser`.
        Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), n) })
    }

    fn read_some(&mut self, bytes: &mut [u8], patience: Patience) -> Result<usize, ReadError> {
        let n = self.await_bytes(bytes.len(), patience)?.min(bytes.len());
        if n >= PREFETCH_FROM {
            self.prefetch();
        }
        // SAFETY: `n` unread bytes are mapped from `first` on; `bytes` is private memory of that
        // length at least. No reference to shared bytes is formed.
        unsafe { std::ptr::copy_nonoverlapping(self.first().as_ptr(), bytes.as_mut_ptr(), n) };
        self.release(n);
        Ok(n)
    }

    fn transfer(
        &mut self,
        fd: impl AsFd,
        max: usize,
        patience: Patience,
    ) -> Result<usize, TransferError<ReadError>> {
        let max = max.min(TRANSFER);
        let n = self.await_bytes(max, patience)?.min(max);
        if n == 0 {
            return Ok(0);
        }
        // SAFETY: `n` unread bytes are mapped from `first` on. If somebody cut the object short,
        // the kernel says EFAULT.
        let n = unsafe { sys::io::write(fd.as_fd(), self.first().as_ptr(), n) }
            .map_err(TransferError::Descriptor)?;
        self.release(n);
        Ok(n)
    }

    /// So many bytes may be consumed.
    pub(super) fn note_shown(&mut self, n: usize) {
        self.shown = n;
    }

    /// Asks for bytes that will soon be looked at, each once.
    #[inline]
    fn prefetch(&mut self) {
        let at = self.epochs.ring.position();
        let from = self.prefetched.max(at);
        let to = self.epochs.until.min(at.saturating_add(AHEAD));
        if to > from {
            sys::cache::prefetch(self.end.mapping().at(from).as_ptr(), (to - from) as usize);
            self.prefetched = to;
        }
    }

    /// The first byte not consumed.
    #[inline]
    fn first(&self) -> NonNull<u8> {
        self.end.mapping().at(self.epochs.ring.position())
    }

    #[inline]
    fn release(&mut self, n: usize) {
        if n > 0 {
            self.epochs.ring.release(n as u64, &self.end.control().consumer.0.head);
            self.shown = self.shown.saturating_sub(n);
            self.waited.moved(n as u64);
            self.end.notify_peer(self.epochs.ring.position());
        }
    }

    /// Waits until there are bytes, if any are wanted; returns how many, 0 at the end of a
    /// finished stream. A look at the writer's position is saved if `wanted` are known to be there.
    #[inline]
    pub(super) fn await_bytes(
        &mut self,
        wanted: usize,
        patience: Patience,
    ) -> Result<usize, ReadError> {
        let Self { end, epochs, waited, pace, .. } = self;
        end.check()?;
        if epochs.available() >= wanted as u64 {
            return Ok(epochs.available() as usize);
        }
        let at = epochs.ring.position();
        let nap = pace.nap(at, end.geometry().capacity as u64 / 2);
        let until = Until { there: at.saturating_add(1), nap: nap.map(|n| at.saturating_add(n)) };
        let seen = end.wait(patience, until, waited, |gone| epochs.look(end, gone));
        pace.rested(at, waited.take_rest());
        match seen? {
            Seen::Bytes => Ok(epochs.available() as usize),
            Seen::End(reason) => ReadError::stream_ended(reason).map_or(Ok(0), Err),
        }
    }
}

/// What a look into the ring can show.
#[derive(Debug)]
enum Seen {
    Bytes,
    End(EndReason),
}

/// The consumer's positions, and how far into them the epoch being read goes.
#[derive(Debug)]
pub(super) struct Epochs {
    pub(super) ring: Consumer,
    /// Bytes up to here may be handed out: the tail as last seen, or the boundary before it.
    until: u64,
    /// The epoch being read, or the next one to come.
    reading: u32,
    /// Whether we are past its boundary.
    entered: bool,
    /// How the epoch before ended, if this reader has told its caller.
    ended: Option<EndReason>,
}

impl Epochs {
    #[inline]
    pub(super) fn available(&self) -> u64 {
        self.until.saturating_sub(self.ring.position())
    }

    /// Looks whether there are bytes or an end.
    ///
    /// The order matters. `tail` is read before the producer's word: a producer of the next epoch
    /// says so before it publishes anything, so bytes of its are never taken for ours. And `tail`
    /// is read again after the word: an end counts only if nothing was published before it that
    /// we have not seen. A peer found dead was tested (`gone`) before either.
    fn look(&mut self, end: &End, gone: Gone) -> Result<Option<Seen>, ReadError> {
        let control = end.control();
        let tail = &control.producer.0.tail;
        loop {
            end.checked(self.ring.refresh(tail))?;
            let word = end.peer_word()?;
            if word.epoch < self.reading {
                // Nobody has come since the end that we told of, if we did.
                return Ok(self.ended.map(Seen::End));
            }
            if !self.entered {
                // What lies before our epoch's boundary is nobody's. (The word's Acquire makes the
                // tail at least the boundary, once read again.)
                end.checked(self.ring.refresh(tail))?;
                let nobodys = end.checked(self.before_boundary(control, self.reading))?;
                self.ring.release(nobodys, &control.consumer.0.head);
                self.until = self.ring.position();
                self.entered = true;
                end.notify_peer(self.ring.position());
                continue;
            }
            if word.epoch > self.reading {
                // As above.
                end.checked(self.ring.refresh(tail))?;
                let rest = self.before_boundary(control, self.reading + 1);
                self.until = self.ring.position() + end.checked(rest)?;
                if self.available() > 0 {
                    return Ok(Some(Seen::Bytes));
                }
                let previous = end.checked(Word::load(&control.life.0.previous))?;
                let epoch = u64::from(self.reading);
                end.checked(distance("epoch", epoch, u64::from(previous.epoch), 0))?;
                self.acknowledge(end);
                if let State::Ended(reason) = previous.state {
                    return Ok(Some(self.say(reason)));
                }
                continue;
            }
            self.until = self.ring.position() + self.ring.available();
            if self.available() > 0 {
                return Ok(Some(Seen::Bytes));
            }
            let reason = match word.state {
                State::Ended(reason) => reason,
                State::Open if gone == Some(word) => EndReason::Died,
                State::None | State::Open => return Ok(None),
            };
            end.checked(self.ring.refresh(tail))?;
            if self.ring.available() > 0 {
                // Ours, or already the next epoch's: the word, read again, tells.
                continue;
            }
            self.acknowledge(end);
            return Ok(Some(self.say(reason)));
        }
    }

    /// How far it is to where an epoch begins: 0 if a consumer before us went past that.
    fn before_boundary(&self, control: &Control, epoch: u32) -> Result<u64, Violation> {
        // Relaxed: ordered by the Acquire of the word that says that this epoch has begun, and not
        // changed before we acknowledge it.
        let boundary = control.life.0.boundary(epoch).load(Ordering::Relaxed);
        let at = self.ring.position();
        if epoch == self.reading && boundary <= at {
            return Ok(0);
        }
        distance("boundary", at, boundary, self.ring.available())
    }

    fn say(&mut self, reason: EndReason) -> Seen {
        self.ended = Some(reason);
        Seen::End(reason)
    }

    /// Notes that the caller is told of the end of the epoch being read.
    fn acknowledge(&mut self, end: &End) {
        // Release: pairs with the Acquire in `Writer::drain` and `begin_producer`.
        let acknowledged = &end.control().life.0.acknowledged;
        acknowledged.store(u64::from(self.reading), Ordering::Release);
        self.reading += 1;
        self.entered = false;
        self.until = self.ring.position();
        end.notify_peer(ANYTHING);
    }
}

impl io::Read for Reader {
    /// Copies as many bytes as there are, waiting until there are any.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(bytes, Patience::Forever)?)
    }
}

impl io::BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.show(Patience::Forever)?)
    }

    fn consume(&mut self, n: usize) {
        Self::consume(self, n);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // One that leaves between two streams has nothing to say to the next one's writer.
        let between = self.epochs.ended.is_some() && !self.epochs.entered;
        let last = if between { State::None } else { State::Ended(EndReason::Finished) };
        self.end.leave(last, &self.waited);
    }
}
