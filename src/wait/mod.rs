//! Waiting for the other end.
//!
//! [`gate`] is the protocol (announce, re-check, sleep; publish, wake), generic over what sleeps
//! and over the fence between; [`fence`] is that fence, [`posix_sem`] the sleeper that lives in the
//! segment, [`crowd`] how one waker finds several sleepers, [`backoff`] how producers that meet
//! leave the ring to each other, [`spin`] what happens before anybody sleeps, [`reply`] the same
//! between ends that answer each other, [`adaptive`] the policy that says for how long and how
//! soon, [`pace`] how much a sleeper leaves to the other.

pub(crate) mod crowd;
pub(crate) mod gate;

#[cfg(not(shmpipe_loom))]
pub(crate) mod adaptive;
#[cfg(not(shmpipe_loom))]
pub(crate) mod backoff;
#[cfg(not(shmpipe_loom))]
pub(crate) mod fence;
#[cfg(not(shmpipe_loom))]
pub(crate) mod pace;
#[cfg(not(shmpipe_loom))]
#[allow(unsafe_code)]
pub(crate) mod posix_sem;
#[cfg(not(shmpipe_loom))]
pub(crate) mod reply;
#[cfg(not(shmpipe_loom))]
pub(crate) mod spin;
#[cfg(not(shmpipe_loom))]
pub(crate) mod sysv_sem;

#[cfg(not(shmpipe_loom))]
pub use spin::Wait;
