//! Two workers with a link between them, seen by the process that gives the orders.

use std::any::Any;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::barrier::Barrier;
use super::cpu;
use super::order::{Cost, Order};
use super::worker::READY;
use crate::transport::stage::Stage;
use crate::transport::{End, Rival, Unavailable};

/// A worker that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the two workers run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// Each on a CPU of its own, where there are two.
    Apart,
    /// Where the scheduler puts them: for what lives on system calls that is
    /// often one CPU, and faster.
    Free,
}

/// A sender and a receiver that wait for orders. They end when this is dropped.
pub struct Duo {
    sender: Worker,
    receiver: Worker,
    /// Dropped last: the workers still use what it removes.
    _guard: Option<Box<dyn Any>>,
}

impl Duo {
    /// Starts both and gives each its end of the link.
    pub fn start(rival: &Rival, placement: Placement) -> Result<Self, Unavailable> {
        let link = rival.transport.connect()?;
        if let End::Child = link.receiver {
            return Err(Unavailable::because(
                "its receiver is started by its sender, and not by whoever measures",
            ));
        }
        let page =
            Barrier::page().map_err(|e| Unavailable::because(format!("a shared page: {e}")))?;
        let cpus = if placement == Placement::Apart { cpu::two() } else { None };
        let worker = |role: &str, end: End, cpu: Option<usize>| {
            let failed = |e| Unavailable::because(format!("starting a worker: {e}"));
            let mut stage = Stage::role(role, &[role, &rival.spec]);
            let end = end.pass_to(&mut stage);
            let page = stage.pass(page.try_clone().map_err(failed)?);
            stage.arg(end).arg(page.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
            if let Some(cpu) = cpu {
                stage.pin(cpu);
            }
            Worker::new(stage.start().map_err(failed)?)
        };
        let sender = worker("work-sending", link.sender, cpus.map(|cpus| cpus[0]))?;
        let receiver = worker("work-receiving", link.receiver, cpus.map(|cpus| cpus[1]))?;
        let mut duo = Duo { sender, receiver, _guard: link.guard };
        duo.sender.is_ready()?;
        duo.receiver.is_ready()?;
        Ok(duo)
    }

    /// Has an order carried out. The time is the receiver's, from the barrier to the last byte.
    pub fn run(&mut self, order: &Order) -> Result<Cost, String> {
        self.receiver.tell(order)?;
        self.sender.tell(order)?;
        let received = self.receiver.answer().map_err(|e| format!("the receiving worker: {e}"));
        if received.is_err() {
            // The sender may wait for room that nobody makes any more.
            let _ = self.sender.child.kill();
        }
        let sent = self.sender.answer().map_err(|e| format!("the sending worker: {e}"));
        let (received, sent) = (received?, sent?);
        Ok(Cost { time: received.time, cpu: received.cpu + sent.cpu })
    }
}

struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn new(mut child: Child) -> Result<Self, Unavailable> {
        let orders = child.stdin.take();
        let Some(answers) = child.stdout.take() else {
            return Err(Unavailable::because("a worker without an output"));
        };
        Ok(Worker { child, orders, answers: BufReader::new(answers) })
    }

    fn tell(&mut self, order: &Order) -> Result<(), String> {
        let orders = self.orders.as_mut().ok_or("the worker was dismissed")?;
        writeln!(orders, "{}", order.to_line())
            .map_err(|e| format!("the worker takes no orders: {e}"))
    }

    fn answer(&mut self) -> Result<Cost, String> {
        Cost::from_line(&self.line()?)
    }

    fn is_ready(&mut self) -> Result<(), Unavailable> {
        match self.line().map_err(Unavailable::because)?.trim_end() {
            READY => Ok(()),
            _ => Err(Unavailable::because("a worker could not take its end of the link")),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        // One whose peer has died may wait for it for ever.
        let fd = PollFd::new(self.answers.get_ref().as_fd(), PollFlags::POLLIN);
        let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::NONE);
        if poll(&mut [fd], patience).map_err(|e| e.to_string())? == 0 {
            return Err("it is stuck".into());
        }
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|e| e.to_string())?;
        Ok(line)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without orders a worker ends by itself, unless it waits for another that has died.
        drop(self.orders.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
