//! Files to standard output, as `cat` does it; a pipe that has another of us at
//! its other end is upgraded.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::stat::fstat;
use shmpipe::stream::ReadError;
use shmpipe::upgrade::{CopyError, Input, Output};

use crate::exit::Failure;
use crate::inherited;
use crate::input::{self, Stop, is_pipe, is_standard_input};
use crate::quote::quoted;
use crate::report::{Console, reason};
use crate::stats::{Totals, Transport};

/// What is read at once: the size from which more has not paid, into a ring. (From a file into
/// a pipe the library takes less.)
const BLOCK: usize = 256 << 10;

/// What `--stats` calls this if nothing goes through shared memory: a pipe
/// where one is at either side.
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
pub fn copy(
    names: &[OsString],
    upgrade: bool,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let unusable =
        |error: &io::Error| Failure::said(format_args!("standard output: {}", reason(error)));
    let stdout = inherited::take_stdout().map_err(|error| unusable(&error))?;
    let stat = fstat(&stdout).map_err(|errno| unusable(&errno.into()))?;
    let kind = Transport::of(stdout.as_fd());
    let mut output = if upgrade { Output::new(stdout) } else { Output::plain(stdout) };

    let copied = input::for_each(names, Some(&stat), console, |name, input| {
        if !is_pipe(input) {
            return copy_file(input, &mut output, console, totals);
        }
        let input = if upgrade { Input::new(input) } else { Input::plain(input) };
        copy_pipe(name, input, &mut output, console, totals)
    });
    let mut traffic = output.traffic();
    let finished = output.finish().map(|all| traffic = all);
    totals.waited(&traffic);
    totals.outgoing.shm = traffic.shm;
    totals.outgoing.add(kind, traffic.pipe);
    let all_read = copied?;
    finished.map_err(|error| Failure::write(&error))?;
    Ok(all_read)
}

fn copy_file(
    input: BorrowedFd<'_>,
    output: &mut Output,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Stop<Failure>> {
    loop {
        match output.read_from(input, BLOCK) {
            Ok(0) => return Ok(true),
            Ok(read) => {
                totals.bytes += read as u64;
                totals.incoming.file += read as u64;
                console.advance(read as u64);
            }
            Err(CopyError::Source(error)) => return Err(Stop::Input(error)),
            Err(CopyError::Output(error)) => return Err(Stop::Output(Failure::write(&error))),
        }
    }
}

/// When it returns, the input has been left: the writer knows before this
/// process dies of a broken pipe.
fn copy_pipe(
    name: &OsStr,
    mut input: Input<BorrowedFd<'_>>,
    output: &mut Output,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Stop<Failure>> {
    let mut whole = true;
    let ended = loop {
        match input.fill_buf() {
            Ok([]) => break Ok(whole),
            // Not all of them at once: what was written when the output fails
            // must not go back to the input.
            Ok(bytes) => match output.write(bytes) {
                Ok(n) => {
                    input.consume(n);
                    totals.bytes += n as u64;
                    console.advance(n as u64);
                }
                Err(error) => break Err(Stop::Output(Failure::write(&error))),
            },
            Err(error) => match broken_off(&error) {
                // Other writers may have more to say.
                Some(what) => {
                    let name = if is_standard_input(name) {
                        "standard input".to_owned()
                    } else {
                        quoted(name)
                    };
                    console.say(format_args!("{name}: {what}"));
                    whole = false;
                }
                None => break Err(Stop::Input(error)),
            },
        }
    };
    let traffic = input.traffic();
    totals.waited(&traffic);
    totals.incoming.shm += traffic.shm;
    totals.incoming.pipe += traffic.pipe;
    ended
}

/// What became of the writer of a stream through shared memory that is not whole.
fn broken_off(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<ReadError>()? {
        ReadError::Died => Some("the writer died in mid-stream"),
        ReadError::Dropped | ReadError::Failed(_) => Some("the writer left in mid-stream"),
        _ => None,
    }
}
