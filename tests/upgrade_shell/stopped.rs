//! Ends that are stopped, as with Ctrl-Z, and go on later.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    killed::{Chance, pipe, start},
    process::state,
    processes::{find, until_asleep, until_nothing_runs},
    scene::{Feed, SHELLS, Scene},
    stats::assert_upgraded,
    support::{Running, bytes, until},
};

/// Enough for an upgrade.
const UPGRADED: usize = 3 << 20;

const AFTER: &[u8] = b"after\n";

fn stop(pid: Pid) {
    kill(pid, Signal::SIGSTOP).expect("it runs");
    until("it stops", || state(pid) == Some('T'));
}

fn go_on(pid: Pid) {
    kill(pid, Signal::SIGCONT).expect("it is stopped");
}

/// An upgraded pipe, of which the writer waits for the feed, and the reader for the writer. A
/// writer that is killed is followed by another one, which sends [`AFTER`].
struct Upgraded {
    scene: Scene,
    feed: Feed,
    running: Running,
    writer: Pid,
    reader: Pid,
}

impl Upgraded {
    #[track_caller]
    fn start(shell: &str) -> Self {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        // `-u` means nothing and tells the two apart.
        let script = "(
                $S - < p 2> w; echo $? > status
                [ $(cat status) != 137 ] || { echo after; touch said; }
            ) | $S -u 2> r > out";
        let running = scene.start(shell, script);
        feed.send(&bytes(UPGRADED));
        until("it arrives", || scene.size("out") == UPGRADED);
        let [writer, reader] = ["-", "-u"].map(|word| find(running.pid(), word).expect("it runs"));
        Self { scene, feed, running, writer, reader }
    }

    /// What is fed in all, if `more` follows what was there at the start.
    fn expected(more: &[u8]) -> Vec<u8> {
        [&bytes(UPGRADED), more].concat()
    }
}

#[test]
fn a_stopped_reader_finds_everything_when_it_goes_on() {
    for shell in SHELLS {
        for size in [1, 10_000, 5 << 20] {
            let more = bytes(size);
            let mut pair = Upgraded::start(shell);
            stop(pair.reader);
            let reader = pair.reader;
            // The feed takes it all only if the writer goes on, which it does when the reader does.
            let feeder = thread::spawn(move || {
                pair.feed.send(&more);
                (pair.scene, pair.running, more)
            });
            until("the writer has filled what it can", || state(pair.writer) == Some('S'));
            go_on(reader);
            let (scene, running, more) = feeder.join().expect("the feed is read");
            // The feed was dropped there: this is the end of file.
            running.finish().exits(0).silent();
            scene.assert_holds("out", &Upgraded::expected(&more), "a reader that was stopped");
            let size = UPGRADED + size;
            assert_upgraded(&scene.stats("w").moved(size), &scene.stats("r").moved(size));
        }
    }
}

#[test]
fn a_finished_writer_waits_for_a_stopped_reader() {
    for shell in SHELLS {
        let more = bytes(10_000);
        let mut pair = Upgraded::start(shell);
        stop(pair.reader);
        pair.feed.send(&more);
        pair.feed.until_read();
        drop(pair.feed);
        until_asleep(pair.running.pid(), "-");
        go_on(pair.reader);
        pair.running.finish().exits(0).silent();
        pair.scene.assert_holds("out", &Upgraded::expected(&more), "a reader that was stopped");
        assert_eq!(pair.scene.text("status"), "0\n");
    }
}

#[test]
fn a_finished_writer_killed_while_it_waits_takes_nothing_with_it() {
    for shell in SHELLS {
        let more = bytes(10_000);
        let mut pair = Upgraded::start(shell);
        stop(pair.reader);
        pair.feed.send(&more);
        pair.feed.until_read();
        drop(pair.feed);
        until_asleep(pair.running.pid(), "-");
        kill(pair.writer, Signal::SIGKILL).expect("it waits");
        until("the next writer has written", || pair.scene.path("said").exists());
        go_on(pair.reader);
        pair.running.finish().exits(0);
        let expected = Upgraded::expected(&[&more, AFTER].concat());
        pair.scene.assert_holds("out", &expected, "a finished writer");
        assert_eq!(pair.scene.text("r").lines().count(), 1, "{}", pair.scene.text("r"));
    }
}

#[test]
fn what_a_killed_writer_left_in_the_ring_comes_before_what_the_next_one_sends() {
    for shell in SHELLS {
        let more = bytes(10_000);
        let mut pair = Upgraded::start(shell);
        stop(pair.reader);
        pair.feed.send(&more);
        pair.feed.until_read();
        until_asleep(pair.running.pid(), "-");
        kill(pair.writer, Signal::SIGKILL).expect("it waits");
        until("the next writer has written", || pair.scene.path("said").exists());
        go_on(pair.reader);
        pair.running.finish().exits(1);
        let expected = Upgraded::expected(&[&more, AFTER].concat());
        pair.scene.assert_holds("out", &expected, "a killed writer");
        assert!(pair.scene.text("r").contains("the writer died in mid-stream"));
    }
}

#[test]
fn what_a_killed_reader_left_in_the_ring_is_there_for_the_next_one_though_the_writer_sleeps() {
    for shell in SHELLS {
        for next in ["cat", "shmcat"] {
            let scene = Scene::new();
            let mut feed = scene.feed("p");
            let script = format!("shmcat - < p | (shmcat -u > out; {next} > rest) 2> /dev/null");
            let running = scene.start(shell, &script);
            feed.send(&bytes(UPGRADED));
            until("it arrives", || scene.size("out") == UPGRADED);
            let reader = find(running.pid(), "-u").expect("it runs");
            stop(reader);
            let more = bytes(300_000);
            feed.send(&more);
            feed.until_read();
            until_asleep(running.pid(), "-");
            kill(reader, Signal::SIGKILL).expect("it is stopped");
            // More than a pipe holds, and nothing more is written.
            until("the next reader has all of it", || scene.size("rest") == more.len());
            scene.assert_holds("rest", &more, &script);
            drop(feed);
            running.finish().exits(0);
            scene.assert_holds("out", &bytes(UPGRADED), &script);
            scene.assert_holds("rest", &more, &script);
        }
    }
}

/// The status of a writer that has `rest` left when its stopped reader is killed.
#[track_caller]
fn status_when_a_stopped_reader_is_killed(shell: &str, rest: usize) -> String {
    let mut pair = Upgraded::start(shell);
    stop(pair.reader);
    let feeder = thread::spawn({
        let more = bytes(rest);
        move || {
            pair.feed.send(&more);
            pair.feed.until_read();
        }
    });
    until("all of it was read, or no more is", || {
        feeder.is_finished() || state(pair.writer) == Some('S')
    });
    if rest < 64 << 10 {
        feeder.join().expect("it was read");
        until_asleep(pair.running.pid(), "-");
        kill(pair.reader, Signal::SIGKILL).expect("it is stopped");
    } else {
        kill(pair.reader, Signal::SIGKILL).expect("it is stopped");
        until("the writer is gone", || find(pair.running.pid(), "-").is_none());
        // Nobody reads the feed any more.
        pair.scene.run("dash", "cat p > rest & sleep 0.1");
        feeder.join().expect("it was read");
    }
    until_nothing_runs(&pair.running, "a stopped reader");
    pair.running.finish();
    pair.scene.text("status")
}

#[test]
fn a_rest_that_fits_a_pipe_is_a_success_though_its_reader_is_killed() {
    // `cat` would have left it in the pipe and been gone.
    for shell in SHELLS {
        for rest in [1, 10_000, 60_000] {
            assert_eq!(status_when_a_stopped_reader_is_killed(shell, rest), "0\n", "{rest}");
        }
    }
}

#[test]
fn a_rest_that_does_not_fit_a_pipe_is_sigpipe_when_its_reader_is_killed() {
    for shell in SHELLS {
        assert_eq!(status_when_a_stopped_reader_is_killed(shell, 5 << 20), "141\n");
    }
}

#[test]
fn a_stopped_writer_is_waited_for() {
    for shell in SHELLS {
        let mut pair = Upgraded::start(shell);
        stop(pair.writer);
        pair.feed.send(b"one more line\n");
        // The reader looks again and again whether the writer lives; it does.
        let stopped = Instant::now();
        until("some time passes", || stopped.elapsed() > Duration::from_millis(300));
        assert!(find(pair.running.pid(), "-u").is_some(), "{}", pair.scene.text("r"));
        go_on(pair.writer);
        drop(pair.feed);
        pair.running.finish().exits(0).silent();
        let expected = Upgraded::expected(b"one more line\n");
        pair.scene.assert_holds("out", &expected, "a stopped writer");
    }
}

#[test]
fn a_stopped_and_killed_writer_has_died() {
    for shell in SHELLS {
        let mut pair = Upgraded::start(shell);
        stop(pair.writer);
        pair.feed.send(b"never read\n");
        kill(pair.writer, Signal::SIGKILL).expect("it is stopped");
        pair.running.finish().exits(1);
        let expected = Upgraded::expected(AFTER);
        pair.scene.assert_holds("out", &expected, "a stopped and killed writer");
        assert!(pair.scene.text("r").contains("the writer died in mid-stream"));
    }
}

#[test]
fn ends_stopped_at_random_moments() {
    const SIZE: usize = 32 << 20;
    let scene = Scene::new();
    let content = scene.file("in", SIZE);
    let mut chance = Chance::new();
    for _ in 0..20 {
        let [first, second] = [pipe(), pipe()];
        let mut writer = scene.shmcat("w");
        writer.arg("in").stdout(first.1);
        let mut middle = scene.shmcat("m");
        middle.stdin(first.0).stdout(second.1);
        let mut reader = scene.shmcat("r");
        reader.stdin(second.0).stdout(scene.create("out"));
        let ends = [writer, middle, reader].map(start);
        for _ in 0..chance.below(6) {
            let end = &ends[chance.below(3) as usize];
            thread::sleep(Duration::from_micros(chance.below(10_000)));
            end.signal(Signal::SIGSTOP);
            thread::sleep(Duration::from_micros(chance.below(20_000)));
            end.signal(Signal::SIGCONT);
        }
        for end in ends {
            end.finish().exits(0);
        }
        scene.assert_holds("out", &content, "random stops");
        let [writer, middle, reader] = ["w", "m", "r"].map(|name| scene.stats(name).moved(SIZE));
        assert_upgraded(&writer, &middle);
        assert_upgraded(&middle, &reader);
    }
}
