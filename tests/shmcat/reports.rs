//! What is told about a transfer on standard error: statistics, progress, and whom it waits for.

use std::{fs::File, io::Read, process::Stdio, sync::mpsc, thread};

use nix::pty::openpty;
use serde_json::Value;
use shmpipe::{Options, mpsc::Sender};

use crate::{
    process::{Waits, until_waiting},
    support::{DEADLINE, Place, Running},
};

#[track_caller]
fn json(line: &str) -> Value {
    assert_eq!(line.lines().count(), 1, "one line: {line:?}");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
}

#[test]
fn statistics_of_a_ring() {
    const SIZE: u64 = 1 << 20;
    let place = Place::new();
    place.file("in", SIZE as usize);
    let writer = place.start_shmcat("--to $R --capacity 64K --stats=json in");
    until_waiting(writer.pid(), Waits::ForPeer);
    let reader = place.bash("shmcat --from $R --stats=json > out").exits(0);
    let writer = writer.finish().exits(0);
    for line in [&reader.stderr, &writer.stderr] {
        let stats = json(line);
        assert_eq!(stats["transport"], "shm", "{stats}");
        assert_eq!(stats["bytes"], SIZE, "{stats}");
        assert_eq!(stats["bytes_by_transport"]["shm"], SIZE, "{stats}");
        assert_eq!(stats["bytes_by_transport"]["pipe"], 0, "{stats}");
        let (seconds, rate) = (stats["seconds"].as_f64().unwrap(), stats["rate"].as_f64().unwrap());
        assert!(seconds > 0.0 && (rate * seconds / SIZE as f64 - 1.0).abs() < 0.01, "{stats}");
    }
    let stats = json(&writer.stderr);
    assert!(stats["blocked"].as_u64() >= Some(1), "it waited for its reader: {stats}");
    assert!(stats["blocked_seconds"].as_f64() > Some(0.0), "{stats}");
}

#[test]
fn statistics_of_a_ring_of_many() {
    const SIZE: u64 = 1 << 20;
    let place = Place::new();
    place.file("in", SIZE as usize);
    let start = |_| place.start_shmcat("--to $R --many --capacity 64K --stats=json in");
    let writers = [0, 1].map(start);
    writers.iter().for_each(|writer| until_waiting(writer.pid(), Waits::ForPeer));
    let reader = place.bash("shmcat --from $R --progress --stats=json > out").exits(0);
    let (progress, reader) = reader.stderr.trim_end().rsplit_once('\n').expect("two lines or more");
    assert!(progress.contains("shmcat: 2.00 MiB in "), "{progress}");
    let mut said = Vec::from(writers.map(|writer| (writer.finish().exits(0).stderr, SIZE)));
    said.push((reader.to_owned(), 2 * SIZE));
    for (line, bytes) in said {
        let stats = json(&line);
        assert_eq!((&stats["transport"], &stats["bytes"]), (&"shm".into(), &bytes.into()));
        assert_eq!(stats["bytes_by_transport"]["shm"], bytes, "{stats}");
    }
}

#[test]
fn statistics_of_a_plain_copy() {
    let place = Place::new();
    place.file("in", 1000);
    for (script, transport) in [
        ("shmcat --stats=json in | cat", "pipe"),
        ("cat in | shmcat --stats=json > out", "pipe"),
        ("cat in | shmcat --stats=json in > out", "file"),
        ("shmcat --stats=json in > out", "file"),
        ("shmcat --stats=json < in > out", "file"),
    ] {
        let stats = json(&place.bash(script).exits(0).stderr);
        assert_eq!(stats["transport"], transport, "{script}: {stats}");
        assert_eq!(stats["bytes"], 1000, "{script}: {stats}");
        assert_eq!(stats["bytes_by_transport"][transport], 1000, "{script}: {stats}");
    }
}

#[test]
fn statistics_for_people() {
    let place = Place::new();
    place.file("in", 1000);
    let ran = place.bash("shmcat --stats in missing > out").exits(1);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines[0], "shmcat: missing: No such file or directory");
    assert!(lines[1].starts_with("shmcat: 1000 bytes in "), "{lines:?}");
    assert!(lines[1].contains("transport file"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn progress_that_is_asked_for_is_shown_in_a_log_too() {
    let place = Place::new();
    place.file("in", 3 << 20);
    let ran = place.bash("shmcat --progress in missing in > out").exits(1);
    assert!(!ran.stderr.contains(['\r', '\x1b']), "no cursor to move: {ran:?}");
    let last = ran.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("shmcat: 6.00 MiB of 6.00 MiB in "), "{last}");
    assert!(last.contains("/s [") && last.contains("100%, ETA "), "{last}");
    ran.says("shmcat: missing: No such file or directory\n");
}

#[test]
fn progress_counts_what_is_left_of_standard_input() {
    let place = Place::new();
    place.file("in", 3 << 20);
    let script = "{ dd bs=1M count=1 status=none >/dev/null; shmcat --progress > out; } < in";
    place.bash(script).exits(0).says("shmcat: 2.00 MiB of 2.00 MiB in ");
}

#[test]
fn progress_of_an_unknown_size_has_no_percentage() {
    let place = Place::new();
    place.file("in", 3 << 20);
    let script = "shmcat --to $R < in & shmcat --from $R --progress > out; wait $!";
    for script in ["cat in | shmcat --progress > out", script] {
        let ran = place.bash(script).exits(0).says("shmcat: 3.00 MiB in ");
        assert!(!ran.stderr.contains(['%', '[']), "{ran:?}");
    }
}

#[test]
fn progress_only_where_it_is_asked_for() {
    let place = Place::new();
    place.file("in", 10);
    for option in ["", "--progress=auto", "--progress=never"] {
        place.bash(&format!("shmcat {option} in > out")).exits(0).silent();
        let terminal = Terminal::start(&place, &format!("{option} in > out"));
        let shown = terminal.finish();
        assert_eq!(shown.is_empty(), option != "--progress=auto", "{option}: {shown:?}");
    }
}

#[test]
fn progress_on_a_terminal() {
    let place = Place::new();
    place.file("in", 3 << 20);
    let shown = Terminal::start(&place, "--progress in > out").finish();
    assert!(shown.contains("3.00 MiB of 3.00 MiB in "), "{shown:?}");
    assert!(shown.contains("100%, ETA "), "{shown:?}");
}

#[test]
fn a_person_is_told_whom_it_waits_for() {
    let place = Place::new();
    let mut writer = Terminal::start(&place, "--to $R <<< hello");
    writer.until(&format!("shmcat: {}: waiting for a reader", place.ring()));
    place.bash("shmcat --from $R").exits(0).prints("hello\n").silent();
    writer.finish();

    let mut reader = Terminal::start(&place, "--from $R");
    reader.until(&format!("shmcat: {}: waiting for a writer", place.ring()));
    // A log is not told, and nobody is told where the other end is there.
    place.bash("shmcat --to $R <<< hello").exits(0).silent();
    reader.finish();
}

#[test]
fn a_person_is_told_of_waiting_among_many() {
    let place = Place::new();
    let mut reader = Terminal::start(&place, "--from $R --many");
    reader.until(&format!("shmcat: {}: waiting for a writer", place.ring()));
    place.bash("shmcat --to $R <<< hello").exits(0).silent();
    reader.finish();

    let other: Sender = Options::new().producers(1).create_new(place.ring()).expect("a new ring");
    let mut writer = Terminal::start(&place, "--to $R <<< hello");
    writer.until(&format!("shmcat: {}: waiting for one of 1 writers to leave", place.ring()));
    other.finish().expect("sound");
    let another = Terminal::start(&place, "--from $R");
    writer.finish();
    another.finish();
}

/// `shmcat` whose standard error is a terminal.
struct Terminal {
    child: Running,
    shown: String,
    chunks: mpsc::Receiver<Vec<u8>>,
}

impl Terminal {
    fn start(place: &Place, words: &str) -> Self {
        let pty = openpty(None, None).expect("a pseudo-terminal");
        let mut command = place.command("bash");
        command.args(["-c", &format!("exec shmcat {words}")]).stderr(Stdio::from(pty.slave));
        let child = Running::start(&mut command);
        // Its copy of the terminal: while one is open the other side does not see an end.
        drop(command);
        let (sender, chunks) = mpsc::channel();
        let mut master = File::from(pty.master);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // At the end a terminal gives EIO.
            while let Ok(read @ 1..) = master.read(&mut chunk) {
                if sender.send(chunk[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, shown: String::new(), chunks }
    }

    /// Takes in what is shown next; false at the end.
    fn next(&mut self) -> bool {
        match self.chunks.recv_timeout(DEADLINE) {
            Ok(chunk) => {
                self.shown.push_str(&String::from_utf8_lossy(&chunk));
                true
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => false,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("only this in a minute: {:?}", self.shown)
            }
        }
    }

    #[track_caller]
    fn until(&mut self, text: &str) {
        while !self.shown.contains(text) {
            assert!(self.next(), "{text:?} is not in {:?}", self.shown);
        }
    }

    /// Everything that was shown, once it has ended well.
    #[track_caller]
    fn finish(mut self) -> String {
        while self.next() {}
        self.child.finish().exits(0);
        self.shown
    }
}
