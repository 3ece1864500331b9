//! `--to NAME`: files into a ring.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::mem;
use std::thread;
use std::time::Duration;

use shmpipe::mpsc::Sender;
use shmpipe::stream::{TransferError, WriteError, Writer};
use shmpipe::{EndReason, OpenError, OpenErrorKind, Options, Peer};

use crate::either::{self, Either};
use crate::exit::Failure;
use crate::input::{self, Stop};
use crate::many;
use crate::quote::quoted_ring;
use crate::report::Console;
use crate::signals::{Watch, await_death};
use crate::stats::{Totals, Transport};

/// The most that one read(2) takes: large enough that the calls do not count, small enough that the
/// reader has something to do while the next block is read.
const BLOCK: usize = 256 << 10;

/// How long until it is tried again to open a ring that holds as many streams, or
/// has as many writers, as it can.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Sends the inputs and waits until the reader has them, through a ring of one writer or, if there
/// is one or `many` asks for it, of many. Returns whether all of them could be read.
///
/// # Errors
///
/// The ring cannot be opened, or its reader went away before it had everything.
pub fn send(
    ring: &OsStr,
    names: &[OsString],
    many: bool,
    options: &Options,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let watch = Watch::start().map_err(Failure::said)?;
    match open(ring, many, options, &watch, console) {
        Ok(Either::Stream(writer)) => stream(ring, writer, names, console, totals),
        Ok(Either::Many(sender)) => many::send(ring, sender, names, console, totals),
        Err(error) => Err(Failure::open(ring, &error)),
    }
}

fn stream(
    ring: &OsStr,
    mut writer: Writer,
    names: &[OsString],
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    if matches!(writer.peer(), Ok(Peer::NoneYet)) {
        console.say_on_terminal(format_args!("{}: waiting for a reader", quoted_ring(ring)));
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

/// Opens the writing end, whatever became of the streams before: behind one that is whole, in place
/// of what a broken one left. Readers that have yet to take up either are waited for, like those of
/// a FIFO, and so is a place among many writers.
fn open(
    ring: &OsStr,
    many: bool,
    options: &Options,
    watch: &Watch,
    console: &Console,
) -> Result<Either<Writer, Sender>, OpenError> {
    let mut options = options.clone();
    let mut told = false;
    let mut wait = |what: &dyn Display| {
        if !mem::replace(&mut told, true) {
            console.say_on_terminal(format_args!("{}: waiting for {what}", quoted_ring(ring)));
        }
        thread::sleep(LOOK_AGAIN);
    };
    loop {
        let open = || match many {
            false => either::open_or_create::<Writer, Sender>(ring, false, &options),
            // Who asks for whole lines does not get a ring that cannot promise them.
            true => options.open_or_create(ring).map(Either::Many),
        };
        let opened = watch.attach(open, |end| match end {
            Either::Stream(writer) => writer.aborter(),
            Either::Many(sender) => sender.aborter(),
        });
        let Err(error) = opened else { return opened };
        match *error.kind() {
            OpenErrorKind::Unfinished { reason, reader_attached: false, .. }
                if reason != EndReason::Finished =>
            {
                options = options.discard();
            }
            OpenErrorKind::Unfinished { .. } => wait(&"the reader of an earlier stream"),
            OpenErrorKind::TableFull { limit, .. } => {
                wait(&format_args!("one of {limit} writers to leave"));
            }
            _ => return Err(error),
        }
    }
}

/// What ended the writing into a ring.
pub fn failure(ring: &OsStr, error: WriteError) -> Failure {
    let ring = quoted_ring(ring);
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
