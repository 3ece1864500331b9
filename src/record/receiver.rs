//! The receiving end.

use super::{
    One, PodError, ReadError, Topology, View,
    topology::sealed::{Found, Inlet, NotAtHand, Payload, Topology as Parts},
};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, staging::Staging, waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
};
use bytemuck::Pod;
use std::{
    cell::Cell,
    marker::PhantomData,
    ops::Deref,
    time::{Duration, Instant},
};

/// The receiving end of a ring of records. See [the module](super).
///
/// Dropped, it leaves in good order: the sender gets
/// [`WriteError::ReaderLeft`](super::WriteError::ReaderLeft).
///
/// After the end of a stream each further call says the same again, until another sender
/// attaches; then its records follow.
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::record::Receiver>();
/// ```
#[derive(Debug)]
pub struct Receiver<T: Topology = One> {
    pub(crate) inlet: T::Inlet,
    /// Where a record is shown that must not be shown in place: see [`Trust::AnyUser`].
    staging: Staging,
    not_sync: PhantomData<Cell<()>>,
}

impl<T: Topology> options::End for Receiver<T> {
    type Peer = super::Sender<T>;
}

impl<T: Topology> sealed::End for Receiver<T> {
    const ROLE: Role = Role::Consumer;

    fn content(settings: &Settings) -> Content {
        T::content(settings)
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let inlet = T::Inlet::new(attached)?;
        Ok(Self { inlet, staging: Staging::default(), not_sync: PhantomData })
    }
}

/// What its receiver knows of a record.
type FoundOf<T> = Found<<<T as Parts>::Inlet as Inlet>::Mark>;

/// What is shown of it.
type ViewOf<'a, T> = View<'a, <T as Parts>::Origin>;

impl<T: Topology> Receiver<T> {
    /// Receives the next record, waiting until there is one; `None` at the end of a stream that was
    /// finished. It is released when the guard is dropped.
    ///
    /// # Errors
    /// After the last record of a stream that was not finished, what became of its
    /// sender: [`ReadError::Failed`], [`Dropped`](ReadError::Dropped),
    /// [`Died`](ReadError::Died); [`ReadError::Corrupt`] if what lies in the ring cannot
    /// be a record; and what can befall the end itself.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Record<'_, T>>, ReadError> {
        self.recv_within(Patience::Forever)
    }

    /// Receives the next record if there is one now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there is none; and as [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Record<'_, T>>, ReadError> {
        self.recv_within(Patience::Never)
    }

    /// Receives the next record, waiting for it no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Record<'_, T>>, ReadError> {
        self.recv_within(Patience::from_timeout(timeout))
    }

    /// Receives the next record, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Option<Record<'_, T>>, ReadError> {
        self.recv_within(Patience::from_deadline(deadline))
    }

    /// Shows the next record and leaves it where it is, waiting until there is one; `None` at the
    /// end of a stream that was finished.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn peek(&mut self) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        self.peek_within(Patience::Forever)
    }

    /// Shows the next record if there is one now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there is none; and as [`recv`](Self::recv).
    #[inline]
    pub fn try_peek(&mut self) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        self.peek_within(Patience::Never)
    }

    /// Shows the next record, waiting for it no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        self.peek_within(Patience::from_timeout(timeout))
    }

    /// Shows the next record, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn peek_deadline(&mut self, deadline: Instant) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        self.peek_within(Patience::from_deadline(deadline))
    }

    /// Receives all records there are, waiting until there is one; `None` at the end of a
    /// stream that was finished. Those that [`next`](Records::next) has shown are released, at
    /// once, when the guard is dropped.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_batch(&mut self) -> Result<Option<Records<'_, T>>, ReadError> {
        self.batch_within(Patience::Forever)
    }

    /// Receives all records there are now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`recv`](Self::recv).
    #[inline]
    pub fn try_recv_batch(&mut self) -> Result<Option<Records<'_, T>>, ReadError> {
        self.batch_within(Patience::Never)
    }

    /// Receives all records there are, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn recv_batch_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Records<'_, T>>, ReadError> {
        self.batch_within(Patience::from_timeout(timeout))
    }

    /// Receives all records there are, waiting for one until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    #[inline]
    pub fn recv_batch_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Records<'_, T>>, ReadError> {
        self.batch_within(Patience::from_deadline(deadline))
    }

    /// Leaves, and tells the sender that this end gave up, with this code. (To
    /// leave in good order, drop it.)
    pub fn fail(self, code: i32) {
        self.inlet.say_failed(code);
    }

    /// Bytes of the ring, headers and padding included, that this end has not released. The sender
    /// may be sending meanwhile, so there may be more already.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.inlet.unread()
    }

    /// Whether everything that was sent has been released.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread() == 0
    }

    /// How many bytes the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inlet.end().geometry().capacity
    }

    /// What is known of the sender. Costs a system call.
    ///
    /// # Errors
    /// What can befall the end itself.
    pub fn peer(&self) -> Result<Peer, ReadError> {
        self.inlet.peer()
    }

    /// What this end has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inlet.stats()
    }

    /// By what others open this ring: `None` of an anonymous one, `sysv:id=N` of
    /// a System V ring without a key.
    #[must_use]
    pub fn name(&self) -> Option<&std::ffi::OsStr> {
        self.inlet.end().name()
    }

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        Aborter::new(self.inlet.end().arc())
    }

    #[inline(always)]
    fn recv_within(&mut self, patience: Patience) -> Result<Option<Record<'_, T>>, ReadError> {
        let Some(found) = self.next(patience)? else { return Ok(None) };
        self.inlet.lend();
        Ok(Some(Record { receiver: self, found }))
    }

    fn peek_within(&mut self, patience: Patience) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        let found = self.next(patience)?;
        Ok(found.map(|found| self.view(found)))
    }

    #[inline(always)]
    fn next(&mut self, patience: Patience) -> Result<Option<FoundOf<T>>, ReadError> {
        match self.inlet.at_hand(patience) {
            Ok(found) => Ok(Some(found)),
            Err(why) => self.await_record(why, patience),
        }
    }

    #[inline]
    fn batch_within(&mut self, patience: Patience) -> Result<Option<Records<'_, T>>, ReadError> {
        let Some(available) = self.inlet.batch(patience)? else { return Ok(None) };
        self.inlet.lend();
        Ok(Some(Records { receiver: self, available, shown: 0, records: 0 }))
    }

    #[inline(never)]
    fn await_record(
        &mut self,
        why: NotAtHand,
        patience: Patience,
    ) -> Result<Option<FoundOf<T>>, ReadError> {
        let Some(found) = self.inlet.first(why, patience)? else { return Ok(None) };
        Ok(Some(self.staged_if_foreign(found)))
    }

    /// Finds the record behind `offset` bytes of a batch, of which `rest` follow.
    #[cold]
    #[inline(never)]
    fn find(&mut self, offset: u64, rest: u64) -> Result<Option<FoundOf<T>>, ReadError> {
        self.inlet.end().check()?;
        let Some(found) = self.inlet.find(offset, rest)? else { return Ok(None) };
        Ok(Some(self.staged_if_foreign(found)))
    }

    /// A record, copied if it must not be shown in place.
    fn staged_if_foreign(&mut self, found: FoundOf<T>) -> FoundOf<T> {
        if self.inlet.end().trust == Trust::AnyUser { self.staged(found) } else { found }
    }

    fn staged(&mut self, found: FoundOf<T>) -> FoundOf<T> {
        let Some(Payload(from)) = found.payload else { return found };
        let len = found.header.len() as usize;
        self.staging.prepare(len, self.inlet.align());
        let to = self.staging.as_ptr();
        // SAFETY: so many unread bytes are mapped; the staging is as long. No
        // reference to shared bytes is formed.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), len) };
        Found { payload: Some(Payload(to)), ..found }
    }

    /// The payload of a record.
    #[inline]
    fn bytes(&self, found: &FoundOf<T>) -> &[u8] {
        let len = found.header.len() as usize;
        match found.payload {
            // Whoever found it there has checked the length.
            None => &self.inlet.copy()[..len],
            // SAFETY: whoever found it has checked that it lies in what is unread, so that many
            // bytes are mapped from there on, and its sender leaves them alone until they are
            // released, which takes an exclusive borrow of this receiver. A sender of the same user
            // that breaks the protocol could change them, as it could any memory of this process:
            // see `Trust::SameUser`. Of all others `staged` has put a copy there, as long, which
            // stays as long as this receiver finds nothing else.
            Some(Payload(first)) => unsafe { std::slice::from_raw_parts(first.as_ptr(), len) },
        }
    }

    /// Shows a record.
    #[inline]
    fn view(&self, found: FoundOf<T>) -> ViewOf<'_, T> {
        let (kind, origin) = (found.header.kind(), self.inlet.origin(&found));
        View::new(self.bytes(&found), kind, self.inlet.align(), origin)
    }
}

/// A record that was received: its bytes, in the ring's own memory.
///
/// Released when dropped; until then the sender leaves the bytes alone. A record that is forgotten
/// ([`std::mem::forget`]) is not released and comes again. In a forked child there are no bytes.
#[derive(Debug)]
pub struct Record<'a, T: Topology = One> {
    receiver: &'a mut Receiver<T>,
    found: FoundOf<T>,
}

impl<T: Topology> Record<'_, T> {
    /// The number that its sender gave it.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.found.header.kind()
    }

    /// The record as one value, in place.
    ///
    /// # Errors
    /// [`PodError`] if its length or its alignment is not the type's.
    #[inline]
    pub fn as_pod<V: Pod>(&self) -> Result<&V, PodError> {
        self.view().as_pod()
    }

    /// The record as values one after another, in place.
    ///
    /// # Errors
    /// [`PodError`] if its length is no multiple of the type's, or its alignment not the type's.
    #[inline]
    pub fn as_pods<V: Pod>(&self) -> Result<&[V], PodError> {
        self.view().as_pods()
    }

    #[inline]
    pub(crate) fn origin(&self) -> T::Origin {
        self.receiver.inlet.origin(&self.found)
    }

    #[inline]
    fn view(&self) -> View<'_> {
        View::new(self, self.kind(), self.receiver.inlet.align(), ())
    }
}

impl<T: Topology> Deref for Record<'_, T> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self.receiver.inlet.end().is_own() {
            true => self.receiver.bytes(&self.found),
            false => &[],
        }
    }
}

impl<T: Topology> Drop for Record<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.receiver.inlet.release(self.found.frame, 1);
    }
}

/// The records that were there when they were asked for, one after the other.
///
/// When it is dropped, those that were shown are released, at once; the others come again.
/// Forgotten ([`std::mem::forget`]), none is released. In a forked child there are none.
#[derive(Debug)]
pub struct Records<'a, T: Topology = One> {
    receiver: &'a mut Receiver<T>,
    available: u64,
    /// Bytes and records that were shown.
    shown: u64,
    records: u64,
}

impl<T: Topology> Records<'_, T> {
    /// Shows the next record, `None` after the last.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if what lies in the ring cannot be a record; and
    /// what can befall the end itself.
    #[inline(always)]
    #[allow(clippy::should_implement_trait, reason = "it lends: a record lives until the next")]
    pub fn next(&mut self) -> Result<Option<ViewOf<'_, T>>, ReadError> {
        let rest = self.available.saturating_sub(self.shown);
        let found = match self.receiver.inlet.next_at_hand(self.shown, rest) {
            Some(found) => found,
            None => match self.receiver.find(self.shown, rest)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        self.shown += found.frame;
        self.records += 1;
        Ok(Some(self.receiver.view(found)))
    }
}

impl<T: Topology> Drop for Records<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.inlet.release(self.shown, self.records);
    }
}
