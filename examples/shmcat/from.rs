//! `--from NAME`: a ring to standard output.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;

use shmpipe::mpsc::Receiver;
use shmpipe::stream::{ReadError, Reader, TransferError};
use shmpipe::{Options, Peer};

use crate::either::{self, Either};
use crate::exit::Failure;
use crate::inherited;
use crate::many;
use crate::quote::quoted_ring;
use crate::report::{Console, reason};
use crate::signals::{Watch, await_death};
use crate::stats::{Totals, Transport};

/// The most that one write(2) gives: large enough that the calls do not count, small enough that
/// the writer finds room again while the block is on its way.
const BLOCK: usize = 256 << 10;

/// Receives a whole stream, from a ring of one writer or of many, whichever is there; `many`
/// says which to make if none is.
///
/// # Errors
///
/// The ring cannot be opened, standard output takes no more, or the stream has no proper end. What
/// came before that has been delivered.
pub fn receive(
    ring: &OsStr,
    many: bool,
    options: &Options,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    // Before the ring: a writer must not start for somebody who cannot write.
    let stdout = inherited::stdout()
        .map_err(|error| Failure::said(format_args!("standard output: {}", reason(&error))))?;
    let watch = Watch::start().map_err(Failure::said)?;
    let open = || either::open_or_create::<Reader, Receiver>(ring, many, options);
    let opened = watch.attach(open, |end| match end {
        Either::Stream(reader) => reader.aborter(),
        Either::Many(receiver) => receiver.aborter(),
    });
    match opened {
        Ok(Either::Stream(reader)) => stream(ring, reader, stdout, console, totals),
        Ok(Either::Many(receiver)) => many::receive(ring, receiver, stdout, console, totals),
        Err(error) => Err(Failure::open(ring, &error)),
    }
}

fn stream(
    ring: &OsStr,
    mut reader: Reader,
    stdout: BorrowedFd<'_>,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    if matches!(reader.peer(), Ok(Peer::NoneYet)) {
        console.say_on_terminal(format_args!("{}: waiting for a writer", quoted_ring(ring)));
    }

    let kind = Transport::of(stdout);
    let outcome = loop {
        match reader.write_to(stdout, BLOCK) {
            Ok(0) => break Ok(true),
            Ok(written) => {
                totals.moved(Transport::Shm, kind, written as u64);
                console.advance(written as u64);
            }
            Err(TransferError::Descriptor(error)) => break Err(Failure::write(&error)),
            Err(TransferError::Ring(error)) => break Err(failure(ring, error)),
        }
    };
    let stats = reader.stats();
    totals.blocked = (stats.sleeps, stats.blocked);
    outcome
}

/// What ended the reading of a ring.
pub fn failure(ring: &OsStr, error: ReadError) -> Failure {
    let ring = quoted_ring(ring);
    match error {
        ReadError::Aborted => await_death(),
        ReadError::Died => Failure::said(format_args!("{ring}: the writer died in mid-stream")),
        ReadError::Dropped => Failure::said(format_args!("{ring}: the writer left in mid-stream")),
        ReadError::Failed(code) => {
            Failure::said(format_args!("{ring}: the writer failed in mid-stream, with code {code}"))
        }
        error => Failure::said(format_args!("{ring}: {error}")),
    }
}
