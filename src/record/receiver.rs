//! The receiving end.

use super::{
    PodError, ReadError, View,
    frame::{Frames, HEADER, Header},
};
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
    marker::PhantomData,
    ops::Deref,
    time::{Duration, Instant},
};

/// The receiving end of a ring of records. See [the module](super).
///
/// Dropped, it leaves in good order: the sender gets
/// [`WriteError::ReaderLeft`](super::WriteError::ReaderLeft).
///
/// After the end of a stream each further call says the same again, until another sender attaches; then
/// its records follow.
///
/// It may be sent to another thread, not shared between threads:
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<shmpipe::record::Receiver>();
/// ```
#[derive(Debug)]
pub struct Receiver {
    inbox: Inbox,
    frames: Frames,
    /// Where a record is shown that must not be shown in place: see [`Trust::AnyUser`].
    staging: Staging,
    not_sync: PhantomData<Cell<()>>,
}

impl options::End for Receiver {
    type Peer = super::Sender;
}

impl sealed::End for Receiver {
    const ROLE: Role = Role::Consumer;

    fn content(settings: &Settings) -> Content {
        Content::records(settings.payload_align)
    }

    fn from_attached(attached: Attached) -> Result<Self, OpenErrorKind> {
        let frames = Frames::new(attached.end.geometry().align);
        let inbox = Inbox::new(attached, frames.unit())?;
        Ok(Self { inbox, frames, staging: Staging::default(), not_sync: PhantomData })
    }
}

/// A record that was found: its header, checked, and the bytes of the ring that it takes.
#[derive(Clone, Copy, Debug)]
struct Found {
    header: Header,
    frame: u64,
    place: Place,
}

/// In place of a frame: the record is to be looked for in the usual ways,
const UNUSUAL: u64 = 0;

/// and there was none for a moment.
const IN_VAIN: u64 = 1;

/// Where a record's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ring,
    Staging,
    /// In the copy that came with it.
    Copy,
}

impl Receiver {
    /// Receives the next record, waiting until there is one; `None` at the end of a stream that was
    /// finished. It is released when the guard is dropped.
    ///
    /// # Errors
    /// After the last record of a stream that was not finished, what became of its sender:
    /// [`ReadError::Failed`], [`Dropped`](ReadError::Dropped), [`Died`](ReadError::Died);
    /// [`ReadError::Corrupt`] if what lies in the ring cannot be a record; and what can befall the end
    /// itself.
    #[inline]
    pub fn recv(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        self.recv_within(Patience::Forever)
    }

    /// Receives the next record if there is one now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there is none; and as [`recv`](Self::recv).
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        self.recv_within(Patience::Never)
    }

    /// Receives the next record, waiting for it no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Record<'_>>, ReadError> {
        self.recv_within(Patience::from_timeout(timeout))
    }

    /// Receives the next record, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Option<Record<'_>>, ReadError> {
        self.recv_within(Patience::Until(deadline))
    }

    /// Shows the next record and leaves it where it is, waiting until there is one; `None` at the end of
    /// a stream that was finished.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn peek(&mut self) -> Result<Option<View<'_>>, ReadError> {
        self.peek_within(Patience::Forever)
    }

    /// Shows the next record if there is one now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there is none; and as [`recv`](Self::recv).
    pub fn try_peek(&mut self) -> Result<Option<View<'_>>, ReadError> {
        self.peek_within(Patience::Never)
    }

    /// Shows the next record, waiting for it no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Option<View<'_>>, ReadError> {
        self.peek_within(Patience::from_timeout(timeout))
    }

    /// Shows the next record, waiting for it until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn peek_deadline(&mut self, deadline: Instant) -> Result<Option<View<'_>>, ReadError> {
        self.peek_within(Patience::Until(deadline))
    }

    /// Receives all records there are, waiting until there is one; `None` at the end of a stream that
    /// was finished. Those that [`next`](Records::next) has shown are released, at once, when the guard
    /// is dropped.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn recv_batch(&mut self) -> Result<Option<Records<'_>>, ReadError> {
        self.batch_within(Patience::Forever)
    }

    /// Receives all records there are now.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none; and as [`recv`](Self::recv).
    #[inline]
    pub fn try_recv_batch(&mut self) -> Result<Option<Records<'_>>, ReadError> {
        self.batch_within(Patience::Never)
    }

    /// Receives all records there are, waiting for one no longer than `timeout`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn recv_batch_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Records<'_>>, ReadError> {
        self.batch_within(Patience::from_timeout(timeout))
    }

    /// Receives all records there are, waiting for one until `deadline`.
    ///
    /// # Errors
    /// [`ReadError::Timeout`]; and as [`recv`](Self::recv).
    pub fn recv_batch_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Records<'_>>, ReadError> {
        self.batch_within(Patience::Until(deadline))
    }

    /// Leaves, and tells the sender that this end gave up, with this code. (To leave in good order, drop
    /// it.)
    pub fn fail(self, code: i32) {
        self.inbox.say_failed(code);
    }

    /// Bytes of the ring, headers and padding included, that this end has not released. The sender may
    /// be sending meanwhile, so there may be more already.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.inbox.unread()
    }

    /// Whether everything that was sent has been released.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread() == 0
    }

    /// How many bytes the ring holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    /// What is known of the sender. Costs a system call.
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

    /// A handle by which another thread can end this end.
    #[must_use]
    pub fn aborter(&self) -> Aborter {
        self.inbox.aborter()
    }

    #[inline(always)]
    fn recv_within(&mut self, patience: Patience) -> Result<Option<Record<'_>>, ReadError> {
        let found = if self.inbox.is_at_hand(1) {
            self.find(0, self.inbox.available())?
        } else {
            match self.await_reply(patience) {
                (_, frame @ (UNUSUAL | IN_VAIN)) => {
                    let found = self.await_record(frame == IN_VAIN, patience)?;
                    let Some(found) = found else { return Ok(None) };
                    found
                }
                (header, frame) => Found { header, frame, place: Place::Copy },
            }
        };
        self.inbox.lend();
        Ok(Some(Record { receiver: self, found }))
    }

    fn peek_within(&mut self, patience: Patience) -> Result<Option<View<'_>>, ReadError> {
        let found = self.await_record(false, patience)?;
        Ok(found.map(|found| self.view(0, found)))
    }

    #[inline]
    fn batch_within(&mut self, patience: Patience) -> Result<Option<Records<'_>>, ReadError> {
        // All there are, and not just those of the last look.
        let available = self.inbox.await_bytes(u64::MAX, patience)?;
        if available == 0 {
            return Ok(None);
        }
        self.inbox.lend();
        Ok(Some(Records { receiver: self, available, shown: 0, records: 0 }))
    }

    /// In the usual case of a conversation, the next record, found in the copy that came with it: its header and
    /// its frame, which is a number in any case, so that both are returned in registers.
    #[inline(never)]
    fn await_reply(&mut self, patience: Patience) -> (Header, u64) {
        let nothing = Header::from_word(0);
        match self.inbox.await_reply(patience) {
            Some(true) if self.inbox.keep_copy() => {
                let header = Header::from_word(self.inbox.newest()[0]);
                let fits = u64::from(header.len()) <= newest::BYTES - HEADER;
                match self.frames.check(header, self.inbox.available()) {
                    Ok(frame) if fits => (header, frame),
                    _ => (nothing, UNUSUAL),
                }
            }
            Some(false) => (nothing, IN_VAIN),
            _ => (nothing, UNUSUAL),
        }
    }

    /// `looked` = an eager look was in vain.
    #[inline(always)]
    fn await_record(
        &mut self,
        looked: bool,
        patience: Patience,
    ) -> Result<Option<Found>, ReadError> {
        match self.inbox.await_bytes_after(looked, 1, patience)? {
            0 => Ok(None),
            available => match self.inbox.take_newest().map(|words| words[0]) {
                Some(header) => self.find_newest(Header::from_word(header), available).map(Some),
                None => self.find(0, available).map(Some),
            },
        }
    }

    /// Takes the first record from the copy that came with it.
    #[inline]
    fn find_newest(&mut self, header: Header, available: u64) -> Result<Found, ReadError> {
        if u64::from(header.len()) > newest::BYTES - HEADER {
            // None of ours was longer.
            return self.find(0, available);
        }
        match self.frames.check(header, available) {
            Ok(frame) => Ok(Found { header, frame, place: Place::Copy }),
            Err(violation) => Err(self.inbox.refuse(violation)),
        }
    }

    /// Finds the record behind `offset` of the bytes that are available, of which there are `rest` more.
    #[inline(always)]
    fn find(&mut self, offset: u64, rest: u64) -> Result<Found, ReadError> {
        let at = self.inbox.first(offset + self.frames.shift());
        // SAFETY: positions are multiples of 8, checked at attaching and at every look; wherever it is, 8
        // bytes are mapped.
        let header = unsafe { Header::read(at) };
        match self.frames.check(header, rest) {
            Ok(frame) => {
                let mut place = Place::Ring;
                if self.inbox.end.trust == Trust::AnyUser {
                    self.stage(offset, header.len() as usize);
                    place = Place::Staging;
                }
                Ok(Found { header, frame, place })
            }
            Err(violation) => Err(self.inbox.refuse(violation)),
        }
    }

    /// Copies a record that must not be shown in place.
    #[cold]
    fn stage(&mut self, offset: u64, len: usize) {
        let to = self.staging.prepare(len, self.frames.align()).as_mut_ptr();
        let from = self.inbox.first(offset + self.frames.shift() + HEADER);
        // SAFETY: so many unread bytes are mapped; the staging is as long. No reference to shared bytes is
        // formed.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, len) };
    }

    /// Shows a record.
    #[inline]
    fn view(&self, offset: u64, found: Found) -> View<'_> {
        let (len, kind) = (found.header.len(), found.header.kind());
        match found.place {
            Place::Ring => {}
            Place::Staging => return View::new(self.staging.get(), kind, self.frames.align()),
            Place::Copy => {
                // `find_newest` has checked the length.
                let payload = bytemuck::cast_slice(&self.inbox.newest()[1..]);
                let bytes = &payload[..len as usize];
                return View::new(bytes, kind, self.frames.align());
            }
        }
        let first = self.inbox.first(offset + self.frames.shift() + HEADER);
        // SAFETY: `find` has checked that the frame lies in what is unread, so that many bytes are mapped
        // from there on, and the sender leaves them alone until they are released, which takes an
        // exclusive borrow of this receiver. A sender of the same user that breaks the protocol could
        // change them, as it could any memory of this process: see `Trust::SameUser`.
        let bytes = unsafe { std::slice::from_raw_parts(first.as_ptr(), len as usize) };
        View::new(bytes, kind, self.frames.align())
    }

    /// Gives bytes back that a guard stood for.
    #[inline]
    fn release(&mut self, bytes: u64, records: u64) {
        if self.inbox.end.check().is_ok() {
            self.inbox.release(bytes, records);
        }
        self.inbox.back();
    }
}

/// A record that was received: its bytes, in the ring's own memory.
///
/// Released when dropped; until then the sender leaves the bytes alone. A record that is forgotten
/// ([`std::mem::forget`]) is not released and comes again. In a forked child there are no bytes.
#[derive(Debug)]
pub struct Record<'a> {
    receiver: &'a mut Receiver,
    found: Found,
}

impl Record<'_> {
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
    pub fn as_pod<T: Pod>(&self) -> Result<&T, PodError> {
        self.view().as_pod()
    }

    /// The record as values one after another, in place.
    ///
    /// # Errors
    /// [`PodError`] if its length is no multiple of the type's, or its alignment not the type's.
    #[inline]
    pub fn as_pods<T: Pod>(&self) -> Result<&[T], PodError> {
        self.view().as_pods()
    }

    #[inline]
    fn view(&self) -> View<'_> {
        if self.receiver.inbox.end.is_own() {
            self.receiver.view(0, self.found)
        } else {
            View::new(&[], self.kind(), self.receiver.frames.align())
        }
    }
}

impl Deref for Record<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.view().bytes()
    }
}

impl Drop for Record<'_> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.release(self.found.frame, 1);
    }
}

/// The records that were there when they were asked for, one after the other.
///
/// When it is dropped, those that were shown are released, at once; the others come again. Forgotten
/// ([`std::mem::forget`]), none is released. In a forked child there are none.
#[derive(Debug)]
pub struct Records<'a> {
    receiver: &'a mut Receiver,
    available: u64,
    /// Bytes and records that were shown.
    shown: u64,
    records: u64,
}

impl Records<'_> {
    /// Shows the next record, `None` after the last.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if what lies in the ring cannot be a record; and what can befall the end
    /// itself.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "it lends: a record lives until the next")]
    pub fn next(&mut self) -> Result<Option<View<'_>>, ReadError> {
        self.receiver.inbox.end.check()?;
        if self.shown == self.available {
            return Ok(None);
        }
        let offset = self.shown;
        let found = self.receiver.find(offset, self.available - offset)?;
        self.shown += found.frame;
        self.records += 1;
        Ok(Some(self.receiver.view(offset, found)))
    }
}

impl Drop for Records<'_> {
    fn drop(&mut self) {
        self.receiver.release(self.shown, self.records);
    }
}
