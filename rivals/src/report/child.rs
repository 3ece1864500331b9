//! The programs of a report, one at a time: seen by their last line while they run,
//! and ended when this program is.
//!
//! Each leads a process group of its own. A signal that ends this program first ends
//! that group, and waits until nobody is left in it; should this program be killed, the
//! kernel sends the leader SIGTERM.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// How long a program may take to tidy up behind itself when this one is ended.
const GRACE: Duration = Duration::from_secs(5);

/// The group that runs. Who holds the lock may start one or end it.
static RUNNING: Mutex<Option<Pid>> = Mutex::new(None);

/// From now on a signal that ends this program first ends the one that it has started.
pub fn end_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // Locked until the end: nothing new may be started.
            let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(group) = *running {
                end(group, GRACE);
            }
            let _ = emulate_default_handler(signal);
        }
    });
    Ok(())
}

/// Asks all who are in the group to end, and makes those who are still there after `grace`.
fn end(group: Pid, grace: Duration) {
    let _ = killpg(group, Signal::SIGTERM);
    let start = Instant::now();
    while start.elapsed() < grace {
        // No signal: whether there is anybody.
        if killpg(group, None).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = killpg(group, Signal::SIGKILL);
}

/// What a program said, and how it ended.
pub struct Said {
    /// All it wrote to its standard output, if that was to be kept apart.
    pub output: Vec<u8>,
    /// The lines that it wrote to its standard error, and to its standard
    /// output if that was not kept apart.
    pub lines: Vec<String>,
    /// Why it is to be taken for failed.
    pub failure: Option<String>,
}

impl Said {
    /// What it said of why it failed: its last line, or the lines that say so by themselves.
    pub fn reason(&self) -> String {
        let told = |line: &&String| !line.trim().is_empty();
        let failed = self.lines.iter().map(|line| line.trim());
        let mut failed: Vec<&str> = failed.filter(|line| line.starts_with("FAILED: ")).collect();
        failed.dedup();
        if !failed.is_empty() {
            return failed.join("; ");
        }
        let named = self.lines.iter().find(|line| line.starts_with("error"));
        let line = named.or_else(|| self.lines.iter().rev().find(told));
        line.map_or_else(|| "without a word".into(), |line| line.trim().to_owned())
    }
}

/// Runs it to its end, and shows `watch` every line. `apart` says that its
/// standard output is no text for people.
///
/// # Errors
///
/// If it cannot be started.
pub fn run(mut command: Command, apart: bool, mut watch: impl FnMut(&str)) -> io::Result<Said> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stderr(writer.try_clone()?).process_group(0);
    if apart {
        command.stdout(Stdio::piped());
    } else {
        command.stdout(writer.try_clone()?);
    }
    drop(writer);
    let prepare = || {
        // SAFETY: a plain system call on integers.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: `prepare` makes a system call and allocates nothing, so it may
    // run between fork and exec.
    unsafe { command.pre_exec(prepare) };
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = command.spawn()?;
    *running = Some(Pid::from_raw(child.id() as i32));
    drop(running);
    // It holds the other end of the pipe.
    drop(command);

    let output = child.stdout.take().map(|mut output| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = io::Read::read_to_end(&mut output, &mut bytes);
            bytes
        })
    });
    let mut lines = Vec::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        watch(&text);
        lines.push(text);
        line.clear();
    }
    let output = output.and_then(|thread| thread.join().ok()).unwrap_or_default();
    let status = child.wait()?;
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let failure = (!status.success()).then(|| format!("it ended with {status}"));
    Ok(Said { output, lines, failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One at a time, as in a report.
    static TURN: Mutex<()> = Mutex::new(());

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_says_and_how_it_ends_is_known() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = Vec::new();
        let watch = |line: &str| seen.push(line.to_owned());
        let said = run(shell("echo out; echo why >&2; exit 3"), true, watch).expect("a shell");
        assert_eq!((said.output.as_slice(), seen.as_slice()), (&b"out\n"[..], &["why".into()][..]));
        assert_eq!(said.reason(), "why");
        assert!(said.failure.is_some_and(|failure| failure.contains('3')));
        let said = run(shell("echo FAILED: one; echo other"), false, |_| ()).expect("a shell");
        assert_eq!(said.reason(), "FAILED: one");
        let said = run(shell("echo error: why; echo other"), false, |_| ()).expect("a shell");
        assert_eq!(said.reason(), "error: why");
        let said = run(shell("echo out"), false, |_| ()).expect("a shell");
        assert_eq!((said.lines, said.failure), (vec!["out".to_owned()], None));
    }

    #[test]
    fn a_group_ends_with_all_who_are_in_it() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // The shell ends by the signal. Its child does not, and tells so unless it is killed.
        let script = "trap '' TERM; (sleep 5; echo alive) & echo $$; trap - TERM; wait";
        let said = run(shell(script), false, |line| {
            if let Ok(group) = line.parse() {
                thread::spawn(move || end(Pid::from_raw(group), Duration::from_millis(50)));
            }
        });
        let said = said.expect("a shell");
        assert!(said.failure.is_some());
        assert_eq!(said.lines.len(), 1, "{:?}", said.lines);
    }
}
