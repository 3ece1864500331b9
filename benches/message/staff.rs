//! The workers of a measurement, seen by the process that gives them jobs: how
//! they are started, told and heard.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::UsageWho;

use super::job::{Answer, Job, Outcome};
use super::registry::Registry;
use super::role::{NO_END, READY, ROLE};
use super::worker::{Ends, Side};
use super::{AnyTransport, End};
use crate::harness::barrier::Barrier;
use crate::harness::cpu;
use crate::transport::Unavailable;
use crate::transport::stage::Stage;

/// A side that has not answered by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a worker may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How much of a job takes about `sample`.
pub(super) fn calibrate(
    job: &Job,
    sample: Duration,
    mut run: impl FnMut(&Job) -> Result<Outcome, String>,
) -> Result<Job, String> {
    let mut amount = 1u64;
    loop {
        let took = run(&job.times(amount))?.time;
        if took * 4 >= sample {
            let scale = sample.as_secs_f64() / took.as_secs_f64();
            return Ok(job.times(((amount as f64 * scale).round() as u64).max(1)));
        }
        amount *= 2;
    }
}

pub(super) fn failed(error: io::Error) -> Unavailable {
    Unavailable::because(format!("starting a worker: {error}"))
}

/// What a worker is started with.
pub(super) struct Start<'a> {
    pub(super) registry: Registry,
    pub(super) spec: &'a str,
    pub(super) words: usize,
    pub(super) side: Side,
    pub(super) cpu: Option<usize>,
    /// Of the barrier, and how many workers come there.
    pub(super) page: OwnedFd,
    pub(super) sides: u32,
}

impl Start<'_> {
    /// Starts it, as a process or as a thread, as its ends ask for.
    pub(super) fn worker(self, ends: Ends) -> Result<Worker, Unavailable> {
        match ends {
            Ends { out: Some(End::Thread(_)), .. } | Ends { back: Some(End::Thread(_)), .. } => {
                self.thread(ends)
            }
            ends => self.process(ends),
        }
    }

    fn process(self, ends: Ends) -> Result<Worker, Unavailable> {
        let side = if self.side == Side::Sender { "send" } else { "receive" };
        let mut stage = Stage::role(side, &[ROLE, self.spec, &self.words.to_string(), side]);
        let page = stage.pass(self.page);
        stage.arg(page.to_string()).arg(self.sides.to_string());
        for end in [ends.out, ends.back] {
            let argument = match end {
                None => NO_END.to_owned(),
                Some(End::Process(end)) => end.pass_to(&mut stage),
                Some(End::Thread(_)) => {
                    return Err(Unavailable::because("an end cannot go to a process"));
                }
            };
            stage.arg(argument);
        }
        stage.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(cpu) = self.cpu {
            stage.pin(cpu);
        }
        let mut child = stage.start().map_err(failed)?;
        let jobs = child.stdin.take();
        let answers = child.stdout.take().map(BufReader::new);
        let answers = answers.ok_or_else(|| Unavailable::because("a worker without an output"))?;
        Ok(Worker::Process { child, jobs, answers })
    }

    fn thread(self, ends: Ends) -> Result<Worker, Unavailable> {
        let (jobs, orders) = mpsc::channel();
        let (reports, answers) = mpsc::channel();
        let (registry, words, side, cpu) = (self.registry, self.words, self.side, self.cpu);
        let (spec, page, sides) = (self.spec.to_owned(), self.page, self.sides);
        let work = move || -> io::Result<()> {
            if let Some(cpu) = cpu {
                cpu::pin(cpu)?;
            }
            let mut barrier = Barrier::of(&page, sides)?;
            let transport: Box<dyn AnyTransport> =
                registry.make(&spec).map_err(io::Error::other)?;
            let mut worker = transport.worker(words, side, ends)?;
            // Who hears nobody has been dismissed.
            let _ = reports.send(READY.to_owned());
            for job in orders {
                let answer = worker.carry_out(&job, &mut barrier, UsageWho::RUSAGE_THREAD);
                let _ = reports.send(match answer {
                    Ok(answer) => answer.to_line(),
                    Err(error) => error.to_string(),
                });
            }
            Ok(())
        };
        let thread =
            thread::Builder::new().name(format!("{side:?}")).spawn(work).map_err(failed)?;
        Ok(Worker::Thread { jobs: Some(jobs), answers, thread: Some(thread) })
    }
}

/// One who waits for jobs.
pub(super) enum Worker {
    Process {
        child: Child,
        jobs: Option<ChildStdin>,
        answers: BufReader<ChildStdout>,
    },
    Thread {
        jobs: Option<mpsc::Sender<Job>>,
        answers: mpsc::Receiver<String>,
        thread: Option<thread::JoinHandle<io::Result<()>>>,
    },
}

impl Worker {
    pub(super) fn tell(&mut self, job: &Job) -> Result<(), String> {
        let told = match self {
            Worker::Process { jobs: Some(jobs), .. } => writeln!(jobs, "{}", job.to_line()).is_ok(),
            Worker::Thread { jobs: Some(jobs), .. } => jobs.send(*job).is_ok(),
            _ => false,
        };
        if told { Ok(()) } else { Err("a worker takes no more jobs".into()) }
    }

    pub(super) fn answer(&mut self) -> Result<Answer, String> {
        Answer::from_line(&self.line()?)
    }

    /// Waits until it has its end of the link.
    pub(super) fn be_ready(&mut self) -> Result<(), Unavailable> {
        if self.line().map_err(Unavailable::because)?.trim_end() != READY {
            return Err(Unavailable::because("a worker could not take its end of the link"));
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        match self {
            Worker::Process { answers, .. } => {
                let fd = PollFd::new(answers.get_ref().as_fd(), PollFlags::POLLIN);
                let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::NONE);
                if poll(&mut [fd], patience).map_err(|e| e.to_string())? == 0 {
                    return Err("it is stuck".into());
                }
                let mut line = String::new();
                answers.read_line(&mut line).map_err(|e| e.to_string())?;
                Ok(line)
            }
            Worker::Thread { answers, .. } => {
                answers.recv_timeout(PATIENCE).map_err(|_| "it is stuck or has failed".into())
            }
        }
    }

    /// A thread cannot be ended from outside, and gives up by itself.
    pub(super) fn kill(&mut self) {
        if let Worker::Process { child, .. } = self {
            let _ = child.kill();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without jobs a worker ends by itself and tidies up, unless it waits
        // for another that is gone.
        match self {
            Worker::Process { child, jobs, .. } => {
                drop(jobs.take());
                let start = Instant::now();
                while start.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
                    thread::sleep(Duration::from_millis(1));
                }
                let _ = child.kill();
                let _ = child.wait();
            }
            Worker::Thread { jobs, thread, .. } => {
                drop(jobs.take());
                let start = Instant::now();
                let ended = thread.take_if(|thread| {
                    while start.elapsed() < GRACE && !thread.is_finished() {
                        thread::sleep(Duration::from_millis(1));
                    }
                    thread.is_finished()
                });
                if let Some(Ok(Err(error))) = ended.map(thread::JoinHandle::join) {
                    eprintln!("a thread failed: {error}");
                }
            }
        }
    }
}
