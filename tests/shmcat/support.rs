//! What every test here needs: a place of its own, bash, and a look at what a process is doing.

#[allow(dead_code, reason = "it is for other tests, too")]
#[path = "../support/system_v.rs"]
pub mod system_v;

pub use system_v::is_system_v;

use std::{
    env,
    ffi::OsString,
    fs,
    io::Read,
    os::unix::{
        fs::{MetadataExt, symlink},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, Once, OnceLock, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    sys::{
        signal::{SigHandler, Signal, kill, killpg, signal},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use tempfile::TempDir;

/// Long enough for the slowest machine; a test that waits for it has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The program, as cargo builds it beside this test.
pub fn shmcat() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| example("shmcat"))
}

/// An example program, which has to be there and no older than anything that it was made from.
pub fn example(name: &str) -> PathBuf {
    let this = env::current_exe().expect("a test knows where it is");
    let profile = this.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let program = profile.join("examples").join(name);
    // Cargo notes there what it made it from.
    let Ok(rule) = fs::read_to_string(program.with_extension("d")) else {
        panic!("{program:?} is missing: cargo build --example {name}");
    };
    let (_, sources) = rule.trim_end().split_once(": ").expect("a rule of a Makefile");
    for source in sources.replace("\\ ", "\0").split(' ') {
        let source = PathBuf::from(source.replace('\0', " "));
        let made = changed(&program).expect("the program is where its rule is");
        assert!(
            changed(&source).is_some_and(|changed| changed <= made),
            "{program:?} is older than {source:?}: cargo build --example {name}"
        );
    }
    program
}

/// What the scripts of these tests call besides `shmcat` and what bash has built in.
fn assert_tools() {
    const TOOLS: &str = "cat cmp cp dd grep head ln mkdir mkfifo rm sleep tail tr wc yes";
    let script = format!("for tool in {TOOLS}; do type -P $tool > /dev/null || echo $tool; done");
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash is needed");
    let missing = String::from_utf8_lossy(&output.stdout);
    assert!(missing.is_empty(), "these tools are needed and missing: {missing}");
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

/// A directory and names of rings that no other test uses: `$P` and one more hexadecimal digit, of
/// which 0 makes `$R`. At the end nothing may be left of the rings, and nothing is left of the
/// processes and files whatever happened.
///
/// With `SHMPIPE_TEST_BACKEND=sysv` in the environment they are the names of System V rings.
pub struct Place {
    directory: TempDir,
    /// In front of the PATH: the programs to be tested and nothing else that is built beside them,
    /// which could have the name of a tool.
    programs: TempDir,
    /// This process has no other with it at the same time.
    number: u32,
}

/// The numbers of the places that there are, as bits.
static NUMBERS: Mutex<u64> = Mutex::new(0);

impl Place {
    pub fn new() -> Self {
        static TOOLS: Once = Once::new();
        TOOLS.call_once(assert_tools);
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.trailing_ones();
        *numbers |= 1_u64.checked_shl(number).expect("not so many tests run at once");
        drop(numbers);
        let directory = || tempfile::tempdir().expect("a directory for temporary files");
        let place = Self { directory: directory(), programs: directory(), number };
        place.add_program(shmcat(), "shmcat");
        place
    }

    /// Lets scripts call a program by this name.
    pub fn add_program(&self, program: &Path, name: &str) {
        symlink(program, self.programs.path().join(name)).expect("a new link");
    }

    /// What the names of its rings begin with.
    pub fn prefix(&self) -> String {
        match is_system_v() {
            // Pids have 22 bits.
            true => format!("sysv:0x{:07x}", std::process::id() << 6 | self.number),
            false => format!("/shmcat-test-{}-{}-", std::process::id(), self.number),
        }
    }

    pub fn ring(&self) -> String {
        format!("{}0", self.prefix())
    }

    /// As `--list` tells where it is made.
    pub fn backend(&self) -> &'static str {
        if is_system_v() { "sysv" } else { "posix" }
    }

    /// The size of its ring's memory, and the permission bits.
    #[track_caller]
    pub fn size_and_mode(&self) -> (u64, u32) {
        if is_system_v() {
            let id = system_v::find(key(&self.ring())).expect("the ring is there");
            let stat = system_v::stat(id).expect("the ring is there");
            let size = stat.shm_segsz.next_multiple_of(page_size()) as u64;
            return (size, u32::from(stat.shm_perm.mode) & 0o777);
        }
        let metadata = fs::metadata(format!("/dev/shm{}", self.ring())).expect("the ring is there");
        (metadata.len(), metadata.mode() & 0o777)
    }

    /// Makes what its ring is made of, with this content. (A System V segment
    /// is as large as a ring's.)
    pub fn make_object(&self, content: &str) {
        if !is_system_v() {
            let file = format!("/dev/shm{}", self.ring());
            return fs::write(file, content).expect("room in /dev/shm");
        }
        let size = 2 * page_size() - system_v::SHORT;
        let id = system_v::make(key(&self.ring()), size, 0o600);
        let attached = system_v::Attached::new(id).expect("just made");
        attached.write(content.as_bytes(), 0).expect("it is large enough");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a file of `size` bytes of which no two neighbouring words are the same.
    pub fn file(&self, name: &str, size: usize) -> Vec<u8> {
        let content = bytes(size);
        fs::write(self.path(name), &content).expect("room for temporary files");
        content
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Whether the file is there and has this content so far.
    pub fn holds(&self, name: &str, content: &[u8]) -> bool {
        fs::read(self.path(name)).is_ok_and(|found| found == content)
    }

    /// Whether there is an strace here that may trace, which is what holds up and interrupts calls;
    /// says so if there is none.
    pub fn can_trace(&self) -> bool {
        let possible = self.bash("strace -o /dev/null true").status.success();
        if !possible {
            println!("skipped: no strace here that may trace");
        }
        possible
    }

    /// The rings that there are by this place's names.
    pub fn left_in_shm(&self) -> Vec<OsString> {
        let prefix = self.prefix();
        if is_system_v() {
            let names = (0..16).map(|digit| format!("{prefix}{digit:x}"));
            let is_there = |name: &String| system_v::find(key(name)).is_some();
            return names.filter(is_there).map(OsString::from).collect();
        }
        let entries = fs::read_dir("/dev/shm").expect("/dev/shm is mounted");
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        names.filter(|name| name.to_string_lossy().starts_with(&prefix[1..])).collect()
    }

    /// Removes them.
    pub fn clear_shm(&self) {
        for name in self.left_in_shm() {
            match is_system_v() {
                true => drop(system_v::find(key(&name.to_string_lossy())).map(system_v::remove)),
                false => drop(fs::remove_file(Path::new("/dev/shm").join(name))),
            }
        }
    }

    /// A command in this place: `shmcat` is in the PATH, `$R` is the ring and `$P` what names begin
    /// with. It starts a process group, so that it can be ended with all that it started, and with
    /// the signals at their defaults, whatever the test runner was told to ignore.
    pub fn command(&self, program: &str) -> Command {
        let mut path = vec![self.programs.path().to_owned()];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env("PATH", env::join_paths(path).expect("a PATH from a PATH"))
            .env("LC_ALL", "C.UTF-8")
            .env("R", self.ring())
            .env("P", self.prefix())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        // SAFETY: between fork and exec only signal(2) is called, which is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                for fatal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
                    signal(fatal, SigHandler::SigDfl)?;
                }
                Ok(())
            });
        }
        command
    }

    /// Starts a script and leaves it running.
    #[track_caller]
    pub fn start_bash(&self, script: &str) -> Running {
        Running::start(self.command("bash").args(["-c", script]))
    }

    /// Starts `shmcat` with the arguments of a shell word list, as the same process that bash was.
    #[track_caller]
    pub fn start_shmcat(&self, words: &str) -> Running {
        self.start_bash(&format!("exec shmcat {words}"))
    }

    /// Starts a `shmcat` that sends a line and then waits for more, which the FIFO `p`
    /// would bring. The line is there before it is: once it is found waiting for its
    /// input, the line is in the ring.
    #[track_caller]
    pub fn start_writer_of(&self, line: &str) -> Running {
        let input = "mkfifo p; exec 3<>p; echo";
        self.start_bash(&format!("{input} {line} >&3; exec shmcat --to $R < p"))
    }

    /// Runs a script to its end.
    #[track_caller]
    pub fn bash(&self, script: &str) -> Ran {
        self.start_bash(script).finish()
    }
}

/// The key in the name of a System V ring.
fn key(name: &str) -> i32 {
    let (_, digits) = name.split_once("0x").expect("names have keys here");
    u32::from_str_radix(digits, 16).expect("a key").cast_signed()
}

fn page_size() -> usize {
    // SAFETY: takes a constant, returns a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.left_in_shm();
        self.clear_shm();
        *NUMBERS.lock().unwrap_or_else(PoisonError::into_inner) &= !(1 << self.number);
        if !thread::panicking() {
            assert!(left.is_empty(), "left in shared memory: {left:?}");
        }
    }
}

/// A process with what it started. They do not outlive this value.
pub struct Running {
    child: Child,
    /// Its number may be another's now.
    gone: bool,
}

impl Running {
    /// Starts a command that is to be a process group, as those of [`Place::command`] are.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_owned();
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{program:?} is needed: {error}"));
        Self { child, gone: false }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid"))
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("a child that was not waited for can be signalled");
    }

    /// Waits until it is dead, and leaves it there: what /proc says of it is final then.
    #[track_caller]
    pub fn until_dead(&self) {
        let dead = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let pid = self.pid();
        until(&format!("process {pid} ends"), || {
            !matches!(waitid(Id::Pid(pid), dead).expect("own child"), WaitStatus::StillAlive)
        });
    }

    /// Waits for its end and collects what it says. Processes that it left behind are ended, too.
    #[track_caller]
    pub fn finish(mut self) -> Ran {
        let stdout = collect(self.child.stdout.take());
        let stderr = collect(self.child.stderr.take());
        self.until_dead();
        let status = self.end();
        let collected =
            |thread: JoinHandle<Vec<u8>>| thread.join().expect("reading does not panic");
        let (stdout, stderr) = (collected(stdout), collected(stderr));
        Ran { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() }
    }

    /// Kills what is left of the group and waits for its leader.
    fn end(&mut self) -> ExitStatus {
        // As long as nobody has waited for the leader, the group's number belongs to nobody else.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        self.gone = true;
        self.child.wait().expect("own child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.gone {
            self.end();
        }
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut all).expect("a pipe can be read");
        }
        all
    })
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Asserts the exit status, with all there is to know if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    #[track_caller]
    pub fn dies_of(self, signal: Signal) -> Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "{self:?}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        self
    }

    #[track_caller]
    pub fn silent(self) -> Self {
        assert_eq!(self.stderr, "", "{self:?}");
        self
    }

    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert_eq!(self.out(), text, "{self:?}");
        self
    }
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "never came to pass: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes whose order can be told: a counter in every word, so that a block that is lost, doubled
/// or in the wrong place is seen.
pub fn bytes(size: usize) -> Vec<u8> {
    // They are always the same, and many tests want megabytes of them.
    static MADE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let words = made.len() as u32 / 4..size.div_ceil(4) as u32;
    made.extend(words.flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes()));
    made[..size].to_vec()
}

/// The sizes at which off-by-one errors show, with pages, pipes and blocks in mind.
pub const SIZES: [usize; 9] =
    [0, 1, 4095, 4096, 4097, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 10 << 20];
