//! A writer that is killed: its reader delivers what came, and where a ring was in use it says that
//! this is not all.

use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};

use crate::{
    killed::{Chance, LONG, Moment, ROUNDS, SIZE, kill, pipe, start, until_arrived},
    processes::{find, until_asleep},
    scene::{SHELLS, Scene, assert_same},
    support::{Ran, bytes, until},
};

const MESSAGE: &str = "shmcat: standard input: the writer died in mid-stream\n";

/// Asserts that a reader whose writer was killed (or had finished before) said what is true of it.
/// Returns whether its writer died after the upgrade.
#[track_caller]
fn assert_told(scene: &Scene, reader: &Ran, killed: bool, content: &[u8], what: &str) -> bool {
    let (out, said) = (scene.read("out"), scene.text("r"));
    let what = format!("{what}: {} bytes of {}, {said:?}", out.len(), content.len());
    assert!(out.len() <= content.len(), "something was doubled: {what}");
    assert_same(&out, &content[..out.len()], &what);
    let stats = scene.stats("r").moved(out.len());
    let told = match reader.status.code() {
        Some(0) => false,
        Some(1) => true,
        _ => panic!("{what}: {reader:?}"),
    };
    assert_eq!(said.matches(MESSAGE).count(), usize::from(told), "status and message: {what}");
    assert_eq!(said.lines().count(), 1 + usize::from(told), "nothing else is said: {what}");
    if !killed {
        assert!(!told && out.len() == content.len(), "a finished writer did not die: {what}");
    }
    // Killed while it only waited for its finished stream to be drained, it took nothing with it.
    if killed && stats.input.shm > 0 && !told {
        assert_eq!(
            out.len(),
            content.len(),
            "a truncated stream was taken for a whole one: {what}"
        );
    }
    told
}

#[track_caller]
fn round(scene: &Scene, content: &[u8], chance: &mut Chance) -> bool {
    let moment = chance.moment();
    let (read, write) = pipe();
    let mut writer = scene.shmcat("w");
    writer.arg("in").stdout(write);
    let mut reader = scene.shmcat("r");
    reader.stdin(read).stdout(scene.create("out"));
    let (writer, reader) = (start(writer), start(reader));
    moment.wait(scene, &writer);
    let killed = kill(writer);
    assert_told(scene, &reader.finish(), killed, content, &format!("{moment:?}"))
}

fn rounds(rounds: usize) {
    let scene = Scene::new();
    let content = scene.file("in", SIZE);
    let mut chance = Chance::new();
    let told = (0..rounds).filter(|_| round(&scene, &content, &mut chance)).count();
    println!("{told} of {rounds} after the upgrade");
    assert!(told > rounds / 8, "only {told} of {rounds} died after the upgrade");
}

#[test]
fn at_any_moment_its_reader_delivers_what_came_and_says_so() {
    rounds(ROUNDS);
}

#[test]
#[ignore = "the long form"]
fn at_any_moment_its_reader_delivers_what_came_and_says_so_many_times() {
    rounds(LONG);
}

/// One round: the middle of three dies, which is a reader to one neighbour and
/// a writer to the other.
#[track_caller]
fn middle_round(scene: &Scene, content: &[u8], chance: &mut Chance) -> bool {
    let moment = chance.moment();
    let [first, second] = [pipe(), pipe()];
    let mut writer = scene.shmcat("w");
    writer.arg("in").stdout(first.1);
    let mut middle = scene.shmcat("m");
    middle.stdin(first.0).stdout(second.1);
    let mut reader = scene.shmcat("r");
    reader.stdin(second.0).stdout(scene.create("out"));
    let [writer, middle, reader] = [writer, middle, reader].map(start);
    moment.wait(scene, &middle);
    let killed = kill(middle);
    let what = format!("the middle at {moment:?}");
    let told = assert_told(scene, &reader.finish(), killed, content, &what);
    let writer = writer.finish();
    // What still fitted the pipe was written, as `cat` would have.
    let whole = writer.status.success() && (!killed || scene.size("out") + (4 << 20) >= SIZE);
    assert!(whole || killed, "{what}: {writer:?}");
    if !whole {
        writer.dies_of(Signal::SIGPIPE);
    }
    told
}

fn middle_rounds(rounds: usize) {
    let scene = Scene::new();
    let content = scene.file("in", SIZE);
    let mut chance = Chance::new();
    let told = (0..rounds).filter(|_| middle_round(&scene, &content, &mut chance)).count();
    println!("{told} of {rounds} after the upgrade");
    assert!(told > rounds / 8, "only {told} of {rounds} died after the upgrade");
}

#[test]
fn the_middle_of_a_chain_is_killed_at_any_moment() {
    middle_rounds(ROUNDS);
}

#[test]
#[ignore = "the long form"]
fn the_middle_of_a_chain_is_killed_at_any_moment_many_times() {
    middle_rounds(LONG);
}

/// Starts a group of which the first writer has sent `size` bytes and waits for more, kills this
/// writer, and lets the rest of the group run.
#[track_caller]
fn first_of_a_group_killed(shell: &str, size: usize, rest: &str) -> (Scene, Ran, Vec<u8>) {
    let scene = Scene::new();
    let content = bytes(size);
    scene.file("in", size);
    let mut feed = scene.feed("p");
    let script = format!("(shmcat -u - < p; {rest}) 2> /dev/null | $S 2> r > out");
    let running = scene.start(shell, &script);
    feed.send(&content);
    until_arrived(&scene, size);
    let writer = find(running.pid(), "-u").expect("it waits for more");
    signal::kill(writer, Signal::SIGKILL).expect("own process");
    (scene, running.finish(), content)
}

#[test]
fn the_reader_goes_on_with_what_else_the_pipe_brings() {
    for shell in SHELLS {
        for rest in ["echo after", "cat in", "shmcat in", "shmcat in; echo after; shmcat in"] {
            let (scene, ran, content) = first_of_a_group_killed(shell, 3 << 20, rest);
            ran.exits(1);
            let after: Vec<u8> = rest
                .split("; ")
                .flat_map(
                    |one| if one == "echo after" { b"after\n".to_vec() } else { content.clone() },
                )
                .collect();
            scene.assert_holds("out", &[content, after].concat(), rest);
            assert_eq!(scene.text("r").matches(MESSAGE).count(), 1, "{}", scene.text("r"));
        }
    }
}

#[test]
fn a_writer_killed_before_the_upgrade_is_a_mere_end_of_file() {
    for shell in SHELLS {
        for size in [1, 100_000, 512 << 10] {
            let (scene, ran, content) = first_of_a_group_killed(shell, size, "echo after");
            ran.exits(0);
            scene.assert_holds("out", &[&content[..], b"after\n"].concat(), "a plain writer");
            assert_eq!(scene.text("r").lines().count(), 1, "{}", scene.text("r"));
        }
    }
}

#[test]
fn what_it_left_in_the_ring_comes_before_what_the_next_writer_sends() {
    const BEFORE: usize = 3 << 20;
    // All but this is in the ring, so that it is never empty, and not full either.
    const IN_RING: usize = 800_000;
    const TURN: usize = 400_000;
    // The reader looks into the pipe after every few reads; in some of these, just when it matters.
    for turns in 1..6 {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let script = format!(
            "(shmcat -u - < p; echo after; touch said) 2> /dev/null | $S 2> r |
            (
                head -c {BEFORE}
                for i in $(seq {turns}); do
                    until [ -e go.$i ]; do sleep 0.01; done; head -c {TURN}
                done
                until [ -e go ]; do sleep 0.01; done; cat
            ) > out"
        );
        let running = scene.start("dash", &script);
        let content = bytes(BEFORE + IN_RING + turns * TURN);
        feed.send(&content[..BEFORE]);
        until_arrived(&scene, BEFORE);
        feed.send(&content[BEFORE..][..IN_RING]);
        for turn in 0..turns {
            scene.create(&format!("go.{}", turn + 1));
            until_arrived(&scene, BEFORE + (turn + 1) * TURN);
            feed.send(&content[BEFORE + IN_RING + turn * TURN..][..TURN]);
        }
        feed.until_read();
        let writer = until_asleep(running.pid(), "-u");
        signal::kill(writer, Signal::SIGKILL).expect("own process");
        until("the next one has written", || scene.path("said").exists());
        scene.create("go");
        running.finish().exits(0);
        scene.assert_holds("out", &[&content[..], b"after\n"].concat(), &script);
        assert!(scene.text("r").starts_with(MESSAGE), "{}", scene.text("r"));
    }
}

#[test]
fn other_fatal_signals_are_deaths_too() {
    for fatal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let content = bytes(3 << 20);
        let script =
            "ulimit -c 0; (shmcat -u - < p; echo $? > status) 2> /dev/null | $S 2> r > out";
        let running = scene.start("dash", script);
        feed.send(&content);
        until_arrived(&scene, content.len());
        let writer = find(running.pid(), "-u").expect("it waits for more");
        signal::kill(writer, fatal).expect("own process");
        running.finish().exits(1);
        scene.assert_holds("out", &content, script);
        assert_eq!(scene.text("status"), format!("{}\n", 128 + fatal as i32));
        assert!(scene.text("r").contains("in mid-stream\n"), "{}", scene.text("r"));
    }
}

#[test]
fn a_reader_that_waits_notices_soon() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let content = bytes(3 << 20);
        // The shell would tell of the death, too; the pipe ends with the writer.
        let running = scene.start(shell, "shmcat -u - < p | $S 2> r > out");
        feed.send(&content);
        until_arrived(&scene, content.len());
        let writer = find(running.pid(), "-u").expect("it waits for more");
        signal::kill(writer, Signal::SIGKILL).expect("own process");
        let killed = Instant::now();
        let ran = running.finish();
        assert!(
            killed.elapsed() < Duration::from_secs(5),
            "noticed only after {:?}",
            killed.elapsed()
        );
        ran.exits(1);
        scene.assert_holds("out", &content, "a killed writer");
        assert!(scene.text("r").starts_with(MESSAGE), "{}", scene.text("r"));
    }
}

#[test]
fn the_end_of_a_killed_writer_is_told_through_a_chain_only_once() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let content = bytes(3 << 20);
        let script =
            "shmcat -u - < p | (shmcat 2> 1; echo $? >&3) | (shmcat 2> 2 > out; echo $? >&3)";
        let running = scene.start(shell, &format!("({script}) 3> status"));
        feed.send(&content);
        until_arrived(&scene, content.len());
        let writer = find(running.pid(), "-u").expect("it waits for more");
        signal::kill(writer, Signal::SIGKILL).expect("own process");
        running.finish().exits(0);
        scene.assert_holds("out", &content, script);
        let told = [scene.text("1"), scene.text("2"), scene.text("status")];
        assert_eq!(told, [MESSAGE, "", "1\n0\n"]);
    }
}

#[test]
fn a_moment_that_never_comes_is_the_end() {
    // The harness itself: waiting for more than there is must end with the stream.
    let scene = Scene::new();
    scene.file("in", 10);
    let mut writer = scene.shmcat("w");
    writer.arg("in").stdout(scene.create("out"));
    let writer = start(writer);
    Moment::Arrived(11).wait(&scene, &writer);
    assert!(!kill(writer));
}
