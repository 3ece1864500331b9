//! What other libraries offer for the same work, each by the fastest way that
//! its documentation shows.
//!
//! The rings between threads leave waiting to who uses them: here both ends stay awake, as in the
//! examples of those libraries. All of them get as many bytes of room as a ring of this library has
//! by itself, unless told otherwise.

#[cfg(feature = "aeron")]
mod aeron;
mod crossbeam;
mod iceoryx;
mod ipc_channel;
mod ipmpsc;
mod ringbuf;
mod rtrb;
mod shmring;

use crate::message::Make;
use crate::transport::{self, size};
#[cfg(not(feature = "aeron"))]
use crate::{message::AnyTransport, transport::Unavailable};

/// Every library, by the name it has in a comparison.
pub const FOREIGN: &[(&str, Make)] = &[
    ("rtrb", rtrb::make),
    ("ringbuf", ringbuf::make),
    ("crossbeam", crossbeam::make),
    ("iceoryx2", iceoryx::make),
    ("ipc-channel", ipc_channel::make),
    ("ipmpsc", ipmpsc::make),
    ("shmring", shmring::make),
    #[cfg(feature = "aeron")]
    ("aeron", aeron::make),
    #[cfg(feature = "aeron")]
    ("aeron-shared", aeron::make_shared),
    #[cfg(not(feature = "aeron"))]
    ("aeron", without_aeron),
    #[cfg(not(feature = "aeron"))]
    ("aeron-shared", without_aeron),
];

#[cfg(not(feature = "aeron"))]
fn without_aeron(_: &str) -> Result<Box<dyn AnyTransport>, Unavailable> {
    Err(Unavailable::because("built without the feature aeron, which wants clang and cmake"))
}

/// Bytes of room that follow the name, for example `1M` in `rtrb:1M`.
fn room(options: &str) -> Result<usize, transport::Unavailable> {
    if options.is_empty() {
        return Ok(shmpipe::Options::DEFAULT_CAPACITY);
    }
    let bytes = size::parse(options).map_err(transport::Unavailable::because)?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}
