//! Files to standard output, as `cat` does it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::stat::fstat;
use nix::unistd;

use crate::exit::Failure;
use crate::inherited;
use crate::input::{self, Stop, is_pipe};
use crate::report::{Console, reason};
use crate::stats::{Totals, Transport};

/// What is read and written at once: the size from which more has not paid for `cat` either.
const BLOCK: usize = 128 << 10;
/// Aligned so, a block is no more pages than it has to be.
const PAGE: usize = 4096;

/// What `--stats` calls this: a pipe where one is at either side.
pub fn transport(names: &[OsString]) -> Transport {
    let pipe_out = inherited::stdout().is_ok_and(is_pipe);
    let pipe_in = input::reads_standard_input(names) && inherited::stdin().is_ok_and(is_pipe);
    if pipe_out || pipe_in { Transport::Pipe } else { Transport::File }
}

/// Copies the inputs to standard output. Returns whether all of them could be read.
///
/// # Errors
///
/// Standard output takes no more.
pub fn copy(names: &[OsString], console: &Console, totals: &mut Totals) -> Result<bool, Failure> {
    let unusable =
        |error: &io::Error| Failure::said(format_args!("standard output: {}", reason(error)));
    let stdout = inherited::stdout().map_err(|error| unusable(&error))?;
    let output = fstat(stdout).map_err(|errno| unusable(&errno.into()))?;

    let mut memory = vec![0; BLOCK + PAGE];
    let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
    let block = &mut memory[start..][..BLOCK];

    input::for_each(names, Some(&output), console, |input| {
        loop {
            let read = read(input, block).map_err(|errno| Stop::Input(errno.into()))?;
            if read == 0 {
                return Ok(());
            }
            write_all(stdout, &block[..read])
                .map_err(|error| Stop::Output(Failure::write(&error)))?;
            totals.bytes += read as u64;
            console.advance(read as u64);
        }
    })
}

fn read(input: BorrowedFd<'_>, block: &mut [u8]) -> Result<usize, Errno> {
    uninterrupted(|| unistd::read(input, block))
}

/// Writes all of `rest`, whatever little the descriptor takes at a time.
pub fn write_all(output: impl AsFd, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        let written = uninterrupted(|| unistd::write(&output, rest))?;
        rest = &rest[written..];
    }
    Ok(())
}

/// Repeats a call that a signal interrupted before it did anything.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
