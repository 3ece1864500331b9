//! The sending end.

use super::{
    Batch, One, Topology, WriteError, batch::Gathered, frame::Header, topology::sealed::Outlet,
};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, staging::Staging, waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
};
use bytemuck::NoUninit;
use std::{
    cell::Cell,
    io::IoSlice,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

/// Bytes of a value that is copied on its way, at most.
const SMALL: usize = 64;

/// The sending end of a ring of records. See [the module](super).
///
/// A record is published, and the receiver is woken if it sleeps, when the call returns: there is
/// nothing to flush. Dropped without [`finish`](Self::finish), it leaves the receiver every record
/// and then [`ReadError::Dropped`](super::ReadError::Dropped).
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::record::Sender>();
/// ```
#[derive(Debug)]
pub struct Sender<T: Topology = One> {
    pub(crate) outlet: T::Outlet,
    /// Of the next record.
    kind: u32,
    max_len: usize,
    /// Where a record is made that must not be made in place: see [`Trust::AnyUser`].
    staging: Staging,
    not_sync: PhantomData<Cell<()>>,
}

impl<T: Topology> options::End for Sender<T> {
    type Peer = super::Receiver<T>;
}

impl<T: Topology> sealed::End for Sender<T> {
    const ROLE: Role = Role::Producer;

    fn content(settings: &Settings) -> Content {
        T::content(settings)
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let outlet = T::Outlet::new(attached)?;
        let max_len = outlet.max_len();
        let (staging, not_sync) = (Staging::default(), PhantomData);
        Ok(Self { outlet, kind: 0, max_len, staging, not_sync })
    }
}

impl<T: Topology> Sender<T> {
    /// Says of what kind the next record is. Without that it is 0.
    ///
    /// It holds for one call that sends or reserves, whether that succeeds or not.
    #[must_use = "the kind is that of the record sent next: sender.kind(7).send(b\"...\")"]
    pub fn kind(&mut self, kind: u32) -> &mut Self {
        self.kind = kind;
        self
    }

    /// Reserves a record of `len` bytes, waiting until there is room. Fill it and
    /// [`commit`](Reservation::commit).
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] at once if it is longer than [`max_len`](Self::max_len);
    /// [`WriteError::ReaderLeft`], [`ReaderFailed`](WriteError::ReaderFailed) or
    /// [`ReaderDied`](WriteError::ReaderDied) if there is nobody to receive it any more (a death is
    /// found out while waiting only); and what can befall the end itself.
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::Forever)
    }

    /// Reserves a record if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::Never)
    }

    /// Reserves a record, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn reserve_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::from_timeout(timeout))
    }

    /// Reserves a record, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn reserve_deadline(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::from_deadline(deadline))
    }

    /// Sends a record, waiting until there is room.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.send_within(bytes, Patience::Forever)
    }

    /// Sends a record if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.send_within(bytes, Patience::Never)
    }

    /// Sends a record, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn send_timeout(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), WriteError> {
        self.send_within(bytes, Patience::from_timeout(timeout))
    }

    /// Sends a record, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn send_deadline(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), WriteError> {
        self.send_within(bytes, Patience::from_deadline(deadline))
    }

    /// Sends a record, or gives it up if there is no room now: false then, and
    /// [`Stats::dropped`](crate::Stats::dropped) counts it.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    #[inline]
    pub fn send_or_drop(&mut self, bytes: &[u8]) -> Result<bool, WriteError> {
        match self.try_send(bytes) {
            Ok(()) => Ok(true),
            Err(WriteError::Full) => {
                self.outlet.note_dropped();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one record that consists of several parts, waiting until there is room.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        self.send_parts(parts, Patience::Forever)
    }

    /// As [`send_vectored`](Self::send_vectored), if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`reserve`](Self::reserve).
    pub fn try_send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        self.send_parts(parts, Patience::Never)
    }

    /// As [`send_vectored`](Self::send_vectored), waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn send_vectored_timeout(
        &mut self,
        parts: &[IoSlice<'_>],
        timeout: Duration,
    ) -> Result<(), WriteError> {
        self.send_parts(parts, Patience::from_timeout(timeout))
    }

    /// As [`send_vectored`](Self::send_vectored), waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn send_vectored_deadline(
        &mut self,
        parts: &[IoSlice<'_>],
        deadline: Instant,
    ) -> Result<(), WriteError> {
        self.send_parts(parts, Patience::from_deadline(deadline))
    }

    /// Sends a value's bytes as a record, waiting until there is room. (A slice of values is sent
    /// by `send(bytemuck::cast_slice(values))`.)
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    #[inline]
    pub fn send_pod<V: NoUninit>(&mut self, value: &V) -> Result<(), WriteError> {
        self.send_pod_within(value, Patience::Forever)
    }

    /// As [`send_pod`](Self::send_pod), if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn try_send_pod<V: NoUninit>(&mut self, value: &V) -> Result<(), WriteError> {
        self.send_pod_within(value, Patience::Never)
    }

    /// As [`send_pod`](Self::send_pod), waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn send_pod_timeout<V: NoUninit>(
        &mut self,
        value: &V,
        timeout: Duration,
    ) -> Result<(), WriteError> {
        self.send_pod_within(value, Patience::from_timeout(timeout))
    }

    /// As [`send_pod`](Self::send_pod), waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    #[inline]
    pub fn send_pod_deadline<V: NoUninit>(
        &mut self,
        value: &V,
        deadline: Instant,
    ) -> Result<(), WriteError> {
        self.send_pod_within(value, Patience::from_deadline(deadline))
    }

    /// Begins to gather records that are published together.
    pub fn batch(&mut self) -> Batch<'_, T> {
        Batch::new(self, 0)
    }

    /// Bytes of the longest record that the ring can hold.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// Says that the stream is whole, and leaves. The receiver gets every record and then `None`,
    /// also when it comes only later.
    ///
    /// # Errors
    /// What can befall the end itself: [`WriteError::Forked`], [`Aborted`](WriteError::Aborted),
    /// [`Corrupt`](WriteError::Corrupt).
    pub fn finish(self) -> Result<(), WriteError> {
        self.outlet.say_finished()
    }

    /// Says that the stream is whole, and waits until a receiver has released all of it and seen
    /// its end, or has left after its last record. If there is none yet, waits for one.
    ///
    /// # Errors
    /// [`WriteError::ReaderLeft`] or [`ReaderFailed`](WriteError::ReaderFailed) if the receiver
    /// left before it had received everything, [`ReaderDied`](WriteError::ReaderDied) if it died
    /// before it had seen the end; and as [`finish`](Self::finish).
    pub fn finish_and_wait(mut self) -> Result<(), WriteError> {
        self.outlet.drain(Patience::Forever)
    }

    /// As [`finish_and_wait`](Self::finish_and_wait), but waits no longer than `timeout`. The
    /// stream is finished in any case.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`finish_and_wait`](Self::finish_and_wait).
    pub fn finish_and_wait_timeout(mut self, timeout: Duration) -> Result<(), WriteError> {
        self.outlet.drain(Patience::from_timeout(timeout))
    }

    /// Gives up, and leaves. The receiver gets every record and then
    /// [`ReadError::Failed`](super::ReadError::Failed) with this code.
    pub fn fail(self, code: i32) {
        self.outlet.say_failed(code);
    }

    /// Bytes of the ring, headers and padding included, that the receiver has not released. It may
    /// be releasing meanwhile, so there may be fewer already.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.outlet.unread()
    }

    /// Whether the receiver has released everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread() == 0
    }

    /// How many bytes the ring holds. Each record takes 8 more than its length, rounded up to the
    /// payload alignment.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.outlet.end().geometry().capacity
    }

    /// What is known of the receiver. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, WriteError> {
        self.outlet.peer()
    }

    /// What this end has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.outlet.stats()
    }

    /// By what others open this ring: `None` of an anonymous one, `sysv:id=N` of
    /// a System V ring without a key.
    #[must_use]
    pub fn name(&self) -> Option<&std::ffi::OsStr> {
        self.outlet.end().name()
    }

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        Aborter::new(self.outlet.end().arc())
    }

    /// The next record's kind, which is said for one record only.
    #[inline]
    pub(super) fn take_kind(&mut self) -> u32 {
        std::mem::take(&mut self.kind)
    }

    /// The length of a record's payload, if the ring can ever hold it.
    #[inline]
    pub(super) fn checked_len(&self, len: usize) -> Result<u32, WriteError> {
        if len > self.max_len {
            return Err(WriteError::TooLarge { requested: len, limit: self.max_len });
        }
        // `max_len` fits.
        Ok(len as u32)
    }

    #[inline(always)]
    fn send_within(&mut self, bytes: &[u8], patience: Patience) -> Result<(), WriteError> {
        let kind = self.take_kind();
        let len = self.checked_len(bytes.len())?;
        self.outlet.send(Header::new(len, kind), bytes, patience)
    }

    #[inline(always)]
    fn send_pod_within<V: NoUninit>(
        &mut self,
        value: &V,
        patience: Patience,
    ) -> Result<(), WriteError> {
        if size_of::<V>() > SMALL || !T::Outlet::AT_ONCE {
            return self.send_within(bytemuck::bytes_of(value), patience);
        }
        // A copy, of which nobody else knows where it is: it may stay in registers on its
        // way into the ring. (To load in one what was stored in parts a moment before
        // takes as long as all the rest.)
        let value = *value;
        let kind = self.take_kind();
        let header = Header::new(self.checked_len(size_of::<V>())?, kind);
        if self.outlet.send_at_once(header, bytemuck::bytes_of(&value)) {
            return Ok(());
        }
        let mut copy = value;
        self.send_pod_long(header, &mut copy, patience)
    }

    #[cold]
    #[inline(never)]
    fn send_pod_long<V: NoUninit>(
        &mut self,
        header: Header,
        value: &mut V,
        patience: Patience,
    ) -> Result<(), WriteError> {
        self.outlet.send(header, bytemuck::bytes_of(value), patience)
    }

    fn send_parts(&mut self, parts: &[IoSlice<'_>], patience: Patience) -> Result<(), WriteError> {
        let kind = self.take_kind();
        let len = self.checked_len(total(parts))?;
        let frame = self.outlet.frame(len);
        self.outlet.open(frame, patience)?;
        self.put_parts(0, Header::new(len, kind), parts);
        self.outlet.publish_one(frame)
    }

    #[inline(always)]
    fn reserve_within(
        &mut self,
        len: usize,
        patience: Patience,
    ) -> Result<Reservation<'_, T>, WriteError> {
        let kind = self.take_kind();
        let len = self.checked_len(len)?;
        self.outlet.open(self.outlet.frame(len), patience)?;
        self.outlet.lend();
        Ok(Reservation::new(self, None, Header::new(len, kind)))
    }

    /// Copies a record for which there is room behind `offset` bytes that are not published either.
    /// No reference to shared bytes is formed.
    #[inline]
    pub(super) fn put(&mut self, offset: u64, header: Header, bytes: &[u8]) {
        self.outlet.describe(offset, header);
        let payload = self.outlet.payload(offset);
        // SAFETY: the caller has found room for the record: so many bytes are mapped, twice, and
        // are this sender's until they are published. `bytes` is private memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), payload.as_ptr(), bytes.len()) };
    }

    /// As [`put`](Self::put), of several parts.
    pub(super) fn put_parts(&mut self, offset: u64, header: Header, parts: &[IoSlice<'_>]) {
        self.outlet.describe(offset, header);
        let mut at = self.outlet.payload(offset);
        // SAFETY: as in `put`; the parts together are as long as the header says.
        unsafe {
            for part in parts {
                std::ptr::copy_nonoverlapping(part.as_ptr(), at.as_ptr(), part.len());
                at = at.add(part.len());
            }
        }
    }
}

/// The length of a record that consists of parts; more than any can have if it
/// does not fit a number.
pub(super) fn total(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()))
}

/// A record that is being made in the ring's memory.
///
/// It holds what was there before, not zeros, and begins at a multiple of the payload
/// alignment. [`commit`](Self::commit) publishes it; dropped without that, it never was. In a
/// forked child there are no bytes.
#[derive(Debug)]
#[must_use = "a dropped reservation is aborted: nothing is sent"]
pub struct Reservation<'a, T: Topology = One> {
    sender: &'a mut Sender<T>,
    /// The batch that it is to become a part of.
    batch: Option<&'a mut Gathered>,
    header: Header,
    /// A word, so that a reservation is moved about as words.
    committed: u64,
}

impl<'a, T: Topology> Reservation<'a, T> {
    #[inline(always)]
    pub(super) fn new(
        sender: &'a mut Sender<T>,
        batch: Option<&'a mut Gathered>,
        header: Header,
    ) -> Self {
        if sender.outlet.end().trust == Trust::AnyUser {
            let align = sender.outlet.align();
            sender.staging.prepare(header.len() as usize, align);
        }
        Self { sender, batch, header, committed: 0 }
    }

    /// Says of what kind the record is.
    pub fn set_kind(&mut self, kind: u32) {
        self.header = Header::new(self.header.len(), kind);
    }

    /// Sends the record.
    ///
    /// # Errors
    /// What can befall the end itself.
    #[inline(always)]
    pub fn commit(self) -> Result<(), WriteError> {
        let len = self.header.len() as usize;
        self.commit_truncated(len)
    }

    /// Sends the first `n` bytes as the record.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] if fewer were reserved, and then nothing is sent; and
    /// what can befall the end itself.
    #[inline(always)]
    pub fn commit_truncated(mut self, n: usize) -> Result<(), WriteError> {
        self.sender.outlet.end().check()?;
        let limit = self.header.len() as usize;
        if n > limit {
            return Err(WriteError::TooLarge { requested: n, limit });
        }
        self.header = Header::new(n as u32, self.header.kind());
        self.committed = 1;
        let Self { sender, batch, header, .. } = &mut self;
        let offset = batch.as_ref().map_or(0, |batch| batch.bytes);
        if sender.outlet.end().trust == Trust::AnyUser {
            let staging = std::mem::take(&mut sender.staging);
            sender.put(offset, *header, &staging.get()[..n]);
            sender.staging = staging;
        } else {
            sender.outlet.describe(offset, *header);
        }
        let frame = sender.outlet.frame(header.len());
        match batch {
            Some(batch) => {
                sender.outlet.gathered(offset, frame);
                batch.add(frame);
            }
            None => sender.outlet.publish_one(frame)?,
        }
        Ok(())
    }

    /// Where the payload goes.
    #[inline]
    fn payload(&self) -> *mut u8 {
        let offset = self.batch.as_ref().map_or(0, |batch| batch.bytes);
        self.sender.outlet.payload(offset).as_ptr()
    }
}

impl<T: Topology> Deref for Reservation<'_, T> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.sender.outlet.end().trust == Trust::AnyUser {
            return self.sender.staging.get();
        }
        if !self.sender.outlet.end().is_own() {
            return &[];
        }
        // SAFETY: so many bytes were free when reserved and are mapped contiguously; they are this
        // producer's until published, and the exclusive borrow of the sender keeps them so. A
        // receiver of the same user that breaks the protocol could write to them, as it could to
        // any memory of this process: see `Trust::SameUser`. In a forked child they are not mapped.
        unsafe { std::slice::from_raw_parts(self.payload(), self.header.len() as usize) }
    }
}

impl<T: Topology> DerefMut for Reservation<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.sender.outlet.end().trust == Trust::AnyUser {
            return self.sender.staging.get_mut();
        }
        if !self.sender.outlet.end().is_own() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.payload(), self.header.len() as usize) }
    }
}

impl<T: Topology> Drop for Reservation<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.sender.outlet.note_aborted(self.committed == 0);
        match &mut self.batch {
            Some(batch) => batch.reserved = false,
            None => self.sender.outlet.back(),
        }
    }
}
