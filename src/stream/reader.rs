//! The reading end.

use super::{ReadError, TRANSFER, TransferError};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, inbox::Inbox, waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
    sys,
};
use std::{
    cell::Cell,
    io,
    marker::PhantomData,
    os::fd::AsFd,
    time::{Duration, Instant},
};

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
    pub(super) inbox: Inbox,
    /// How many bytes the caller has been shown and has not consumed.
    shown: usize,
    /// Where the first of them was when it was shown.
    shown_at: u64,
    /// Where bytes are shown that must not be shown in place: see [`Trust::AnyUser`].
    staging: Vec<u8>,
    not_sync: PhantomData<Cell<()>>,
}

impl options::End for Reader {
    type Peer = super::Writer;
}

impl sealed::End for Reader {
    const ROLE: Role = Role::Consumer;

    fn content(_: &Settings) -> Content {
        Content::STREAM
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let inbox = Inbox::new(attached, 1)?;
        let (shown_at, staging) = (u64::MAX, Vec::new());
        Ok(Self { inbox, shown: 0, shown_at, staging, not_sync: PhantomData })
    }
}

impl Reader {
    /// Shows the bytes there are, waiting until there are any; nothing at the end of a stream that
    /// was finished. [`consume`](Self::consume) what was used.
    ///
    /// These are the rest of what was shown before, or, if all of that was consumed or
    /// none of it, all there are now.
    ///
    /// # Errors
    /// After the last byte of a stream that was not finished, what became of its writer:
    /// [`ReadError::Failed`], [`Dropped`](ReadError::Dropped), [`Died`](ReadError::Died); and what
    /// can befall the end itself.
    ///
    /// A forked child must not touch the bytes that its parent was shown: they
    /// are not mapped there.
    #[inline]
    pub fn fill_buf(&mut self) -> Result<&[u8], ReadError> {
        self.show(Patience::Forever)
    }

    /// Shows the bytes there are now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`fill_buf`](Self::fill_buf).
    pub fn try_fill_buf(&mut self) -> Result<&[u8], ReadError> {
        self.show(Patience::Never)
    }

    /// Shows the bytes there are, waiting for any no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn fill_buf_timeout(&mut self, timeout: Duration) -> Result<&[u8], ReadError> {
        self.show(Patience::from_timeout(timeout))
    }

    /// Shows the bytes there are, waiting for any until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`fill_buf`](Self::fill_buf).
    pub fn fill_buf_deadline(&mut self, deadline: Instant) -> Result<&[u8], ReadError> {
        self.show(Patience::from_deadline(deadline))
    }

    /// Gives the first `n` bytes back to the writer, or all that were shown if `n` is more.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        if self.inbox.end.check().is_ok() {
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
        self.read_some(bytes, Patience::from_deadline(deadline))
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
        self.transfer(fd, max, Patience::from_deadline(deadline))
    }

    /// Leaves, and tells the writer that this end gave up, with this code. (To leave in good
    /// order, drop it.)
    pub fn fail(self, code: i32) {
        self.inbox.say_failed(code);
    }

    /// Bytes in the ring that this end has not consumed. The writer may be writing meanwhile, so
    /// there may be more already.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inbox.unread()
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
        self.inbox.capacity()
    }

    /// What is known of the writer. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, ReadError> {
        self.inbox.peer()
    }

    /// What this end has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inbox.stats()
    }

    /// By what others open this ring: `None` of an anonymous one, `sysv:id=N` of
    /// a System V ring without a key.
    #[must_use]
    pub fn name(&self) -> Option<&std::ffi::OsStr> {
        self.inbox.name()
    }

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        self.inbox.aborter()
    }

    #[inline]
    fn show(&mut self, patience: Patience) -> Result<&[u8], ReadError> {
        // The rest of what was shown is shown without a look at the writer's line.
        let asks_for_more = self.shown_at == self.inbox.position();
        let n = self.await_bytes(if asks_for_more { usize::MAX } else { 1 }, patience)?;
        self.shown_at = self.inbox.position();
        self.inbox.prefetch();
        if self.inbox.end.trust == Trust::AnyUser {
            return Ok(self.show_copy(n));
        }
        self.shown = n;
        let first = self.inbox.first(0);
        // SAFETY: `n` unread bytes are mapped from `first` on, and the writer leaves them alone
        // until they are released, which takes an exclusive borrow of this reader. A writer of the
        // same user that breaks the protocol could change them, as it could any memory of this
        // process: see `Trust::SameUser`.
        Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), n) })
    }

    #[cold]
    fn show_copy(&mut self, n: usize) -> &[u8] {
        let n = n.min(TRANSFER);
        self.shown = n;
        self.staging.resize(n, 0);
        let first = self.inbox.first(0);
        // SAFETY: `n` unread bytes are mapped from `first` on; the staging is as long. No
        // reference to shared bytes is formed.
        unsafe { std::ptr::copy_nonoverlapping(first.as_ptr(), self.staging.as_mut_ptr(), n) };
        &self.staging
    }

    #[inline]
    fn read_some(&mut self, bytes: &mut [u8], patience: Patience) -> Result<usize, ReadError> {
        let n = self.await_bytes(bytes.len(), patience)?.min(bytes.len());
        if n >= PREFETCH_FROM {
            self.inbox.prefetch();
        }
        // SAFETY: `n` unread bytes are mapped from `first` on; `bytes` is private memory of that
        // length at least. No reference to shared bytes is formed.
        unsafe {
            std::ptr::copy_nonoverlapping(self.inbox.first(0).as_ptr(), bytes.as_mut_ptr(), n)
        };
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
        let n = unsafe { sys::io::write(fd.as_fd(), self.inbox.first(0).as_ptr(), n) }
            .map_err(TransferError::Descriptor)?;
        self.release(n);
        Ok(n)
    }

    /// So many bytes may be consumed.
    pub(super) fn note_shown(&mut self, n: usize) {
        self.shown = n;
    }

    #[inline]
    fn release(&mut self, n: usize) {
        self.inbox.release(n as u64, 1);
        self.shown = self.shown.saturating_sub(n);
    }

    /// Waits until there are bytes, if any are wanted; returns how many, 0 at the end of a
    /// finished stream. A look at the writer's position is saved if `wanted` are known to be there.
    #[inline]
    pub(super) fn await_bytes(
        &mut self,
        wanted: usize,
        patience: Patience,
    ) -> Result<usize, ReadError> {
        Ok(self.inbox.await_bytes(wanted as u64, patience)? as usize)
    }
}

impl io::Read for Reader {
    /// Copies as many bytes as there are, waiting until there are any.
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_some(bytes, Patience::Forever)?)
    }
}

impl io::BufRead for Reader {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.show(Patience::Forever)?)
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        Self::consume(self, n);
    }
}
