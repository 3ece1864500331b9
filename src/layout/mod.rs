//! What lies in the memory.

#![allow(unsafe_code)]

pub(crate) mod control;
pub(crate) mod identity;
pub(crate) mod view;

/// Whole pages: the identity, then the control block, then room for the tables of later faces.
/// 4 KiB is the page of most machines; where pages are larger the control area is one page.
pub(crate) fn control_size() -> usize {
    crate::sys::memory::page_size()
}
