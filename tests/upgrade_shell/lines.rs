//! Lines that come slowly: each is at the other end as soon as it was written, upgraded or not.

use std::{fs::OpenOptions, io::Write};

use crate::{
    processes::find,
    scene::{SHELLS, Scene},
    stats::assert_upgraded,
    support::{Running, bytes, until},
};

/// Enough that every stage has upgraded before the lines come.
const BEFORE: usize = 3 << 20;

const LINES: usize = 200;

/// Sends lines one by one, each when the one before it has arrived in `out` behind what is there.
#[track_caller]
fn one_by_one(scene: &Scene, expected: &mut Vec<u8>, mut send: impl FnMut(&[u8])) {
    for number in 0..LINES {
        let line = format!("line {number}\n");
        send(line.as_bytes());
        expected.extend_from_slice(line.as_bytes());
        until(&format!("line {number} arrives"), || scene.size("out") == expected.len());
    }
    scene.assert_holds("out", expected, "lines one by one");
}

#[test]
fn a_log_that_grows_is_followed_line_by_line() {
    for (shell, before) in [("bash", 0), ("dash", 0), ("bash", BEFORE), ("dash", BEFORE)] {
        let scene = Scene::new();
        let mut expected = scene.file("log", before);
        let mut log = OpenOptions::new().append(true).open(scene.path("log")).expect("own file");
        let script = "tail -n +1 -f log | shmcat | shmcat > out";
        let running = scene.start(shell, script);
        until("what is there arrives", || scene.size("out") == before);
        one_by_one(&scene, &mut expected, |line| log.write_all(line).expect("own file"));
        // It runs for ever; its place ends it.
        drop(running);
    }
}

#[test]
fn lines_pass_through_an_upgraded_chain_of_five() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let script = "$S < p 2> 1 | $S 2> 2 | $S 2> 3 | $S 2> 4 | $S 2> 5 > out";
        let running = scene.start(shell, script);
        let mut expected = bytes(BEFORE);
        feed.send(&expected);
        until("what is there arrives", || scene.size("out") == BEFORE);
        one_by_one(&scene, &mut expected, |line| feed.send(line));
        drop(feed);
        running.finish().exits(0).silent();
        let stages = ["1", "2", "3", "4", "5"].map(|name| scene.stats(name).moved(expected.len()));
        for pair in stages.windows(2) {
            assert_upgraded(&pair[0], &pair[1]);
        }
    }
}

#[test]
fn lines_of_a_second_writer_overtake_an_idle_upgraded_one() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let mut other = scene.feed("q");
        let running = scene.start(shell, "(exec 3< p; shmcat - <&3 & cat q; wait) | shmcat > out");
        let mut expected = bytes(BEFORE);
        feed.send(&expected);
        until("what is there arrives", || scene.size("out") == BEFORE);
        one_by_one(&scene, &mut expected, |line| other.send(line));
        one_by_one(&scene, &mut expected, |line| feed.send(line));
        one_by_one(&scene, &mut expected, |line| other.send(line));
        drop((feed, other));
        running.finish().exits(0).silent();
        scene.assert_holds("out", &expected, "two writers");
    }
}

#[test]
fn a_slow_chain_that_is_cut_ends_with_the_next_lines() {
    // Each stage learns of it when it next writes, as in a chain of `cat`.
    let script = format!(
        "(head -c {BEFORE} in; while echo line; do sleep 0.01; done) | $P | $P | $P | $P \
            | (head -c {BEFORE} > out; head -n 3); echo ${{PIPESTATUS[@]}}"
    );
    let scene = Scene::new();
    let content = scene.file("in", BEFORE);
    for program in ["cat", "shmcat"] {
        let mut command = scene.script("bash", &script);
        let ran = Running::start(command.env("P", program)).finish();
        let ran = ran.exits(0).prints("line\nline\nline\n141 141 141 141 141 0\n");
        // The shell's own `echo` may say that its pipe is broken.
        assert!(!ran.stderr.contains("cat:"), "{program}: {ran:?}");
        scene.assert_holds("out", &content, &script);
    }
}

#[test]
fn a_chain_that_is_cut_while_it_waits_ends_when_its_source_goes_on() {
    let scene = Scene::new();
    let mut feed = scene.feed("p");
    let content = bytes(BEFORE);
    let script = format!("shmcat - < p | shmcat | head -c {BEFORE} > out; echo ${{PIPESTATUS[@]}}");
    let running = scene.start("bash", &script);
    feed.send(&content);
    until("what is there arrives", || scene.size("out") == BEFORE);
    // The second stage is told by its next write, the first one by the one
    // after that at the latest.
    until("both stages are gone", || {
        feed.send(b"more\n");
        find(running.pid(), "-").is_none()
    });
    running.finish().exits(0).prints("141 141 0\n").silent();
}
