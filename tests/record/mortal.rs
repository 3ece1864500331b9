//! Ends that are killed at random while they work, and what they work on.
//!
//! The record at a position of the ring follows from the position. So whoever takes over finds out
//! by itself how far the one before came, and nobody who lies about it is believed.

use crate::{record_support::*, stream_support::*, support::Child};
use shmpipe::{
    Peer,
    record::{ReadError, Receiver, Sender, WriteError},
};
use std::{
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

/// Numbers that are different in each run, which prints where they began.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("random numbers from {seed}");
        Self(seed | 1)
    }

    /// A number below `limit` (Marsaglia's xorshift).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Mostly less than it takes to be scheduled, sometimes several milliseconds.
    pub fn delay(&mut self) -> Duration {
        let limit = [50, 300, 1500, 4000][self.below(4) as usize];
        Duration::from_micros(self.below(limit))
    }
}

/// Kills the victim after a while, from a thread, so that the test's own goes on. It must be joined
/// before the next fork.
pub fn kill_after(delay: Duration, victim: Child) -> JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        victim.signal(libc::SIGKILL);
        assert_eq!(victim.status(), libc::SIGKILL, "it had come to an end by itself");
    })
}

/// The longest record.
pub fn longest(align: usize) -> usize {
    room(align) / 3
}

/// The bytes of the record at a position.
pub fn bytes_at(position: u64, align: usize) -> Vec<u8> {
    let number = position / align as u64;
    content(number, length(number, longest(align)))
}

pub fn kind_at(position: u64, align: usize) -> u32 {
    kind_of(position / align as u64)
}

/// Sends for ever what belongs at the position that the ring is at, in every way, with records in
/// between that are being made of something else when the kill comes. A record that is refused for
/// want of a receiver is sent again.
pub fn send_for_ever(site: &RecordSite, sender: &mut Sender) {
    let mut position = site.words().get(TAIL);
    for turn in 0_u64.. {
        match send_some(site, sender, &mut position, turn) {
            Ok(()) => {}
            Err(WriteError::ReaderDied) => {
                until("another receiver", || sender.peer().unwrap() != Peer::Died);
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(site.words().get(TAIL), position, "what was sent and no more");
    }
}

pub fn send_some(
    site: &RecordSite,
    sender: &mut Sender,
    position: &mut u64,
    turn: u64,
) -> Result<(), WriteError> {
    let align = site.align;
    let bytes = bytes_at(*position, align);
    let kind = kind_at(*position, align);
    let after = |position: u64, len: usize| position + frame(align, len) as u64;
    match turn % 6 {
        0 | 1 => sender.kind(kind).send(&bytes)?,
        2 => {
            drop(sender.kind(!kind).reserve(longest(align))?);
            let (left, right) = bytes.split_at(bytes.len() / 2);
            sender.kind(kind).send_vectored(&[left, right].map(std::io::IoSlice::new))?;
        }
        3 => {
            let mut reservation = sender.reserve(longest(align))?;
            reservation.fill(0xdd);
            reservation[..bytes.len()].copy_from_slice(&bytes);
            reservation.set_kind(kind);
            reservation.commit_truncated(bytes.len())?;
        }
        4 => {
            let mut batch = sender.batch();
            let _ = batch.kind(!kind).try_send(&[0xdd; 30]);
            drop(batch);
            sender.kind(kind).send(&bytes)?;
        }
        _ => {
            // Published once, by as few as fit: what lies behind is none of the ring's yet.
            let mut batch = sender.batch();
            let mut at = *position;
            for _ in 0..1 + turn % 9 {
                let bytes = bytes_at(at, align);
                match batch.kind(kind_at(at, align)).try_send(&bytes) {
                    Ok(()) => at = after(at, bytes.len()),
                    Err(WriteError::Full) => break,
                    Err(error) => return Err(error),
                }
            }
            batch.commit()?;
            *position = at;
            return Ok(());
        }
    }
    *position = after(*position, bytes.len());
    Ok(())
}

/// Receives from `position` on, in every way, and checks that each record belongs where it is. Says
/// before each release how far it may go, and afterwards how far it went.
pub fn recv_some(
    receiver: &mut Receiver,
    position: u64,
    align: usize,
    says: &mut dyn FnMut(Said),
) -> Result<Option<u64>, ReadError> {
    let check = |position: u64, bytes: &[u8], kind: u32| {
        assert_eq!(kind, kind_at(position, align), "a record that does not belong at {position}");
        assert_eq!(bytes.len(), bytes_at(position, align).len());
        check_content(bytes, position / align as u64);
        position + frame(align, bytes.len()) as u64
    };
    let at = match position / align as u64 % 3 {
        0 => {
            let Some(record) = receiver.recv()? else { return Ok(None) };
            let at = check(position, &record, record.kind());
            says(Said::Holds(at));
            at
        }
        1 => {
            let Some(view) = receiver.peek()? else { return Ok(None) };
            check(position, &view, view.kind());
            let Some(record) = receiver.recv_timeout(FOR_EVER)? else { unreachable!() };
            let at = check(position, &record, record.kind());
            says(Said::Holds(at));
            at
        }
        _ => {
            let Some(mut records) = receiver.recv_batch()? else { return Ok(None) };
            let mut at = position;
            while let Some(view) = records.next()? {
                at = check(at, &view, view.kind());
                if at.is_multiple_of(5) {
                    break;
                }
            }
            says(Said::Holds(at));
            at
        }
    };
    says(Said::Released(at));
    Ok(Some(at))
}

/// What a receiver says of its progress: how far it may have released, and how far it has.
#[derive(Clone, Copy)]
pub enum Said {
    Holds(u64),
    Released(u64),
}
