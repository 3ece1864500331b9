//! What moving bytes from and to descriptors can come to.

use std::io;
use thiserror::Error;

/// Why [`Writer::read_from`](super::Writer::read_from) or
/// [`Reader::write_to`](super::Reader::write_to) failed: at which of its two sides.
#[derive(Debug, Error)]
pub enum TransferError<E> {
    /// The ring's side.
    #[error(transparent)]
    Ring(E),
    /// The descriptor's side: what read(2) or write(2) said. Nothing was moved.
    #[error("{0}")]
    Descriptor(io::Error),
}

impl<E> From<E> for TransferError<E> {
    fn from(error: E) -> Self {
        Self::Ring(error)
    }
}
