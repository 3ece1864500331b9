//! The producing end.

use super::{PushError, WriteError, content};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, outbox::Outbox, staging::Staging,
        waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
};
use bytemuck::Pod;
use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    time::{Duration, Instant},
};

/// The producing end of a ring of slots. See [the module](super).
///
/// A value is published, and the consumer is woken if it sleeps, when the call returns: there is
/// nothing to flush. Dropped without [`finish`](Self::finish), it leaves the consumer every value
/// and then [`ReadError::Dropped`](super::ReadError::Dropped).
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::slot::Producer<u64>>();
/// ```
pub struct Producer<T> {
    outbox: Outbox,
    /// Where values are made that must not be made in place: see [`Trust::AnyUser`].
    staging: Staging,
    element: PhantomData<fn() -> T>,
    not_sync: PhantomData<Cell<()>>,
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl<T: Pod> options::End for Producer<T> {
    type Peer = super::Consumer<T>;
}

impl<T: Pod> sealed::End for Producer<T> {
    const ROLE: Role = Role::Producer;

    fn content(settings: &Settings) -> Content {
        content::of::<T>(settings)
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let outbox = Outbox::new(attached, Self::SIZE)?;
        let (element, not_sync) = (PhantomData, PhantomData);
        Ok(Self { outbox, staging: Staging::default(), element, not_sync })
    }
}

impl<T: Pod> Producer<T> {
    const SIZE: u64 = size_of::<T>() as u64;

    /// Pushes a value, waiting until there is room.
    ///
    /// # Errors
    /// [`PushError`], with the value and [`WriteError::ReaderLeft`],
    /// [`ReaderFailed`](WriteError::ReaderFailed) or [`ReaderDied`](WriteError::ReaderDied)
    /// if there is nobody to pop it any more (a death is found out while waiting only); and
    /// what can befall the end itself.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.push_within(value, Patience::Forever)
    }

    /// Pushes a value if there is room now.
    ///
    /// # Errors
    /// With [`WriteError::Full`] if there is none; and as [`push`](Self::push).
    #[inline]
    pub fn try_push(&mut self, value: T) -> Result<(), PushError<T>> {
        self.push_within(value, Patience::Never)
    }

    /// Pushes a value, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// With [`WriteError::Timeout`]; and as [`push`](Self::push).
    #[inline]
    pub fn push_timeout(&mut self, value: T, timeout: Duration) -> Result<(), PushError<T>> {
        self.push_within(value, Patience::from_timeout(timeout))
    }

    /// Pushes a value, waiting for room until `deadline`.
    ///
    /// # Errors
    /// With [`WriteError::Timeout`]; and as [`push`](Self::push).
    #[inline]
    pub fn push_deadline(&mut self, value: T, deadline: Instant) -> Result<(), PushError<T>> {
        self.push_within(value, Patience::from_deadline(deadline))
    }

    /// Pushes a value, or gives it up if there is no room now: false then, and
    /// [`Stats::dropped`](crate::Stats::dropped) counts it.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_or_drop(&mut self, value: T) -> Result<bool, WriteError> {
        match self.try_push(value) {
            Ok(()) => Ok(true),
            Err(PushError { error: WriteError::Full, .. }) => {
                self.outbox.note_dropped();
                Ok(false)
            }
            Err(PushError { error, .. }) => Err(error),
        }
    }

    /// Pushes all the values, as many at a time as there is room for, waiting in between.
    ///
    /// # Errors
    /// As [`push`](Self::push); the values before were pushed then.
    pub fn push_slice(&mut self, mut values: &[T]) -> Result<(), WriteError> {
        while !values.is_empty() {
            let n = self.await_some_room(values.len(), Patience::Forever)?;
            self.put(&values[..n]);
            values = &values[n..];
        }
        Ok(())
    }

    /// Pushes as many of the values as there is room for now; returns how many.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none (and any value); and as [`push`](Self::push).
    pub fn try_push_slice(&mut self, values: &[T]) -> Result<usize, WriteError> {
        let n = self.await_some_room(values.len(), Patience::Never)?;
        self.put(&values[..n]);
        Ok(n)
    }

    /// Reserves exactly `n` slots, waiting until there is room for them. Fill them and
    /// [`commit`](Slots::commit).
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] at once if the ring can never hold so many; and
    /// as [`push`](Self::push).
    pub fn reserve(&mut self, n: usize) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_exact(n, Patience::Forever)
    }

    /// Reserves exactly `n` slots if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is not; and as [`reserve`](Self::reserve).
    pub fn try_reserve(&mut self, n: usize) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_exact(n, Patience::Never)
    }

    /// Reserves exactly `n` slots, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn reserve_timeout(
        &mut self,
        n: usize,
        timeout: Duration,
    ) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_exact(n, Patience::from_timeout(timeout))
    }

    /// Reserves exactly `n` slots, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`reserve`](Self::reserve).
    pub fn reserve_deadline(
        &mut self,
        n: usize,
        deadline: Instant,
    ) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_exact(n, Patience::from_deadline(deadline))
    }

    /// Reserves between 1 and `n` slots (none if `n` is 0): as many as there is room
    /// for, waiting until there is any.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn reserve_up_to(&mut self, n: usize) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_some(n, Patience::Forever)
    }

    /// Reserves up to `n` slots if there is any room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`push`](Self::push).
    pub fn try_reserve_up_to(&mut self, n: usize) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_some(n, Patience::Never)
    }

    /// Reserves up to `n` slots, waiting for room no longer than `timeout`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`push`](Self::push).
    pub fn reserve_up_to_timeout(
        &mut self,
        n: usize,
        timeout: Duration,
    ) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_some(n, Patience::from_timeout(timeout))
    }

    /// Reserves up to `n` slots, waiting for room until `deadline`.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; and as [`push`](Self::push).
    pub fn reserve_up_to_deadline(
        &mut self,
        n: usize,
        deadline: Instant,
    ) -> Result<Slots<'_, T>, WriteError> {
        self.reserve_some(n, Patience::from_deadline(deadline))
    }

    /// Says that the stream is whole, and leaves. The consumer gets every value and then `None`,
    /// also when it comes only later.
    ///
    /// # Errors
    /// What can befall the end itself: [`WriteError::Forked`], [`Aborted`](WriteError::Aborted),
    /// [`Corrupt`](WriteError::Corrupt).
    pub fn finish(self) -> Result<(), WriteError> {
        self.outbox.say_finished()
    }

    /// Says that the stream is whole, and waits until a consumer has released all of it and seen
    /// its end, or has left after its last value. If there is none yet, waits for one.
    ///
    /// # Errors
    /// [`WriteError::ReaderLeft`] or [`ReaderFailed`](WriteError::ReaderFailed) if the consumer
    /// left before it had popped everything, [`ReaderDied`](WriteError::ReaderDied) if it died
    /// before it had seen the end; and as [`finish`](Self::finish).
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

    /// Gives up, and leaves. The consumer gets every value and then
    /// [`ReadError::Failed`](super::ReadError::Failed) with this code.
    pub fn fail(self, code: i32) {
        self.outbox.say_failed(code);
    }

    /// Values that were pushed and that the consumer has not released. It may be releasing
    /// meanwhile, so there may be fewer already.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outbox.unread() / size_of::<T>()
    }

    /// Whether the consumer has released everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values that could be pushed now without waiting, at least.
    #[must_use]
    pub fn free(&self) -> usize {
        self.outbox.room() / size_of::<T>()
    }

    /// How many values the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.outbox.capacity() / size_of::<T>()
    }

    /// What is known of the consumer. Costs a system call.
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

    #[inline(always)]
    fn push_within(&mut self, value: T, patience: Patience) -> Result<(), PushError<T>> {
        // By value: of a copy nobody knows where it is, so that it may stay in registers on its way
        // into the ring. (To load in one what was stored in parts a moment before takes longer than
        // all the rest.) SAFETY: as in `put`; the slot is aligned as `Slots::deref` says.
        let write = move |slot: NonNull<u8>| unsafe { slot.cast::<T>().write(value) };
        if self.outbox.put_at_once(Self::SIZE, 0, write, Self::publish_newest) {
            return Ok(());
        }
        let mut copy = value;
        self.push_long(&mut copy, patience)
    }

    #[cold]
    #[inline(never)]
    fn push_long(&mut self, value: &mut T, patience: Patience) -> Result<(), PushError<T>> {
        // SAFETY: as above.
        let write = |slot: NonNull<u8>| unsafe { slot.cast::<T>().write(*value) };
        self.outbox
            .put_one_long(Self::SIZE, 0, patience, write)
            .map_err(|error| PushError { value: *value, error })
    }

    #[cold]
    fn publish_newest(outbox: &mut Outbox) {
        outbox.publish_with(content::words::<T>(), Self::SIZE, 0);
    }

    /// Copies values for which there is room into the ring and publishes them.
    fn put(&mut self, values: &[T]) {
        // SAFETY: so many bytes are mapped from `next` on and are this producer's until they are
        // published; `values` is private memory. No reference to shared bytes is formed.
        unsafe {
            let next = self.outbox.next(0).cast::<T>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), next.as_ptr(), values.len());
        }
        self.outbox.publish(size_of_val(values) as u64, values.len() as u64);
    }

    fn reserve_exact(&mut self, n: usize, patience: Patience) -> Result<Slots<'_, T>, WriteError> {
        if n > self.capacity() {
            let size = size_of::<T>();
            let (requested, limit) = (n.saturating_mul(size), self.capacity() * size);
            return Err(WriteError::TooLarge { requested, limit });
        }
        self.outbox.await_room(n as u64 * Self::SIZE, patience)?;
        Ok(self.slots(n))
    }

    fn reserve_some(&mut self, n: usize, patience: Patience) -> Result<Slots<'_, T>, WriteError> {
        let n = self.await_some_room(n, patience)?;
        Ok(self.slots(n))
    }

    /// Waits until there is room for any of `n` values; returns for how many.
    fn await_some_room(&mut self, n: usize, patience: Patience) -> Result<usize, WriteError> {
        // One is enough, but not the one that an old look at the consumer's position leaves.
        let bytes = (n.min(self.capacity())) as u64 * Self::SIZE;
        self.outbox.look_for_room(bytes)?;
        self.outbox.await_room(bytes.min(Self::SIZE), patience)?;
        let room = bytes.min(self.outbox.free());
        Ok((room / Self::SIZE) as usize)
    }

    fn slots(&mut self, len: usize) -> Slots<'_, T> {
        if self.outbox.end.trust == Trust::AnyUser {
            self.staging.prepare(len * size_of::<T>(), align_of::<T>());
        }
        self.outbox.lend();
        Slots { producer: self, len, committed: false }
    }
}

/// Slots of the ring that are the producer's to fill.
///
/// They hold what was there before, not zeros. [`commit`](Self::commit) publishes them; dropped
/// without that, nothing is published. In a forked child there are none.
#[must_use = "dropped slots are aborted: nothing is pushed"]
pub struct Slots<'a, T: Pod> {
    producer: &'a mut Producer<T>,
    len: usize,
    committed: bool,
}

impl<T: Pod> Slots<'_, T> {
    /// Pushes all the values.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn commit(self) -> Result<(), WriteError> {
        let all = self.len;
        self.commit_first(all)
    }

    /// Pushes the first `n` values. The other slots are given back.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`], in bytes, if fewer were reserved, and then nothing is pushed; and
    /// what can befall the end itself.
    pub fn commit_first(mut self, n: usize) -> Result<(), WriteError> {
        self.producer.outbox.end.check()?;
        if n > self.len {
            let size = size_of::<T>();
            let (requested, limit) = (n.saturating_mul(size), self.len * size);
            return Err(WriteError::TooLarge { requested, limit });
        }
        self.committed = true;
        if self.producer.outbox.end.trust == Trust::AnyUser {
            let mut staging = std::mem::take(&mut self.producer.staging);
            let values = staging.as_ptr().cast::<T>();
            // SAFETY: `slots` prepared so many aligned bytes, and any bytes are values.
            self.producer.put(unsafe { std::slice::from_raw_parts(values.as_ptr(), n) });
            self.producer.staging = staging;
        } else {
            self.producer.outbox.publish(n as u64 * Producer::<T>::SIZE, n as u64);
        }
        Ok(())
    }
}

impl<T: Pod> fmt::Debug for Slots<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Pod> Deref for Slots<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let outbox = &self.producer.outbox;
        if outbox.end.trust == Trust::AnyUser {
            return bytemuck::cast_slice(self.producer.staging.get());
        }
        if !outbox.end.is_own() {
            return &[];
        }
        // SAFETY: so many slots were free when reserved and are mapped contiguously; they are
        // aligned, because the data area is to a page, and every position is a multiple of the
        // size, which is one of the alignment, checked at attaching; and any bytes are values. They
        // are this producer's until published, and the exclusive borrow of it keeps them so. A
        // consumer of the same user that breaks the protocol could write to them, as it could to
        // any memory of this process: see `Trust::SameUser`. In a forked child they are not mapped.
        unsafe { std::slice::from_raw_parts(outbox.next(0).cast::<T>().as_ptr(), self.len) }
    }
}

impl<T: Pod> DerefMut for Slots<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let outbox = &self.producer.outbox;
        if outbox.end.trust == Trust::AnyUser {
            return bytemuck::cast_slice_mut(self.producer.staging.get_mut());
        }
        if !outbox.end.is_own() {
            return &mut [];
        }
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(outbox.next(0).cast::<T>().as_ptr(), self.len) }
    }
}

impl<T: Pod> Drop for Slots<'_, T> {
    fn drop(&mut self) {
        self.producer.outbox.note_aborted(!self.committed);
        self.producer.outbox.back();
    }
}
