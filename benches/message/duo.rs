//! Both sides of a link, seen by the process that gives them jobs.

use std::any::Any;
use std::time::Duration;

use super::job::{Job, Outcome};
use super::registry::Registry;
use super::staff::{self, Start, Worker, failed};
use super::worker::{Ends, Side};
use super::{AnyTransport, Link};
use crate::harness::barrier::Barrier;
use crate::harness::cpu;
use crate::transport::Unavailable;

/// How a link's ends are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// Messages go one way.
    OneWay,
    /// There is a second link, back.
    BothWays,
}

/// A sender and a receiver, each on a CPU of its own where there are two, that wait for jobs.
/// They end when this is dropped.
pub struct Duo {
    sender: Worker,
    receiver: Worker,
    /// Dropped last: the workers still use what they remove.
    _guards: Vec<Box<dyn Any>>,
}

impl Duo {
    /// Makes the links for messages of `words` numbers and starts both sides, in two processes or
    /// in two threads, as the ends of the link ask for.
    pub fn start(
        registry: Registry,
        spec: &str,
        words: usize,
        traffic: Traffic,
    ) -> Result<Self, Unavailable> {
        let transport = registry.make(spec)?;
        let mut guards = Vec::new();
        let mut link = || {
            let Link { sender, receiver, guard } = transport.connect(words)?;
            guards.extend(guard);
            Ok::<_, Unavailable>((sender, receiver))
        };
        let (out, there) = link()?;
        let (back, here) = match traffic {
            Traffic::OneWay => (None, None),
            Traffic::BothWays => link().map(|(sender, receiver)| (Some(sender), Some(receiver)))?,
        };
        let cpus = cpu::two();
        let page = Barrier::page().map_err(failed)?;
        let worker = |side: Side, ends: Ends| {
            let cpu = cpus.map(|cpus| cpus[side as usize]);
            let page = page.try_clone().map_err(failed)?;
            Start { registry, spec, words, side, cpu, page, sides: 2 }.worker(ends)
        };
        let sender = worker(Side::Sender, Ends { out: Some(out), back: here })?;
        let receiver = worker(Side::Receiver, Ends { out: back, back: Some(there) })?;
        let mut duo = Duo { sender, receiver, _guards: guards };
        for worker in [&mut duo.sender, &mut duo.receiver] {
            worker.be_ready()?;
        }
        Ok(duo)
    }

    /// Has a job done.
    pub fn run(&mut self, job: &Job) -> Result<Outcome, String> {
        self.receiver.tell(job)?;
        self.sender.tell(job)?;
        let received = self.receiver.answer().map_err(|e| format!("the receiver: {e}"));
        if received.is_err() {
            // The sender may wait for room that nobody makes any more.
            self.sender.kill();
        }
        let sent = self.sender.answer().map_err(|e| format!("the sender: {e}"));
        let (received, sent) = (received?, sent?);
        let whose = if job.is_round_trip() { &sent } else { &received };
        Ok(Outcome {
            count: job.count(),
            time: whose.time,
            cpu: [sent.cpu, received.cpu],
            latency: whose.latency,
        })
    }

    /// How much of a job takes about `sample`.
    pub fn calibrate(&mut self, job: &Job, sample: Duration) -> Result<Job, String> {
        staff::calibrate(job, sample, |job| self.run(job))
    }
}
