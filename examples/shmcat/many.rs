//! Lines through a ring that many write to.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::write;
use shmpipe::mpsc::{ReadError, Receiver, Sender};
use shmpipe::{EndReason, Peer};

use crate::exit::Failure;
use crate::input::{self, Stop};
use crate::lines::Lines;
use crate::quote::quoted_ring;
use crate::report::Console;
use crate::stats::{Totals, Transport};
use crate::{from, to};

/// How many can write at once into a ring that was made without a wish for a number.
const PLACES: usize = 64;

/// How long a reader waits when all have gone and there may be others that found no place.
const GRACE: Duration = Duration::from_millis(500);

/// Sends the inputs and waits until the reader has them. Returns whether all of them could be read.
///
/// # Errors
///
/// The reader went away before it had everything.
pub fn send(
    ring: &OsStr,
    mut sender: Sender,
    names: &[OsString],
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    if matches!(sender.peer(), Ok(Peer::NoneYet)) {
        console.say_on_terminal(format_args!("{}: waiting for a reader", quoted_ring(ring)));
    }
    let mut lines = Lines::new(sender.max_len());
    let mut kind = Transport::File;
    let mut send = |record: &[u8], kind| {
        sender.send(record)?;
        totals.moved(kind, Transport::Shm, record.len() as u64);
        console.advance(record.len() as u64);
        Ok(())
    };
    // As with `cat`, a file may begin in the middle of the line that the one before ended with.
    let copied = input::for_each(names, None, console, |_, input| {
        kind = Transport::of(input);
        while lines.read_from(input).map_err(Stop::Input)? > 0 {
            lines.send(|record| send(record, kind)).map_err(Stop::Output)?;
        }
        Ok(true)
    });
    let sent = copied.and_then(|all_read| {
        lines.finish(|record| send(record, kind))?;
        Ok(all_read)
    });
    let stats = sender.stats();
    totals.blocked = (stats.sleeps, stats.blocked);
    let sent = sent.and_then(|all_read| sender.finish_and_wait().map(|()| all_read));
    sent.map_err(|error| to::failure(ring, error))
}

/// Receives all there is, until nobody writes any more. Returns whether all of them had finished.
///
/// # Errors
///
/// Standard output takes no more, or what can befall a ring.
pub fn receive(
    ring: &OsStr,
    mut receiver: Receiver,
    stdout: BorrowedFd<'_>,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    if matches!(receiver.peer(), Ok(Peer::NoneYet)) {
        console.say_on_terminal(format_args!("{}: waiting for a writer", quoted_ring(ring)));
    }
    let outcome = deliver(ring, &mut receiver, stdout, console, totals);
    let stats = receiver.stats();
    totals.blocked = (stats.sleeps, stats.blocked);
    outcome
}

fn deliver(
    ring: &OsStr,
    receiver: &mut Receiver,
    stdout: BorrowedFd<'_>,
    console: &Console,
    totals: &mut Totals,
) -> Result<bool, Failure> {
    let kind = Transport::of(stdout);
    let mut whole = true;
    loop {
        match receiver.recv() {
            Ok(Some(record)) => {
                write_all(stdout, &record).map_err(|error| Failure::write(&error))?;
                totals.moved(Transport::Shm, kind, record.len() as u64);
                console.advance(record.len() as u64);
                continue;
            }
            Ok(None) => {}
            Err(ReadError::Died | ReadError::Dropped | ReadError::Failed(_)) => {
                whole = false;
            }
            Err(error) => return Err(from::failure(ring, error)),
        }
        say_who_broke_off(ring, receiver, console);
        if !comes_another(receiver) {
            return Ok(whole);
        }
    }
}

/// Says of each writer that did not finish what became of it.
fn say_who_broke_off(ring: &OsStr, receiver: &Receiver, console: &Console) {
    for end in receiver.ends() {
        let what = match end.reason {
            EndReason::Finished => continue,
            EndReason::Died => "died",
            EndReason::Failed(_) => "failed",
            EndReason::Dropped => "left",
            EndReason::Replaced => "was replaced",
        };
        let who = match end.pid {
            0 => "a writer".to_owned(),
            pid => format!("the writer with pid {pid}"),
        };
        console.say(format_args!("{}: {who} {what} in mid-stream", quoted_ring(ring)));
    }
}

/// Whether somebody comes, now that all have gone, who may have waited for a place among them.
fn comes_another(receiver: &mut Receiver) -> bool {
    let full = receiver.status().is_ok_and(|status| status.producers.len() >= PLACES);
    let until = Instant::now() + GRACE;
    while full && Instant::now() < until {
        match receiver.try_peek() {
            // As long as nobody comes, the end is told again.
            Ok(None) | Err(ReadError::Died | ReadError::Dropped | ReadError::Failed(_)) => {}
            _ => return true,
        }
        thread::sleep(to::LOOK_AGAIN);
    }
    false
}

fn write_all(stdout: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(stdout, bytes) {
            Err(Errno::EINTR) => {}
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
