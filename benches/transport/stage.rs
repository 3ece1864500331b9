//! One process of a flow: how it is started, what it inherits, and that it does not outlive us.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::{Flow, Input, Output, Unavailable, doomed};

/// The first argument of a process of ours in a hidden role.
pub const ROLE_FLAG: &str = "--transport-role";

/// A process yet to be started.
pub struct Stage {
    label: String,
    command: Command,
    passed: Vec<OwnedFd>,
    cpu: Option<usize>,
}

impl Stage {
    /// The program `program`, found as the shell finds it.
    pub fn program(program: impl AsRef<OsStr>) -> Self {
        let label = Path::new(program.as_ref())
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Stage { label, command: Command::new(program), passed: Vec::new(), cpu: None }
    }

    /// This very program in a hidden role (`harness::role` tells which there
    /// are); `label` names it in messages.
    pub fn role(label: &str, arguments: &[&str]) -> Self {
        // Not its path: that may lead to a newer build by now.
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.arg(ROLE_FLAG).args(arguments);
        Stage { label: label.to_owned(), command, passed: Vec::new(), cpu: None }
    }

    /// What messages call it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Sets the standard input.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(stdin);
        self
    }

    /// Sets the standard output.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(stdout);
        self
    }

    /// Sets the standard error.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(stderr);
        self
    }

    /// Lets the process inherit `fd` and returns its number there.
    pub fn pass(&mut self, fd: OwnedFd) -> RawFd {
        let number = fd.as_raw_fd();
        self.passed.push(fd);
        number
    }

    /// Keeps the process on one CPU.
    pub fn pin(&mut self, cpu: usize) -> &mut Self {
        self.cpu = Some(cpu);
        self
    }

    /// Starts the process. It gets SIGTERM should the thread that called this
    /// end first, however that ends.
    pub fn start(mut self) -> io::Result<Child> {
        doomed::stay_if_ending();
        let parent = Pid::this();
        let numbers: Vec<RawFd> = self.passed.iter().map(AsRawFd::as_raw_fd).collect();
        let mut cpus = CpuSet::new();
        if let Some(cpu) = self.cpu {
            cpus.set(cpu)?;
        }
        let pinned = self.cpu.is_some();
        let prepare = move || {
            // SAFETY: a plain system call on integers.
            if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } == -1 {
                return Err(io::Error::last_os_error());
            }
            if Pid::parent() != parent {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            for &number in &numbers {
                // SAFETY: `passed` keeps the descriptor open in the parent
                // until the child was made of it.
                let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
                fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
            }
            if pinned {
                sched_setaffinity(Pid::from_raw(0), &cpus)?;
            }
            Ok(())
        };
        // SAFETY: `prepare` only makes system calls and allocates nothing, so it
        // may run between fork and exec.
        unsafe { self.command.pre_exec(prepare) };
        self.command.spawn()
    }
}

/// The descriptor behind `output`, or why there is none.
pub fn output_of(output: &dyn Output) -> Result<OwnedFd, Unavailable> {
    output.descriptor().map_err(|e| Unavailable::because(format!("cannot make the output: {e}")))
}

/// Two processes that carry `input` to `output` by their standard streams, with a pipe in between.
pub fn piped(
    [mut left, mut right]: [Stage; 2],
    input: &Input,
    output: &dyn Output,
) -> Result<Flow, Unavailable> {
    let (reader, writer) = io::pipe().map_err(|e| Unavailable::because(format!("pipe: {e}")))?;
    left.stdin(input.open()?).stdout(writer);
    right.stdin(reader).stdout(output_of(output)?);
    Ok(vec![left, right].into())
}

/// Takes a descriptor that [`Stage::pass`] handed to this process, by its number.
/// To be called once for a number.
pub fn take_passed(number: &str) -> Option<OwnedFd> {
    let number: RawFd = number.parse().ok().filter(|number| *number > 2)?;
    // SAFETY: fcntl does not touch memory, and tells whether the number is a descriptor at all.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return None;
    }
    // SAFETY: open, as was just seen; this process was started with it and takes
    // each number once, so it is ours.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
