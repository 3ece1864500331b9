//! One sender: records follow one another in the bytes of the ring, each behind its header.

use super::{
    frame::{Frames, HEADER, Header},
    topology::{
        One,
        sealed::{Found, Inlet, NotAtHand, Outlet, Payload, Topology},
    },
};
use crate::{
    Peer, ReadError, Stats, Trust, WriteError,
    end::{
        Settings, attach::Attached, error::OpenErrorKind, held::Held, inbox::Inbox, outbox::Outbox,
        waiting::Patience,
    },
    layout::identity::Content,
    ring::newest,
};
use std::ptr::NonNull;

impl Topology for One {
    type Outlet = To;
    type Inlet = From;
    type Origin = ();

    fn content(settings: &Settings) -> Content {
        Content::records(settings.payload_align)
    }
}

/// The sending side.
#[derive(Debug)]
pub struct To {
    outbox: Outbox,
    frames: Frames,
}

/// Writes a record where its header begins.
///
/// # Safety
/// `at` is aligned to 8, and what header and `bytes` take is there, this
/// producer's and in nobody else's use.
#[inline(always)]
unsafe fn write(header: Header, bytes: &[u8], at: NonNull<u8>) {
    // SAFETY: by the contract. No reference to shared bytes is formed.
    unsafe {
        header.write(at);
        let payload = at.add(HEADER as usize);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), payload.as_ptr(), bytes.len());
    }
}

impl Outlet for To {
    const AT_ONCE: bool = true;

    fn new(attached: Attached) -> Result<Self, OpenErrorKind> {
        let frames = Frames::new(attached.end.geometry().align);
        Ok(Self { outbox: Outbox::new(attached, frames.unit())?, frames })
    }

    #[inline]
    fn end(&self) -> &Held {
        &self.outbox.end
    }

    fn align(&self) -> usize {
        self.frames.align()
    }

    fn max_len(&self) -> usize {
        self.frames.max_len(self.outbox.capacity())
    }

    #[inline]
    fn frame(&self, len: u32) -> u64 {
        self.frames.frame(len)
    }

    #[inline(always)]
    fn send_at_once(&mut self, header: Header, bytes: &[u8]) -> bool {
        let (frame, shift) = (self.frames.frame(header.len()), self.frames.shift());
        // SAFETY: there is room for the frame: so many bytes, of which header and payload are the
        // part behind the shift, are mapped from the unshifted place on, twice, and are this
        // producer's until they are published. Positions are multiples of 8, checked at attaching,
        // so the header is aligned. `bytes` is private memory, and as long as the header says.
        let write = |at| unsafe { write(header, bytes, at) };
        let publish_newest = |outbox: &mut Outbox| outbox.publish_newest(frame, shift);
        self.outbox.put_at_once(frame, shift, write, publish_newest)
    }

    #[inline(always)]
    fn send(&mut self, header: Header, bytes: &[u8], patience: Patience) -> Result<(), WriteError> {
        let (frame, shift) = (self.frames.frame(header.len()), self.frames.shift());
        // SAFETY: as in `send_at_once`.
        let write = |at| unsafe { write(header, bytes, at) };
        let publish_newest = |outbox: &mut Outbox| outbox.publish_newest(frame, shift);
        self.outbox.put_one(frame, shift, patience, write, publish_newest)
    }

    #[inline]
    fn open(&mut self, bytes: u64, patience: Patience) -> Result<(), WriteError> {
        self.outbox.await_room(bytes, patience)
    }

    fn extend(
        &mut self,
        used: u64,
        bytes: u64,
        _: u64,
        patience: Patience,
    ) -> Result<bool, WriteError> {
        // The guard that is out is no leak.
        self.outbox.back();
        let room = match used {
            0 => self.outbox.await_room(bytes, patience).map(|()| true),
            _ if bytes > self.outbox.capacity() as u64 => Ok(false),
            _ => match self.outbox.await_room(bytes, Patience::Never) {
                Err(WriteError::Full) => Ok(false),
                room => room.map(|()| true),
            },
        };
        self.outbox.lend();
        room
    }

    #[inline]
    fn room(&self) -> u64 {
        self.outbox.free()
    }

    #[inline]
    fn must_look(&self) -> bool {
        self.outbox.end.reader_may_have_left()
    }

    #[inline]
    fn payload(&self, offset: u64) -> NonNull<u8> {
        let shift = (self.frames.shift() + HEADER) as usize;
        // SAFETY: a payload lies behind the shift and the header, in the same frame or, if it is
        // empty, at its end; so many bytes are mapped from any position on.
        unsafe { self.outbox.next(offset).add(shift) }
    }

    #[inline]
    fn describe(&mut self, offset: u64, header: Header) {
        let at = self.outbox.next(offset + self.frames.shift());
        // SAFETY: as in `send`.
        unsafe { header.write(at) };
    }

    #[inline(always)]
    fn gathered(&self, offset: u64, frame: u64) {
        self.outbox.ask_ahead(offset, frame);
    }

    #[inline(always)]
    fn gather(&mut self, offset: u64, frame: u64, header: Header, bytes: &[u8]) {
        let at = self.outbox.next(offset + self.frames.shift());
        // SAFETY: the caller has made room for the frame; else as in `send_at_once`.
        unsafe { write(header, bytes, at) };
        self.gathered(offset, frame);
    }

    #[inline]
    fn publish(&mut self, bytes: u64, records: u64) -> Result<(), WriteError> {
        self.outbox.publish(bytes, records);
        Ok(())
    }

    #[inline]
    fn publish_one(&mut self, frame: u64) -> Result<(), WriteError> {
        self.outbox.publish_one(frame, self.frames.shift());
        Ok(())
    }

    #[inline]
    fn lend(&mut self) {
        self.outbox.lend();
    }

    #[inline]
    fn back(&mut self) {
        self.outbox.back();
    }

    #[inline]
    fn note_if_leaked(&mut self) {
        self.outbox.note_if_leaked();
    }

    fn note_leak(&mut self) {
        self.outbox.note_leak();
    }

    #[inline]
    fn note_aborted(&mut self, aborted: bool) {
        self.outbox.note_aborted(aborted);
    }

    fn note_dropped(&mut self) {
        self.outbox.note_dropped();
    }

    fn say_finished(&self) -> Result<(), WriteError> {
        self.outbox.say_finished()
    }

    fn say_failed(&self, code: i32) {
        self.outbox.say_failed(code);
    }

    fn drain(&mut self, patience: Patience) -> Result<(), WriteError> {
        self.outbox.drain(patience)
    }

    fn unread(&self) -> usize {
        self.outbox.unread()
    }

    fn peer(&self) -> Result<Peer, WriteError> {
        self.outbox.peer()
    }

    fn stats(&self) -> Stats {
        self.outbox.stats()
    }
}

/// The receiving side.
#[derive(Debug)]
pub struct From {
    inbox: Inbox,
    frames: Frames,
}

impl Inlet for From {
    type Origin = ();
    type Mark = ();

    fn new(attached: Attached) -> Result<Self, OpenErrorKind> {
        let frames = Frames::new(attached.end.geometry().align);
        let foreign = attached.end.trust == Trust::AnyUser;
        let mut inbox = Inbox::new(attached, frames.unit())?;
        if foreign {
            inbox.never_at_hand();
        }
        Ok(Self { inbox, frames })
    }

    #[inline]
    fn end(&self) -> &Held {
        &self.inbox.end
    }

    #[inline]
    fn align(&self) -> usize {
        self.frames.align()
    }

    #[inline(always)]
    fn at_hand(&mut self, patience: Patience) -> Result<Found<()>, NotAtHand> {
        if !self.inbox.is_at_hand(1) {
            return match self.await_reply(patience) {
                (_, UNUSUAL) => Err(NotAtHand::Unusual),
                (_, IN_VAIN) => Err(NotAtHand::InVain),
                (header, frame) => Ok(Found { header, frame, payload: None, mark: () }),
            };
        }
        let (header, payload) = self.look(0);
        // What is wrong `first` finds, too.
        let frame = self.frames.check(header, self.inbox.available());
        let frame = frame.map_err(|_| NotAtHand::Unusual)?;
        self.inbox.ask_ahead(0, frame, self.inbox.available());
        Ok(Found { header, frame, payload: Some(payload), mark: () })
    }

    #[inline(always)]
    fn next_at_hand(&mut self, offset: u64, rest: u64) -> Option<Found<()>> {
        if !self.inbox.is_next_at_hand() || rest == 0 {
            return None;
        }
        let (header, payload) = self.look(offset);
        // What is wrong `find` finds, too.
        let frame = self.frames.check(header, rest).ok()?;
        self.inbox.ask_ahead(offset, frame, rest);
        Some(Found { header, frame, payload: Some(payload), mark: () })
    }

    #[inline(always)]
    fn first(
        &mut self,
        why: NotAtHand,
        patience: Patience,
    ) -> Result<Option<Found<()>>, ReadError> {
        let looked = why == NotAtHand::InVain;
        let available = self.inbox.await_bytes_after(looked, 1, patience)?;
        if let Some(words) = self.inbox.take_newest() {
            let header = Header::from_word(words[0]);
            // None of ours was longer.
            if u64::from(header.len()) <= newest::BYTES - HEADER {
                return self.found(header, None, available).map(Some);
            }
        }
        self.find(0, available)
    }

    #[inline]
    fn batch(&mut self, patience: Patience) -> Result<Option<u64>, ReadError> {
        // All there are, and not just those of the last look.
        let available = self.inbox.await_bytes(u64::MAX, patience)?;
        Ok((available > 0).then_some(available))
    }

    fn find(&mut self, offset: u64, rest: u64) -> Result<Option<Found<()>>, ReadError> {
        if rest == 0 {
            return Ok(None);
        }
        let (header, payload) = self.look(offset);
        self.found(header, Some(payload), rest).map(Some)
    }

    #[inline]
    fn origin(&self, _: &Found<()>) {}

    #[inline]
    fn copy(&self) -> &[u8] {
        bytemuck::cast_slice(&self.inbox.newest()[1..])
    }

    #[inline(always)]
    fn release(&mut self, bytes: u64, records: u64) {
        self.inbox.take_back(bytes, records);
    }

    #[inline]
    fn lend(&mut self) {
        self.inbox.lend();
    }

    fn say_failed(&self, code: i32) {
        self.inbox.say_failed(code);
    }

    fn unread(&self) -> usize {
        self.inbox.unread()
    }

    fn peer(&self) -> Result<Peer, ReadError> {
        self.inbox.peer()
    }

    fn stats(&self) -> Stats {
        self.inbox.stats()
    }
}

/// In place of a frame: the record is to be looked for in the usual ways,
const UNUSUAL: u64 = 0;

/// and there was none for a moment.
const IN_VAIN: u64 = 1;

impl From {
    /// What there is behind `offset` of the bytes that are available: a header,
    /// and where its payload is.
    #[inline(always)]
    fn look(&self, offset: u64) -> (Header, Payload) {
        let at = self.inbox.first(offset + self.frames.shift());
        // SAFETY: positions are multiples of 8, checked at attaching and at every look;
        // wherever it is, 8 bytes are mapped, and as `To::payload` says the payload lies
        // behind them, in the same mapping.
        unsafe { (Header::read(at), Payload(at.add(HEADER as usize))) }
    }

    /// In the usual case of a conversation, the next record, found in the copy that
    /// came with it: its header and its frame, which is a number in any case, so that
    /// both are returned in registers.
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

    /// A record whose header was read, if it lies in the `available` bytes.
    #[inline(always)]
    fn found(
        &mut self,
        header: Header,
        payload: Option<Payload>,
        available: u64,
    ) -> Result<Found<()>, ReadError> {
        match self.frames.check(header, available) {
            Ok(frame) => Ok(Found { header, frame, payload, mark: () }),
            Err(violation) => Err(self.inbox.refuse(violation)),
        }
    }
}
