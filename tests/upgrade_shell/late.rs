//! Ends that come late, and streams in which nothing happens for a long time.

use std::time::{Duration, Instant};

use crate::{
    process::state,
    processes::{group, until_asleep, until_nothing_runs},
    scene::{BIG, Feed, SHELLS, Scene},
    stats::assert_upgraded,
    support::{Running, until},
};

/// Starts a script, lets it go on once the `shmcat` that has this argument waits, and sees it end.
#[track_caller]
fn goes_on_when_asleep(scene: &Scene, shell: &str, script: &str, word: &str) {
    let running = scene.start(shell, script);
    until_asleep(running.pid(), word);
    scene.create("go");
    until_nothing_runs(&running, script);
    running.finish().exits(0).silent();
    std::fs::remove_file(scene.path("go")).expect("it was made above");
}

#[test]
fn a_reader_that_comes_late() {
    let (scene, content) = Scene::with_big_file();
    let script = "$S in 2> w | (until [ -e go ]; do sleep 0.01; done; $S - 2> r > out)";
    for shell in SHELLS {
        goes_on_when_asleep(&scene, shell, script, "in");
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w"), &scene.stats("r"));
    }
}

#[test]
fn a_writer_that_comes_late() {
    let (scene, content) = Scene::with_big_file();
    let script = "(until [ -e go ]; do sleep 0.01; done; $S in 2> w) | $S - 2> r > out";
    for shell in SHELLS {
        goes_on_when_asleep(&scene, shell, script, "-");
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w"), &scene.stats("r"));
    }
}

#[test]
fn a_second_writer_that_comes_late() {
    let (scene, content) = Scene::with_big_file();
    let script = "($S in 2> v; until [ -e go ]; do sleep 0.01; done; $S in 2> w) | $S - 2> r > out";
    for shell in SHELLS {
        let running = scene.start(shell, script);
        until("the first stream is there", || scene.size("out") == BIG);
        scene.create("go");
        until_nothing_runs(&running, script);
        running.finish().exits(0).silent();
        scene.assert_holds("out", &[&content[..], &content].concat(), script);
        let shm = ["v", "w"].map(|writer| scene.stats(writer).moved(BIG).over("shm").output.shm);
        assert_eq!(shm[0] + shm[1], scene.stats("r").input.shm);
        std::fs::remove_file(scene.path("go")).expect("it was made above");
        std::fs::remove_file(scene.path("out")).expect("it was made above");
    }
}

/// Starts a chain of three, fed by the FIFO `p`, and has it upgraded with nothing on the way.
#[track_caller]
fn start_idle(scene: &Scene, content: &[u8]) -> (Running, Feed) {
    let mut feed = scene.feed("p");
    let running = scene.start("dash", "$S - < p 2> 1 | $S - 2> 2 | $S - 2> 3 > out");
    feed.send(content);
    until("all of it is there", || scene.size("out") == content.len());
    (running, feed)
}

#[test]
fn an_idle_upgraded_chain_sleeps_and_goes_on() {
    /// Ticks of the processor clock, a hundredth of a second each, for three processes together.
    const TICKS: u64 = 15;
    const IDLE: Duration = Duration::from_secs(2);
    let (scene, content) = Scene::with_big_file();
    let (running, mut feed) = start_idle(&scene, &content);
    let before = ticks(&running);
    let started = Instant::now();
    until("it was idle for a while", || started.elapsed() >= IDLE);
    let used = ticks(&running) - before;
    assert!(used <= TICKS, "{used} ticks of processor time in {IDLE:?} without a byte");
    feed.send(b"one more line\n");
    until("a line arrives after that", || scene.size("out") == BIG + 14);
    drop(feed);
    running.finish().exits(0).silent();
    scene.assert_holds("out", &[&content[..], b"one more line\n"].concat(), "an idle chain");
    let stages = ["1", "2", "3"].map(|stage| scene.stats(stage).moved(BIG + 14));
    assert_upgraded(&stages[0], &stages[1]);
    assert_upgraded(&stages[1], &stages[2]);
}

/// The processor time of the group's `shmcat`s.
fn ticks(running: &Running) -> u64 {
    let of_one = |pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let fields: Vec<_> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
        // User and system time, counted from the state on.
        [11, 12].map(|field| fields[field].parse::<u64>().expect("a number")).iter().sum::<u64>()
    };
    group(running.pid()).into_iter().map(of_one).sum()
}

#[test]
fn the_end_of_file_passes_through_an_idle_chain() {
    let (scene, content) = Scene::with_big_file();
    let (running, feed) = start_idle(&scene, &content);
    until("all of them sleep", || group(running.pid()).iter().all(|pid| state(*pid) == Some('S')));
    drop(feed);
    until_nothing_runs(&running, "an idle chain");
    running.finish().exits(0).silent();
    scene.assert_holds("out", &content, "an idle chain");
}
