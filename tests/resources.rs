//! What a stream costs: bytes through the kernel, memory, processor time, and nothing left over.

mod stream_support;
mod support;

use shmpipe::{
    OpenErrorKind, Options, Wait,
    stream::{Reader, Writer},
};
use std::{
    fs::{self, File},
    io::{Seek, Write},
    time::Duration,
};
use stream_support::*;
use support::{Child, alone, count_own, is_system_v, skip, wait_to_be_killed};

/// The number that follows a name in one of proc's files; `None` where there is no such file.
fn number_in(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line[name.len()..].split_whitespace().next()?.parse().ok()
}

/// Bytes that this process has moved by read(2), write(2) and their like.
fn bytes_through_the_kernel() -> Option<u64> {
    let io = "/proc/self/io";
    Some(number_in(io, "rchar:")? + number_in(io, "wchar:")?)
}

/// A file of known bytes.
fn file_of(n: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    for position in (0..n).step_by(1 << 20) {
        file.write_all(&bytes_from(position as u64, (n - position).min(1 << 20))).unwrap();
    }
    file.rewind().unwrap();
    file
}

/// From a file into the ring and from the ring into a file: each byte crosses between process and
/// kernel twice. (Through `cat | cat` it does four times.)
#[test]
fn each_byte_crosses_the_kernel_twice() {
    alone(|| {
        if bytes_through_the_kernel().is_none() {
            return skip("this kernel does not count: no /proc/self/io");
        }
        const SIZE: usize = 24 << 20;
        for named in [true, false] {
            let site = Site::new(named, 1 << 20);
            let options = Options::new();
            let source = file_of(SIZE);
            let sink = tempfile::tempfile().unwrap();
            let mut writing = Child::fork(|line| {
                let before = bytes_through_the_kernel().unwrap();
                let mut writer = site.writer(&options);
                while writer.read_from(&source, usize::MAX).unwrap() > 0 {}
                writer.finish_and_wait().unwrap();
                line.show(bytes_through_the_kernel().unwrap() - before);
            });
            let mut reading = Child::fork(|line| {
                let before = bytes_through_the_kernel().unwrap();
                let mut reader = site.reader(&options);
                while reader.write_to(&sink, usize::MAX).unwrap() > 0 {}
                drop(reader);
                line.show(bytes_through_the_kernel().unwrap() - before);
            });
            let (written, read) = (writing.hear(), reading.hear());
            writing.join();
            reading.join();
            assert_eq!(sink.metadata().unwrap().len(), SIZE as u64);
            let crossed: u64 = written.parse::<u64>().unwrap() + read.parse::<u64>().unwrap();
            println!("{SIZE} bytes streamed, {crossed} crossed");
            assert!(crossed <= 2 * SIZE as u64 + (1 << 20), "{crossed} bytes crossed");
            assert!(crossed >= 2 * SIZE as u64, "then they were not counted: {crossed}");
        }
    });
}

/// Kilobytes of this process's share of the memory it has mapped.
fn proportional_memory() -> Option<u64> {
    number_in("/proc/self/smaps_rollup", "Pss:")
}

/// The double mapping shows every page twice, which resident memory counts twice and proportional
/// memory does not.
#[test]
fn a_process_has_little_more_memory_than_the_ring() {
    alone(|| {
        if proportional_memory().is_none() {
            return skip("this kernel does not say: no /proc/self/smaps_rollup");
        }
        for capacity in [1 << 20, 16 << 20] {
            for named in [true, false] {
                let site = Site::new(named, capacity);
                let options = Options::new();
                let most = capacity as u64 / 1024 + 6 * 1024;
                let laps = 3;
                let mut writing = Child::fork(|line| {
                    let mut writer = site.writer(&options);
                    for _ in 0..laps {
                        let mut whole = writer.reserve(capacity).unwrap();
                        whole.fill(7);
                        whole.commit(capacity).unwrap();
                    }
                    line.show(proportional_memory().unwrap());
                    writer.finish_and_wait().unwrap();
                });
                let mut reading = Child::fork(|line| {
                    let mut reader = site.reader(&options);
                    let mut total = 0;
                    while total < laps * capacity {
                        let bytes = reader.fill_buf().unwrap();
                        let n = bytes.len();
                        assert_eq!(bytes.iter().step_by(1024).find(|byte| **byte != 7), None);
                        reader.consume(n);
                        total += n;
                    }
                    line.show(proportional_memory().unwrap());
                    assert_eq!(reader.fill_buf().unwrap(), b"");
                });
                for (what, child) in [("writer", &mut writing), ("reader", &mut reading)] {
                    let kilobytes: u64 = child.hear().parse().unwrap();
                    println!("{what} of {capacity} bytes: {kilobytes} KiB");
                    assert!(kilobytes <= most, "the {what} has {kilobytes} KiB, ring {capacity}");
                }
                reading.join();
                writing.join();
            }
        }
    });
}

/// Processor time that a child has used.
fn processor_time(child: &Child) -> Duration {
    let mut clock = 0;
    // SAFETY: `clock` is a clock id; the child is ours and not reaped.
    let found = unsafe { libc::clock_getcpuclockid(child.pid() as libc::pid_t, &mut clock) };
    assert_eq!(found, 0);
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `used` is a timespec, the clock that of a process that is there.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut used) }, 0);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// A reader of an empty ring and a writer of a full one, for a while: what each of them and its
/// idle peer uses.
fn blocked_and_idle(policy: Wait, time: Duration, at_most: Duration) {
    let options = Options::new().wait(policy);
    let (empty, full) = (Site::new(true, page()), Site::new(false, page()));
    let _writer = empty.writer(&options);
    let _reader = full.reader(&options);
    let reading = Child::fork(|_| {
        let _ = empty.reader(&options).fill_buf().map(drop);
    });
    let writing = Child::fork(|_| {
        let mut writer = full.writer(&options);
        let _ = writer.write_all(&vec![0; page() + 1]);
    });
    until("both sleep", || {
        empty.words().is_parked(DATA_PARKED) && full.words().is_parked(SPACE_PARKED)
    });
    let before = [&reading, &writing].map(processor_time);
    std::thread::sleep(time);
    let after = [&reading, &writing].map(processor_time);
    for ((what, before), after) in ["reader", "writer"].into_iter().zip(before).zip(after) {
        let used = after - before;
        println!("{policy:?}: an idle {what} used {used:?} in {time:?}");
        assert!(used <= at_most, "an idle {what} used {used:?} in {time:?}, {policy:?}");
    }
}

#[test]
fn who_is_blocked_uses_hardly_any_processor_time() {
    alone(|| {
        for policy in [Wait::Adaptive, Wait::Sleep] {
            blocked_and_idle(policy, Duration::from_secs(2), Duration::from_millis(60));
        }
    });
}

#[test]
#[ignore = "takes 20 seconds"]
fn who_is_blocked_for_long_uses_hardly_any_processor_time() {
    alone(|| {
        for policy in [Wait::Adaptive, Wait::Sleep] {
            blocked_and_idle(policy, Duration::from_secs(10), Duration::from_millis(30));
        }
    });
}

fn count_in(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

/// What this process holds: descriptors, mappings, and mappings of rings among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    mappings: usize,
    of_rings: usize,
}

impl Held {
    fn now() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let is_ring = |line: &&str| {
            ["/dev/shm/", "memfd:shmpipe", "/SYSV"].iter().any(|kind| line.contains(kind))
        };
        Self {
            descriptors: count_in("/proc/self/fd"),
            mappings: maps.lines().count(),
            of_rings: maps.lines().filter(is_ring).count(),
        }
    }
}

/// Everything that attaches and leaves, in good order and otherwise.
fn come_and_go(kind: Kind) {
    let (name, mut writer, mut reader) = kind.page();
    writer.write_all(b"bytes").unwrap();
    reader.fill_buf().unwrap();
    reader.consume(5);
    if kind.named {
        // Refused: the roles are taken, the ring exists, or has another size.
        let refused = Options::new().open::<Writer>(&name).map(drop).unwrap_err();
        assert!(matches!(refused.kind(), OpenErrorKind::RoleTaken { .. }));
        assert!(Options::new().create_new::<Reader>(&name).is_err());
        assert!(Options::new().capacity(2 * page()).open::<Reader>(&name).is_err());
    }
    let aborter = writer.aborter();
    drop(writer);
    aborter.abort();
    drop(reader);
    assert!(Options::new().open::<Reader>(&name).is_err());
    assert!(Options::new().capacity(7).create_new::<Reader>(&name).is_err());
    name.assert_gone();

    // Ends that nobody claims.
    let (one, other) = Options::new().capacity(page()).anonymous::<Writer>().unwrap();
    drop(one);
    drop(other.claim());
}

#[test]
fn nothing_is_left_over() {
    alone(|| {
        // What is made once: the page that knows the process, the allocator's room.
        KINDS.into_iter().for_each(come_and_go);
        let before = Held::now();
        assert_eq!(before.of_rings, 0);
        for _ in 0..100 {
            KINDS.into_iter().for_each(come_and_go);
        }
        assert_eq!(Held::now(), before);
        assert_eq!(count_own(), 0);

        // The counting works.
        let (_name, writer, reader) = KINDS[1].page();
        assert_eq!(count_own(), 1);
        let during = Held::now();
        assert!(during.of_rings >= 4, "two ends, each with a double mapping: {during:?}");
        // A System V object has none.
        assert_eq!(during.descriptors > before.descriptors, !is_system_v());
        drop((writer, reader));
        assert_eq!(Held::now(), before);
    });
}

/// A descriptor that others gave us is not closed, and no other is opened per transfer.
#[test]
fn transfers_hold_no_descriptors() {
    alone(|| {
        let (_name, mut writer, mut reader) = KINDS[0].page();
        let before = count_in("/proc/self/fd");
        let (source, sink) = (file_of(200 * page()), tempfile::tempfile().unwrap());
        while writer.read_from(&source, usize::MAX).unwrap() > 0 {
            reader.write_to(&sink, usize::MAX).unwrap();
        }
        assert_eq!(count_in("/proc/self/fd"), before + 2);
        assert_eq!(sink.metadata().unwrap().len(), 200 * page() as u64);
    });
}

/// What a killed process held goes with it; what its peer holds is no more than before.
#[test]
fn a_peer_that_was_killed_leaves_nothing_behind() {
    alone(|| {
        let site = Site::new(true, page());
        let options = Options::new();
        let mut reader = site.reader(&options);
        let kill_one = |reader: &mut Reader| {
            let mut victim = Child::fork(|line| {
                let _writer = site.writer(&options);
                line.say("attached");
                wait_to_be_killed();
            });
            victim.expect("attached");
            victim.kill();
            assert!(reader.fill_buf().is_err());
        };
        kill_one(&mut reader);
        let before = Held::now();
        for _ in 0..5 {
            kill_one(&mut reader);
        }
        assert_eq!(Held::now(), before);
    });
}
