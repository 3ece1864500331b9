//! The ways to send, to come and to go that a victim is killed in.

use crate::{
    many_support::*,
    stream_support::*,
    support::{Shared, wait_to_be_killed},
    tracing::Victim,
};
use shmpipe::{
    Options, Wait,
    mpsc::{Sender, WriteError},
};
use std::{io::IoSlice, sync::atomic::Ordering::SeqCst, thread};

/// What a victim says of itself: how many records it has begun to send, and how many of them are
/// sent for sure, because the call returned.
const BEGUN: usize = 0;
const SENT: usize = 1;

/// The longest record of these tests.
pub const LONGEST: usize = 300;

/// What a victim is in the midst of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A short record, copied.
    Send,
    /// Reserved, filled, committed.
    Reserve,
    /// Of two parts.
    Vectored,
    /// Three records under one claim.
    Batch,
    /// A reservation that is dropped.
    Aborted,
    /// One that is leaked and found out by the send that follows.
    Leaked,
    /// On a ring without room: it falls asleep, and is woken when there is some.
    Full,
    /// The end is opened.
    Join,
    /// It is dropped.
    Leave,
    /// The stream is finished.
    Finish,
}

impl Form {
    pub const ALL: [Self; 10] = [
        Self::Send,
        Self::Reserve,
        Self::Vectored,
        Self::Batch,
        Self::Aborted,
        Self::Leaked,
        Self::Full,
        Self::Join,
        Self::Leave,
        Self::Finish,
    ];

    /// How many records it sends.
    pub fn records(self) -> u64 {
        match self {
            Self::Send | Self::Reserve | Self::Vectored | Self::Leaked | Self::Full => 1,
            Self::Batch => 3,
            Self::Aborted | Self::Join | Self::Leave | Self::Finish => 0,
        }
    }

    /// Whether it calls the kernel: from there on it need not be walked through step by step.
    pub fn calls_the_kernel(self) -> bool {
        matches!(self, Self::Join | Self::Leave | Self::Finish)
    }

    /// A victim that has sent `before` records as this author and waits at its
    /// mark in front of the form.
    pub fn victim<'a>(
        self,
        site: &ManySite,
        said: &'a Shared,
        author: u64,
        before: u64,
    ) -> Victim<'a> {
        said[BEGUN].store(0, SeqCst);
        said[SENT].store(0, SeqCst);
        Victim::fork(said, |_, marks| {
            // It sleeps until it is woken, if it sleeps: who traces it must not wait for clocks.
            let options = Options::new().wait(Wait::Sleep).liveness_interval(FOR_EVER);
            let mut records = (before..before + self.records()).map(|n| signed(author, n, LONGEST));
            if self == Self::Join {
                marks.begin();
                let sender = site.sender(&options);
                marks.end();
                wait_with(sender);
            }
            let mut sender = site.sender(&options);
            for number in 0..before {
                said[BEGUN].store(number + 1, SeqCst);
                send_signed(&mut sender, author, number, LONGEST).unwrap();
                said[SENT].store(number + 1, SeqCst);
            }
            said[BEGUN].store(before + self.records(), SeqCst);
            let sent = || said[SENT].store(before + self.records(), SeqCst);
            match self {
                Self::Leave => {
                    marks.begin();
                    drop(sender);
                    marks.end();
                    wait_to_be_killed();
                }
                Self::Finish => {
                    marks.begin();
                    sender.finish().unwrap();
                    marks.end();
                    wait_to_be_killed();
                }
                Self::Aborted => {
                    marks.begin();
                    drop(sender.reserve(LONGEST).unwrap());
                }
                Self::Batch => {
                    let records: [_; 3] = std::array::from_fn(|_| records.next().unwrap());
                    marks.begin();
                    send_batch(&mut sender, &records).unwrap();
                }
                _ => {
                    let (kind, bytes) = records.next().unwrap();
                    marks.begin();
                    self.send(&mut sender, kind, &bytes).unwrap();
                }
            }
            sent();
            marks.end();
            wait_with(sender);
        })
    }

    /// Sends one record in one of the ways to send one.
    #[inline(always)]
    fn send(self, sender: &mut Sender, kind: u32, bytes: &[u8]) -> Result<(), WriteError> {
        match self {
            Self::Reserve => {
                let mut reservation = sender.reserve(bytes.len())?;
                reservation.copy_from_slice(bytes);
                reservation.set_kind(kind);
                reservation.commit()
            }
            Self::Vectored => {
                let (left, right) = bytes.split_at(9);
                sender.kind(kind).send_vectored(&[left, right].map(IoSlice::new))
            }
            Self::Leaked => {
                std::mem::forget(sender.reserve(LONGEST)?);
                sender.kind(kind).send(bytes)
            }
            _ => sender.kind(kind).send(bytes),
        }
    }
}

/// Sends records under one claim.
pub fn send_batch(sender: &mut Sender, records: &[(u32, Vec<u8>)]) -> Result<(), WriteError> {
    let mut batch = sender.batch_of(records.len() * (LONGEST + BLOCK));
    for (kind, bytes) in records {
        batch.kind(*kind).try_send(bytes)?;
    }
    batch.commit()
}

fn wait_with(sender: Sender) -> ! {
    std::mem::forget(sender);
    wait_to_be_killed()
}

/// How many records of a dead victim were sent for sure, and how many it had begun.
pub fn said_by(said: &Shared) -> (u64, u64) {
    (said[SENT].load(SeqCst), said[BEGUN].load(SeqCst))
}

/// What a worker says as it goes on: see [`work`].
pub const WORDS_OF_A_WORKER: usize = 2;

/// Sends for ever in every way, as this author, and says so in the words from `at` on.
pub fn work(sender: &mut Sender, said: &Shared, at: usize, author: u64) -> Result<(), WriteError> {
    let mut number = 0;
    for turn in author.. {
        let (kind, bytes) = signed(author, number, LONGEST);
        let begin = |n: u64| said[at + BEGUN].store(number + n, SeqCst);
        let mut sends = 1;
        match turn % 8 {
            0 => {
                begin(1);
                Form::Send.send(sender, kind, &bytes)?;
            }
            1 => {
                // Others go on, and most kills come, while the claim is open.
                let mut reservation = sender.reserve(bytes.len())?;
                thread::yield_now();
                reservation.copy_from_slice(&bytes);
                reservation.set_kind(kind);
                thread::yield_now();
                begin(1);
                reservation.commit()?;
            }
            2 => {
                begin(1);
                Form::Reserve.send(sender, kind, &bytes)?;
            }
            3 => {
                begin(1);
                Form::Vectored.send(sender, kind, &bytes)?;
            }
            4 => {
                begin(1);
                Form::Leaked.send(sender, kind, &bytes)?;
            }
            5 => {
                let mut reservation = sender.reserve(LONGEST)?;
                reservation.fill(0xdd);
                drop(reservation);
                sends = 0;
            }
            _ => {
                sends = 2 + turn % 3;
                let records: Vec<_> =
                    (number..number + sends).map(|n| signed(author, n, LONGEST)).collect();
                begin(sends);
                let mut batch = sender.batch();
                for (kind, bytes) in &records {
                    batch.kind(*kind).send(bytes)?;
                    thread::yield_now();
                }
                batch.commit()?;
            }
        }
        number += sends;
        said[at + SENT].store(number, SeqCst);
    }
    Ok(())
}

/// As [`said_by`], of a worker.
pub fn said_by_worker(said: &Shared, at: usize) -> (u64, u64) {
    (said[at + SENT].load(SeqCst), said[at + BEGUN].load(SeqCst))
}
