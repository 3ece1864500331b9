//! `--to NAME`: files into a ring.

use std::ffi::{OsStr, OsString};
use std::mem;
use std::thread;
use std::time::Duration;

use shmpipe::stream::{TransferError, WriteError, Writer};
use shmpipe::{EndReason, OpenError, OpenErrorKind, Options, Peer};

use crate::exit::Failure;
use crate::input::{self, Stop};
use crate::quote::quoted;
use crate::report::Console;
use crate::signals::{Watch, await_death};
use crate::stats::{Totals, Transport};

/// The most that one read(2) takes: large enough that the calls do not count, small enough that the
/// reader has something to do while the next block is read.
const BLOCK: usize = 256 << 10;

/// How long until it is tried again to open a ring that holds as many streams as it can.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    let mut writer =
        open(ring, options, &watch, console).map_err(|error| Failure::open(ring, &error))?;
    if matches!(writer.peer(), Ok(Peer::NoneYet)) {
        console.say_on_terminal(format_args!("{}: waiting for a reader", quoted(ring)));
    }

    let copied = input::for_each(names, None, console, |_, input| {
        let kind = Transport::of(input);
        loop {
            match writer.read_from(input, BLOCK) {
                Ok(0) => return Ok(true),
                Ok(read) => {
                    totals.moved(kind, Transport::Shm, read as u64);
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

/// Opens the writing end, whatever became of the streams before: behind one that is whole, in place of
/// what a broken one left. Readers that have yet to take up either are waited for, like those of a FIFO.
fn open(
    ring: &OsStr,
    options: &Options,
    watch: &Watch,
    console: &Console,
) -> Result<Writer, OpenError> {
    let mut options = options.clone();
    let mut told = false;
    loop {
        let opened = watch.attach(|| options.open_or_create::<Writer>(ring), Writer::aborter);
        let Err(error) = opened else { return opened };
        match *error.kind() {
            OpenErrorKind::Unfinished { reason, reader_attached: false, .. }
                if reason != EndReason::Finished =>
            {
                options = options.discard();
            }
            OpenErrorKind::Unfinished { .. } => {
                if !mem::replace(&mut told, true) {
                    let ring = quoted(ring);
                    console.say_on_terminal(format_args!(
                        "{ring}: waiting for the reader of an earlier stream"
                    ));
                }
                thread::sleep(LOOK_AGAIN);
            }
            _ => return Err(error),
        }
    }
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
