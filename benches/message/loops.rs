//! What the two ends do in a measurement.

use std::hint::spin_loop;
use std::io;
use std::thread;
use std::time::Duration;

use super::clock::Clock;
use super::content::{Checker, SharedChecker, first_stamp};
use super::histogram::Histogram;
use super::job::Share;
use super::{BATCH, Receiver, Sender};

/// Sends messages one by one.
pub fn send<const N: usize>(sender: &mut impl Sender<N>, count: u64) -> io::Result<()> {
    (0..count).try_for_each(|stamp| sender.send(stamp))
}

/// Receives messages one by one, and checks them.
pub fn receive<const N: usize>(receiver: &mut impl Receiver<N>, count: u64) -> io::Result<()> {
    let (mut checker, mut left) = (Checker::default(), count);
    while left > 0 {
        left = left.saturating_sub(receiver.receive(|message| checker.take(message))? as u64);
    }
    right_or_err(checker.is_right::<N>(count))
}

/// Sends messages in batches.
pub fn send_batches<const N: usize>(sender: &mut impl Sender<N>, batches: u64) -> io::Result<()> {
    (0..batches).try_for_each(|batch| sender.send_batch(batch * BATCH as u64))
}

/// Receives messages, as many at once as there are, and checks them.
pub fn receive_batches<const N: usize>(
    receiver: &mut impl Receiver<N>,
    batches: u64,
) -> io::Result<()> {
    let count = batches * BATCH as u64;
    let (mut checker, mut left) = (Checker::default(), count);
    while left > 0 {
        left = left.saturating_sub(receiver.receive_batch(|message| checker.take(message))? as u64);
    }
    right_or_err(checker.is_right::<N>(count))
}

/// Sends the messages of one of several senders, one by one.
pub fn send_share<const N: usize>(sender: &mut impl Sender<N>, share: Share) -> io::Result<()> {
    let first = first_stamp(share.sender);
    (first..first + share.each).try_for_each(|stamp| sender.send(stamp))
}

/// Sends the messages of one of several senders, in batches.
pub fn send_share_batches<const N: usize>(
    sender: &mut impl Sender<N>,
    share: Share,
) -> io::Result<()> {
    let first = first_stamp(share.sender);
    (0..share.each).try_for_each(|batch| sender.send_batch(first + batch * BATCH as u64))
}

/// Receives the messages of several senders, one by one, and checks them.
pub fn receive_shared<const N: usize>(
    receiver: &mut impl Receiver<N>,
    share: Share,
) -> io::Result<()> {
    receive_of_all::<N>(share, |checker| receiver.receive(|message| checker.take(message)))
}

/// Receives the messages of several senders, as many at once as there are, and checks them.
pub fn receive_shared_batches<const N: usize>(
    receiver: &mut impl Receiver<N>,
    share: Share,
) -> io::Result<()> {
    let share = Share { each: share.each * BATCH as u64, ..share };
    receive_of_all::<N>(share, |checker| receiver.receive_batch(|message| checker.take(message)))
}

fn receive_of_all<const N: usize>(
    share: Share,
    mut receive: impl FnMut(&mut SharedChecker) -> io::Result<usize>,
) -> io::Result<()> {
    let mut checker = SharedChecker::new(share.senders);
    let mut left = share.senders * share.each;
    while left > 0 {
        left = left.saturating_sub(receive(&mut checker)? as u64);
    }
    right_or_err(checker.is_right::<N>(share.each))
}

/// Sends a message, waits for it to come back, and so on. `after` is called after every trip.
pub fn ask<const N: usize>(
    sender: &mut impl Sender<N>,
    receiver: &mut impl Receiver<N>,
    count: u64,
    mut after: impl FnMut(),
) -> io::Result<()> {
    let mut checker = Checker::default();
    for stamp in 0..count {
        sender.send(stamp)?;
        receiver.receive(|message| checker.take(message))?;
        after();
    }
    right_or_err(checker.is_right::<N>(count))
}

/// Sends back what comes.
pub fn reply<const N: usize>(
    sender: &mut impl Sender<N>,
    receiver: &mut impl Receiver<N>,
    count: u64,
) -> io::Result<()> {
    let mut checker = Checker::default();
    for _ in 0..count {
        let mut stamp = 0;
        receiver.receive(|message| {
            checker.take(message);
            stamp = message[0];
        })?;
        sender.send(stamp)?;
    }
    right_or_err(checker.is_right::<N>(count))
}

/// Sends bursts at times that are set beforehand, each message with the time at which it was due. A
/// sender that is late catches up: what its messages waited for it counts as their latency.
pub fn send_paced<const N: usize>(
    sender: &mut impl Sender<N>,
    bursts: u64,
    burst: u64,
    period_picos: u64,
    clock: Clock,
) -> io::Result<()> {
    let period = clock.ticks(period_picos as f64 / 1000.0);
    let start = clock.now();
    let mut now = start;
    for index in 0..bursts {
        let due = start + (index as f64 * period) as u64;
        if now < due {
            now = wait_until(due, clock);
        }
        for _ in 0..burst {
            sender.send(due)?;
        }
    }
    Ok(())
}

/// Receives messages one by one and sorts their latencies into `latencies`, in ticks.
pub fn receive_paced<const N: usize>(
    receiver: &mut impl Receiver<N>,
    count: u64,
    clock: Clock,
    latencies: &mut Histogram,
) -> io::Result<()> {
    let (mut left, mut before, mut right) = (count, 0, true);
    while left > 0 {
        let got = receiver.receive(|message| {
            let due = message[0];
            // The counters of two CPUs may differ by a few ticks.
            latencies.add(clock.now().saturating_sub(due));
            right &= before <= due && message[N - 1] == due;
            before = due;
        })?;
        left = left.saturating_sub(got as u64);
    }
    right_or_err(right)
}

/// Sleeps while there is much time, and stays awake for the rest: a sleeper may come
/// some 60 µs late. Returns the time.
fn wait_until(due: u64, clock: Clock) -> u64 {
    const AWAKE: Duration = Duration::from_micros(100);
    loop {
        let now = clock.now();
        if now >= due {
            return now;
        }
        let left = Duration::from_nanos(clock.nanos(due - now));
        if left > 2 * AWAKE {
            thread::sleep(left - AWAKE);
        } else {
            spin_loop();
        }
    }
}

fn right_or_err(right: bool) -> io::Result<()> {
    if right { Ok(()) } else { Err(io::Error::other("what was received is not what was sent")) }
}
