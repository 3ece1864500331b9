//! What the integration tests share.
//!
//! - [`alone`] runs a test in a process of its own, and fails it if that process crashes or hangs.
//! - [`RingName`] is a name nobody else uses, removed again also if the test fails;
//!   [`Memory`] is what it leads to.
//! - [`Child`] is a forked process that runs a part of a test and can be killed at any moment.
//! - [`eventually`] polls for a condition; [`refuse`] has a system call fail.
//! - [`barriers`] has each test program register for membarrier(2) before it begins.
//!
//! With `SHMPIPE_TEST_BACKEND=sysv` in the environment the rings with names are System
//! V objects, and the same tests are tests of these. The few that are about files
//! alone say so then ([`posix_only`]).

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod barriers;
mod key;
mod memory;
mod name;
mod process;
mod refuse;
pub mod system_v;

pub use barriers::register_for_barriers;
pub use memory::Memory;
pub use name::{RingName, count_own, posix_only};
pub use process::{Child, Line, Orphan, wait_to_be_killed};
pub use refuse::refuse;
pub use system_v::is_system_v;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    num::NonZeroUsize,
    ops::Deref,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    ptr::NonNull,
    sync::{atomic::AtomicU64, mpsc},
    thread,
    time::{Duration, Instant},
};

/// By when something that takes microseconds must have happened, on the busiest machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// By when a whole test must have come to its end.
const TEST_DEADLINE: Duration = Duration::from_secs(150);

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
    alone_within(TEST_DEADLINE, body);
}

/// As [`alone`], for a test that takes its time.
pub fn alone_within<F: FnOnce()>(deadline: Duration, body: F) {
    if std::env::var_os(ALONE).is_some() {
        name::test_process();
        return body();
    }
    let path = std::any::type_name::<F>();
    let (_, path) = path.split_once("::").expect("begins with the crate");
    let test = path.trim_end_matches("::{{closure}}");

    let (output, writer) = io::pipe().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    // SAFETY: the hook makes one system call and touches no memory of the parent's.
    unsafe { command.pre_exec(process::die_with_parent) };
    let mut child = command.spawn().unwrap();
    let pid = child.id();
    drop(command); // Our copies of the pipe's end.

    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let mut output = BufReader::new(output);
        let mut from = 0;
        while matches!(output.read_until(b'\n', &mut text), Ok(n) if n > 0) {
            let line = String::from_utf8_lossy(&text[from..]);
            if let Some((_, line)) = line.split_once(PROGRESS) {
                let _ = writeln!(io::stderr(), "{}", line.trim_end());
            }
            from = text.len();
        }
        let _ = send.send(String::from_utf8_lossy(&text).into_owned());
    });
    let text = receive.recv_timeout(deadline);
    if text.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    let hung = text.is_err();
    let text = text.or_else(|_| receive.recv_timeout(DEADLINE)).unwrap_or_default();
    name::remove_leftovers(pid);
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

/// What a line that is to be seen at once begins with.
const PROGRESS: &str = "progress: ";

/// Says at once how far a test that runs [`alone`], and for long, has come.
pub fn progress(text: impl std::fmt::Display) {
    println!("{PROGRESS}{text}");
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
        let shared =
            |line: &&str| ["/dev/shm/", "/memfd:", "/SYSV"].iter().any(|kind| line.contains(kind));
        let mappings = maps.lines().filter(shared).map(str::to_owned).collect();
        Self { descriptors, mappings }
    }
}
