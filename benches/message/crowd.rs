//! Several senders and one receiver of one link, seen by the process that gives them jobs.

use std::any::Any;
use std::iter;
use std::time::Duration;

use super::job::{Job, Outcome};
use super::registry::Registry;
use super::staff::{self, Start, Worker, failed};
use super::worker::{Ends, Side};
use super::{AnyTransport, Link};
use crate::harness::barrier::Barrier;
use crate::harness::cpu;
use crate::transport::Unavailable;

/// Senders and a receiver that wait for jobs, each on a CPU of its own where there are so many;
/// else the system puts them where it likes. They end when this is dropped.
pub struct Crowd {
    senders: Vec<Worker>,
    receiver: Worker,
    /// Dropped last: the workers still use what it removes.
    _guard: Option<Box<dyn Any>>,
}

impl Crowd {
    /// Makes a link for messages of `words` numbers and starts all sides, in processes or in
    /// threads, as the ends of the link ask for.
    pub fn start(
        registry: Registry,
        spec: &str,
        words: usize,
        senders: usize,
    ) -> Result<Self, Unavailable> {
        let transport = registry.make(spec)?;
        let Link { sender, receiver, guard } = transport.connect(words)?;
        let others = (1..senders).map(|_| transport.another(words, &sender));
        let others: Option<Vec<_>> = others.collect();
        let others = others.ok_or_else(|| Unavailable::because("it has one sender"))?;

        let sides = senders as u32 + 1;
        let cpus = Some(cpu::all()).filter(|cpus| cpus.len() >= sides as usize);
        let page = Barrier::page().map_err(failed)?;
        let worker = |side: Side, number: usize, ends: Ends| {
            let cpu = cpus.as_ref().map(|cpus| cpus[number]);
            let page = page.try_clone().map_err(failed)?;
            Start { registry, spec, words, side, cpu, page, sides }.worker(ends)
        };
        let all = iter::once(sender).chain(others).enumerate();
        let started: Result<Vec<_>, _> = all
            .map(|(n, end)| worker(Side::Sender, n, Ends { out: Some(end), back: None }))
            .collect();
        let receiver = Ends { out: None, back: Some(receiver) };
        let receiver = worker(Side::Receiver, senders, receiver)?;
        let mut crowd = Crowd { senders: started?, receiver, _guard: guard };
        for worker in crowd.senders.iter_mut().chain([&mut crowd.receiver]) {
            worker.be_ready()?;
        }
        Ok(crowd)
    }

    /// Has a job done.
    pub fn run(&mut self, job: &Job) -> Result<Outcome, String> {
        self.receiver.tell(job)?;
        for (n, sender) in self.senders.iter_mut().enumerate() {
            sender.tell(&job.part(n))?;
        }
        let received = self.receiver.answer().map_err(|e| format!("the receiver: {e}"));
        if received.is_err() {
            // The senders may wait for room that nobody makes any more.
            self.senders.iter_mut().for_each(Worker::kill);
        }
        let mut cpu = Duration::ZERO;
        for sender in &mut self.senders {
            cpu += sender.answer().map_err(|e| format!("a sender: {e}"))?.cpu;
        }
        let received = received?;
        let (time, latency) = (received.time, received.latency);
        Ok(Outcome { count: job.count(), time, cpu: [cpu, received.cpu], latency })
    }

    /// How much of a job takes about `sample`.
    pub fn calibrate(&mut self, job: &Job, sample: Duration) -> Result<Job, String> {
        staff::calibrate(job, sample, |job| self.run(job))
    }
}
