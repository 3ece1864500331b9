//! What [`crate::upgrade`] needs of the two ends besides what everyone does.

use super::{ReadError, Reader, WriteError, Writer};
use crate::{end::waiting::Patience, layout::control::HandoverLine, wait::gate::ANYTHING};
use std::time::Duration;

impl Writer {
    pub(crate) fn handover_line(&self) -> &HandoverLine {
        &self.outbox.end.control().handover.0
    }

    /// Wakes the reader for something other than bytes.
    pub(crate) fn wake_reader(&self) {
        self.outbox.end.notify_peer(ANYTHING);
    }

    /// Says that the stream is whole. Nothing may be written afterwards.
    pub(crate) fn end_stream(&self) -> Result<(), WriteError> {
        self.outbox.say_finished()
    }

    /// Waits until the reader has released all that was written.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; that the reader has gone, and then perhaps not
    /// without having read it all.
    pub(crate) fn await_all_read(&mut self, timeout: Duration) -> Result<(), WriteError> {
        self.outbox.await_all_released(Patience::from_timeout(timeout))
    }

    /// The bytes that the reader has not taken. Only to be asked for when it has gone, or has said
    /// that it takes no more.
    pub(crate) fn not_taken(&mut self) -> Result<&[u8], WriteError> {
        let (first, rest) = self.outbox.not_taken()?;
        // SAFETY: that many bytes, checked to be at most what is unread, are mapped contiguously
        // from `first` on, whatever a hostile reader stored. The producer, who alone writes to
        // them, is borrowed; a process of the same user that breaks the protocol could change them,
        // as it could any memory of this one: see `Trust::SameUser`.
        Ok(unsafe { std::slice::from_raw_parts(first.as_ptr(), rest) })
    }
}

impl Reader {
    pub(crate) fn handover_line(&self) -> &HandoverLine {
        &self.inbox.end.control().handover.0
    }

    /// Notes that the first `n` bytes are in use from here on: if this process dies before it
    /// releases them, the writer does not give them to anybody else.
    #[inline]
    pub(crate) fn mark_taken(&mut self, n: usize) {
        self.inbox.mark_taken(n as u64);
    }

    /// Waits until there are bytes; returns how many, 0 at the end of the stream.
    pub(crate) fn await_any(&mut self, timeout: Duration) -> Result<usize, ReadError> {
        self.await_bytes(usize::MAX, Patience::from_timeout(timeout))
    }

    /// How many bytes there are now; 0 at the end of the stream.
    ///
    /// # Errors
    /// [`ReadError::Empty`] if there are none.
    pub(crate) fn look_for_any(&mut self) -> Result<usize, ReadError> {
        self.await_bytes(usize::MAX, Patience::Never)
    }

    /// Shows the first `n` bytes, of those that were said to be there.
    pub(crate) fn peek(&mut self, n: usize) -> &[u8] {
        let n = self.inbox.available().min(n as u64) as usize;
        self.note_shown(n);
        let first = self.inbox.first(0);
        // SAFETY: as in `Reader::show`: `n` bytes, cut to what this end has found and checked, are
        // mapped and unread, and released only through this reader, which is borrowed.
        unsafe { std::slice::from_raw_parts(first.as_ptr(), n) }
    }

    /// Waits until `changed` says so; false if the time is up or the writer is gone.
    ///
    /// The writer wakes for it by [`Writer::wake_reader`].
    pub(crate) fn await_change(
        &mut self,
        timeout: Duration,
        mut changed: impl FnMut(&HandoverLine) -> bool,
    ) -> Result<bool, ReadError> {
        self.inbox
            .await_change(Patience::from_timeout(timeout), |control| changed(&control.handover.0))
    }
}
