//! The only place where mapped bytes become a control block.

use super::control::{self, Control};
use crate::segment::mirror::Mapping;

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
