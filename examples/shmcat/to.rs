//! `--to NAME`: files into a ring.

use std::ffi::{OsStr, OsString};

use shmpipe::stream::{TransferError, WriteError, Writer};
use shmpipe::{OpenError, OpenErrorKind, Options, Peer};

use crate::exit::Failure;
use crate::input::{self, Stop};
use crate::quote::quoted;
use crate::report::Console;
use crate::signals::{Watch, await_death};
use crate::stats::Totals;

/// The most that one read(2) takes: large enough that the calls do not count, small enough that the
/// reader has something to do while the next block is read.
const BLOCK: usize = 256 << 10;

/// Sends the inputs and waits until the reader has them. Returns whether all of them could be read.
///
/// # Errors
///
/// The ring cannot be opened, or its reader went away before it had everything.
pub fn send(
    ring: &OsStr,
    names: &[OsString],
    options: &Options,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let watch = Watch::start().map_err(Failure::said)?;
    let mut writer = open(ring, options, &watch).map_err(Failure::said)?;
    if matches!(writer.peer(), Peer::NoneYet) {
        console.say_on_terminal(format_args!("{}: waiting for a reader", quoted(ring)));
    }

    let copied = input::for_each(names, None, console, |input| {
        loop {
            match writer.read_from(input, BLOCK) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    totals.bytes += read as u64;
                    console.advance(read as u64);
                }
                Err(TransferError::Descriptor(error)) => return Err(Stop::Input(error)),
                Err(TransferError::Ring(error)) => return Err(Stop::Output(error)),
            }
        }
    });
    let stats = writer.stats();
    totals.blocked = (stats.sleeps, stats.blocked);
    let sent = copied.and_then(|all_read| writer.finish_and_wait().map(|()| all_read));
    sent.map_err(|error| failure(ring, error))
}

/// Opens the writing end, whatever became of the stream before: the rest of a whole one is left to its
/// reader and this one comes behind it; what remains of a broken one is of no use to anybody.
fn open(ring: &OsStr, options: &Options, watch: &Watch) -> Result<Writer, OpenError> {
    let attempt = |options: &Options| {
        watch.attach(|| options.open_or_create::<Writer>(ring), Writer::aborter)
    };
    let options = match attempt(options) {
        Err(OpenError {
            kind:
                OpenErrorKind::Unfinished {
                    reason: Peer::Finished,
                    ..
                },
            ..
        }) => options.clone().resume(),
        Err(OpenError {
            kind: OpenErrorKind::Unfinished { .. },
            ..
        }) => options.clone().discard(),
        opened => return opened,
    };
    attempt(&options)
}

fn failure(ring: &OsStr, error: WriteError) -> Failure {
    let ring = quoted(ring);
    match error {
        WriteError::Aborted => await_death(),
        WriteError::ReaderLeft => Failure::BrokenPipe,
        WriteError::ReaderDied => Failure::said(format_args!("{ring}: the reader died")),
        WriteError::ReaderFailed(code) => {
            Failure::said(format_args!("{ring}: the reader failed, with code {code}"))
        }
        error => Failure::said(format_args!("{ring}: {error}")),
    }
}
