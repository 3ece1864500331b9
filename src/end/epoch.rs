//! Epochs: the stream between one producer's coming and its going.
//!
//! ```text
//!            +--------- finish, fail, drop (producer) ----------> ended
//!  open -----+
//!            +--------- its role is free (consumer sees) -------> ended: died
//!
//!  ended or nobody yet ---- a producer attaches ----> the next epoch, open
//! ```
//!
//! An epoch begins at a position, its boundary. A consumer tells its caller how an epoch ended
//! before it hands out a byte from past the next one's boundary, and acknowledges it when it does
//! (so one that is killed at that very moment has told nobody, and its successor will not). A new
//! epoch begins only when at most the one before it is not acknowledged, so two boundaries and one
//! reason are all that must be kept, and none changes under a consumer that still needs it. Bytes
//! between a consumer's position and the boundary of the epoch it is to read belong to no stream
//! (a discarded one, or a writer's that published after it was aborted): it releases them unread.
//!
//! All transitions but two happen under the build lock. The two: a producer ends its own
//! epoch, and a consumer acknowledges. A ring that makes way for another
//! ([`replace`](super::replace)) begins none any more.

use super::error::OpenErrorKind;
use crate::{
    layout::control::{Control, Life},
    ring::cursor::{Violation, distance, whole},
    sync::{AtomicU64, Ordering},
};

/// How a stream, or an end's part in it, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was finished: the stream is whole (of a reader: it left in good order).
    Finished,
    /// The end gave up and said why.
    Failed(i32),
    /// The end was dropped without a word, as when its thread panicked.
    Dropped,
    /// Its process was killed or exited without dropping it.
    Died,
    /// The ring was replaced by a new one of the same name: see
    /// [`Options::replace`](crate::Options::replace).
    Replaced,
}

/// What an end has to say of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No such end yet.
    None,
    /// Attached; alive as long as its role is held.
    Open,
    Ended(EndReason),
}

/// A state and the epoch (of a consumer: the how manieth) it belongs to, in one shared word:
/// `epoch << 36 | kind << 32 | code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) epoch: u32,
    pub(crate) state: State,
}

/// Epochs have 28 bits.
const MAX_EPOCH: u32 = (1 << 28) - 1;

impl Word {
    #[inline]
    pub(crate) fn pack(self) -> u64 {
        let (kind, code) = match self.state {
            State::None => (0, 0),
            State::Open => (1, 0),
            State::Ended(EndReason::Finished) => (2, 0),
            State::Ended(EndReason::Failed(code)) => (3, code),
            State::Ended(EndReason::Dropped) => (4, 0),
            State::Ended(EndReason::Died) => (5, 0),
            State::Ended(EndReason::Replaced) => (6, 0),
        };
        u64::from(self.epoch) << 36 | kind << 32 | u64::from(code as u32)
    }

    /// A quick look whether a shared word says that its end is there, in this epoch.
    #[inline]
    pub(crate) fn is_open(word: &AtomicU64, epoch: u32) -> bool {
        // Acquire: as in `load`.
        word.load(Ordering::Acquire) == Self { epoch, state: State::Open }.pack()
    }

    pub(crate) fn unpack(word: u64) -> Result<Self, Violation> {
        let state = match word >> 32 & 0xf {
            0 => State::None,
            1 => State::Open,
            2 => State::Ended(EndReason::Finished),
            3 => State::Ended(EndReason::Failed(word as u32 as i32)),
            4 => State::Ended(EndReason::Dropped),
            5 => State::Ended(EndReason::Died),
            6 => State::Ended(EndReason::Replaced),
            kind => {
                return Err(Violation {
                    what: "end state",
                    found: kind,
                    low: 0,
                    high: 6,
                    exactly: false,
                });
            }
        };
        Ok(Self { epoch: Self::epoch_of(word), state })
    }

    /// The epoch in a word, whatever else that says.
    #[inline]
    pub(crate) fn epoch_of(word: u64) -> u32 {
        (word >> 36) as u32
    }

    /// Reads a word that the other end may be changing.
    pub(crate) fn load(word: &AtomicU64) -> Result<Self, Violation> {
        // Acquire: pairs with the Release in `store` and in `end_epoch`; whatever the end did
        // before it said this is visible.
        Self::unpack(word.load(Ordering::Acquire))
    }

    pub(crate) fn store(self, word: &AtomicU64) {
        // Release: pairs with the Acquire in `load`.
        word.store(self.pack(), Ordering::Release);
    }

    pub(super) fn next_epoch(self) -> Result<u32, OpenErrorKind> {
        if self.epoch >= MAX_EPOCH {
            return Err(OpenErrorKind::Exhausted);
        }
        Ok(self.epoch + 1)
    }

    /// Whether a shared word says that its end has ended, or something impossible.
    #[inline]
    pub(crate) fn may_have_ended(word: &AtomicU64) -> bool {
        // Relaxed: a hint; who needs to know loads the word properly.
        word.load(Ordering::Relaxed) >> 32 & 0xf > 1
    }

    pub(crate) fn is_ended(self) -> bool {
        matches!(self.state, State::Ended(_))
    }
}

/// Ends an epoch (or a consumer's stay); false if it had ended.
pub(crate) fn end_epoch(word: &AtomicU64, epoch: u32, last: State) -> bool {
    let open = Word { epoch, state: State::Open }.pack();
    let ended = Word { epoch, state: last }.pack();
    // Release: pairs with the Acquire in `Word::load`; all that was published comes before the
    // end. A compare-exchange, because an aborter may do the same from another thread.
    word.compare_exchange(open, ended, Ordering::Release, Ordering::Relaxed).is_ok()
}

/// What a producer does when it finds a stream that was not read to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unfinished {
    #[default]
    Refuse,
    Resume,
    Discard,
}

/// Positions at which an end takes up its work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) epoch: u32,
    pub(crate) tail: u64,
    pub(crate) head: u64,
}

impl Start {
    /// Whether the positions are what all in this ring are multiples of.
    pub(crate) fn check_unit(&self, unit: u64) -> Result<(), Violation> {
        whole("head", 0, self.head, unit)?;
        whole("tail", 0, self.tail, unit)
    }
}

/// Begins a producer's epoch. The caller holds the build lock and the producer's role.
///
/// It may be killed after any of its stores: until the new word, the epoch before stands as it was,
/// but for what was to be skipped anyway; after it, the next producer does the rest.
pub(crate) fn begin_producer(
    control: &Control,
    capacity: u64,
    consumer_attached: bool,
    unfinished: Unfinished,
) -> Result<Start, OpenErrorKind> {
    let life = &control.life.0;
    // Relaxed, here and below: the build lock orders what its holders do. A live consumer may move
    // `head` and `acknowledged` meanwhile, which only ever makes a refusal unnecessary.
    let tail = control.producer.0.tail.load(Ordering::Relaxed);
    let head = control.consumer.0.head.load(Ordering::Acquire);
    let unread = distance("tail", head, tail, capacity)?;
    let last = Word::load(&life.producer)?;
    let consumer = Word::load(&life.consumer)?;
    let acknowledged = acknowledged(control, last.epoch)?;

    let told = acknowledged >= u64::from(last.epoch);
    let discard = unfinished == Unfinished::Discard && !consumer_attached;
    let published_nothing = tail == life.boundary(last.epoch).load(Ordering::Relaxed);
    let reason = match last.state {
        State::None => None,
        State::Open if published_nothing => None,
        State::Open => Some(EndReason::Died),
        State::Ended(reason) => Some(reason),
    };
    if !told && !discard {
        let unseen = published_nothing && !consumer_attached;
        let unmissed = consumer.state != State::Open || !is_broken(reason);
        if last.state != State::None && unseen && unmissed {
            // Nobody saw the last producer, nobody misses it: we are in its place.
            Word { epoch: last.epoch, state: State::Open }.store(&life.producer);
            forget_consumer(consumer, life);
            // What lies before its boundary is nobody's, if the end before it was told.
            let nobodys = acknowledged + 1 == u64::from(last.epoch);
            let head = if nobodys { tail } else { head };
            control.consumer.0.head.store(head, Ordering::Release);
            return Ok(Start { epoch: last.epoch, tail, head });
        }
        // There is room to keep one end that no consumer was told of, not two.
        let no_room = acknowledged + 1 < u64::from(last.epoch);
        if no_room || is_broken(reason) && unfinished != Unfinished::Resume {
            let reason = reason.unwrap_or(EndReason::Died);
            let reader_attached = consumer_attached;
            return Err(OpenErrorKind::Unfinished { reason, at: tail, unread, reader_attached });
        }
    }
    // What nobody is left to be told. A reader that was killed may come back, and is.
    let consumer_died = consumer.state == State::Open && !consumer_attached;
    let consumer_gone = !consumer_attached || consumer.is_ended();
    let whole = !is_broken(reason) && unread == 0;
    let nobody_to_tell = consumer_gone && !consumer_died && whole;
    let skip = told || discard || nobody_to_tell;
    if skip {
        life.acknowledged.store(u64::from(last.epoch), Ordering::Relaxed);
    }
    let epoch = last.next_epoch()?;
    let state = reason.map_or(State::None, State::Ended);
    Word { epoch: last.epoch, state }.store(&life.previous);
    life.boundary(epoch).store(tail, Ordering::Relaxed);
    // Release: a consumer that sees the new epoch sees its boundary and what came before.
    Word { epoch, state: State::Open }.store(&life.producer);
    if consumer_gone {
        forget_consumer(consumer, life);
    }
    if skip && !consumer_attached {
        // Room for us. Last, because until the new epoch has begun these bytes may be wanted.
        control.consumer.0.head.store(tail, Ordering::Release);
        return Ok(Start { epoch, tail, head: tail });
    }
    Ok(Start { epoch, tail, head })
}

/// Whether a stream with this end is not whole.
fn is_broken(reason: Option<EndReason>) -> bool {
    !matches!(reason, None | Some(EndReason::Finished))
}

/// The reader that has gone, or is about to, is not the one that a new stream is for.
fn forget_consumer(consumer: Word, life: &Life) {
    Word { state: State::None, ..consumer }.store(&life.consumer);
}

/// The last epoch whose end was told: at most two before the current one.
fn acknowledged(control: &Control, current: u32) -> Result<u64, Violation> {
    // Acquire: pairs with the Release in the reader's `acknowledge`.
    let acknowledged = control.life.0.acknowledged.load(Ordering::Acquire);
    let low = u64::from(current.saturating_sub(2));
    distance("acknowledged epoch", low, acknowledged, u64::from(current) - low)?;
    Ok(acknowledged)
}

/// Begins a consumer's stay. The caller holds the build lock and the consumer's role.
///
/// `Start::epoch` is the count of consumers; the epoch to read is the one after the last
/// acknowledged.
pub(crate) fn begin_consumer(
    control: &Control,
    capacity: u64,
) -> Result<(Start, u32), OpenErrorKind> {
    let life = &control.life.0;
    // Acquire: pairs with the producer's Release; and as the producer may be at work, head first,
    // so that the distance cannot come out too large for a reason that is nobody's fault.
    let head = control.consumer.0.head.load(Ordering::Acquire);
    let tail = control.producer.0.tail.load(Ordering::Acquire);
    distance("tail", head, tail, capacity)?;
    let acknowledged = acknowledged(control, Word::load(&life.producer)?.epoch)?;
    let last = Word::load(&life.consumer)?;
    let epoch = last.next_epoch()?;
    Word { epoch, state: State::Open }.store(&life.consumer);
    Ok((Start { epoch, tail, head }, acknowledged as u32 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_packing() {
        let reasons = [
            State::None,
            State::Open,
            State::Ended(EndReason::Finished),
            State::Ended(EndReason::Failed(-7)),
            State::Ended(EndReason::Failed(i32::MAX)),
            State::Ended(EndReason::Dropped),
            State::Ended(EndReason::Died),
            State::Ended(EndReason::Replaced),
        ];
        for epoch in [0, 1, 77, MAX_EPOCH] {
            for state in reasons {
                let word = Word { epoch, state };
                assert_eq!(Word::unpack(word.pack()), Ok(word));
            }
        }
        assert!(Word::unpack(9 << 32).is_err(), "an unknown kind is a violation");
    }

    #[test]
    fn epochs_run_out_with_an_error() {
        let last = Word { epoch: MAX_EPOCH, state: State::Open };
        assert!(matches!(last.next_epoch(), Err(OpenErrorKind::Exhausted)));
    }

    #[test]
    fn an_end_is_said_once() {
        let word = AtomicU64::new(Word { epoch: 3, state: State::Open }.pack());
        assert!(end_epoch(&word, 3, State::Ended(EndReason::Finished)));
        assert!(!end_epoch(&word, 3, State::Ended(EndReason::Dropped)));
        assert_eq!(Word::load(&word).unwrap().state, State::Ended(EndReason::Finished));
    }
}
