//! The consuming end.

use super::{ReadError, content};
use crate::{
    Aborter, Peer, Stats, Trust,
    end::{
        Role, Settings, attach::Attached, error::OpenErrorKind, inbox::Inbox, staging::Staging,
        waiting::Patience,
    },
    layout::identity::Content,
    options::{self, sealed},
    ring::newest,
};
use bytemuck::Pod;
use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    ops::Deref,
    time::{Duration, Instant},
};

/// The most bytes that are copied at a time where values must not be shown in place.
const STAGED: usize = 256 << 10;

/// The consuming end of a ring of slots. See [the module](super).
///
/// Dropped, it leaves in good order: the producer gets
/// [`WriteError::ReaderLeft`](super::WriteError::ReaderLeft).
///
/// After the end of a stream each further call says the same again, until another producer
/// attaches; then its values follow.
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::slot::Consumer<u64>>();
/// ```
pub struct Consumer<T> {
    inbox: Inbox,
    /// Where values are shown that must not be shown in place: see [`Trust::AnyUser`].
    staging: Staging,
    element: PhantomData<fn() -> T>,
    not_sync: PhantomData<Cell<()>>,
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("inbox", &self.inbox).finish_non_exhaustive()
    }
}

impl<T: Pod> options::End for Consumer<T> {
    type Peer = super::Producer<T>;
}

impl<T: Pod> sealed::End for Consumer<T> {
    const ROLE: Role = Role::Consumer;

    fn content(settings: &Settings) -> Content {
        content::of::<T>(settings)
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let inbox = Inbox::new(attached, Self::SIZE)?;
        let (element, not_sync) = (PhantomData, PhantomData);
        Ok(Self { inbox, staging: Staging::default(), element, not_sync })
    }
}

impl<T: Pod> Consumer<T> {
    const SIZE: u64 = size_of::<T>() as u64;

    /// Pops the next value, waiting until there is one; `None` at the end of a
    /// stream that was finished.
    ///
    /// # Errors
    /// After the last value of a stream that was not finished, what became of its producer:
    /// [`ReadError::Failed`], [`Dropped`](ReadError::Dropped), [`Died`](ReadError::Died); and
    /// what can befall the end itself.
    #[inline]
    pub fn pop(&mut self) -> Result<Option<T>, ReadError> {
        self.pop_within(Patience::Forever)
    }

    /// Pops the next value if there is one now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there is none; and as [`pop`](Self::pop).
    #[inline]
    pub fn try_pop(&mut self) -> Result<Option<T>, ReadError> {
        self.pop_within(Patience::Never)
    }

    /// Pops the next value, waiting for it no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`pop`](Self::pop).
    #[inline]
    pub fn pop_timeout(&mut self, timeout: Duration) -> Result<Option<T>, ReadError> {
        self.pop_within(Patience::from_timeout(timeout))
    }

    /// Pops the next value, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`pop`](Self::pop).
    #[inline]
    pub fn pop_deadline(&mut self, deadline: Instant) -> Result<Option<T>, ReadError> {
        self.pop_within(Patience::from_deadline(deadline))
    }

    /// Pops all values there are, waiting until there is one; `None` at the end of a stream that
    /// was finished. They are released when the guard is dropped.
    ///
    /// # Errors
    /// As [`pop`](Self::pop).
    #[inline]
    pub fn pop_batch(&mut self) -> Result<Option<Values<'_, T>>, ReadError> {
        self.batch_within(Patience::Forever)
    }

    /// Pops all values there are now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`pop`](Self::pop).
    #[inline]
    pub fn try_pop_batch(&mut self) -> Result<Option<Values<'_, T>>, ReadError> {
        self.batch_within(Patience::Never)
    }

    /// Pops all values there are, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`pop`](Self::pop).
    #[inline]
    pub fn pop_batch_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Values<'_, T>>, ReadError> {
        self.batch_within(Patience::from_timeout(timeout))
    }

    /// Pops all values there are, waiting for one until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`pop`](Self::pop).
    #[inline]
    pub fn pop_batch_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Values<'_, T>>, ReadError> {
        self.batch_within(Patience::from_deadline(deadline))
    }

    /// Leaves, and tells the producer that this end gave up, with this code. (To
    /// leave in good order, drop it.)
    pub fn fail(self, code: i32) {
        self.inbox.say_failed(code);
    }

    /// Values in the ring that this end has not released. The producer may be pushing meanwhile, so
    /// there may be more already.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inbox.unread() / size_of::<T>()
    }

    /// Whether everything that was pushed has been released.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity() / size_of::<T>()
    }

    /// What is known of the producer. Costs a system call.
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

    #[inline(always)]
    fn pop_within(&mut self, patience: Patience) -> Result<Option<T>, ReadError> {
        if !self.inbox.is_at_hand(Self::SIZE) {
            return self.pop_long(patience);
        }
        self.inbox.ask_ahead(0, Self::SIZE, self.inbox.available());
        let value = self.first();
        self.inbox.release_one(Self::SIZE);
        Ok(Some(value))
    }

    #[inline(never)]
    fn pop_long(&mut self, patience: Patience) -> Result<Option<T>, ReadError> {
        let replied = match Self::SIZE {
            ..=newest::BYTES => self.inbox.await_reply(patience),
            _ => None,
        };
        if replied == Some(true) {
            let mut copy = [0; newest::WORDS];
            let value = match self.inbox.get_copy(&mut copy[..content::words::<T>()]) {
                true => bytemuck::pod_read_unaligned(&bytemuck::bytes_of(&copy)[..size_of::<T>()]),
                false => self.first(),
            };
            self.inbox.release(Self::SIZE, 1);
            return Ok(Some(value));
        }
        if self.inbox.await_bytes_after(replied.is_some(), Self::SIZE, patience)? == 0 {
            return Ok(None);
        }
        let value = match self.inbox.take_newest() {
            Some(words) if Self::SIZE <= newest::BYTES => {
                bytemuck::pod_read_unaligned(&bytemuck::bytes_of(words)[..size_of::<T>()])
            }
            _ => self.first(),
        };
        self.inbox.release(Self::SIZE, 1);
        Ok(Some(value))
    }

    /// The first value that is available.
    #[inline(always)]
    fn first(&self) -> T {
        // SAFETY: what is available consists of whole values, checked at every look;
        // this one is mapped and aligned as in `Values::deref`. It is copied,
        // whatever it is: any bytes are a value.
        unsafe { self.inbox.first(0).cast::<T>().read() }
    }

    fn batch_within(&mut self, patience: Patience) -> Result<Option<Values<'_, T>>, ReadError> {
        // All there are, and not just those of the last look.
        let available = self.inbox.await_bytes(u64::MAX, patience)?;
        let mut len = (available / Self::SIZE) as usize;
        if len == 0 {
            return Ok(None);
        }
        if self.inbox.end.trust == Trust::AnyUser {
            len = len.min((STAGED / size_of::<T>()).max(1));
            let bytes = len * size_of::<T>();
            let to = self.staging.prepare(bytes, align_of::<T>()).as_mut_ptr();
            // SAFETY: so many unread bytes are mapped; the staging is as long. No
            // reference to shared bytes is formed.
            unsafe { std::ptr::copy_nonoverlapping(self.inbox.first(0).as_ptr(), to, bytes) };
        }
        self.inbox.lend();
        Ok(Some(Values { consumer: self, len, released: len }))
    }
}

/// Values in the ring's own memory, in the order in which they were pushed; at least one.
///
/// All are released when it is dropped; until then the producer leaves them alone. Forgotten
/// ([`std::mem::forget`]), none is released, and they come again. In a forked child there are none.
pub struct Values<'a, T: Pod> {
    consumer: &'a mut Consumer<T>,
    len: usize,
    /// How many are released in the end.
    released: usize,
}

impl<T: Pod> Values<'_, T> {
    /// Releases the first `n` values, or all if there are fewer. The others come again.
    pub fn release(mut self, n: usize) {
        self.released = n.min(self.len);
    }
}

impl<T: Pod> fmt::Debug for Values<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Pod> Deref for Values<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let inbox = &self.consumer.inbox;
        if inbox.end.trust == Trust::AnyUser {
            return bytemuck::cast_slice(self.consumer.staging.get());
        }
        if !inbox.end.is_own() {
            return &[];
        }
        // SAFETY: so many unread values are mapped contiguously; they are aligned, because the data
        // area is to a page, and every position is a multiple of the size, which is one of the
        // alignment, checked at attaching and at every look; and any bytes are values. The producer
        // leaves them alone until they are released, which takes the consumer that is borrowed
        // here. A producer of the same user that breaks the protocol could change them, as it could
        // any memory of this process: see `Trust::SameUser`. In a forked child they are not mapped.
        unsafe { std::slice::from_raw_parts(inbox.first(0).cast::<T>().as_ptr(), self.len) }
    }
}

impl<T: Pod> Drop for Values<'_, T> {
    fn drop(&mut self) {
        let values = self.released as u64;
        self.consumer.inbox.take_back(values * Consumer::<T>::SIZE, values);
    }
}
