//! The control block of a ring that is not mapped: a private copy of its words.
//!
//! Where they lie is known by `layout::control` alone.

use crate::{
    layout::control::{self, Control, GateLine, HandoverLine, ManyLine, Seat, SeatLine, StatsLine},
    layout::identity::Geometry,
    peer::Lock,
    ring::mpsc::Block,
    segment::Object,
    sys::OsError,
};
use std::mem::offset_of;

/// What is behind the identity: the control block, and in a ring of many its seats.
pub(super) struct Words(Vec<u8>);

/// Where a word lies, from the beginning of the control block.
pub(super) const TAIL: usize = offset_of!(Control, producer.0.tail);
pub(super) const HEAD: usize = offset_of!(Control, consumer.0.head);
pub(super) const REPLACED: usize = offset_of!(Control, life.0.replaced);
pub(super) const HANDOVER: usize = offset_of!(Control, handover) + offset_of!(HandoverLine, state);
pub(super) const JOINED: usize = offset_of!(Control, many) + offset_of!(ManyLine, joined);
pub(super) const REPAIRED: usize = offset_of!(Control, many) + offset_of!(ManyLine, repaired);

/// Where the words of an end lie, and which lock says that it is there.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) word: usize,
    pub(super) parked: usize,
    pub(super) stats: usize,
    /// Of a seat.
    pub(super) gone: Option<usize>,
    pub(super) lock: Lock,
}

impl At {
    pub(super) const PRODUCER: Self = Self {
        word: offset_of!(Control, life.0.producer),
        parked: offset_of!(Control, space) + offset_of!(GateLine, parked),
        stats: offset_of!(Control, producer_stats),
        gone: None,
        lock: Lock::Producer,
    };

    pub(super) const CONSUMER: Self = Self {
        word: offset_of!(Control, life.0.consumer),
        parked: offset_of!(Control, data) + offset_of!(GateLine, parked),
        stats: offset_of!(Control, consumer_stats),
        gone: None,
        lock: Lock::Consumer,
    };

    pub(super) fn seat(number: u8) -> Self {
        let seat = size_of::<Control>() + usize::from(number) * size_of::<Seat>();
        let line = seat + offset_of!(Seat, life);
        Self {
            word: line + offset_of!(SeatLine, word),
            parked: seat + offset_of!(Seat, space) + offset_of!(GateLine, parked),
            stats: seat + offset_of!(Seat, stats),
            gone: Some(line + offset_of!(SeatLine, gone)),
            lock: Lock::Seat(number),
        }
    }
}

/// What an end counts, from the beginning of its line.
pub(super) mod counter {
    use super::{StatsLine, offset_of};

    pub(in super::super) const OPERATIONS: usize = offset_of!(StatsLine, operations);
    pub(in super::super) const BYTES: usize = offset_of!(StatsLine, bytes);
    pub(in super::super) const SLEEPS: usize = offset_of!(StatsLine, sleeps);
    pub(in super::super) const BLOCKED: usize = offset_of!(StatsLine, blocked_nanos);
    pub(in super::super) const LATE: usize = offset_of!(StatsLine, late_wakeups);
    pub(in super::super) const LAST_WAIT: usize = offset_of!(StatsLine, last_wait);
    pub(in super::super) const PID: usize = offset_of!(StatsLine, pid);
    pub(in super::super) const DROPPED: usize = offset_of!(StatsLine, dropped);
    pub(in super::super) const ABORTED: usize = offset_of!(StatsLine, aborted);
    pub(in super::super) const LEAKED: usize = offset_of!(StatsLine, leaked);
}

impl Words {
    /// Copies them; `None` if the object ends before they do.
    pub(super) fn read(object: &Object, geometry: Geometry) -> Result<Option<Self>, OsError> {
        let mut bytes = vec![0; size_of::<Control>() + geometry.producers * size_of::<Seat>()];
        let n = object.read_at(&mut bytes, control::OFFSET as u64)?;
        Ok((n == bytes.len()).then_some(Self(bytes)))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// One word, as it is now; 0 if the object ends before it.
pub(super) fn now(object: &Object, at: usize) -> Result<u64, OsError> {
    let mut bytes = [0; 8];
    object.read_at(&mut bytes, (control::OFFSET + at) as u64)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Where the claim of a block lies.
pub(super) fn claim(geometry: Geometry, block: usize) -> usize {
    let blocks = size_of::<Control>() + geometry.producers * size_of::<Seat>();
    blocks + block * size_of::<Block>() + offset_of!(Block, claim)
}
