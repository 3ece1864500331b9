//! Two things that must happen although the caller does something else: bytes in a ring whose
//! reader has gone are given back to the pipe, and a ring is finished when the process exits.

#![allow(unsafe_code)]

use super::output::{Look, Shared};
use crate::sys::memory;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use std::{
    io,
    num::NonZeroUsize,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, Once, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// How often it is looked whether the reader has gone, while there is something to be lost.
const BUSY: Duration = Duration::from_millis(8);

/// The same, when nothing has been written for long.
const QUIET: Duration = Duration::from_millis(50);

/// Room in the address space for a thread and what the C library makes for it: short of
/// that, it would end the process.
const THREAD: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// What can be finished when the process exits.
pub(super) trait Finish: Send + Sync {
    fn finish(&self) -> io::Result<()>;

    /// Whether there is anything to be finished.
    fn has_ring(&self) -> bool;
}

/// Looks after a ring that is about to be used, until it no longer is. False if
/// that cannot be done.
pub(super) fn start<F: AsFd + Send + Sync + 'static>(shared: &Arc<Shared<F>>) -> bool {
    if !memory::has_address_space(THREAD) {
        return false;
    }
    let weak = Arc::downgrade(shared);
    let look = move || weak.upgrade().map_or(Look::Over, |shared| shared.look());
    let started = without_signals(|| {
        thread::Builder::new()
            .name("shmpipe".into())
            .stack_size(64 << 10)
            .spawn(move || watch(look))
    });
    if started.is_ok() {
        let finish: Arc<dyn Finish> = shared.clone();
        finish_at_exit(&finish);
    }
    started.is_ok()
}

fn watch(look: impl Fn() -> Look) {
    let mut nap = BUSY;
    loop {
        thread::sleep(nap);
        nap = match look() {
            Look::Over => return,
            Look::Busy => BUSY,
            Look::Quiet => (nap * 3 / 2).min(QUIET),
        };
    }
}

/// A thread inherits the mask: none of the program's signals is to be handled on ours, and a
/// SIGPIPE that it causes stays with it.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = SigSet::empty();
    let masked = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before));
    let spawned = spawn();
    if masked.is_ok() {
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }
    spawned
}

static EXITING: AtomicBool = AtomicBool::new(false);

/// Whether this process is on its way out: nobody would finish a ring that is made now.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(SeqCst)
}

/// From now on no rings are made.
pub(crate) fn note_exit() {
    // SeqCst, here and where it is read: either the exiting thread finds a ring in the list, or
    // whoever put it there finds this.
    EXITING.store(true, SeqCst);
}

static RINGS: Mutex<Vec<Weak<dyn Finish>>> = Mutex::new(Vec::new());

fn finish_at_exit(ring: &Arc<dyn Finish>) {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler lives as long as the program. Should there be no memory for it, a
        // program that exits without finishing looks as if it had died.
        unsafe { libc::atexit(finish_all) };
    });
    let mut rings = RINGS.lock().unwrap_or_else(PoisonError::into_inner);
    rings.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&Arc::downgrade(ring)));
    rings.push(Arc::downgrade(ring));
}

extern "C" fn finish_all() {
    note_exit();
    // Again and again, for while one is being finished another may begin.
    loop {
        let rings = take_rings();
        if rings.is_empty() {
            return;
        }
        for ring in rings {
            if let Some(ring) = ring.upgrade().filter(|ring| ring.has_ring()) {
                let _ = ring.finish();
            }
        }
    }
}

fn take_rings() -> Vec<Weak<dyn Finish>> {
    // It is held for moments only; but in a forked child, by a thread of the
    // parent's that is not there.
    for _ in 0..1000 {
        if let Ok(mut rings) = RINGS.try_lock() {
            return std::mem::take(&mut *rings);
        }
        thread::yield_now();
    }
    Vec::new()
}
