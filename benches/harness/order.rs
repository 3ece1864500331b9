//! What a pair of workers is told to do, and what each of them answers: lines of
//! text over their standard streams.

use std::path::PathBuf;
use std::time::Duration;

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Blocks made by one and summed up by the other, in memory.
    Blocks {
        /// Bytes in a block.
        size: usize,
        /// How many.
        count: u64,
    },
    /// Numbers of eight bytes, written and read one by one.
    Words {
        /// How many.
        count: u64,
    },
    /// The first bytes of a file.
    File {
        /// How many.
        len: u64,
        /// The file.
        from: PathBuf,
        /// A device, or a directory for a file without a name.
        to: PathBuf,
    },
}

impl Order {
    /// How many bytes it moves.
    pub fn bytes(&self) -> u64 {
        match self {
            Order::Blocks { size, count } => *size as u64 * count,
            Order::Words { count } => 8 * count,
            Order::File { len, .. } => *len,
        }
    }

    /// As one line.
    pub fn to_line(&self) -> String {
        match self {
            Order::Blocks { size, count } => format!("blocks\t{size}\t{count}"),
            Order::Words { count } => format!("words\t{count}"),
            Order::File { len, from, to } => {
                format!("file\t{len}\t{}\t{}", from.display(), to.display())
            }
        }
    }

    /// The reverse of [`to_line`](Self::to_line).
    pub fn from_line(line: &str) -> Option<Self> {
        let mut fields = line.trim_end_matches('\n').split('\t');
        let mut field = || fields.next();
        match field()? {
            "blocks" => {
                Some(Order::Blocks { size: field()?.parse().ok()?, count: field()?.parse().ok()? })
            }
            "words" => Some(Order::Words { count: field()?.parse().ok()? }),
            "file" => Some(Order::File {
                len: field()?.parse().ok()?,
                from: field()?.into(),
                to: field()?.into(),
            }),
            _ => None,
        }
    }
}

/// What a measurement took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// From the start to the end.
    pub time: Duration,
    /// Seconds of CPU, of all processes that took part, in user and in kernel mode.
    pub cpu: Duration,
}

impl Cost {
    /// As a worker answers it.
    pub fn to_line(self) -> String {
        format!("done\t{}\t{}", self.time.as_nanos(), self.cpu.as_nanos())
    }

    /// The answer of a worker: what it took, or why it failed.
    pub fn from_line(line: &str) -> Result<Self, String> {
        let line = line.trim_end();
        let numbers = || {
            let (time, cpu) = line.strip_prefix("done\t")?.split_once('\t')?;
            let nanos = |text: &str| text.parse().ok().map(Duration::from_nanos);
            Some(Cost { time: nanos(time)?, cpu: nanos(cpu)? })
        };
        numbers().ok_or_else(|| {
            if line.is_empty() { "it ended without an answer".into() } else { line.to_owned() }
        })
    }

    /// 10^9 bytes per second.
    pub fn gigabytes_per_second(self, bytes: u64) -> f64 {
        bytes as f64 / 1e9 / self.time.as_secs_f64()
    }

    /// CPU seconds per 10^9 bytes.
    pub fn cpu_per_gigabyte(self, bytes: u64) -> f64 {
        self.cpu.as_secs_f64() / (bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were() {
        let file = Order::File { len: 1, from: "/a b".into(), to: "/dev/null".into() };
        for order in [Order::Blocks { size: 65536, count: 7 }, Order::Words { count: 9 }, file] {
            assert_eq!(Order::from_line(&order.to_line()), Some(order));
        }
        let cost = Cost { time: Duration::from_nanos(5), cpu: Duration::from_nanos(6) };
        assert_eq!(Cost::from_line(&cost.to_line()), Ok(cost));
        assert_eq!(Cost::from_line("no room"), Err("no room".into()));
    }
}
