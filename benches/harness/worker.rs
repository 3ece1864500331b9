//! A worker: one of the two processes that make and use blocks in memory, told
//! what to do by its standard input.
//!
//! It goes when its orders end, so also when whoever gives them has died.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::barrier::Barrier;
use super::content::{Checker, Maker, made_and_taken, sum_below};
use super::order::{Cost, Order};
use crate::transport::{Receiver, Sender};

/// What a worker says once it has its end of the link.
pub const READY: &str = "ready";

/// The end of the link that this worker has.
pub enum Side {
    /// It sends.
    Sender(Box<dyn Sender>),
    /// It receives.
    Receiver(Box<dyn Receiver>),
}

/// Carries out orders until there are none.
pub fn serve(mut side: Side, mut barrier: Barrier) -> io::Result<()> {
    writeln!(io::stdout(), "{READY}")?;
    for line in io::stdin().lock().lines() {
        let order = Order::from_line(&line?)
            .ok_or_else(|| io::Error::other("an order that no worker knows"))?;
        let answer = match carry_out(&mut side, &order, &mut barrier) {
            Ok(cost) => cost.to_line(),
            Err(error) => error.to_string(),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn carry_out(side: &mut Side, order: &Order, barrier: &mut Barrier) -> io::Result<Cost> {
    // Files are opened before the clock starts; what was opened last is closed after it stopped.
    let file = match (&side, order) {
        (Side::Sender(_), Order::File { from, .. }) => Some(File::open(from)?),
        (Side::Receiver(_), Order::File { to, .. }) => Some(output(to)?),
        _ => None,
    };
    barrier.wait()?;
    let (start, cpu) = (Instant::now(), cpu_time()?);
    match side {
        Side::Sender(sender) => send(sender.as_mut(), order, file.as_ref()),
        Side::Receiver(receiver) => receive(receiver.as_mut(), order, file.as_ref()),
    }?;
    Ok(Cost { time: start.elapsed(), cpu: cpu_time()?.saturating_sub(cpu) })
}

fn send(sender: &mut dyn Sender, order: &Order, file: Option<&File>) -> io::Result<()> {
    match (order, file) {
        (Order::Blocks { size, count }, _) => {
            let mut maker = Maker::default();
            (0..*count).try_for_each(|_| sender.send_block(*size, &mut |piece| maker.fill(piece)))
        }
        (Order::Words { count }, _) => sender.send_words(*count),
        (Order::File { len, .. }, Some(file)) => {
            move_all(*len, |left| sender.send_file(file.as_fd(), left))
        }
        (Order::File { .. }, None) => unreachable!("carry_out opens the file"),
    }
}

fn receive(receiver: &mut dyn Receiver, order: &Order, file: Option<&File>) -> io::Result<()> {
    match (order, file) {
        (Order::Blocks { size, .. }, _) if receiver.gets_nothing() => {
            right_or_err(made_and_taken(order.bytes(), *size))
        }
        (Order::Blocks { size, .. }, _) => {
            let mut checker = Checker::default();
            move_all(order.bytes(), |left| {
                receiver.receive_block(left.min(*size), &mut |piece| checker.take(piece))
            })?;
            right_or_err(checker.is_right(order.bytes()))
        }
        (Order::Words { count }, _) => {
            right_or_err(receiver.receive_words(*count)? == sum_below(*count))
        }
        (Order::File { len, .. }, Some(file)) => {
            move_all(*len, |left| receiver.receive_file(file.as_fd(), left))
        }
        (Order::File { .. }, None) => unreachable!("carry_out opens the file"),
    }
}

/// Repeats `step`, which is told how many bytes are left and says how many it moved.
fn move_all(len: u64, mut step: impl FnMut(usize) -> io::Result<usize>) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        match step(usize::try_from(left).unwrap_or(usize::MAX))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            moved => left -= moved as u64,
        }
    }
    Ok(())
}

/// What became of the bytes, as the result of who checked them.
pub fn right_or_err(right: bool) -> io::Result<()> {
    if right { Ok(()) } else { Err(io::Error::other("what was received is not what was sent")) }
}

fn output(to: &Path) -> io::Result<File> {
    if to.is_dir() { tempfile::tempfile_in(to) } else { File::options().write(true).open(to) }
}

fn cpu_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into().unwrap_or(0)))
}
