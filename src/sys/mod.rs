//! Thin wrappers of system and library calls that nix lacks: one function per call, interrupted
//! calls tried again, no policy.

#![allow(unsafe_code)]

pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod io;
pub(crate) mod membarrier;
pub(crate) mod memory;
pub(crate) mod sem;
pub(crate) mod sysv;

use thiserror::Error;

/// A call that the kernel or the C library refused.
#[derive(Debug, Error)]
#[error("{call}: {source}")]
pub struct OsError {
    /// The call's name.
    pub(crate) call: &'static str,
    /// What it said.
    pub(crate) source: std::io::Error,
}

impl OsError {
    /// The error of a call that just failed and set errno.
    pub(crate) fn last(call: &'static str) -> Self {
        Self { call, source: std::io::Error::last_os_error() }
    }

    /// For `map_err`: names the call that a nix error came from.
    pub(crate) fn from_nix(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self { call, source: errno.into() }
    }

    /// Whether the object is gone (EIDRM).
    pub(crate) fn is_removed(&self) -> bool {
        self.errno() == Some(libc::EIDRM)
    }

    /// Whether there is not enough of what was asked for.
    pub(crate) fn is_scarcity(&self) -> bool {
        matches!(self.errno(), Some(libc::ENOSPC | libc::ENOMEM | libc::EFBIG))
    }

    /// The errno, if there is one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}
