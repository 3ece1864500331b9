//! What the integration tests share.
//!
//! - [`alone`] runs a test in a process of its own, and fails it if that process crashes or hangs.
//! - [`RingName`] is a name nobody else uses, removed again also if the test fails.
//! - [`Child`] is a forked process that runs a part of a test and can be killed at any moment.
//! - [`eventually`] polls for a condition.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use std::{
    ffi::OsStr,
    fmt::Debug,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    num::NonZeroUsize,
    ops::Deref,
    os::{
        fd::AsRawFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    process::{Command, Stdio},
    ptr::NonNull,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// By when something that takes microseconds must have happened, on the busiest machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// By when a whole test must have come to its end.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// What the names of this crate's tests begin with, in /dev/shm.
const PREFIX: &str = "shmpipe-test";

/// Set in the process of a test that runs [`alone`].
const ALONE: &str = "SHMPIPE_TEST_ALONE";

/// Runs a test's body in a process of its own, by executing this binary again for that test alone.
///
/// For everything about processes: there the test's thread is the only one that works (the
/// harness's main thread just waits for it), so it may fork; its umask, limits and namespaces are
/// its own; a crash is this test's failure and not the whole binary's; a hang is found out. And no
/// other test forks while this one attaches an end, which could keep a role for a moment longer.
///
/// The closure must be written in the test function itself: its type tells the test's name.
pub fn alone<F: FnOnce()>(body: F) {
    if std::env::var_os(ALONE).is_some() {
        test_process();
        return body();
    }
    let path = std::any::type_name::<F>();
    let (_, path) = path.split_once("::").expect("begins with the crate");
    let test = path.trim_end_matches("::{{closure}}");

    let (mut output, writer) = io::pipe().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    // SAFETY: the hook makes one system call and touches no memory of the parent's.
    unsafe { command.pre_exec(die_with_parent) };
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    drop(command); // Our copies of the pipe's end.

    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = output.read_to_end(&mut text);
        let _ = send.send(String::from_utf8_lossy(&text).into_owned());
    });
    let text = receive.recv_timeout(TEST_DEADLINE);
    if text.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    let hung = text.is_err();
    let text = text.or_else(|_| receive.recv_timeout(DEADLINE)).unwrap_or_default();
    remove_leftovers(pid);
    for line in text.lines().filter(|line| line.contains("skipped: ")) {
        // Not by eprintln, which the harness would keep to itself.
        let _ = writeln!(io::stderr(), "{test}: {line}");
    }
    assert!(!hung, "{test} hung; this is what it said:\n{text}");
    assert!(status.success(), "{test}: {status}\n{text}");
    assert!(text.contains("1 passed"), "no test is called {test}:\n{text}");
    print!("{text}");
}

/// Says why (a part of) a test cannot be done here.
pub fn skip(why: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "skipped: {why}");
}

/// The caller is killed when the thread that started it is gone.
fn die_with_parent() -> io::Result<()> {
    // SAFETY: the call takes integers only.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The name of a ring that no other test uses. Removed when dropped, if it is there.
#[derive(Debug)]
pub struct RingName {
    name: String,
    owner: u32,
}

impl RingName {
    pub fn new(hint: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let (test, owner) = (test_process(), std::process::id());
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("/{PREFIX}-{test}-{owner}-{number}-{hint}"), owner }
    }

    /// `/shmpipe-test-...`
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The object as a file.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm{}", self.name))
    }

    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    #[track_caller]
    pub fn assert_gone(&self) {
        assert!(!self.exists(), "{} was left over", self.name);
    }

    #[track_caller]
    pub fn assert_exists(&self) {
        assert!(self.exists(), "{} is gone", self.name);
    }
}

impl AsRef<OsStr> for RingName {
    fn as_ref(&self) -> &OsStr {
        self.name.as_ref()
    }
}

impl Drop for RingName {
    fn drop(&mut self) {
        // Not in a forked child: the test goes on.
        if self.owner == std::process::id() {
            let _ = fs::remove_file(self.path());
        }
    }
}

/// The pid of the process that the test began in, also in those it forked.
fn test_process() -> u32 {
    static TEST: OnceLock<u32> = OnceLock::new();
    *TEST.get_or_init(std::process::id)
}

/// What a test that crashed left behind.
fn remove_leftovers(pid: u32) {
    let prefix = format!("{PREFIX}-{pid}-");
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

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

/// Words that a test shares with the processes it forks. All zero at first.
#[derive(Debug)]
pub struct Shared(NonNull<[AtomicU64; 16]>);

impl Shared {
    pub fn new() -> Self {
        let length = NonZeroUsize::new(size_of::<[AtomicU64; 16]>()).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory at no particular address.
        let page = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_SHARED) }.unwrap();
        Self(page.cast())
    }
}

impl Deref for Shared {
    type Target = [AtomicU64; 16];

    fn deref(&self) -> &Self::Target {
        // SAFETY: mapped by `new`, aligned, zeroed, never unmapped, and used as these atomics only.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: atomics, which live as long as the process.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The size of a page.
pub fn page_size() -> usize {
    // SAFETY: takes a constant, returns a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// What a process holds that could be left over: its descriptors, and its mappings of shared
/// memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Holdings {
    descriptors: Vec<PathBuf>,
    mappings: Vec<String>,
}

impl Holdings {
    /// Of this process, now.
    pub fn now() -> Self {
        let mut descriptors: Vec<_> = fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            // The directory being read.
            .filter(|target| !target.starts_with("/proc"))
            .collect();
        descriptors.sort();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let shared = |line: &&str| line.contains("/dev/shm/") || line.contains("/memfd:");
        let mappings = maps.lines().filter(shared).map(str::to_owned).collect();
        Self { descriptors, mappings }
    }
}

/// Sleeps until killed: the end of a part that the parent kills.
pub fn wait_to_be_killed() -> ! {
    loop {
        thread::sleep(DEADLINE);
    }
}
