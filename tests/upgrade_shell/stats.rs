//! What `--stats=json` says: how the bytes came, and how they went.

use serde_json::Value;

use crate::scene::BEFORE_THE_UPGRADE;

/// Bytes by transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub shm: u64,
    pub pipe: u64,
    pub file: u64,
}

impl By {
    pub fn sum(self) -> u64 {
        self.shm + self.pipe + self.file
    }
}

/// One line of statistics.
#[derive(Debug)]
pub struct Stats {
    pub bytes: u64,
    pub transport: String,
    pub input: By,
    pub output: By,
}

impl Stats {
    /// The last statistics in `text`, which may hold messages, too.
    #[track_caller]
    pub fn parse(name: &str, text: &str) -> Self {
        let line = text.lines().rfind(|line| line.starts_with('{'));
        let line = line.unwrap_or_else(|| panic!("no statistics in {name}: {text:?}"));
        let json: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        let number = |value: &Value| {
            value.as_u64().unwrap_or_else(|| panic!("{name}: no number where one is due: {line}"))
        };
        let by = |value: &Value| By {
            shm: number(&value["shm"]),
            pipe: number(&value["pipe"]),
            file: number(&value["file"]),
        };
        let stats = Self {
            bytes: number(&json["bytes"]),
            transport: json["transport"].as_str().unwrap_or_default().to_owned(),
            input: by(&json["in"]),
            output: by(&json["out"]),
        };
        let shm = stats.input.shm + stats.output.shm > 0;
        assert_eq!(stats.transport == "shm", shm, "the name and the numbers: {stats:?}");
        stats
    }

    /// Asserts that as many bytes came as went.
    #[track_caller]
    pub fn moved(self, bytes: usize) -> Self {
        let bytes = bytes as u64;
        assert_eq!(self.bytes, bytes, "{self:?}");
        assert_eq!((self.input.sum(), self.output.sum()), (bytes, bytes), "{self:?}");
        self
    }

    #[track_caller]
    pub fn over(self, transport: &str) -> Self {
        assert_eq!(self.transport, transport, "{self:?}");
        self
    }
}

/// Asserts that the two ends of one pipe say the same of what went through it.
#[track_caller]
pub fn assert_agree(writer: &Stats, reader: &Stats) {
    let (sent, received) = (writer.output, reader.input);
    assert_eq!(sent, received, "{writer:?} and {reader:?}");
}

/// Asserts that these two ends of a pipe upgraded it, and soon.
#[track_caller]
pub fn assert_upgraded(writer: &Stats, reader: &Stats) {
    assert_agree(writer, reader);
    assert!(writer.output.shm > 0, "it stayed a pipe: {writer:?}");
    assert!(writer.output.pipe <= BEFORE_THE_UPGRADE, "it was upgraded late: {writer:?}");
}

/// Asserts that these two ends of a pipe left it what it was.
#[track_caller]
pub fn assert_stayed_a_pipe(writer: &Stats, reader: &Stats) {
    assert_agree(writer, reader);
    assert_eq!(writer.output.shm, 0, "{writer:?}");
}
