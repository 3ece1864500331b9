#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
compile_error!(
    "shmpipe needs Linux with glibc 2.30 or later: memfd, open-file-description locks, sem_clockwait"
);

#[cfg(not(shmpipe_loom))]
pub mod backend;
mod ring;
mod sync;
pub mod upgrade;
mod wait;

#[cfg(all(test, shmpipe_loom))]
mod models;

// What touches memory that other processes share has no meaning under loom.
#[cfg(not(shmpipe_loom))]
mod end;
#[cfg(not(shmpipe_loom))]
pub mod inspect;
#[cfg(not(shmpipe_loom))]
mod layout;
#[cfg(not(shmpipe_loom))]
pub mod mpsc;
#[cfg(not(shmpipe_loom))]
mod options;
#[cfg(not(shmpipe_loom))]
mod peer;
#[cfg(not(shmpipe_loom))]
pub mod record;
#[cfg(not(shmpipe_loom))]
mod segment;
#[cfg(not(shmpipe_loom))]
pub mod slot;
#[cfg(not(shmpipe_loom))]
pub mod stdio;
#[cfg(not(shmpipe_loom))]
pub mod stream;
#[cfg(not(shmpipe_loom))]
mod sys;
#[cfg(not(shmpipe_loom))]
mod unclaimed;

#[cfg(not(shmpipe_loom))]
pub use {
    end::{
        Aborter, Peer, Trust,
        epoch::EndReason,
        error::{OpenError, OpenErrorKind},
        stats::Stats,
        stop::{ReadError, WriteError},
    },
    layout::identity::{ElementType, LayoutError},
    options::{End, Options},
    ring::cursor::Violation,
    segment::{Backend, name::NameError, sysv::Key},
    sys::OsError,
    unclaimed::Unclaimed,
    wait::Wait,
};
