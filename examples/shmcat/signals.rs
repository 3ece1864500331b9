//! Dying of a signal without leaving a ring behind.
//!
//! A thread waits for the signals that people and service managers end programs with. It aborts the
//! end that this process holds, which takes the name away where nobody else needs it and wakes the
//! peer, and then dies of the signal as if it had never been caught. A signal that the parent has
//! set to ignored (`nohup`) stays ignored.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use shmpipe::Aborter;
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::inherited::is_ignored;

/// The thread that waits, as the rest of the program sees it.
pub struct Watch {
    ring: Arc<Mutex<Option<Aborter>>>,
}

impl Watch {
    /// Starts to catch signals.
    ///
    /// # Errors
    ///
    /// The system refuses the handlers or the thread.
    pub fn start() -> io::Result<Self> {
        let fatal = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
        let mut signals = Signals::new(fatal.into_iter().filter(|&signal| !is_ignored(signal)))?;
        let ring = Arc::new(Mutex::new(None::<Aborter>));
        let watched = Arc::clone(&ring);
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                // Held until death: no ring may be opened behind the back of the abort.
                let ring = lock(&watched);
                if let Some(aborter) = &*ring {
                    aborter.abort();
                }
                // It does not return: the default action of each of these ends the process.
                let _ = emulate_default_handler(signal);
            }
        })?;
        Ok(Self { ring })
    }

    /// Opens an end of a ring. A signal that comes meanwhile waits until it is
    /// known how to abort it.
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub fn attach<E, F>(
        &self,
        open: impl FnOnce() -> Result<E, F>,
        aborter: impl FnOnce(&E) -> Aborter,
    ) -> Result<E, F> {
        let mut ring = lock(&self.ring);
        let end = open()?;
        *ring = Some(aborter(&end));
        Ok(end)
    }
}

impl Drop for Watch {
    /// To be dropped after the end. If a signal is about to kill this process, waits for that: to
    /// exit meanwhile would cut short what the abort has to do.
    fn drop(&mut self) {
        *lock(&self.ring) = None;
    }
}

/// Waits for the death that the abort of this process's own end announces.
pub fn await_death() -> ! {
    loop {
        thread::park();
    }
}

fn lock(ring: &Mutex<Option<Aborter>>) -> MutexGuard<'_, Option<Aborter>> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}
