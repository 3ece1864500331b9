//! The FILE arguments, opened one after the other as `cat` does it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::stat::{FileStat, SFlag, fstat, stat};
use nix::unistd::{Whence, lseek};

use crate::inherited;
use crate::quote::quoted;
use crate::report::{Console, reason};

/// Why a copy came to its end before the end of the file.
pub enum Stop<E> {
    /// This input cannot be read (any further); the next one may.
    Input(io::Error),
    /// The output takes no more, so no further input is of use.
    Output(E),
}

/// Gives every input to `copy` and reports those that fail, which does not stop the
/// others. `copy` returns whether it had nothing to complain of. Returns whether all
/// of them were read to their end.
///
/// `output` is where the bytes go, if that could be one of the inputs.
pub fn for_each<E>(
    names: &[OsString],
    output: Option<&FileStat>,
    console: &Console,
    mut copy: impl FnMut(&OsStr, BorrowedFd<'_>) -> Result<bool, Stop<E>>,
) -> Result<bool, E> {
    let mut all_read = true;
    for name in or_standard_input(names) {
        let outcome = open(name).map_err(Stop::Input).and_then(|input| {
            if output.is_some_and(|output| would_read_itself(input.as_fd(), output)) {
                return Err(Stop::Input(io::Error::other("input file is output file")));
            }
            // Advice, refused by pipes and terminals: the copy goes on without it.
            let _ = posix_fadvise(&input, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
            copy(name, input.as_fd())
        });
        match outcome {
            Ok(whole) => all_read &= whole,
            Err(Stop::Input(error)) => {
                console.say(format_args!("{}: {}", quoted(name), reason(&error)));
                all_read = false;
            }
            Err(Stop::Output(error)) => return Err(error),
        }
    }
    if let (true, Err(error)) = (reads_standard_input(names), inherited::stdin()) {
        console.say(format_args!("closing standard input: {}", reason(&error)));
    }
    Ok(all_read)
}

/// How many bytes the inputs hold together, where all of them are regular files. One that cannot be
/// looked at counts nothing: nothing will come of it.
pub fn total_size(names: &[OsString]) -> Option<u64> {
    or_standard_input(names).try_fold(0, |total, name| {
        let (found, position) = if is_standard_input(name) {
            let Ok(fd) = inherited::stdin() else {
                return Some(total);
            };
            (fstat(fd), lseek(fd, 0, Whence::SeekCur).unwrap_or(0))
        } else {
            (stat(name), 0)
        };
        match found {
            Ok(stat) if is_regular(&stat) => {
                Some(total + u64::try_from(stat.st_size - position).unwrap_or(0))
            }
            Ok(_) => None,
            Err(_) => Some(total),
        }
    })
}

pub fn is_regular(stat: &FileStat) -> bool {
    stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits()
}

pub fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    fstat(fd).is_ok_and(|stat| stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFIFO.bits())
}

pub fn reads_standard_input(names: &[OsString]) -> bool {
    or_standard_input(names).any(is_standard_input)
}

fn or_standard_input(names: &[OsString]) -> impl Iterator<Item = &OsStr> {
    let standard_input = names.is_empty().then_some(OsStr::new("-"));
    standard_input.into_iter().chain(names.iter().map(OsString::as_os_str))
}

pub fn is_standard_input(name: &OsStr) -> bool {
    name == "-"
}

enum Input {
    Standard(BorrowedFd<'static>),
    Opened(File),
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Standard(fd) => *fd,
            Self::Opened(file) => file.as_fd(),
        }
    }
}

fn open(name: &OsStr) -> io::Result<Input> {
    if is_standard_input(name) {
        inherited::stdin().map(Input::Standard)
    } else {
        File::open(name).map(Input::Opened)
    }
}

/// Whether the input is the regular file that is written to, with something left to read: such a
/// copy would feed on itself until the disk is full. The rule is GNU `cat`'s.
fn would_read_itself(input: BorrowedFd<'_>, output: &FileStat) -> bool {
    let Ok(stat) = fstat(input) else { return false };
    is_regular(output)
        && (stat.st_dev, stat.st_ino) == (output.st_dev, output.st_ino)
        && lseek(input, 0, Whence::SeekCur).is_ok_and(|position| position < stat.st_size)
}
