//! What [`crate::upgrade`] needs of the two ends besides what everyone does.

use super::{ReadError, Reader, WriteError, Writer};
use crate::{
    end::{
        epoch::State,
        waiting::{Patience, Until},
    },
    layout::control::HandoverLine,
    ring::cursor::distance,
    sync::Ordering,
    wait::gate::ANYTHING,
};
use std::time::Duration;

impl Writer {
    pub(crate) fn handover_line(&self) -> &HandoverLine {
        &self.end.control().handover.0
    }

    /// Wakes the reader for something other than bytes.
    pub(crate) fn wake_reader(&self) {
        self.end.notify_peer(ANYTHING);
    }

    /// Says that the stream is whole. Nothing may be written afterwards.
    pub(crate) fn end_stream(&self) -> Result<(), WriteError> {
        self.say_finished()
    }

    /// Waits until the reader has released all that was written.
    ///
    /// # Errors
    /// [`WriteError::Timeout`]; that the reader has gone, and then perhaps not without having read it all.
    pub(crate) fn await_all_read(&mut self, timeout: Duration) -> Result<(), WriteError> {
        let Self { end, ring, waited, .. } = self;
        end.check()?;
        let capacity = end.geometry().capacity as u64;
        let until = Until { there: ring.position(), nap: None };
        end.wait(Patience::from_timeout(timeout), until, waited, |gone| {
            // The reader's word before its position: a reader that left says so last.
            let word = end.peer_word()?;
            end.checked(ring.refresh(&end.control().consumer.0.head))?;
            match word.state {
                _ if ring.free() == capacity => Ok(Some(())),
                State::Ended(reason) => Err(WriteError::reader_gone(reason)),
                State::Open if gone == Some(word) => Err(WriteError::ReaderDied),
                State::None | State::Open => Ok(None),
            }
        })
    }

    /// The bytes that the reader has not taken. Only to be asked for when it has gone, or has said
    /// that it takes no more.
    pub(crate) fn not_taken(&mut self) -> Result<&[u8], WriteError> {
        let Self { end, ring, .. } = self;
        end.check()?;
        let line = &end.control().consumer.0;
        end.checked(ring.refresh(&line.head))?;
        let capacity = end.geometry().capacity as u64;
        let unread = capacity - ring.free();
        let head = ring.position() - unread;
        // Acquire: pairs with the Release in `Reader::mark_taken`. (Of a reader that died, the kernel's
        // release of its role lock is what orders its stores.)
        let taken = line.taken.load(Ordering::Acquire).max(head);
        let rest = unread - end.checked(distance("taken", head, taken, unread))?;
        // SAFETY: `distance` has just checked that `rest` is at most what is unread, so that many bytes
        // are mapped contiguously from `taken` on, whatever a hostile reader stored there. The producer,
        // who alone writes to them, is borrowed; a process of the same user that breaks the protocol
        // could change them, as it could any memory of this one: see `Trust::SameUser`.
        Ok(unsafe { std::slice::from_raw_parts(end.mapping().at(taken).as_ptr(), rest as usize) })
    }
}

impl Reader {
    pub(crate) fn handover_line(&self) -> &HandoverLine {
        &self.end.control().handover.0
    }

    /// Notes that the first `n` bytes are in use from here on: if this process dies before it
    /// releases them, the writer does not give them to anybody else.
    #[inline]
    pub(crate) fn mark_taken(&mut self, n: usize) {
        let taken = self.epochs.ring.position().saturating_add(n as u64);
        // Release: pairs with the Acquire in `Writer::not_taken`, and keeps what was done with bytes
        // taken before from moving behind it.
        self.end.control().consumer.0.taken.store(taken, Ordering::Release);
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
        let n = self.epochs.available().min(n as u64) as usize;
        self.note_shown(n);
        let first = self.end.mapping().at(self.epochs.ring.position());
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
        let Self { end, waited, .. } = self;
        end.check()?;
        let line = &end.control().handover.0;
        let until = Until { there: ANYTHING, nap: None };
        let waited = end.wait(Patience::from_timeout(timeout), until, waited, |gone| {
            let word = end.peer_word()?;
            Ok(if changed(line) {
                Some(true)
            } else if matches!(word.state, State::Ended(_)) || gone == Some(word) {
                Some(false)
            } else {
                None
            })
        });
        match waited {
            Err(ReadError::Timeout) => Ok(false),
            waited => waited,
        }
    }
}
