//! A place in which pipelines run: a shell, files, and the certainty that a
//! pipeline leaves no process behind.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    ops::Deref,
    os::fd::AsFd,
    os::unix::fs::OpenOptionsExt,
    process::{Command, Stdio},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    processes::until_nothing_runs,
    stats::Stats,
    support::{Place, Ran, Running, example, until},
};

/// The shells whose users type pipelines.
pub const SHELLS: [&str; 2] = ["bash", "dash"];

/// Enough that a stream is upgraded, and that the most of it comes after that.
pub const BIG: usize = 10 << 20;

/// What may go by the pipe before an upgrade.
pub const BEFORE_THE_UPGRADE: u64 = 2 << 20;

/// The longest stream that is certain not to be upgraded.
pub const NEVER_UPGRADED: usize = 512 << 10;

/// A [`Place`] for pipelines.
pub struct Scene {
    place: Place,
    scripts: AtomicU32,
}

impl Deref for Scene {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Scene {
    pub fn new() -> Self {
        static TOOLS: Once = Once::new();
        TOOLS.call_once(assert_tools);
        Self { place: Place::new(), scripts: AtomicU32::new(0) }
    }

    /// A scene with `in`, which is [`BIG`], and what it holds.
    pub fn with_big_file() -> (Self, Vec<u8>) {
        let scene = Self::new();
        let content = scene.file("in", BIG);
        (scene, content)
    }

    /// Lets scripts call `head_example N`, which hands on N bytes and leaves the rest in the pipe:
    /// an early-leaving reader that upgrades.
    pub fn with_head_example(self) -> Self {
        self.place.add_program(&example("head"), "head_example");
        self
    }

    /// A command that runs the script.
    pub fn script(&self, shell: &str, script: &str) -> Command {
        let mut command = self.place.command(shell);
        command.args(["-c", script]).env("S", "shmcat --stats=json");
        command
    }

    /// A `shmcat` with statistics in the file `stats`, to be given its standard input and output.
    pub fn shmcat(&self, stats: &str) -> Command {
        let mut command = self.place.command("shmcat");
        command.arg("--stats=json").stderr(self.create(stats));
        command
    }

    pub fn create(&self, name: &str) -> File {
        File::create(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Starts a script and leaves it running.
    #[track_caller]
    pub fn start(&self, shell: &str, script: &str) -> Running {
        Running::start(&mut self.script(shell, script))
    }

    /// Runs a script to its end, and waits then until every process that it started is gone.
    #[track_caller]
    pub fn run(&self, shell: &str, script: &str) -> Ran {
        let number = self.scripts.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| format!(".{name}-{number}"));
        let mut command = self.script(shell, script);
        // Files, because a pipe's end would be that of the last process, and not of the script.
        command.stdout(self.create(&stdout)).stderr(self.create(&stderr));
        let running = Running::start(&mut command);
        until_nothing_runs(&running, script);
        let mut ran = running.finish();
        ran.stdout = self.read(&stdout);
        ran.stderr = String::from_utf8_lossy(&self.read(&stderr)).into_owned();
        ran
    }

    /// The statistics that a `shmcat` wrote last in this file.
    #[track_caller]
    pub fn stats(&self, name: &str) -> Stats {
        Stats::parse(name, &self.text(name))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.read(name)).into_owned()
    }

    /// Asserts that the file holds exactly this.
    #[track_caller]
    pub fn assert_holds(&self, name: &str, content: &[u8], script: &str) {
        assert_same(&self.read(name), content, &format!("{name} after: {script}"));
    }

    /// How much has arrived in a file.
    pub fn size(&self, name: &str) -> usize {
        fs::metadata(self.path(name)).map_or(0, |file| file.len() as usize)
    }

    /// Makes the FIFO `name` and holds it open, so that opening it does not wait for anybody.
    pub fn feed(&self, name: &str) -> Feed {
        let path = self.path(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a new name");
        // Without waiting, so that a reader that never reads fails a test instead of stopping it.
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        Feed(options.open(path).expect("own FIFO"))
    }
}

/// The writing end of a FIFO. Its readers see the end of file when this is dropped.
pub struct Feed(File);

impl Feed {
    #[track_caller]
    pub fn send(&mut self, content: &[u8]) {
        let mut rest = content;
        until("the FIFO takes it", || {
            while !rest.is_empty() {
                match self.0.write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                    Err(error) => panic!("{error}"),
                }
            }
            true
        });
    }

    /// Waits until all of it was read.
    #[track_caller]
    pub fn until_read(&self) {
        until("the FIFO is empty", || {
            let mut fifo = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            poll(&mut fifo, PollTimeout::ZERO).expect("own FIFO") == 0
        });
    }
}

/// Asserts equality without printing megabytes.
#[track_caller]
pub fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found != expected {
        let differ = found.iter().zip(expected).position(|(a, b)| a != b);
        panic!(
            "{what}: {} bytes instead of {}, the first difference at {:?}",
            found.len(),
            expected.len(),
            differ.unwrap_or(found.len().min(expected.len())),
        );
    }
}

/// What the scripts of these tests call besides what those of `shmcat` itself do.
fn assert_tools() {
    let script = "for tool in bash dash tee seq touch env sh; do
        command -v $tool > /dev/null || echo $tool; done";
    let output = Command::new("sh").args(["-c", script]).stderr(Stdio::inherit()).output();
    let missing = output.expect("sh is needed").stdout;
    let missing = String::from_utf8_lossy(&missing);
    assert!(missing.is_empty(), "these tools are needed and missing: {missing}");
}
