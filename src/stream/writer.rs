//! The writing end.

use super::{COPY, TRANSFER, TransferError, WriteError};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, outbox::Outbox, waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
    sys,
};
use std::{
    cell::Cell,
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// The writing end of a byte stream. See [the module](super).
///
/// Bytes are published, and the reader is woken if it sleeps, when a call returns: there is
/// nothing to flush.
///
/// Dropped without [`finish`](Self::finish), it leaves the reader every byte and then
/// [`ReadError::Dropped`](super::ReadError::Dropped).
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::stream::Writer>();
/// ```
#[derive(Debug)]
pub struct Writer {
    pub(super) outbox: Outbox,
    /// Where bytes are made that must not be made in place: see [`Trust::AnyUser`].
    staging: Vec<u8>,
    not_sync: PhantomData<Cell<()>>,
}

impl options::End for Writer {
    type Peer = super::Reader;
}

impl sealed::End for Writer {
    const ROLE: Role = Role::Producer;

    fn content(_: &Settings) -> Content {
        Content::STREAM
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let outbox = Outbox::new(attached, 1)?;
        Ok(Self { outbox, staging: Vec::new(), not_sync: PhantomData })
    }
}

impl Writer {
    /// Reserves exactly `n` bytes, waiting until there is room for them. Fill them and
    /// [`commit`](Reservation::commit).
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] at once if the ring can never hold them;
    /// [`WriteError::ReaderLeft`], [`ReaderFailed`](WriteError::ReaderFailed) or
    /// [`ReaderDied`](WriteError::ReaderDied) if there is nobody to read them any more (a death is
    /// found out while waiting only); and what can befall the end itself.
    ///
    /// # Examples
    /// ```
    /// # use shmpipe::{Options, stream::{Reader, Writer}};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (writer, reader) = Options::new().anonymous::<Writer>()?;
    /// # let (mut writer, mut reader) = (writer.claim()?, reader.claim()?);
    /// let mut bytes = writer.reserve(4)?;
    /// bytes.copy_from_slice(&7u32.to_le_bytes());
    /// bytes.commit(4)?;
    /// assert_eq!(reader.fill_buf()?, [7, 0, 0, 0]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn reserve(&mut self, n: usize) -> Result<Reservation<'_>, WriteError> {
        self.reserve_exact(n, Patience::Forever)
    }

    /// Reserves exactly `n` bytes if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is not; and as [`reserve`](Self::reserve).
    pub fn try_reserve(&mut self, n: usize) -> Result<Reservation<'_>, WriteError> {
        self.reserve_exact(n, Patience::Never)
    }

    /// Reserves exactly `n` bytes, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn reserve_timeout(
        &mut self,
        n: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_>, WriteError> {
        self.reserve_exact(n, Patience::from_timeout(timeout))
    }

    /// Reserves exactly `n` bytes, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn reserve_deadline(
        &mut self,
        n: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, WriteError> {
        self.reserve_exact(n, Patience::from_deadline(deadline))
    }

    /// Reserves between 1 and `n` bytes (none if `n` is 0): as many as there is room for, waiting
    /// until there is any.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), but never [`WriteError::TooLarge`].
    pub fn reserve_up_to(&mut self, n: usize) -> Result<Reservation<'_>, WriteError> {
        self.reserve_some(n, Patience::Forever)
    }

    /// Reserves up to `n` bytes if there is any room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`reserve_up_to`](Self::reserve_up_to).
    pub fn try_reserve_up_to(&mut self, n: usize) -> Result<Reservation<'_>, WriteError> {
        self.reserve_some(n, Patience::Never)
    }

    /// Reserves up to `n` bytes, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve_up_to`](Self::reserve_up_to).
    pub fn reserve_up_to_timeout(
        &mut self,
        n: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_>, WriteError> {
        self.reserve_some(n, Patience::from_timeout(timeout))
    }

    /// Reserves up to `n` bytes, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve_up_to`](Self::reserve_up_to).
    pub fn reserve_up_to_deadline(
        &mut self,
        n: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, WriteError> {
        self.reserve_some(n, Patience::from_deadline(deadline))
    }

    /// Writes as many of `bytes` as there is room for now; returns how many.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is no room at all; and as
    /// [`reserve_up_to`](Self::reserve_up_to).
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        self.write_some(bytes, Patience::Never)
    }

    /// Writes as many of `bytes` as there is room for, waiting for any no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve_up_to`](Self::reserve_up_to).
    pub fn write_timeout(&mut self, bytes: &[u8], timeout: Duration) -> Result<usize, WriteError> {
        self.write_some(bytes, Patience::from_timeout(timeout))
    }

    /// Writes as many of `bytes` as there is room for, waiting for any until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve_up_to`](Self::reserve_up_to).
    pub fn write_deadline(&mut self, bytes: &[u8], deadline: Instant) -> Result<usize, WriteError> {
        self.write_some(bytes, Patience::from_deadline(deadline))
    }

    /// Moves up to `max` bytes from a descriptor into the ring by one read(2), straight into the
    /// ring's memory; returns how many, 0 at the end of the file (or if `max` is 0).
    ///
    /// Waits first until the ring has room for any, then as long as the descriptor's read does.
    /// An interrupted read is tried again.
    ///
    /// # Errors
    /// [`TransferError::Descriptor`] with what read(2) said; [`TransferError::Ring`] as
    /// [`reserve_up_to`](Self::reserve_up_to).
    pub fn read_from(
        &mut self,
        fd: impl AsFd,
        max: usize,
    ) -> Result<usize, TransferError<WriteError>> {
        self.transfer(fd, max, Patience::Forever)
    }

    /// As [`read_from`](Self::read_from), if the ring has room now. The descriptor is read as it
    /// is, blocking or not.
    ///
    /// # Errors
    /// [`WriteError::Full`] if it has none; and as [`read_from`](Self::read_from).
    pub fn try_read_from(
        &mut self,
        fd: impl AsFd,
        max: usize,
    ) -> Result<usize, TransferError<WriteError>> {
        self.transfer(fd, max, Patience::Never)
    }

    /// As [`read_from`](Self::read_from), waiting for room in the ring no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`read_from`](Self::read_from).
    pub fn read_from_timeout(
        &mut self,
        fd: impl AsFd,
        max: usize,
        timeout: Duration,
    ) -> Result<usize, TransferError<WriteError>> {
        self.transfer(fd, max, Patience::from_timeout(timeout))
    }

    /// As [`read_from`](Self::read_from), waiting for room in the ring until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`read_from`](Self::read_from).
    pub fn read_from_deadline(
        &mut self,
        fd: impl AsFd,
        max: usize,
        deadline: Instant,
    ) -> Result<usize, TransferError<WriteError>> {
        self.transfer(fd, max, Patience::from_deadline(deadline))
    }

    /// Says that the stream is whole, and leaves. The reader gets every byte and then the end of
    /// the file, also when it comes only later.
    ///
    /// # Errors
    /// What can befall the end itself: [`WriteError::Forked`], [`Aborted`](WriteError::Aborted),
    /// [`Corrupt`](WriteError::Corrupt).
    pub fn finish(self) -> Result<(), WriteError> {
        self.outbox.say_finished()
    }

    /// Says that the stream is whole, and waits until a reader has read all of it and seen its
    /// end, or has left after its last byte. If there is none yet, waits for one, as the opener of
    /// a FIFO does.
    ///
    /// # Errors
    /// [`WriteError::ReaderLeft`] or [`ReaderFailed`](WriteError::ReaderFailed) if the reader left
    /// before it had read everything, [`ReaderDied`](WriteError::ReaderDied) if it died before it
    /// had seen the end; and as [`finish`](Self::finish).
    pub fn finish_and_wait(mut self) -> Result<(), WriteError> {
        self.outbox.drain(Patience::Forever)
    }

    /// As [`finish_and_wait`](Self::finish_and_wait), but waits no longer than `timeout`. The
    /// stream is finished in any case.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`finish_and_wait`](Self::finish_and_wait).
    pub fn finish_and_wait_timeout(mut self, timeout: Duration) -> Result<(), WriteError> {
        self.outbox.drain(Patience::from_timeout(timeout))
    }

    /// Gives up, and leaves. The reader gets every byte and then
    /// [`ReadError::Failed`](super::ReadError::Failed) with this code.
    pub fn fail(self, code: i32) {
        self.outbox.say_failed(code);
    }

    /// Bytes that were written and that the reader has not consumed. The reader may be consuming
    /// meanwhile, so there may be fewer already.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outbox.unread()
    }

    /// Whether the reader has consumed everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that could be written now without waiting, at least.
    #[must_use]
    pub fn free(&self) -> usize {
        self.outbox.room()
    }

    /// How many bytes the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.outbox.capacity()
    }

    /// What is known of the reader. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, WriteError> {
        self.outbox.peer()
    }

    /// What this end has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.outbox.stats()
    }

    /// By what others open this ring: `None` of an anonymous one, `sysv:id=N` of
    /// a System V ring without a key.
    #[must_use]
    pub fn name(&self) -> Option<&std::ffi::OsStr> {
        self.outbox.name()
    }

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        self.outbox.aborter()
    }

    #[inline]
    fn reserve_exact(
        &mut self,
        n: usize,
        patience: Patience,
    ) -> Result<Reservation<'_>, WriteError> {
        if n > self.capacity() {
            return Err(WriteError::TooLarge { requested: n, limit: self.capacity() });
        }
        if n as u64 > self.outbox.left() {
            return Err(WriteError::Exhausted);
        }
        self.outbox.await_room(n as u64, patience)?;
        Ok(self.reservation(n))
    }

    fn reserve_some(
        &mut self,
        n: usize,
        patience: Patience,
    ) -> Result<Reservation<'_>, WriteError> {
        let n = self.await_some_room(n, patience)?;
        Ok(self.reservation(n))
    }

    #[inline]
    fn reservation(&mut self, n: usize) -> Reservation<'_> {
        if self.outbox.end.trust == Trust::AnyUser {
            self.staging.clear();
            self.staging.resize(n, 0);
        }
        Reservation { writer: self, len: n }
    }

    #[inline]
    fn write_some(&mut self, bytes: &[u8], patience: Patience) -> Result<usize, WriteError> {
        let n = self.await_some_room(bytes.len(), patience)?;
        for chunk in bytes[..n].chunks(COPY) {
            // Another thread may have aborted it meanwhile.
            self.outbox.end.check()?;
            self.put(chunk);
        }
        Ok(n)
    }

    /// Copies bytes for which there is room into the ring and publishes them.
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        // SAFETY: `next` points at `free` bytes of the mapping that are this producer's until
        // they are published; `bytes` is private memory. No reference to shared bytes is formed.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.outbox.next(0).as_ptr(),
                bytes.len(),
            );
        }
        self.outbox.publish(bytes.len() as u64, 1);
    }

    fn transfer(
        &mut self,
        fd: impl AsFd,
        max: usize,
        patience: Patience,
    ) -> Result<usize, TransferError<WriteError>> {
        let room = self.await_some_room(max.min(TRANSFER), patience)?;
        // SAFETY: as in `put`; the kernel writes into what is this producer's. If somebody cut the
        // object short, the kernel says EFAULT.
        let n = unsafe { sys::io::read(fd.as_fd(), self.outbox.next(0).as_ptr(), room) }
            .map_err(TransferError::Descriptor)?;
        // That may have taken long, and another thread may have aborted it meanwhile.
        self.outbox.end.check().map_err(WriteError::from)?;
        self.outbox.publish(n as u64, 1);
        Ok(n)
    }

    /// Waits until there is room for any of `n` bytes; returns for how many.
    #[inline]
    fn await_some_room(&mut self, n: usize, patience: Patience) -> Result<usize, WriteError> {
        if n > 0 && self.outbox.left() == 0 {
            return Err(WriteError::Exhausted);
        }
        // One byte is enough, but not the one that an old look at the reader's position leaves.
        self.outbox.look_for_room(n as u64)?;
        self.outbox.await_room(n.min(1) as u64, patience)?;
        Ok((n as u64).min(self.outbox.free()) as usize)
    }
}

impl io::Write for Writer {
    /// Writes as many of `bytes` as there is room for, waiting until there is any.
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.write_some(bytes, Patience::Forever)?)
    }

    /// Does nothing: what is written is published.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of the ring that are the writer's to fill.
///
/// They hold what was there before, not zeros. [`commit`](Self::commit) publishes the first of
/// them; dropped without it, nothing is published. In a forked child there are none.
#[derive(Debug)]
#[must_use = "a dropped reservation is aborted: nothing is published"]
pub struct Reservation<'a> {
    writer: &'a mut Writer,
    len: usize,
}

impl Reservation<'_> {
    /// Publishes the first `n` bytes. The rest is given back.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] if fewer were reserved, and then nothing is published; and what can
    /// befall the end itself.
    #[inline]
    pub fn commit(self, n: usize) -> Result<(), WriteError> {
        self.writer.outbox.end.check()?;
        if n > self.len {
            return Err(WriteError::TooLarge { requested: n, limit: self.len });
        }
        if self.writer.outbox.end.trust == Trust::AnyUser {
            let staging = std::mem::take(&mut self.writer.staging);
            self.writer.put(&staging[..n]);
            self.writer.staging = staging;
        } else {
            self.writer.outbox.publish(n as u64, 1);
        }
        Ok(())
    }
}

impl Deref for Reservation<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.writer.outbox.end.trust == Trust::AnyUser {
            return &self.writer.staging;
        }
        if !self.writer.outbox.end.is_own() {
            return &[];
        }
        // SAFETY: `len` bytes were free when reserved and are mapped contiguously; they are this
        // producer's until published, and the exclusive borrow of the writer keeps them so. A
        // reader of the same user that breaks the protocol could write to them, as it could to any
        // memory of this process: see `Trust::SameUser`. In a forked child they are not mapped.
        unsafe { std::slice::from_raw_parts(self.writer.outbox.next(0).as_ptr(), self.len) }
    }
}

impl DerefMut for Reservation<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.writer.outbox.end.trust == Trust::AnyUser {
            return &mut self.writer.staging;
        }
        if !self.writer.outbox.end.is_own() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.writer.outbox.next(0).as_ptr(), self.len) }
    }
}
