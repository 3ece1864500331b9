//! The words that the ends share, after the identity.
//!
//! ```text
//! offset in the segment                               written by
//!  256  life           end states, epochs, replaced   both, when ends come and go
//!  384  producer       tail, copy of the newest item   producer, at every publication
//!  512  consumer       head, taken                    consumer, at every release
//!  640  data           parked, mode, wake_at, sem.     consumer sleeps, producer wakes
//!  768  space          parked, wake_at, semaphore     producer sleeps, consumer wakes
//!  896  producer stats                                producer, now and then
//! 1024  consumer stats                                consumer, now and then
//! 1152  handover       state, pipe, bytes in it       both, if a kernel pipe was upgraded to it
//! 1280  many           joined, announced ...          of a ring of many producers
//! 1408
//!       seats          384 bytes each: a producer's state, gate and counters
//!       blocks         16 bytes for each block of the data: who claimed it, what is in it
//! ```
//!
//! The two tables are there in a ring of many producers only. There a seat has what the
//! lines `space` and `producer stats` are for elsewhere, and `tail` is everybody's, a hint
//! that each claim is followed by.
//!
//! Each group has 128 bytes of its own: the line of 64 and the neighbour that some processors
//! fetch along with it. What is written often stands apart from what is read often, so an awake
//! end's look at `life` or `parked` costs a hit in its own cache.

use crate::{
    ring::newest::Newest,
    sync::{AtomicU32, AtomicU64, Ordering},
    wait::posix_sem::Semaphore,
};
use std::mem::offset_of;

/// Two cache lines for one group of words.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// See the module's picture.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Control {
    pub(crate) life: Line<Life>,
    pub(crate) producer: Line<ProducerLine>,
    pub(crate) consumer: Line<ConsumerLine>,
    /// Where the consumer sleeps until there is data.
    pub(crate) data: Line<GateLine>,
    /// Where the producer sleeps until there is space.
    pub(crate) space: Line<GateLine>,
    pub(crate) producer_stats: Line<StatsLine>,
    pub(crate) consumer_stats: Line<StatsLine>,
    pub(crate) handover: Line<HandoverLine>,
    pub(crate) many: Line<ManyLine>,
}

/// Ends and epochs; `crate::end::epoch` says what the words mean.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Life {
    /// The current epoch and the state of its producer.
    pub(crate) producer: AtomicU64,
    /// How many consumers there have been and the state of the last.
    pub(crate) consumer: AtomicU64,
    /// Where epochs begin: the even ones and the odd ones, so that a producer that begins the next
    /// epoch, and may be killed while it does, leaves the current one's beginning alone.
    pub(crate) boundary: [AtomicU64; 2],
    /// The epoch before the current one and how it ended.
    pub(crate) previous: AtomicU64,
    /// The last epoch whose end a consumer has told its caller.
    pub(crate) acknowledged: AtomicU64,
    /// 1 = another ring takes the place of this one: see `crate::end::replace`.
    pub(crate) replaced: AtomicU64,
}

impl Life {
    /// Where an epoch begins.
    pub(crate) fn boundary(&self, epoch: u32) -> &AtomicU64 {
        &self.boundary[epoch as usize % 2]
    }
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ProducerLine {
    pub(crate) tail: AtomicU64,
    pub(crate) newest: Newest,
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ConsumerLine {
    pub(crate) head: AtomicU64,
    /// Handed out and not yet released: for rings whose producer takes bytes back.
    pub(crate) taken: AtomicU64,
}

#[derive(Debug)]
#[repr(C)]
pub(crate) struct GateLine {
    /// 1 = its end is asleep, or about to be.
    pub(crate) parked: AtomicU32,
    /// What this end wishes of the other: [`CONVERSES`], or 0.
    pub(crate) mode: AtomicU32,
    /// The position of the other end at which this one wants to be woken.
    pub(crate) wake_at: AtomicU64,
    pub(crate) semaphore: Semaphore,
}

/// In `mode`, by a consumer to which items come singly: see `crate::ring::newest`.
pub(crate) const CONVERSES: u32 = 1;

/// Written by one side, with plain stores; read by anybody.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct StatsLine {
    pub(crate) operations: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sleeps: AtomicU64,
    pub(crate) blocked_nanos: AtomicU64,
    pub(crate) late_wakeups: AtomicU64,
    /// When the end last began or ended a wait worth a clock, in nanoseconds of
    /// the monotonic clock.
    pub(crate) last_wait: AtomicU64,
    /// The end's pid as it knows itself; for people only, nothing is decided by it.
    pub(crate) pid: AtomicU32,
    /// 1 = this end's processor executes other ends' barriers (see `crate::wait::fence`).
    pub(crate) fenced: AtomicU32,
    pub(crate) dropped: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) leaked: AtomicU64,
}

impl StatsLine {
    /// Takes away what a predecessor has left.
    pub(crate) fn clear(&self) {
        let Self { operations, bytes, sleeps, blocked_nanos, late_wakeups, last_wait, .. } = self;
        let Self { dropped, aborted, leaked, .. } = self;
        let counters = [operations, bytes, sleeps, blocked_nanos, late_wakeups, last_wait];
        for counter in counters.into_iter().chain([dropped, aborted, leaked]) {
            // Relaxed: each is a number for itself.
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Of a ring that a kernel pipe is upgraded to; zeros in every other. See `crate::upgrade`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct HandoverLine {
    /// Which of the two carries the bytes.
    pub(crate) state: AtomicU32,
    /// The pipe, as fstat(2) names it; written before the ring is offered.
    pub(crate) pipe_dev: AtomicU64,
    pub(crate) pipe_ino: AtomicU64,
    /// How many bytes were in the pipe at the switch.
    pub(crate) in_pipe: AtomicU64,
}

/// Of a ring of many producers; zeros in every other. See `crate::end::seat`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ManyLine {
    /// How often a producer has gone to sleep: see `crate::wait::crowd`.
    pub(crate) announced: AtomicU64,
    /// How many producers there have been.
    pub(crate) joined: AtomicU64,
    /// Of those whose seat another has taken, the last that did not finish: its
    /// [`Word`](crate::end::epoch).
    pub(crate) broken: AtomicU64,
    /// Claims of dead producers that were passed over.
    pub(crate) repaired: AtomicU64,
}

/// A producer's place in a ring of many.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Seat {
    pub(crate) life: Line<SeatLine>,
    /// Where it sleeps until there is space.
    pub(crate) space: Line<GateLine>,
    pub(crate) stats: Line<StatsLine>,
}

/// Who has the seat; see `crate::end::seat`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SeatLine {
    /// The how manieth producer, and how it is.
    pub(crate) word: AtomicU64,
    /// From which position on there is nothing of it in the ring: see `crate::ring::mpsc`.
    pub(crate) gone: AtomicU64,
}

/// Where [`HandoverLine`] lies in the segment, for who looks before he maps.
pub(crate) const HANDOVER: usize = at(offset_of!(Control, handover));

/// Where [`Life::replaced`] lies in the segment, likewise.
pub(crate) const REPLACED: usize = at(offset_of!(Control, life) + offset_of!(Life, replaced));

/// Where the control block lies in the segment.
pub(crate) const OFFSET: usize = super::identity::SIZE;

const fn at(offset: usize) -> usize {
    OFFSET + offset
}

const _: () = assert!(at(offset_of!(Control, life)) == 256, "layout version 1");
const _: () = assert!(REPLACED == 304, "layout version 1");
const _: () = assert!(at(offset_of!(Control, producer)) == 384, "layout version 1");
const _: () = assert!(size_of::<ProducerLine>() == 64, "the newest item is in the tail's line");
const _: () = assert!(at(offset_of!(Control, consumer)) == 512, "layout version 1");
const _: () = assert!(at(offset_of!(Control, data)) == 640, "layout version 1");
const _: () = assert!(at(offset_of!(Control, space)) == 768, "layout version 1");
const _: () = assert!(at(offset_of!(Control, producer_stats)) == 896, "layout version 1");
const _: () = assert!(at(offset_of!(Control, consumer_stats)) == 1024, "layout version 1");
const _: () = assert!(HANDOVER == 1152, "layout version 1");
const _: () = assert!(offset_of!(HandoverLine, pipe_dev) == 8, "layout version 1");
const _: () = assert!(offset_of!(HandoverLine, pipe_ino) == 16, "layout version 1");
const _: () = assert!(offset_of!(HandoverLine, in_pipe) == 24, "layout version 1");
const _: () = assert!(at(offset_of!(Control, many)) == 1280, "layout version 1");
const _: () = assert!(at(size_of::<Control>()) == 1408, "layout version 1");
const _: () = assert!(size_of::<Seat>() == 384, "layout version 1");
const _: () = assert!(at(size_of::<Control>()) <= 4096, "fits the smallest control area");
const _: () = assert!(OFFSET.is_multiple_of(align_of::<Control>()), "aligned in the segment");
const _: () = assert!(offset_of!(GateLine, semaphore) == 16, "layout version 1");
