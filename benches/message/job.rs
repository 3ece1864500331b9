//! What the two ends are told to do, and what each of them answers, as lines of text.

use std::time::Duration;

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Job {
    /// So many messages, one by one, as fast as it goes.
    Stream(u64),
    /// So many batches of messages, as fast as it goes.
    Batches(u64),
    /// So many messages there and back, each sent when the one before has come back.
    RoundTrips(u64),
    /// The same, every trip timed by itself.
    TimedRoundTrips(u64),
    /// Messages that are due at times set beforehand, whatever became of those before.
    Paced {
        /// How many bursts.
        bursts: u64,
        /// Messages in a burst, all due at once.
        burst: u64,
        /// From a burst to the next, in picoseconds.
        period: u64,
    },
    /// Messages of several senders, one by one, as fast as it goes.
    Shared(Share),
    /// The same in batches.
    SharedBatches(Share),
}

/// What one of several senders does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many there are.
    pub senders: u64,
    /// Which one it is.
    pub sender: u64,
    /// Messages, or batches, of each.
    pub each: u64,
}

impl Share {
    /// One of several senders, with nothing to do as yet.
    pub fn of(senders: u64) -> Self {
        Share { senders, sender: 0, each: 0 }
    }

    fn to_fields(self) -> String {
        format!("{} {} {}", self.senders, self.sender, self.each)
    }
}

impl Job {
    /// How many messages, or trips there and back.
    pub fn count(&self) -> u64 {
        match *self {
            Job::Stream(count) | Job::RoundTrips(count) | Job::TimedRoundTrips(count) => count,
            Job::Batches(count) => count * super::BATCH as u64,
            Job::Paced { bursts, burst, .. } => bursts * burst,
            Job::Shared(share) => share.senders * share.each,
            Job::SharedBatches(share) => share.senders * share.each * super::BATCH as u64,
        }
    }

    /// Whether it needs a link back.
    pub fn is_round_trip(&self) -> bool {
        matches!(self, Job::RoundTrips(_) | Job::TimedRoundTrips(_))
    }

    /// How many senders it has.
    pub fn senders(&self) -> usize {
        match *self {
            Job::Shared(share) | Job::SharedBatches(share) => share.senders as usize,
            _ => 1,
        }
    }

    /// The part of that sender in it.
    pub fn part(&self, sender: usize) -> Self {
        let of = |share| Share { sender: sender as u64, ..share };
        match *self {
            Job::Shared(share) => Job::Shared(of(share)),
            Job::SharedBatches(share) => Job::SharedBatches(of(share)),
            whole => whole,
        }
    }

    /// The same kind of work, of another amount.
    pub fn times(&self, amount: u64) -> Self {
        match *self {
            Job::Stream(_) => Job::Stream(amount),
            Job::Batches(_) => Job::Batches(amount),
            Job::RoundTrips(_) => Job::RoundTrips(amount),
            Job::TimedRoundTrips(_) => Job::TimedRoundTrips(amount),
            Job::Paced { burst, period, .. } => Job::Paced { bursts: amount, burst, period },
            Job::Shared(share) => Job::Shared(Share { each: amount, ..share }),
            Job::SharedBatches(share) => Job::SharedBatches(Share { each: amount, ..share }),
        }
    }

    /// As one line.
    pub fn to_line(self) -> String {
        match self {
            Job::Stream(count) => format!("stream {count}"),
            Job::Batches(count) => format!("batches {count}"),
            Job::RoundTrips(count) => format!("round-trips {count}"),
            Job::TimedRoundTrips(count) => format!("timed-round-trips {count}"),
            Job::Paced { bursts, burst, period } => format!("paced {bursts} {burst} {period}"),
            Job::Shared(share) => format!("shared {}", share.to_fields()),
            Job::SharedBatches(share) => format!("shared-batches {}", share.to_fields()),
        }
    }

    /// The reverse of [`to_line`](Self::to_line).
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next()?;
        let mut number = || fields.next()?.parse().ok();
        let mut share = || Some(Share { senders: number()?, sender: number()?, each: number()? });
        Some(match name {
            "shared" => Job::Shared(share()?),
            "shared-batches" => Job::SharedBatches(share()?),
            "stream" => Job::Stream(number()?),
            "batches" => Job::Batches(number()?),
            "round-trips" => Job::RoundTrips(number()?),
            "timed-round-trips" => Job::TimedRoundTrips(number()?),
            "paced" => Job::Paced { bursts: number()?, burst: number()?, period: number()? },
            _ => return None,
        })
    }
}

/// What one end says of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// From the barrier to the end.
    pub time: Duration,
    /// CPU time in user and in kernel mode.
    pub cpu: Duration,
    /// The latencies that half, 99 % and 99.9 % of the messages did not pass, in
    /// nanoseconds; zeros if none were taken.
    pub latency: [u64; 3],
}

impl Answer {
    /// As one line.
    pub fn to_line(self) -> String {
        let [half, most, nearly_all] = self.latency;
        let (time, cpu) = (self.time.as_nanos(), self.cpu.as_nanos());
        format!("done {time} {cpu} {half} {most} {nearly_all}")
    }

    /// What an end answered: what it took, or why it failed.
    pub fn from_line(line: &str) -> Result<Self, String> {
        let line = line.trim_end();
        let numbers = || {
            let fields = line.strip_prefix("done ")?.split(' ');
            let numbers: Vec<u64> =
                fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
            let &[time, cpu, half, most, nearly_all] = &numbers[..] else { return None };
            let latency = [half, most, nearly_all];
            Some(Answer {
                time: Duration::from_nanos(time),
                cpu: Duration::from_nanos(cpu),
                latency,
            })
        };
        numbers().ok_or_else(|| {
            if line.is_empty() { "it ended without an answer".into() } else { line.to_owned() }
        })
    }
}

/// What a measurement took, as both ends saw it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Messages, or trips there and back.
    pub count: u64,
    /// The receiver's time; of round trips the sender's, who waits for the last to come back.
    pub time: Duration,
    /// CPU time of the sender, or of all of them, and of the receiver.
    pub cpu: [Duration; 2],
    /// As in [`Answer`].
    pub latency: [u64; 3],
}

impl Outcome {
    /// 10^6 messages per second.
    pub fn millions_per_second(&self) -> f64 {
        self.count as f64 / self.time.as_secs_f64() / 1e6
    }

    /// The time of one, in nanoseconds.
    pub fn nanos_each(&self) -> f64 {
        self.time.as_nanos() as f64 / self.count as f64
    }

    /// Which share of a CPU each end used.
    pub fn cpu_shares(&self) -> [f64; 2] {
        self.cpu.map(|cpu| cpu.as_secs_f64() / self.time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        let paced = Job::Paced { bursts: 1, burst: 2, period: 3 };
        let shared = Job::SharedBatches(Share { senders: 4, sender: 5, each: 6 });
        for job in [Job::Stream(7), Job::Batches(8), Job::RoundTrips(9), paced, shared] {
            assert_eq!(Job::from_line(&job.to_line()), Some(job));
            assert_eq!(Job::from_line(&job.times(5).to_line()), Some(job.times(5)));
        }
        let nanos = Duration::from_nanos;
        let answer = Answer { time: nanos(5), cpu: nanos(6), latency: [1, 2, 3] };
        assert_eq!(Answer::from_line(&answer.to_line()), Ok(answer));
        assert_eq!(Answer::from_line("no room\n"), Err("no room".into()));
    }
}
