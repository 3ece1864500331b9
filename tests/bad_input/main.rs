//! Whatever is asked for or found that cannot be: an error that names the ring and the reason, and
//! nothing left behind. Never a crash, and never a wait without end.

mod damage;
mod descriptors;
mod names;
mod permissions;
mod scarcity;
mod scribbles;
#[path = "../support/mod.rs"]
mod support;
mod wishes;

use shmpipe::{
    OpenError, OpenErrorKind, Options,
    stream::{Reader, Writer},
};
use std::{ffi::OsStr, time::Duration};
use support::{RingName, page_size};

/// Small rings, and deaths that are noticed soon.
fn options() -> Options {
    Options::new().capacity(page_size()).liveness_interval(Duration::from_millis(5))
}

/// Tries all calls for both ends; each must be refused in the same words, which name the ring and
/// hold each of `reasons`. Returns the last error.
#[track_caller]
fn refused(options: &Options, name: impl AsRef<OsStr>, reasons: &[&str]) -> OpenError {
    let name = name.as_ref();
    let tries = [
        error(options.open_or_create::<Writer>(name), name, reasons),
        error(options.open::<Writer>(name), name, reasons),
        error(options.open::<Reader>(name), name, reasons),
        error(options.open_or_create::<Reader>(name), name, reasons),
    ];
    for other in &tries[1..] {
        assert_eq!(other.to_string(), tries[0].to_string());
    }
    tries.into_iter().next_back().unwrap()
}

/// The error, which must name the ring and hold each of `reasons`.
#[track_caller]
fn error<E>(opened: Result<E, OpenError>, name: impl AsRef<OsStr>, reasons: &[&str]) -> OpenError {
    let name = name.as_ref();
    let Err(error) = opened else { panic!("{} was opened", name.display()) };
    assert_eq!(error.ring(), Some(name));
    let message = error.to_string();
    let named = format!("ring {}: ", name.display());
    let Some(reason) = message.strip_prefix(&named) else { panic!("{message}") };
    for part in reasons {
        assert!(reason.contains(part), "{part:?} is not in: {reason}");
    }
    error
}
