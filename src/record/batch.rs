//! Records that are published together.

use super::{
    One, Reservation, Sender, Topology, WriteError, frame::Header, sender::total,
    topology::sealed::Outlet,
};
use crate::end::waiting::Patience;
use bytemuck::NoUninit;
use std::io::IoSlice;

/// Records that are made one by one and published together, by one store and at most one wake-up.
///
/// The receiver sees none of them before [`commit`](Self::commit) and then all, with one
/// exception: a call that waits for room publishes first what was gathered, because the receiver
/// must release that for there to be room. The `try_` forms never publish. Dropped without a
/// commit, what was gathered is aborted.
///
/// # Examples
/// ```
/// # use shmpipe::{Options, record::Sender};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (sender, receiver) = Options::new().anonymous::<Sender>()?;
/// # let (mut sender, mut receiver) = (sender.claim()?, receiver.claim()?);
/// let mut batch = sender.batch();
/// for n in 0..100_u32 {
///     batch.send_pod(&n)?;
/// }
/// batch.commit()?;
///
/// let mut batch = receiver.recv_batch()?.expect("the stream has not ended");
/// let mut sum = 0;
/// while let Some(record) = batch.next()? {
///     sum += record.as_pod::<u32>()?;
/// }
/// assert_eq!(sum, 4950);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a dropped batch is aborted: nothing of it is sent"]
pub struct Batch<'a, T: Topology = One> {
    sender: &'a mut Sender<T>,
    /// How many bytes of the ring are taken at a time, if they must be taken beforehand.
    wish: u64,
    gathered: Gathered,
}

/// What lies in the ring and is not published.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) bytes: u64,
    /// As many as fit the number.
    records: u32,
    /// Whether a reservation is out.
    pub(super) reserved: bool,
}

impl Gathered {
    #[inline]
    pub(super) fn add(&mut self, frame: u64) {
        self.bytes += frame;
        self.records = self.records.saturating_add(1);
    }
}

impl<'a, T: Topology> Batch<'a, T> {
    pub(crate) fn new(sender: &'a mut Sender<T>, wish: u64) -> Self {
        // A kind is that of a record and not of a batch.
        sender.take_kind();
        sender.outlet.note_if_leaked();
        sender.outlet.lend();
        Self { sender, wish, gathered: Gathered::default() }
    }

    /// Says of what kind the next record is. Without that it is 0.
    #[must_use = "the kind is that of the record sent next: batch.kind(7).send(b\"...\")"]
    pub fn kind(&mut self, kind: u32) -> &mut Self {
        let _ = self.sender.kind(kind);
        self
    }

    /// Adds a record, waiting until there is room.
    ///
    /// # Errors
    /// As [`Sender::reserve`]; the batch stays as it is then.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.add(bytes, Patience::Forever)
    }

    /// Adds a record if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`send`](Self::send).
    #[inline]
    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.add(bytes, Patience::Never)
    }

    /// Adds a record that consists of several parts, waiting until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), WriteError> {
        let (header, frame) = self.make_room(total(parts), Patience::Forever)?;
        self.sender.put_parts(self.gathered.bytes, header, parts);
        self.gathered.add(frame);
        Ok(())
    }

    /// Adds a value's bytes as a record, waiting until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_pod<V: NoUninit>(&mut self, value: &V) -> Result<(), WriteError> {
        self.send(bytemuck::bytes_of(value))
    }

    /// Reserves a record of `len` bytes, waiting until there is room.
    /// Committed, it is a part of the batch.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::Forever)
    }

    /// Reserves a record if there is room now.
    ///
    /// # Errors
    /// [`WriteError::Full`] if there is none; and as [`send`](Self::send).
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_, T>, WriteError> {
        self.reserve_within(len, Patience::Never)
    }

    /// How many records were gathered and are not published.
    #[must_use]
    pub fn len(&self) -> usize {
        self.gathered.records as usize
    }

    /// Whether nothing is there to be published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends all that was gathered.
    ///
    /// # Errors
    /// What can befall the end itself; nothing is sent then.
    #[inline]
    pub fn commit(mut self) -> Result<(), WriteError> {
        self.sender.outlet.end().check()?;
        self.publish()
    }

    fn publish(&mut self) -> Result<(), WriteError> {
        let reserved = self.gathered.reserved;
        let gathered =
            std::mem::replace(&mut self.gathered, Gathered { reserved, ..Gathered::default() });
        self.sender.outlet.publish(gathered.bytes, u64::from(gathered.records))
    }

    #[inline(always)]
    fn add(&mut self, bytes: &[u8], patience: Patience) -> Result<(), WriteError> {
        let (header, frame) = self.make_room(bytes.len(), patience)?;
        self.sender.outlet.gather(self.gathered.bytes, frame, header, bytes);
        self.gathered.add(frame);
        Ok(())
    }

    #[inline(always)]
    fn reserve_within(
        &mut self,
        len: usize,
        patience: Patience,
    ) -> Result<Reservation<'_, T>, WriteError> {
        let (header, _) = self.make_room(len, patience)?;
        self.gathered.reserved = true;
        Ok(Reservation::new(self.sender, Some(&mut self.gathered), header))
    }

    /// Waits until there is room for a record behind those gathered; returns how many
    /// bytes of the ring it takes, too.
    #[inline(always)]
    fn make_room(&mut self, len: usize, patience: Patience) -> Result<(Header, u64), WriteError> {
        let kind = self.sender.take_kind();
        let len = self.sender.checked_len(len)?;
        let frame = self.sender.outlet.frame(len);
        let all = self.gathered.bytes + frame;
        let outlet = &self.sender.outlet;
        outlet.end().check()?;
        if all > outlet.room() || self.gathered.reserved || outlet.must_look() {
            self.make_room_long(all, patience)?;
        }
        Ok((Header::new(len, kind), frame))
    }

    #[cold]
    fn make_room_long(&mut self, all: u64, patience: Patience) -> Result<(), WriteError> {
        let outlet = &mut self.sender.outlet;
        if std::mem::take(&mut self.gathered.reserved) {
            outlet.note_leak();
        }
        let used = self.gathered.bytes;
        if outlet.extend(used, all, self.wish, patience)? {
            return Ok(());
        }
        if patience == Patience::Never {
            return Err(WriteError::Full);
        }
        self.publish()?;
        self.sender.outlet.extend(0, all - used, self.wish, patience).map(drop)
    }
}

impl<T: Topology> Drop for Batch<'_, T> {
    fn drop(&mut self) {
        self.sender.take_kind();
        self.sender.outlet.note_aborted(self.gathered.bytes > 0);
        self.sender.outlet.back();
        if self.gathered.reserved {
            self.sender.outlet.note_leak();
        }
    }
}
