//! One end of a link, or of two for round trips, that carries out one job after another.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::clock::Clock;
use super::histogram::Histogram;
use super::job::{Answer, Job};
use super::{End, Link, Transport, loops};
use crate::harness::barrier::Barrier;
use crate::transport::Unavailable;

/// Which of the two ends it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    /// It sends, and in round trips sends first.
    Sender,
    /// It receives, and in round trips sends back.
    Receiver,
}

/// The ends that one side has.
pub struct Ends {
    /// Of the link by which it sends.
    pub out: Option<End>,
    /// Of the link by which it receives.
    pub back: Option<End>,
}

/// A [`Transport`], of whatever type.
pub trait AnyTransport {
    /// What a table calls it.
    fn title(&self) -> String;

    /// Whether it has a way to send or receive many messages at once.
    fn has_batches(&self) -> bool;

    /// Makes a link for messages of so many numbers.
    fn connect(&self, words: usize) -> Result<Link, Unavailable>;

    /// The end of another sender beside one, where there can be several.
    fn another(&self, words: usize, sender: &End) -> Option<End>;

    /// Takes the ends of one side.
    fn worker(&self, words: usize, side: Side, ends: Ends) -> io::Result<Box<dyn AnyWorker>>;
}

/// Calls a function for the number of words that is given at run time.
macro_rules! for_words {
    ($words:expr, $call:ident::<$type:ty>($($argument:expr),*), $otherwise:expr) => {
        match $words {
            1 => $call::<$type, 1>($($argument),*),
            4 => $call::<$type, 4>($($argument),*),
            8 => $call::<$type, 8>($($argument),*),
            128 => $call::<$type, 128>($($argument),*),
            _ => $otherwise,
        }
    };
}

impl<T: Transport> AnyTransport for T {
    fn title(&self) -> String {
        Transport::title(self)
    }

    fn has_batches(&self) -> bool {
        Transport::has_batches(self)
    }

    fn connect(&self, words: usize) -> Result<Link, Unavailable> {
        for_words!(words, connect::<T>(self), Err(Unavailable::because("no such size is measured")))
    }

    fn another(&self, words: usize, sender: &End) -> Option<End> {
        for_words!(words, another::<T>(self, sender), None)
    }

    fn worker(&self, words: usize, side: Side, ends: Ends) -> io::Result<Box<dyn AnyWorker>> {
        for_words!(words, make::<T>(self, side, ends), Err(io::ErrorKind::Unsupported.into()))
    }
}

fn connect<T: Transport, const N: usize>(transport: &T) -> Result<Link, Unavailable> {
    transport.connect::<N>()
}

fn another<T: Transport, const N: usize>(transport: &T, sender: &End) -> Option<End> {
    transport.another::<N>(sender)
}

fn make<T: Transport, const N: usize>(
    transport: &T,
    side: Side,
    ends: Ends,
) -> io::Result<Box<dyn AnyWorker>> {
    Ok(Box::new(Worker::<T, N> {
        side,
        sender: ends.out.map(|end| transport.sender::<N>(end)).transpose()?,
        receiver: ends.back.map(|end| transport.receiver::<N>(end)).transpose()?,
        clock: Clock::new(),
    }))
}

/// A worker for messages of whatever size.
pub trait AnyWorker {
    /// Does its part of `job`, together with the other side; `account` says whose CPU time it uses.
    fn carry_out(
        &mut self,
        job: &Job,
        barrier: &mut Barrier,
        account: UsageWho,
    ) -> io::Result<Answer>;
}

struct Worker<T: Transport, const N: usize> {
    side: Side,
    sender: Option<T::Sender<N>>,
    receiver: Option<T::Receiver<N>>,
    clock: Clock,
}

impl<T: Transport, const N: usize> AnyWorker for Worker<T, N> {
    fn carry_out(
        &mut self,
        job: &Job,
        barrier: &mut Barrier,
        account: UsageWho,
    ) -> io::Result<Answer> {
        let mut latencies = Histogram::new();
        barrier.wait()?;
        let (start, cpu) = (Instant::now(), cpu_time(account)?);
        self.run(job, &mut latencies)?;
        let (time, cpu) = (start.elapsed(), cpu_time(account)?.saturating_sub(cpu));
        let latency = |share| self.clock.nanos(latencies.quantile(share));
        Ok(Answer { time, cpu, latency: [0.5, 0.99, 0.999].map(latency) })
    }
}

impl<T: Transport, const N: usize> Worker<T, N> {
    fn run(&mut self, job: &Job, latencies: &mut Histogram) -> io::Result<()> {
        let clock = self.clock;
        match (self.side, job, &mut self.sender, &mut self.receiver) {
            (Side::Sender, Job::Stream(count), Some(sender), _) => loops::send(sender, *count),
            (Side::Receiver, Job::Stream(count), _, Some(receiver)) => {
                loops::receive(receiver, *count)
            }
            (Side::Sender, Job::Batches(count), Some(sender), _) => {
                loops::send_batches(sender, *count)
            }
            (Side::Receiver, Job::Batches(count), _, Some(receiver)) => {
                loops::receive_batches(receiver, *count)
            }
            (Side::Sender, Job::RoundTrips(count), Some(sender), Some(receiver)) => {
                loops::ask(sender, receiver, *count, || ())
            }
            (Side::Sender, Job::TimedRoundTrips(count), Some(sender), Some(receiver)) => {
                let mut before = clock.now();
                loops::ask(sender, receiver, *count, || {
                    let now = clock.now();
                    latencies.add(now.saturating_sub(before));
                    before = now;
                })
            }
            (
                Side::Receiver,
                Job::RoundTrips(count) | Job::TimedRoundTrips(count),
                Some(sender),
                Some(receiver),
            ) => loops::reply(sender, receiver, *count),
            (Side::Sender, Job::Paced { bursts, burst, period }, Some(sender), _) => {
                loops::send_paced(sender, *bursts, *burst, *period, clock)
            }
            (Side::Receiver, Job::Paced { .. }, _, Some(receiver)) => {
                loops::receive_paced(receiver, job.count(), clock, latencies)
            }
            (Side::Sender, Job::Shared(share), Some(sender), _) => {
                loops::send_share(sender, *share)
            }
            (Side::Receiver, Job::Shared(share), _, Some(receiver)) => {
                loops::receive_shared(receiver, *share)
            }
            (Side::Sender, Job::SharedBatches(share), Some(sender), _) => {
                loops::send_share_batches(sender, *share)
            }
            (Side::Receiver, Job::SharedBatches(share), _, Some(receiver)) => {
                loops::receive_shared_batches(receiver, *share)
            }
            _ => Err(io::Error::other("this end has no link for that")),
        }
    }
}

fn cpu_time(account: UsageWho) -> io::Result<Duration> {
    let usage = getrusage(account)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into().unwrap_or(0)))
}
