//! An end in the hands of a face, with what every operation asks for at hand.

use super::{
    End, Role, Trust,
    bed::{Bed, Beds},
    epoch::Word,
    fork::Sign,
    seat::Many,
    stop::Stop,
};
use crate::{
    layout::control::Control,
    wait::{crowd::Crowd, fence::AsymmetricFence, gate::Gate},
};
use std::{fmt, ops::Deref, ptr::NonNull, sync::Arc};

/// A share in an end. What it knows by heart spares each operation the way there, a load after the
/// other. Public to be named, and unreachable from outside.
pub struct Held {
    mark: Sign,
    control: NonNull<Control>,
    /// The data area's first byte, and its capacity less one.
    data: NonNull<u8>,
    mask: usize,
    pub(crate) fence: AsymmetricFence,
    pub(crate) trust: Trust,
    /// Not for as long as it says, but as long as the end.
    many: Many<'static>,
    beds: Option<Beds>,
    end: Arc<End>,
}

// SAFETY: as of `End`, of which the pointers are a part; see `control` and `at`.
#[allow(unsafe_code)]
unsafe impl Send for Held {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Held {}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what is shared: it is long, and in a forked child not there.
        self.end.fmt(f)
    }
}

impl Held {
    pub(crate) fn new(end: Arc<End>) -> Self {
        let control = NonNull::from(end.control());
        let mask = end.geometry().capacity - 1;
        let (mark, fence, trust) = (*end.mark, end.fence, end.trust);
        // SAFETY: it is handed out by `many` alone, for no longer than this lives; and the mapping
        // lives as long as the end, a share in which is held here.
        #[allow(unsafe_code)]
        let many = unsafe { std::mem::transmute::<Many<'_>, Many<'static>>(end.many()) };
        let (data, beds) = (end.mapping().at(0), end.beds);
        Self { mark, control, data, mask, fence, trust, many, beds, end }
    }

    pub(crate) fn arc(&self) -> &Arc<End> {
        &self.end
    }

    /// As [`End::check`].
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if self.mark.is_usable() { Ok(()) } else { self.end.check() }
    }

    /// The same as a question.
    #[inline]
    pub(crate) fn is_usable(&self) -> bool {
        self.mark.is_usable()
    }

    /// As [`End::is_own`].
    #[inline]
    pub(crate) fn is_own(&self) -> bool {
        self.mark.is_own()
    }

    /// As [`End::control`].
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: it is what the end gave a reference to, in a mapping that lives as long as the
        // end, a share in which is held here.
        unsafe { self.control.as_ref() }
    }

    /// A quick look by a producer whether the consumer is there or still to come: false if so.
    #[inline]
    pub(crate) fn reader_may_have_left(&self) -> bool {
        Word::may_have_ended(Role::Consumer.word(self.control()))
    }

    /// As [`End::gate`], where the fence is at hand, too.
    #[inline]
    pub(crate) fn gate_by<'a>(
        &'a self,
        role: Role,
        fence: &'a AsymmetricFence,
    ) -> Gate<'a, Bed<'a>, AsymmetricFence> {
        let control = self.control();
        let line = role.own_gate(control);
        let sleeper = Bed { line, control, beds: &self.beds };
        Gate { parked: &line.parked, wake_at: &line.wake_at, sleeper, fence }
    }

    /// Wakes those producers of many that sleep until this consumer is at `position` or less.
    #[inline(always)]
    pub(crate) fn wake_crowd(&self, crowd: &mut Crowd, position: u64) {
        let Many { control, seats, .. } = self.many;
        let gates = seats.iter().map(|seat| self.end.gate_at(&seat.space.0));
        crowd.notify(&control.many.0.announced, &self.fence, position, gates);
    }

    /// As [`End::many`].
    #[inline]
    pub(crate) fn many(&self) -> Many<'_> {
        self.many
    }

    /// As [`Mapping::at`](crate::segment::mirror::Mapping::at).
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn at(&self, position: u64) -> NonNull<u8> {
        // SAFETY: the capacity is a power of two, so this is within the data
        // area, of the same mapping.
        unsafe { self.data.add(position as usize & self.mask) }
    }

    /// A copy of some words from `position` on, aligned or not. Whoever writes there
    /// meanwhile, they are just some numbers.
    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn words<const N: usize>(&self, position: u64) -> [u64; N] {
        const { assert!(8 * N <= 4096, "no more than any capacity") };
        let first = self.at(position).cast::<u64>();
        // SAFETY: from there on at least the capacity is mapped, which is a page or more.
        std::array::from_fn(|i| unsafe { first.add(i).read_unaligned() })
    }
}

impl Deref for Held {
    type Target = End;

    #[inline]
    fn deref(&self) -> &End {
        &self.end
    }
}
