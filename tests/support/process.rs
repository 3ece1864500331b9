//! Processes that a test forks.

use super::{ALONE, DEADLINE, eventually};
use std::{
    fmt::Debug,
    io::{self, BufRead, BufReader, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    panic::{self, AssertUnwindSafe},
    thread,
};

/// A forked process that runs a part of the test. Killed when dropped.
///
/// Only in a test that runs [`alone`] and has no other threads at that moment.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
    line: Line,
    reaped: bool,
}

impl Child {
    /// Forks. The child runs `body`, which may talk to the parent over the [`Line`], and exits
    /// without running anything else of the test; its panic is a failure of [`join`](Self::join).
    pub fn fork(body: impl FnOnce(&mut Line)) -> Self {
        assert!(std::env::var_os(ALONE).is_some(), "fork only in a test that runs alone");
        let (ours, theirs) = UnixStream::pair().unwrap();
        let parent = std::process::id();
        // SAFETY: nothing else runs in this process but the harness's main thread, which waits for
        // this one and holds no lock, so the child finds every lock free.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", io::Error::last_os_error()),
            0 => {
                drop(ours);
                let run = || {
                    die_with_parent().unwrap();
                    assert_eq!(std::os::unix::process::parent_id(), parent, "the parent is gone");
                    body(&mut Line::new(theirs));
                };
                let code = match panic::catch_unwind(AssertUnwindSafe(run)) {
                    Ok(()) => 0,
                    Err(_) => 101,
                };
                // SAFETY: ends the process, at once.
                unsafe { libc::_exit(code) }
            }
            pid => Self { pid, line: Line::new(ours), reaped: false },
        }
    }

    pub fn pid(&self) -> u32 {
        self.pid as u32
    }

    /// What the child says next must be `word`.
    #[track_caller]
    pub fn expect(&mut self, word: &str) {
        assert_eq!(self.hear(), word);
    }

    /// What the child says next.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        self.line.hear()
    }

    pub fn say(&mut self, word: impl AsRef<str>) {
        self.line.say(word);
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: a child of ours that was not reaped yet, so the pid is still its.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0);
    }

    /// SIGSTOP; returns once it has stopped.
    pub fn stop(&self) {
        self.signal(libc::SIGSTOP);
        let mut status = 0;
        // SAFETY: `status` is an int.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, libc::WUNTRACED) };
        assert!(pid == self.pid && libc::WIFSTOPPED(status), "stopped: {status:#x}");
    }

    /// SIGKILL; returns once it is gone.
    pub fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.reap();
    }

    /// Waits for the child to come to its end, which must be a good one.
    #[track_caller]
    pub fn join(mut self) {
        let status = eventually("the child to exit", || self.try_reap());
        assert_eq!(status, 0, "the child's part of the test failed (wait status {status:#x})");
    }

    /// Waits for the child to come to any end; returns its wait status.
    #[track_caller]
    pub fn status(mut self) -> libc::c_int {
        eventually("the child to exit", || self.try_reap())
    }

    fn try_reap(&mut self) -> Option<libc::c_int> {
        self.wait(libc::WNOHANG)
    }

    fn reap(&mut self) {
        self.wait(0);
    }

    fn wait(&mut self, flags: libc::c_int) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: `status` is an int; the child has not been reaped.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, flags) };
        assert!(pid == 0 || pid == self.pid, "waitpid: {}", io::Error::last_os_error());
        self.reaped = pid == self.pid;
        self.reaped.then_some(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            // SAFETY: a child of ours that was not reaped yet, so the pid is still its.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.reap();
        }
    }
}

/// A process that outlives the child that forks it: it inherits whatever that child holds.
#[derive(Debug)]
pub struct Orphan {
    line: Line,
    theirs: UnixStream,
}

impl Orphan {
    /// In the test's own process, before the child is forked.
    pub fn prepare() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        Self { line: Line::new(ours), theirs }
    }

    /// In the child: forks it. It lives until the test's own process is gone.
    pub fn fork(&self) {
        // SAFETY: as in `Child::fork`; the new process only makes system calls.
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", io::Error::last_os_error()),
            0 => {
                // SAFETY: a descriptor of ours, not used again in this process: as long as it was
                // open, the test's end would not be seen.
                unsafe { libc::close(self.line.0.get_ref().as_raw_fd()) };
                let mut theirs = &self.theirs;
                let mut byte = [0];
                while matches!(theirs.read(&mut byte), Ok(1)) {
                    let _ = theirs.write_all(&byte);
                }
                // SAFETY: ends the process, at once.
                unsafe { libc::_exit(0) }
            }
            _ => {}
        }
    }

    /// In the test's own process: it lives.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        self.line.say("");
        assert_eq!(self.line.hear(), "", "the orphan answers");
    }
}

/// What a [`Child`] and its parent tell each other: lines of text.
#[derive(Debug)]
pub struct Line(BufReader<UnixStream>);

impl Line {
    fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Says a word to the other side.
    pub fn say(&mut self, word: impl AsRef<str>) {
        let line = format!("{}\n", word.as_ref());
        self.0.get_mut().write_all(line.as_bytes()).expect("the other side is there");
    }

    /// Says how a value looks, as `{:?}`.
    pub fn show(&mut self, value: impl Debug) {
        self.say(format!("{value:?}"));
    }

    /// What the other side says next.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => line.trim_end().to_owned(),
            Ok(_) => panic!("the other side is gone, having said {line:?}"),
            Err(error) => panic!("the other side says nothing: {error}"),
        }
    }

    /// What the other side says next must be `word`.
    #[track_caller]
    pub fn expect(&mut self, word: &str) {
        assert_eq!(self.hear(), word);
    }
}

/// Sleeps until killed: the end of a part that the parent kills.
pub fn wait_to_be_killed() -> ! {
    loop {
        thread::sleep(DEADLINE);
    }
}

/// The caller is killed when the thread that started it is gone.
pub(super) fn die_with_parent() -> io::Result<()> {
    // SAFETY: the call takes integers only.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
