//! Standard output and standard input that change over to shared memory where they can.
//!
//! To be used in place of std's: a program that writes to [`stdout`] and one that reads from
//! [`stdin`], joined by a pipe in a shell, upgrade it; see [`crate::upgrade`]. With every other
//! program it stays a pipe, and what is no pipe is written and read as it is.
//!
//! Do not use them together with [`std::io::stdout`] (and `println!`) or
//! [`std::io::stdin`]: each has buffers of its own.
//!
//! # Examples
//! ```
//! use std::io::Write;
//!
//! # fn main() -> std::io::Result<()> {
//! let mut out = shmpipe::stdio::stdout().lock();
//! for n in 1..=3 {
//!     writeln!(out, "line {n}")?;
//! }
//! # Ok(())
//! # }
//! ```

#![allow(unsafe_code)]

use crate::upgrade::{Input, Output, Traffic, watch};
use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use std::{
    cell::RefCell,
    io::{self, BufRead, LineWriter, Read, Write},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
};

type Out = RefCell<LineWriter<Output<io::Stdout>>>;
type In = Input<io::Stdin>;

/// Locked by a thread as often as it likes, as std's: who exits with the lock
/// in his hands still flushes.
static STDOUT: OnceLock<ReentrantMutex<Out>> = OnceLock::new();
static STDIN: OnceLock<Mutex<In>> = OnceLock::new();

/// Standard output.
///
/// What is written up to the last end of a line goes out at once, the rest when it is flushed,
/// becomes much, or the process exits, as with std's.
///
/// When the process exits normally (main returns, [`std::process::exit`], also after a panic), what
/// is left is flushed, and if bytes are in shared memory, the exit waits until the reader has them.
/// Before exec(3), [`leave`](Stdout::leave) it: to the reader, the writer would seem to have died.
pub fn stdout() -> Stdout {
    Stdout(STDOUT.get_or_init(|| {
        let output = ReentrantMutex::new(RefCell::new(LineWriter::new(Output::new(io::stdout()))));
        // SAFETY: the handler lives as long as the program. Should there be no memory for it, what
        // is in the buffer is lost at exit.
        unsafe { libc::atexit(finish) };
        output
    }))
}

/// Standard input.
///
/// Unlike std's, [`Read`] has no buffer between: small reads from a pipe cost a system call each.
/// Where that matters, read from its [`lock`](Stdin::lock) as [`BufRead`], or put a
/// [`std::io::BufReader`] before it.
///
/// When the process exits normally, what it has not consumed is left to others (not if it exits
/// with the lock in its hands: then what it was last shown is lost, as if it were killed).
pub fn stdin() -> Stdin {
    Stdin(STDIN.get_or_init(|| {
        let input = Mutex::new(Input::new(io::stdin()));
        // SAFETY: as above. Without it, the writer takes a reader that exits
        // for one that was killed.
        unsafe { libc::atexit(leave) };
        input
    }))
}

extern "C" fn finish() {
    watch::note_exit();
    // Another thread that holds the lock now has it as long as the process lives.
    let Some(out) = STDOUT.get().and_then(|out| out.try_lock()) else { return };
    // Exit may have been called from within a write.
    let Ok(mut out) = out.try_borrow_mut() else { return };
    // There is nobody to be told.
    let _ = out.flush();
    let _ = out.get_mut().leave();
    // What other exit handlers may write yet goes out at once: nobody flushes after this.
    *out = LineWriter::with_capacity(0, Output::plain(io::stdout()));
}

extern "C" fn leave() {
    match STDIN.get().map(Mutex::try_lock) {
        Some(Ok(mut input)) => input.leave(),
        Some(Err(TryLockError::Poisoned(poisoned))) => poisoned.into_inner().leave(),
        Some(Err(TryLockError::WouldBlock)) | None => {}
    }
}

/// A handle on [`stdout`]. Each operation locks it; [`lock`](Self::lock) it for many.
#[derive(Clone, Copy, Debug)]
pub struct Stdout(&'static ReentrantMutex<Out>);

/// Standard output, locked.
#[derive(Debug)]
pub struct StdoutLock(ReentrantMutexGuard<'static, Out>);

/// A handle on [`stdin`]. Each operation locks it; [`lock`](Self::lock) it for
/// many, and for [`BufRead`].
#[derive(Clone, Copy, Debug)]
pub struct Stdin(&'static Mutex<In>);

/// Standard input, locked.
#[derive(Debug)]
pub struct StdinLock(MutexGuard<'static, In>);

impl Stdout {
    /// Keeps other threads out until it is dropped.
    pub fn lock(&self) -> StdoutLock {
        StdoutLock(self.0.lock())
    }

    /// Flushes, and has all that was written read before it returns: to be called before a child
    /// process is started that writes to the same standard output. See [`Output::leave`].
    ///
    /// # Errors
    /// What writing can come to.
    pub fn leave(&self) -> io::Result<()> {
        let lock = self.lock();
        let mut out = lock.0.borrow_mut();
        out.flush()?;
        out.get_mut().leave()
    }

    /// How many bytes went each way so far.
    pub fn traffic(&self) -> Traffic {
        self.lock().0.borrow().get_ref().traffic()
    }
}

impl Stdin {
    /// Keeps others out until it is dropped.
    pub fn lock(&self) -> StdinLock {
        StdinLock(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads a line, with its end, and appends it to `line`. See [`BufRead::read_line`].
    ///
    /// # Errors
    /// What reading can come to.
    pub fn read_line(&self, line: &mut String) -> io::Result<usize> {
        self.lock().read_line(line)
    }

    /// All lines, one after the other. See [`BufRead::lines`].
    pub fn lines(self) -> io::Lines<StdinLock> {
        self.lock().lines()
    }

    /// Leaves what was not read to the next process: to be called before a child process is started
    /// that reads from the same standard input. See [`Input::leave`].
    pub fn leave(&self) {
        self.lock().0.leave();
    }

    /// How many bytes came each way so far.
    pub fn traffic(&self) -> Traffic {
        self.lock().0.traffic()
    }
}

/// What an operation on a descriptor that is not open comes to.
fn if_closed<T>(error: io::Error, then: T) -> io::Result<T> {
    if error.raw_os_error() == Some(libc::EBADF) { Ok(then) } else { Err(error) }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lock().write_all(bytes)
    }
}

impl Write for StdoutLock {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As std's: to a closed descriptor everything can be written.
        let mut out = self.0.borrow_mut();
        out.write(bytes).or_else(|error| if_closed(error, bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush().or_else(|error| if_closed(error, ()))
    }
}

impl Read for Stdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.lock().read(bytes)
    }
}

impl Read for StdinLock {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).or_else(|error| if_closed(error, 0))
    }
}

impl BufRead for StdinLock {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.0.consume(n);
    }
}
