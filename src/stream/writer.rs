//! The writing end.

use super::{COPY, TRANSFER, TransferError, WriteError};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        End, Role,
        attach::Attached,
        epoch::{EndReason, State},
        error::OpenErrorKind,
        stats::Waited,
        waiting::{Patience, Until},
    },
    layout::identity::Face,
    options::{self, sealed},
    ring::spsc::Producer,
    sync::Ordering,
    sys,
    wait::{gate::ANYTHING, pace::Pace},
};
use std::{
    cell::Cell,
    io,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    os::fd::AsFd,
    ptr::NonNull,
    sync::Arc,
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
    pub(super) end: Arc<End>,
    pub(super) ring: Producer,
    epoch: u32,
    pub(super) waited: Waited,
    pace: Pace,
    /// Where bytes are made that must not be made in place: see [`Trust::AnyUser`].
    staging: Vec<u8>,
    not_sync: PhantomData<Cell<()>>,
}

impl options::End for Writer {
    type Peer = super::Reader;
}

impl sealed::End for Writer {
    const ROLE: Role = Role::Producer;
    const FACE: Face = Face::Stream;

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let Attached { end, start, epoch } = attached;
        let ring = Producer::new(start.tail, start.head, end.geometry().capacity as u64)?;
        Ok(Self {
            end,
            ring,
            epoch,
            waited: Waited::default(),
            pace: Pace::new(start.tail),
            staging: Vec::new(),
            not_sync: PhantomData,
        })
    }
}

impl Writer {
    /// Reserves exactly `n` bytes, waiting until there is room for them. Fill them and
    /// [`commit`](Reservation::commit).
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] at once if the ring can never hold them; [`WriteError::ReaderLeft`],
    /// [`ReaderFailed`](WriteError::ReaderFailed) or [`ReaderDied`](WriteError::ReaderDied) if there
    /// is nobody to read them any more (a death is found out while waiting only); and what can
    /// befall the end itself.
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
        self.reserve_exact(n, Patience::Until(deadline))
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
        self.reserve_some(n, Patience::Until(deadline))
    }

    /// Writes as many of `bytes` as there is room for now; returns how many.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is no room at all; and as [`reserve_up_to`](Self::reserve_up_to).
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
        self.write_some(bytes, Patience::Until(deadline))
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
        self.transfer(fd, max, Patience::Until(deadline))
    }

    /// Says that the stream is whole, and leaves. The reader gets every byte and then the end of
    /// the file, also when it comes only later.
    ///
    /// # Errors
    /// What can befall the end itself: [`WriteError::Forked`], [`Aborted`](WriteError::Aborted),
    /// [`Corrupt`](WriteError::Corrupt).
    pub fn finish(self) -> Result<(), WriteError> {
        self.say_finished()
    }

    /// Says that the stream is whole, and waits until a reader has read all of it and seen its
    /// end, or has left after its last byte. If there is none yet, waits for one, as the opener of
    /// a FIFO does.
    ///
    /// # Errors
    /// [`WriteError::ReaderLeft`] or [`ReaderFailed`](WriteError::ReaderFailed) if the reader left
    /// before it had read everything, [`ReaderDied`](WriteError::ReaderDied) if it died before it
    /// had seen the end; and as [`finish`](Self::finish).
    pub fn finish_and_wait(self) -> Result<(), WriteError> {
        self.drain(Patience::Forever)
    }

    /// As [`finish_and_wait`](Self::finish_and_wait), but waits no longer than `timeout`. The
    /// stream is finished in any case.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`finish_and_wait`](Self::finish_and_wait).
    pub fn finish_and_wait_timeout(self, timeout: Duration) -> Result<(), WriteError> {
        self.drain(Patience::from_timeout(timeout))
    }

    /// Gives up, and leaves. The reader gets every byte and then
    /// [`ReadError::Failed`](super::ReadError::Failed) with this code.
    pub fn fail(self, code: i32) {
        if self.end.check().is_ok() {
            self.end.say_ended(EndReason::Failed(code));
        }
    }

    /// Bytes that were written and that the reader has not consumed. The reader may be consuming
    /// meanwhile, so there may be fewer already.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.end.check().is_err() {
            return 0;
        }
        // Acquire: pairs with the Release in `Consumer::release`.
        let head = self.end.control().consumer.0.head.load(Ordering::Acquire);
        let unread = self.ring.position().saturating_sub(head);
        unread.min(self.capacity() as u64) as usize
    }

    /// Whether the reader has consumed everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that could be written now without waiting, at least.
    #[must_use]
    pub fn free(&self) -> usize {
        self.capacity() - self.len()
    }

    /// How many bytes the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.end.geometry().capacity
    }

    /// What is known of the reader. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, WriteError> {
        Ok(self.end.peer()?)
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

    fn reserve_exact(
        &mut self,
        n: usize,
        patience: Patience,
    ) -> Result<Reservation<'_>, WriteError> {
        if n > self.capacity() {
            return Err(WriteError::TooLarge { requested: n, limit: self.capacity() });
        }
        if n as u64 > self.ring.left() {
            return Err(WriteError::Exhausted);
        }
        self.await_room(n, patience)?;
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

    fn reservation(&mut self, n: usize) -> Reservation<'_> {
        if self.end.trust == Trust::AnyUser {
            self.staging.clear();
            self.staging.resize(n, 0);
        }
        Reservation { writer: self, len: n }
    }

    fn write_some(&mut self, bytes: &[u8], patience: Patience) -> Result<usize, WriteError> {
        let n = self.await_some_room(bytes.len(), patience)?;
        for chunk in bytes[..n].chunks(COPY) {
            // Another thread may have aborted it meanwhile.
            self.end.check()?;
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
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.next().as_ptr(), bytes.len());
        }
        self.publish(bytes.len());
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
        let n = unsafe { sys::io::read(fd.as_fd(), self.next().as_ptr(), room) }
            .map_err(TransferError::Descriptor)?;
        // That may have taken long, and another thread may have aborted it meanwhile.
        self.end.check().map_err(WriteError::from)?;
        self.publish(n);
        Ok(n)
    }

    /// Where the next byte to be published goes.
    #[inline]
    fn next(&self) -> NonNull<u8> {
        self.end.mapping().at(self.ring.position())
    }

    #[inline]
    fn publish(&mut self, n: usize) {
        if n > 0 {
            self.ring.publish(n as u64, &self.end.control().producer.0.tail);
            self.waited.moved(n as u64);
            self.end.notify_peer(self.ring.position());
        }
    }

    /// Waits until there is room for any of `n` bytes; returns for how many.
    #[inline]
    fn await_some_room(&mut self, n: usize, patience: Patience) -> Result<usize, WriteError> {
        if n > 0 && self.ring.left() == 0 {
            return Err(WriteError::Exhausted);
        }
        // One byte is enough, but not the one that an old look at the reader's position leaves.
        if self.ring.free() < n as u64 {
            self.end.check()?;
            self.end.checked(self.ring.refresh(&self.end.control().consumer.0.head))?;
        }
        self.await_room(n.min(1), patience)?;
        Ok((n as u64).min(self.ring.free()).min(self.ring.left()) as usize)
    }

    /// Waits until there is room for `n` bytes, and somebody to read them.
    #[inline]
    fn await_room(&mut self, n: usize, patience: Patience) -> Result<(), WriteError> {
        let Self { end, ring, waited, pace, .. } = self;
        end.check()?;
        if ring.free() >= n as u64 && !end.peer_word()?.is_ended() {
            return Ok(());
        }
        let head = &end.control().consumer.0.head;
        let capacity = end.geometry().capacity as u64;
        let at = ring.position();
        // Where the reader must be for there to be room for so many.
        let room_for = |n: u64| at.saturating_add(n).saturating_sub(capacity);
        let nap = pace.nap(at, capacity / 2).filter(|enough| *enough > n as u64);
        let until = Until { there: room_for(n as u64), nap: nap.map(room_for) };
        let room = end.wait(patience, until, waited, |gone| {
            let word = end.peer_word()?;
            match word.state {
                State::Ended(reason) => return Err(WriteError::reader_gone(reason)),
                State::Open if gone == Some(word) => return Err(WriteError::ReaderDied),
                State::None | State::Open => {}
            }
            end.checked(ring.refresh(head))?;
            Ok((ring.free() >= n as u64).then_some(()))
        });
        pace.rested(at, waited.take_rest());
        room
    }

    pub(super) fn say_finished(&self) -> Result<(), WriteError> {
        self.end.check()?;
        // Only an aborter can have been before us.
        if self.end.say_ended(EndReason::Finished) { Ok(()) } else { Err(WriteError::Aborted) }
    }

    fn drain(mut self, patience: Patience) -> Result<(), WriteError> {
        self.say_finished()?;
        let Self { end, ring, waited, epoch, .. } = &mut self;
        let control = end.control();
        let epoch = u64::from(*epoch);
        // Not for what it reads, but for what it says.
        let until = Until { there: ANYTHING, nap: None };
        end.wait(patience, until, waited, |gone| {
            // The reader's word before its position: a reader that left says so last.
            let word = end.peer_word()?;
            // Acquire: pairs with the Release in `Epochs::acknowledge`.
            if control.life.0.acknowledged.load(Ordering::Acquire) >= epoch {
                return Ok(Some(()));
            }
            let left = match word.state {
                State::Ended(reason) => WriteError::reader_gone(reason),
                State::Open if gone == Some(word) => return Err(WriteError::ReaderDied),
                State::None | State::Open => return Ok(None),
            };
            end.checked(ring.refresh(&control.consumer.0.head))?;
            let all_read = ring.free() == end.geometry().capacity as u64;
            if all_read { Ok(Some(())) } else { Err(left) }
        })
    }
}

impl io::Write for Writer {
    /// Writes as many of `bytes` as there is room for, waiting until there is any.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.write_some(bytes, Patience::Forever)?)
    }

    /// Does nothing: what is written is published.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end.leave(State::Ended(EndReason::Dropped), &self.waited);
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
    pub fn commit(self, n: usize) -> Result<(), WriteError> {
        self.writer.end.check()?;
        if n > self.len {
            return Err(WriteError::TooLarge { requested: n, limit: self.len });
        }
        if self.writer.end.trust == Trust::AnyUser {
            let staging = std::mem::take(&mut self.writer.staging);
            self.writer.put(&staging[..n]);
            self.writer.staging = staging;
        } else {
            self.writer.publish(n);
        }
        Ok(())
    }
}

impl Deref for Reservation<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.writer.end.trust == Trust::AnyUser {
            return &self.writer.staging;
        }
        if !self.writer.end.is_own() {
            return &[];
        }
        // SAFETY: `len` bytes were free when reserved and are mapped contiguously; they are this
        // producer's until published, and the exclusive borrow of the writer keeps them so. A
        // reader of the same user that breaks the protocol could write to them, as it could to any
        // memory of this process: see `Trust::SameUser`. In a forked child they are not mapped.
        unsafe { std::slice::from_raw_parts(self.writer.next().as_ptr(), self.len) }
    }
}

impl DerefMut for Reservation<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.writer.end.trust == Trust::AnyUser {
            return &mut self.writer.staging;
        }
        if !self.writer.end.is_own() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.writer.next().as_ptr(), self.len) }
    }
}
