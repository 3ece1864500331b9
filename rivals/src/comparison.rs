//! Who is compared with whom, at what, and how.

use std::time::Duration;

use crate::REGISTRY;
use crate::args::{Args, Wait, Work};
use crate::harness::paired::{Pair, in_turns};
use crate::message::BATCH;
use crate::message::crowd::Crowd;
use crate::message::duo::{Duo, Traffic};
use crate::message::job::{Job, Outcome, Share};
use crate::transport::{Unavailable, size};

/// shmpipe and one rival, at one kind of work.
pub struct Comparison {
    /// What it is called.
    pub name: String,
    /// What is done, and by whom beside this library; the name without how this
    /// library's ends were made.
    pub row: String,
    first: String,
    second: String,
    words: usize,
    job: Job,
}

/// Rivals of one by one, and of batches.
const ONE_BY_ONE: [&str; 9] = [
    "rtrb",
    "ringbuf",
    "crossbeam",
    "iceoryx2",
    "ipmpsc",
    "shmring",
    "ipc-channel",
    "pipe",
    "unix",
];
const BATCHES: [&str; 5] = ["rtrb", "ringbuf", "shmring", "pipe", "unix"];
const SHARED: [&str; 4] = ["crossbeam", "ipmpsc", "aeron-shared", "pipe"];

/// All comparisons of a kind of work. shmpipe is always the first of two.
pub fn of(args: &Args, work: Work) -> Vec<Comparison> {
    let shared: Vec<Job> = args.senders.iter().map(|n| Job::Shared(Share::of(*n))).collect();
    let (faces, sizes, jobs): (&[&str], &[usize], &[Job]) = match work {
        Work::Many => (&["many"], &[4], &shared),
        Work::Slots => (&["slots"], &[1, 4, 8], &[Job::Stream(0), Job::Batches(0)]),
        Work::Records => (&["records"], &[4, 8, 128], &[Job::Stream(0), Job::Batches(0)]),
        Work::RoundTrip => (&["slots", "records"], &[1, 4], &[Job::RoundTrips(0)]),
    };
    let mut all = Vec::new();
    for words in sizes {
        for job in jobs {
            for face in faces {
                for rival in rivals(work, *job) {
                    all.push(comparison(face, rival, (*words, *job), args));
                }
            }
        }
    }
    all
}

fn rivals(work: Work, job: Job) -> Vec<&'static str> {
    if matches!(work, Work::Many) {
        return SHARED.to_vec();
    }
    let rivals = if matches!(job, Job::Batches(_)) { &BATCHES[..] } else { &ONE_BY_ONE };
    let mut rivals = rivals.to_vec();
    if !matches!(work, Work::Slots) {
        rivals.push("aeron");
    }
    if matches!(work, Work::RoundTrip) {
        rivals.extend(["lines", "lines:unhurried"]);
    }
    rivals
}

fn comparison(face: &str, rival: &str, (words, job): (usize, Job), args: &Args) -> Comparison {
    let capacity = args.capacity.as_deref();
    let in_place = (args.in_place && face != "slots").then_some("in-place");
    let wait = args.wait.map(|wait| match wait {
        Wait::Adaptive => "adaptive",
        Wait::Spin => "spin",
        Wait::Sleep => "sleep",
    });
    let with = |name: &str, options: &[Option<&str>]| {
        let options = options.iter().flatten().map(|option| format!(":{option}"));
        name.to_owned() + &options.collect::<String>()
    };
    let (first, second) = (with(face, &[in_place, capacity, wait]), with(rival, &[capacity]));
    let size = size::show(8 * words as u64);
    let how = match job {
        Job::Stream(_) => format!("{size}, one by one"),
        Job::Batches(_) => format!("{size}, in batches of {BATCH}"),
        Job::Shared(Share { senders: 1, .. }) => format!("{size}, 1 sender"),
        Job::Shared(share) => format!("{size}, {} senders", share.senders),
        _ => format!("{size}, there and back"),
    };
    // Elsewhere the table says which face it is.
    let row = if job.is_round_trip() {
        format!("{how}, {face}, {rival}")
    } else {
        format!("{how}, {rival}")
    };
    Comparison { name: format!("{how}, {first} : {second}"), row, first, second, words, job }
}

impl Comparison {
    /// How many bytes a message has.
    pub fn size(&self) -> u64 {
        8 * self.words as u64
    }

    /// Measures, and prints every pair.
    pub fn run(&self, pairs: usize, sample: Duration) -> Result<Vec<Pair<Outcome>>, String> {
        let mut first = Side::start(self, &self.first, sample)?;
        let mut second = Side::start(self, &self.second, sample)?;
        println!("{} : {}", first.title, second.title);
        in_turns(
            pairs,
            || (first.run)(&first.job),
            || (second.run)(&second.job),
            |index, pair| {
                let [before, between, after] = pair.trips;
                let place = pair.place();
                let figures = if self.job.is_round_trip() {
                    let (first, second) = (pair.first.nanos_each(), pair.second.nanos_each());
                    format!("{first:.0} and {second:.0} ns  {:.2}", second / first)
                } else {
                    let [first, second] =
                        [&pair.first, &pair.second].map(Outcome::millions_per_second);
                    format!("{first:.1} and {second:.1} M/s  {:.2}", first / second)
                };
                println!("{:3}  {place:9}  {before}, {between}, {after}  {figures}", index + 1);
            },
        )
    }
}

/// Has the workers of a rival do a job.
type Run = dyn FnMut(&Job) -> Result<Outcome, String>;

/// A rival, by what has its workers do a job, and what they do in a sample.
struct Side {
    title: String,
    run: Box<Run>,
    job: Job,
}

impl Side {
    fn start(comparison: &Comparison, spec: &str, sample: Duration) -> Result<Self, String> {
        let named = |what: String| format!("{spec}: {what}");
        let Comparison { words, job, .. } = *comparison;
        let way = REGISTRY.make(spec).map_err(|reason| named(reason.to_string()))?;
        let unavailable = |reason: Unavailable| named(reason.to_string());
        if let Job::Shared(_) = job {
            let crowd = Crowd::start(REGISTRY, spec, words, job.senders());
            let mut crowd = crowd.map_err(unavailable)?;
            let job = crowd.calibrate(&job, sample).map_err(named)?;
            return Ok(Side { title: way.title(), run: Box::new(move |job| crowd.run(job)), job });
        }
        let traffic = if job.is_round_trip() { Traffic::BothWays } else { Traffic::OneWay };
        let mut duo = Duo::start(REGISTRY, spec, words, traffic).map_err(unavailable)?;
        let job = duo.calibrate(&job, sample).map_err(named)?;
        Ok(Side { title: way.title(), run: Box::new(move |job| duo.run(job)), job })
    }
}
