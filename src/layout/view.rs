//! The only place where mapped bytes become a control block and its tables.

use super::{
    control::{self, Control, Seat},
    identity::Geometry,
};
use crate::{ring::mpsc::Block, segment::mirror::Mapping};

/// The control block of a mapped ring, whose size an [`super::identity::Identity`] vouched for.
pub(crate) fn control(mapping: &Mapping) -> &Control {
    // SAFETY: the mapping begins with a whole page at least, page-aligned, of which the control
    // block occupies [OFFSET, OFFSET + size): asserted next to the struct. It consists of atomics
    // and semaphores only, for which every bit pattern is valid and which may change at any time,
    // so a hostile peer can write what it likes. The reference lives no longer than the mapping.
    // Only an object cut short after it was mapped could take the page away (SIGBUS); memfds are
    // sealed against that, and for named rings it takes a process that may write to the object:
    // one of the same user, or, by `Trust::AnyUser`, one that was let in.
    unsafe { &*mapping.control().add(control::OFFSET).as_ptr().cast::<Control>() }
}

/// The producers' seats; none unless the ring is one of many producers.
#[inline]
pub(crate) fn seats(mapping: &Mapping, geometry: Geometry) -> &[Seat] {
    let at = control::OFFSET + size_of::<Control>();
    // SAFETY: as for the control block, behind which they lie, aligned as it is; the
    // control area was made as large as this geometry asks for, and it was checked
    // that the segment says so, too.
    unsafe {
        let first = mapping.control().add(at).as_ptr().cast::<Seat>();
        std::slice::from_raw_parts(first, geometry.producers)
    }
}

/// The words that say what lies in each block of the data; none unless the ring
/// is one of many producers.
#[inline]
pub(crate) fn blocks(mapping: &Mapping, geometry: Geometry) -> &[Block] {
    let at = control::OFFSET + size_of::<Control>() + geometry.producers * size_of::<Seat>();
    // SAFETY: as for the seats, behind which they lie.
    unsafe {
        let first = mapping.control().add(at).as_ptr().cast::<Block>();
        std::slice::from_raw_parts(first, geometry.blocks)
    }
}
