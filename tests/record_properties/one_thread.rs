//! In one thread, with the forms that never wait: each answer is known beforehand.

use crate::{aligns, config, endings, factors, kinds, operations::*, record_support::*};
use proptest::{collection::vec, prelude::*};
use shmpipe::{
    Options,
    record::{Batch, ReadError, Receiver, Sender, WriteError},
};
use std::{
    collections::VecDeque,
    io::IoSlice,
    mem::forget,
    time::{Duration, Instant},
};

/// What ought to be in the ring, and what ought to have been counted.
#[derive(Default)]
struct Model {
    align: usize,
    capacity: usize,
    records: VecDeque<(Vec<u8>, u32)>,
    unread: usize,
    /// Records sent ever, bytes of the ring sent, records received.
    sent: u64,
    bytes: u64,
    received: u64,
    dropped: u64,
    aborted: u64,
    leaked: [u64; 2],
    /// Each record made is different.
    made: u64,
}

/// What is said of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Sent,
    Full,
    TooLarge(usize, usize),
}

fn said(result: Result<(), WriteError>) -> Said {
    match result {
        Ok(()) => Said::Sent,
        Err(WriteError::Full | WriteError::Timeout) => Said::Full,
        Err(WriteError::TooLarge { requested, limit }) => Said::TooLarge(requested, limit),
        Err(error) => panic!("{error}"),
    }
}

impl Model {
    fn longest(&self) -> usize {
        self.capacity - HEADER
    }

    /// The length meant, if so many bytes of the ring are free.
    fn len(&self, len: Len, free: usize) -> usize {
        match len {
            Len::Bytes(n) => n,
            Len::Longest(more) => self.longest().saturating_add_signed(more),
            Len::Room(more) => free.saturating_sub(HEADER).saturating_add_signed(more),
        }
    }

    /// The bytes of the next record.
    fn make(&mut self, len: usize) -> Vec<u8> {
        self.made += 1;
        content(self.made, len)
    }

    /// What an attempt at so many bytes ought to come to.
    fn ought(&self, len: usize, free: usize) -> Said {
        match len {
            len if len > self.longest() => Said::TooLarge(len, self.longest()),
            len if frame(self.align, len) > free => Said::Full,
            _ => Said::Sent,
        }
    }

    fn note_sent(&mut self, bytes: Vec<u8>, kind: u32) {
        let taken = frame(self.align, bytes.len());
        self.unread += taken;
        self.bytes += taken as u64;
        self.sent += 1;
        self.records.push_back((bytes, kind));
    }

    fn note_received(&mut self) {
        let (bytes, _) = self.records.pop_front().unwrap();
        self.unread -= frame(self.align, bytes.len());
        self.received += 1;
    }

    #[track_caller]
    fn check(&self, index: usize, bytes: &[u8], kind: u32) {
        let (right, right_kind) = &self.records[index];
        assert!(bytes == &right[..] && kind == *right_kind, "record {index} of those there");
        assert!(bytes.as_ptr().addr().is_multiple_of(self.align));
    }
}

/// Something that sends records: a sender or a batch.
trait Sends {
    fn plain(&mut self, bytes: &[u8], timed: bool) -> Result<(), WriteError>;
    fn vectored(&mut self, parts: &[IoSlice<'_>], timed: bool) -> Result<(), WriteError>;
    fn reserve(
        &mut self,
        len: usize,
        timed: bool,
    ) -> Result<shmpipe::record::Reservation<'_>, WriteError>;
}

impl Sends for Sender {
    fn plain(&mut self, bytes: &[u8], timed: bool) -> Result<(), WriteError> {
        if timed { self.send_timeout(bytes, Duration::ZERO) } else { self.try_send(bytes) }
    }

    fn vectored(&mut self, parts: &[IoSlice<'_>], timed: bool) -> Result<(), WriteError> {
        if timed {
            self.send_vectored_deadline(parts, Instant::now())
        } else {
            self.try_send_vectored(parts)
        }
    }

    fn reserve(
        &mut self,
        len: usize,
        timed: bool,
    ) -> Result<shmpipe::record::Reservation<'_>, WriteError> {
        if timed { self.reserve_timeout(len, Duration::ZERO) } else { self.try_reserve(len) }
    }
}

impl Sends for Batch<'_> {
    fn plain(&mut self, bytes: &[u8], _: bool) -> Result<(), WriteError> {
        self.try_send(bytes)
    }

    fn vectored(&mut self, parts: &[IoSlice<'_>], _: bool) -> Result<(), WriteError> {
        // A batch has no such form that does not wait: the bytes are put together first.
        self.try_send(&parts.iter().flat_map(|part| part.to_vec()).collect::<Vec<_>>())
    }

    fn reserve(
        &mut self,
        len: usize,
        _: bool,
    ) -> Result<shmpipe::record::Reservation<'_>, WriteError> {
        self.try_reserve(len)
    }
}

impl Model {
    /// Sends a record, of which so many bytes of the ring are free; what was
    /// published or gathered of it.
    fn send(
        &mut self,
        to: &mut impl Sends,
        len: usize,
        way: Way,
        timed: bool,
        free: usize,
    ) -> Option<Vec<u8>> {
        let bytes = self.make(len.min(2 * self.capacity));
        let ought = self.ought(bytes.len(), free);
        let share = |percent: usize| bytes.len() * percent / 100;
        match way {
            Way::Plain => assert_eq!(said(to.plain(&bytes, timed)), ought),
            Way::Vectored(a, b) => {
                let (a, b) = (share(a), share(b));
                let parts = [&bytes[..a], &bytes[a..b], &bytes[b..]].map(IoSlice::new);
                assert_eq!(said(to.vectored(&parts, timed)), ought);
            }
            Way::Reserved | Way::Truncated(_) | Way::Dropped | Way::TooMuch(_) => {
                let mut reservation = match to.reserve(bytes.len(), timed) {
                    Ok(reservation) => reservation,
                    Err(error) => {
                        assert_eq!(said(Err(error)), ought);
                        return None;
                    }
                };
                assert_eq!(ought, Said::Sent);
                assert_eq!(reservation.len(), bytes.len());
                assert!(reservation.as_ptr().addr().is_multiple_of(self.align));
                reservation.copy_from_slice(&bytes);
                match way {
                    Way::Truncated(percent) => {
                        let n = share(percent);
                        reservation.commit_truncated(n).unwrap();
                        return Some(bytes[..n].to_vec());
                    }
                    Way::Dropped => {
                        drop(reservation);
                        self.aborted += 1;
                        return None;
                    }
                    Way::TooMuch(more) => {
                        let n = bytes.len() + more;
                        let committed = said(reservation.commit_truncated(n));
                        assert_eq!(committed, Said::TooLarge(n, bytes.len()));
                        self.aborted += 1;
                        return None;
                    }
                    _ => reservation.commit().unwrap(),
                }
            }
        }
        (ought == Said::Sent).then_some(bytes)
    }

    fn run(&mut self, sender: &mut Sender, receiver: &mut Receiver, operation: Operation) {
        let free = self.capacity - self.unread;
        match operation {
            Operation::Send(kind, len, way, timed) => {
                let len = self.len(len, free);
                let to = match kind {
                    Some(kind) => sender.kind(kind),
                    None => sender,
                };
                if let Some(bytes) = self.send(to, len, way, timed, free) {
                    self.note_sent(bytes, kind.unwrap_or(0));
                }
            }
            Operation::SendOrDrop(kind, len) => {
                let bytes = self.make(self.len(len, free));
                let ought = self.ought(bytes.len(), free);
                match (sender.kind(kind.unwrap_or(0)).send_or_drop(&bytes), ought) {
                    (Ok(true), Said::Sent) => self.note_sent(bytes, kind.unwrap_or(0)),
                    (Ok(false), Said::Full) => self.dropped += 1,
                    (Err(WriteError::TooLarge { .. }), Said::TooLarge(..)) => {}
                    other => panic!("{other:?}"),
                }
            }
            Operation::Forget(len) => {
                let bytes = self.make(self.len(len, free));
                if self.ought(bytes.len(), free) == Said::Sent {
                    let mut reservation = sender.try_reserve(bytes.len()).unwrap();
                    reservation.copy_from_slice(&bytes);
                    forget(reservation);
                    // Found out by the next one, which is this.
                    drop(sender.try_reserve(0).unwrap());
                    self.leaked[0] += 1;
                    self.aborted += 1;
                }
            }
            Operation::Batch(records, fate) => self.batch(sender, records, fate, free),
            Operation::Recv(timed) => {
                let received = match timed {
                    true => receiver.recv_timeout(Duration::ZERO),
                    false => receiver.try_recv(),
                };
                match received {
                    Ok(record) => {
                        let record = record.unwrap();
                        self.check(0, &record, record.kind());
                        drop(record);
                        self.note_received();
                    }
                    Err(ReadError::Empty | ReadError::Timeout) => assert_eq!(self.unread, 0),
                    Err(error) => panic!("{error}"),
                }
            }
            Operation::RecvAndForget => {
                if !self.records.is_empty() {
                    forget(receiver.try_recv().unwrap().unwrap());
                    self.leaked[1] += 1;
                    // Found out by this.
                    assert!(receiver.try_peek().is_ok());
                }
            }
            Operation::Peek(timed) => {
                let seen = match timed {
                    true => receiver.peek_deadline(Instant::now()),
                    false => receiver.try_peek(),
                };
                match seen {
                    Ok(view) => self.check(0, &view.unwrap(), view.unwrap().kind()),
                    Err(ReadError::Empty | ReadError::Timeout) => assert_eq!(self.unread, 0),
                    Err(error) => panic!("{error}"),
                }
            }
            Operation::RecvBatch(n) => {
                let shown = self.show(receiver, n, |records| drop(records));
                (0..shown).for_each(|_| self.note_received());
            }
            Operation::RecvBatchAndForget(n) => {
                let there = !self.records.is_empty();
                self.show(receiver, n, |records| forget(records));
                if there {
                    self.leaked[1] += 1;
                    assert!(receiver.try_peek().is_ok());
                }
            }
        }
    }

    /// Is shown so many records of a batch, if there are; how many that were.
    fn show(
        &mut self,
        receiver: &mut Receiver,
        n: usize,
        end: fn(shmpipe::record::Records<'_>),
    ) -> usize {
        let mut records = match receiver.try_recv_batch() {
            Ok(records) => records.unwrap(),
            Err(ReadError::Empty) => {
                assert_eq!(self.unread, 0);
                return 0;
            }
            Err(error) => panic!("{error}"),
        };
        let shown = n.min(self.records.len());
        for index in 0..shown {
            let view = records.next().unwrap().unwrap();
            self.check(index, &view, view.kind());
        }
        if shown < n {
            assert!(records.next().unwrap().is_none());
        }
        end(records);
        shown
    }

    fn batch(
        &mut self,
        sender: &mut Sender,
        records: Vec<(Option<u32>, Len, Way)>,
        fate: Fate,
        mut free: usize,
    ) {
        let mut batch = sender.batch();
        let mut gathered = Vec::new();
        for (kind, len, way) in records {
            let len = self.len(len, free);
            let to = match kind {
                Some(kind) => batch.kind(kind),
                None => &mut batch,
            };
            if let Some(bytes) = self.send(to, len, way, false, free) {
                free -= frame(self.align, bytes.len());
                gathered.push((bytes, kind.unwrap_or(0)));
            }
            assert_eq!(batch.len(), gathered.len());
        }
        match fate {
            Fate::Commit => {
                batch.commit().unwrap();
                for (bytes, kind) in gathered {
                    self.note_sent(bytes, kind);
                }
            }
            Fate::Drop => {
                drop(batch);
                self.aborted += u64::from(!gathered.is_empty());
            }
            Fate::Forget => {
                forget(batch);
                drop(sender.try_reserve(self.longest() + 1));
                // A batch that begins finds it out.
                drop(sender.batch());
                self.leaked[0] += 1;
            }
        }
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn every_answer_is_the_models(
        kind in kinds(),
        align in aligns(),
        factor in factors(),
        operations in vec(operations(), 1..120),
        ending in endings(),
    ) {
        let capacity = factor * room(align);
        let options = Options::new().capacity(capacity).payload_align(align);
        let (_name, mut sender, mut receiver) = kind.records_with(&options);
        let mut model = Model { align, capacity, ..Model::default() };
        for operation in operations {
            model.run(&mut sender, &mut receiver, operation);
            assert_eq!((sender.unread(), receiver.unread()), (model.unread, model.unread));
            let stats = sender.stats();
            assert_eq!((stats.operations, stats.bytes), (model.sent, model.bytes));
            let counted = (stats.dropped, stats.aborted, stats.leaked);
            assert_eq!(counted, (model.dropped, model.aborted, model.leaked[0]));
            let stats = receiver.stats();
            assert_eq!((stats.operations, stats.leaked), (model.received, model.leaked[1]));
            assert_eq!(stats.bytes, model.bytes - model.unread as u64);
        }
        ending.end(sender);
        while !model.records.is_empty() {
            let record = receiver.recv().unwrap().unwrap();
            model.check(0, &record, record.kind());
            drop(record);
            model.note_received();
        }
        assert!(ending.is_told(&receiver.recv()));
    }
}
