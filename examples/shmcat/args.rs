//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, ValueEnum};
use nix::unistd::Group;
use shmpipe::{Backend, Options, Trust, Wait};

const EXAMPLES: &str = "\
Examples:
  shmcat a b > c                     as cat: a and b, one after the other, into c
  shmcat big | shmcat > copy         the same over a pipe, which changes over to
                                     shared memory, for both its ends speak that
  shmcat --to /r big                 into the ring /r, waiting for a reader; and
  shmcat --from /r > copy            elsewhere, before or after: out of it again
  tail -f log | shmcat --to /r       every line is at the other end at once
  cmd | shmcat --to /r --many        one of many writers, whose lines stay whole
  shmcat --progress --to /r disk     how far it is, how fast, how long it will take
  shmcat --stats=json --from /r      one line of JSON on standard error at the end
  shmcat --list                      which rings there are, and who is at them
  shmcat --remove --orphaned         be rid of those whose ends are all dead
  shmcat --to sysv:0x2A01 big        a System V ring, which ipcs and ipcrm know

With any other program at its other end a pipe stays a pipe, and with --no-upgrade
or SHMPIPE_UPGRADE=0 in the environment of either end. --stats tells which it was.

A ring is used as a FIFO is: it has one writer and one reader, each waits for the
other, and it is gone when both are done. Unlike a FIFO it tells its reader how the
stream ended: if the writer died in mid-stream, --from delivers what came, says so
and exits with status 1. So does the reader of a pipe that had changed over.

With --many, said by whoever makes the ring, it has up to 64 writers at once; others
wait until one has left. Lines are never split, and of one writer they keep their
order; a line of more than 64 KiB goes in pieces. What has no end of a line yet waits
for it. --from reads either kind, and ends when all writers that had come have gone.

A ring is its maker's alone, unless both ends say --trust any and its maker lets others in:
  shmcat --to /r --mode 0660 --group staff --trust any in      as one user, and
  shmcat --from /r --mode 0660 --group staff --trust any       as another of that group
Then no byte is changed after it was looked at, but as with any file that both may write
to, either can spoil the stream, or end the other by cutting the ring short. When its
owner is not the last one at it, the name stays, for only he, or root, can remove it.

--list shows rings in /dev/shm, those of System V, and the anonymous ones of programs and
upgraded pipes as /proc/PID/fd/N, a descriptor that leads there; --status takes any. They
are live with
an end at either side, waiting with one, orphaned with none. To look costs a ring nothing.
--remove and --repair touch only what is yours, and --orphaned leaves persistent rings.

JSON: --list is an array of rings and --status one, with rates. A ring has place, name,
backend (posix, memfd, sysv), face, element {name, size, align}, owner, group, mode
(octal), capacity, unread, published, released (bytes), persistent, upgraded, condition
(live, waiting, orphaned, building, abandoned, replaced, damaged), damage, sysv, ends and
many. sysv, of System V rings, is as ipcs shows it: key (hexadecimal), id, set (of
semaphores), creator, creator_pid, attached (twice by each end), last_pid, changed (Unix
time). An end has role (writer, reader), number, pid, state (none-yet, alive, waiting,
finished, failed, dropped, died, replaced), code, attached, last_progress_seconds,
operations, bytes, sleeps, blocked_seconds, late_wakeups, dropped, aborted, leaked, as of
its last wait. many, of rings of many writers: seats, joined, held_up_by (an end's
number), repaired. rates, per second: seconds, bytes_in, bytes_out, items_in, items_out.
What there is not is null. --remove:
{removed: [names]}. --repair: {name, repaired: [{what: remains-removed or seat-freed, pid}]}.

Exit status: 0, or 1 if anything could not be read or written or made no sense.";

/// Concatenate FILEs to standard output, or move bytes between processes through shared memory.
#[derive(Debug, Parser)]
#[command(name = "shmcat", version, after_help = EXAMPLES, args_override_self = true,
          disable_help_flag = true, disable_version_flag = true)]
pub struct Cli {
    /// Files to read, one after the other; standard input where it is - or where there is none
    #[arg(value_name = "FILE")]
    pub files: Vec<OsString>,

    /// Write into the ring NAME instead of standard output, making it if need be
    #[arg(long, value_name = "NAME", group = "ring")]
    pub to: Option<OsString>,

    /// Read from the ring NAME instead of FILEs, making it if need be
    #[arg(long, value_name = "NAME", group = "ring", conflicts_with = "files")]
    pub from: Option<OsString>,

    /// Leave pipes what they are: do not change over to shared memory with another shmcat
    #[arg(long)]
    pub no_upgrade: bool,

    /// (ignored: nothing is held back)
    #[arg(short)]
    unbuffered: bool,

    /// Print this
    #[arg(long, action = ArgAction::HelpShort)]
    help: Option<bool>,

    /// Print the version
    #[arg(long, action = ArgAction::Version)]
    version: Option<bool>,

    #[command(flatten)]
    pub ring: Ring,

    #[command(flatten)]
    pub inspect: Inspect,

    #[command(flatten)]
    pub reports: Reports,

    #[command(flatten)]
    formatting: Formatting,
}

/// How a ring is made and waited for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rings")]
pub struct Ring {
    /// A ring made here is for any number of writers: lines of up to 64 KiB are never split
    #[arg(long, requires = "ring")]
    pub many: bool,

    /// Room of a ring made here: a power of two, as in 256K or 4M
    #[arg(long, value_name = "SIZE", requires = "ring", value_parser = parse_size)]
    pub capacity: Option<usize>,

    /// Permissions of a ring made here, in octal [default: 0600]
    #[arg(long, value_name = "MODE", requires = "ring", value_parser = parse_mode)]
    pub mode: Option<u32>,

    /// The group of a ring made here, by name or number: with --mode 0660, who can come to it
    #[arg(long, value_name = "GROUP", requires = "ring", value_parser = parse_group)]
    pub group: Option<u32>,

    /// Whose rings to use: the same user's (the default), or any user's, by copying all bytes
    #[arg(long, value_name = "WHOM", requires = "ring")]
    pub trust: Option<TrustArg>,

    /// Leave the name behind at the end
    #[arg(long, requires = "ring")]
    pub persistent: bool,

    /// How to wait for the other end: adaptive (the default) spins as long as that pays
    #[arg(long, value_name = "HOW", requires = "ring")]
    pub wait: Option<WaitArg>,

    /// Where a ring made here lives: posix, an object in /dev/shm, or sysv, where NAME is a
    /// key as in 0x2A01, FILE:NUMBER to make one of, id=N or private [default: posix, or
    /// sysv if NAME begins with sysv:]
    #[arg(long, value_name = "KIND", requires = "ring")]
    pub backend: Option<BackendArg>,
}

/// Rings seen from outside.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rings that there are")]
pub struct Inspect {
    /// List the rings that this user may see
    #[arg(long, group = "look", conflicts_with_all = ["ring", "files"])]
    pub list: bool,

    /// Tell all about the ring NAME, and how fast it is
    #[arg(long, value_name = "NAME", group = "look", conflicts_with_all = ["ring", "files"])]
    pub status: Option<OsString>,

    /// Remove the ring NAME, unless somebody uses it
    #[arg(long, value_name = "NAME", num_args = 0..=1, group = "look",
          conflicts_with_all = ["ring", "files"])]
    pub remove: Option<Option<OsString>>,

    /// Clear up what the dead have left in the ring NAME
    #[arg(long, value_name = "NAME", group = "look", conflicts_with_all = ["ring", "files"])]
    pub repair: Option<OsString>,

    /// With --remove: also if somebody uses it
    #[arg(long, conflicts_with = "orphaned")]
    pub force: bool,

    /// With --remove, in place of a NAME: all rings without an end, or those
    /// whose names begin with PREFIX
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "")]
    pub orphaned: Option<OsString>,

    /// With --status: how long to look in order to tell how fast it is [default: 0.5]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub sample: Option<Duration>,

    /// In JSON
    #[arg(long, requires = "look")]
    pub json: bool,
}

/// What is told about the transfer on standard error.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reports, on standard error")]
pub struct Reports {
    /// Show bytes, time, rate and, where the size is known, percentage and ETA; auto: on a terminal
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true,
          default_missing_value = "always", default_value = "never", hide_default_value = true)]
    pub progress: When,

    /// One line at the end: bytes, seconds, rate, transport, times blocked
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "text")]
    pub stats: Option<StatsFormat>,
}

/// `cat`'s options that change the bytes, known here so that they are refused with a useful word.
#[derive(Debug, Args)]
struct Formatting {
    #[arg(short = 'A', long, hide = true)]
    show_all: bool,
    #[arg(short = 'b', long, hide = true)]
    number_nonblank: bool,
    #[arg(short = 'e', hide = true)]
    show_nonprinting_and_ends: bool,
    #[arg(short = 'E', long, hide = true)]
    show_ends: bool,
    #[arg(short = 'n', long, hide = true)]
    number: bool,
    #[arg(short = 's', long, hide = true)]
    squeeze_blank: bool,
    #[arg(short = 't', hide = true)]
    show_nonprinting_and_tabs: bool,
    #[arg(short = 'T', long, hide = true)]
    show_tabs: bool,
    #[arg(short = 'v', long, hide = true)]
    show_nonprinting: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum WaitArg {
    Adaptive,
    Spin,
    Sleep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TrustArg {
    Same,
    Any,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum BackendArg {
    Posix,
    Sysv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum When {
    Always,
    Auto,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum StatsFormat {
    Text,
    Json,
}

impl Cli {
    /// Parses the arguments of this process.
    ///
    /// # Errors
    ///
    /// A usage error; help and version come back as errors too, of the kinds `DisplayHelp` and
    /// `DisplayVersion`.
    pub fn from_env() -> Result<Self, clap::Error> {
        let cli = Self::try_parse()?;
        if let Some(option) = cli.formatting.first() {
            let why = format!("{option}: shmcat moves bytes as they are; use cat for this\n");
            return Err(clap::Error::raw(ErrorKind::UnknownArgument, why));
        }
        if let Some(why) = cli.inspect.nonsense() {
            return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, why));
        }
        Ok(cli)
    }

    /// The options for the library. A ring that is there already is taken as it is: which end comes
    /// first is chance, so `--capacity` can only say how to make one.
    pub fn options(&self) -> Options {
        let ring = &self.ring;
        let mut options = Options::new().adopt(true).persistent(ring.persistent);
        if let Some(trust) = ring.trust {
            options = options.trust(trust.into());
        }
        if let Some(gid) = ring.group {
            options = options.group(gid);
        }
        if let Some(bytes) = ring.capacity {
            options = options.capacity(bytes);
        }
        if let Some(mode) = ring.mode {
            options = options.mode(mode);
        }
        if let Some(wait) = ring.wait {
            options = options.wait(wait.into());
        }
        if let Some(backend) = ring.backend {
            options = options.backend(backend.into());
        }
        options
    }
}

impl Inspect {
    /// What it makes no sense without. (By clap's rules, what conflicts with
    /// what is asked for is not missing.)
    fn nonsense(&self) -> Option<&'static str> {
        let removes = self.remove.is_some();
        let named = matches!(self.remove, Some(Some(_)));
        [
            (removes && named == self.orphaned.is_some(), "--remove needs a NAME or --orphaned\n"),
            (!removes && self.orphaned.is_some(), "--orphaned is for --remove\n"),
            (!removes && self.force, "--force is for --remove\n"),
            (self.status.is_none() && self.sample.is_some(), "--sample is for --status\n"),
        ]
        .into_iter()
        .find_map(|(is_so, why)| is_so.then_some(why))
    }
}

impl Formatting {
    fn first(&self) -> Option<&'static str> {
        [
            (self.show_all, "--show-all (-A)"),
            (self.number_nonblank, "--number-nonblank (-b)"),
            (self.show_nonprinting_and_ends, "-e"),
            (self.show_ends, "--show-ends (-E)"),
            (self.number, "--number (-n)"),
            (self.squeeze_blank, "--squeeze-blank (-s)"),
            (self.show_nonprinting_and_tabs, "-t"),
            (self.show_tabs, "--show-tabs (-T)"),
            (self.show_nonprinting, "--show-nonprinting (-v)"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

impl From<WaitArg> for Wait {
    fn from(wait: WaitArg) -> Self {
        match wait {
            WaitArg::Adaptive => Wait::Adaptive,
            WaitArg::Spin => Wait::Spin,
            WaitArg::Sleep => Wait::Sleep,
        }
    }
}

impl From<TrustArg> for Trust {
    fn from(trust: TrustArg) -> Self {
        match trust {
            TrustArg::Same => Trust::SameUser,
            TrustArg::Any => Trust::AnyUser,
        }
    }
}

impl From<BackendArg> for Backend {
    fn from(backend: BackendArg) -> Self {
        match backend {
            BackendArg::Posix => Backend::Posix,
            BackendArg::Sysv => Backend::SystemV,
        }
    }
}

/// A number of bytes with an optional binary suffix: `4096`, `64K`, `4M`, `4MiB`, `1G`.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: usize = match text[digits.len()..].trim_end_matches("iB") {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        other => return Err(format!("unknown unit {other:?}: K, M and G are known")),
    };
    let number: usize = digits.parse().map_err(|_| "not a number of bytes, as in 4M".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too large for this machine".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "not a number of seconds, as in 0.5".to_owned())
}

fn parse_group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("there is no such group".to_owned()),
        Err(errno) => Err(format!("the groups cannot be read: {}", errno.desc())),
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("not permission bits in octal, as in 0600".to_owned()),
    }
}
