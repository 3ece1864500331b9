//! What lies in the memory.

#![allow(unsafe_code)]

pub(crate) mod control;
pub(crate) mod identity;
pub(crate) mod view;

use crate::ring::mpsc::Block;
use identity::Geometry;

/// Bytes of the control area, whole pages: the identity, the control block, and in a ring of many
/// producers their seats and a word pair for each block of the data.
pub(crate) fn control_size(geometry: Geometry) -> usize {
    let tables = match geometry.producers {
        0 => 0,
        seats => seats * size_of::<control::Seat>() + geometry.blocks * size_of::<Block>(),
    };
    let whole = control::OFFSET + size_of::<control::Control>() + tables;
    whole.next_multiple_of(crate::sys::memory::page_size())
}
