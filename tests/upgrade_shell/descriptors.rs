//! One pipe under several descriptors: messages must not overtake data, and what other
//! descriptors send keeps its place.

use std::fs;

use nix::unistd::Pid;

use crate::{
    processes::find,
    scene::{BIG, SHELLS, Scene},
    stats::assert_upgraded,
    support::until,
};

#[test]
fn standard_error_on_the_same_pipe_keeps_it_a_pipe() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "shmcat in missing in 2>&1 | $S 2> r > out";
        scene.run(shell, script).exits(0).silent();
        let message = b"shmcat: missing: No such file or directory\n";
        let expected = [&content[..], message, &content].concat();
        scene.assert_holds("out", &expected, script);
        scene.stats("r").moved(expected.len()).over("pipe");
    }
}

#[test]
fn standard_error_of_another_stage_on_the_same_pipe() {
    // What others say there comes between the bytes, in any place, and is whole.
    let scene = Scene::new();
    std::fs::write(scene.path("in"), vec![b'.'; BIG]).expect("room for temporary files");
    let script = "(shmcat in 2> /dev/null; for i in 1 2 3 4 5; do echo message $i >&2; shmcat in; done) \
        2>&1 | shmcat > out";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        let dots = vec![b'.'; BIG];
        let turn = |i: usize| [format!("message {i}\n").as_bytes(), &dots].concat();
        let expected = [dots.clone(), (1..=5).flat_map(turn).collect()].concat();
        scene.assert_holds("out", &expected, script);
    }
}

#[test]
fn standard_output_duplicated_on_another_descriptor() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "$S in 3>&1 2> w | $S 4<&0 2> r > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

#[test]
fn another_descriptor_of_the_pipe_is_written_to_afterwards() {
    let (scene, content) = Scene::with_big_file();
    let script =
        "{ exec 3>&1; shmcat in >&3; echo x >&3; exec >&3; shmcat in; echo y; } | $S 2> r > out";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        let expected = [&content[..], b"x\n", &content, b"y\n"].concat();
        scene.assert_holds("out", &expected, script);
        scene.stats("r").moved(expected.len()).over("shm");
    }
}

#[test]
fn a_pipe_that_is_named_as_a_file_beside_standard_input() {
    // It is closed after its first use, which drops every lock of the process on it.
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "shmcat in | $S /dev/stdin - 2> r > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
    }
}

#[test]
fn a_description_of_its_own_of_the_same_pipe() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "shmcat in | shmcat - < /dev/stdin > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        let script = "(shmcat in > /dev/stdout; shmcat in) | shmcat > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content.repeat(2), script);
    }
}

#[test]
fn a_pipe_that_leads_back_to_its_writer() {
    // What it holds goes round for ever; the writer must not take its own offer.
    const ROUND: usize = 40_000;
    let scene = Scene::new();
    scene.file("in", ROUND);
    for shell in SHELLS {
        let script = "rm -f p; mkfifo p; exec 3<> p; cat in >&3; exec shmcat -u <&3 >&3";
        let running = scene.start(shell, script);
        until("it has gone round often enough for an offer", || {
            find(running.pid(), "-u").is_some_and(|pid| written(pid) > 4_000_000)
        });
        // Whoever joins in gets some of it, and it goes on.
        let ran = scene.run(shell, "head -c 20000 p | wc -c").exits(0);
        assert_eq!(ran.out().trim(), "20000");
        let pid = find(running.pid(), "-u").expect("it goes on");
        let so_far = written(pid);
        until("it goes on", || written(pid) > so_far);
    }
}

/// How many bytes the process has written with write(2).
fn written(pid: Pid) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("own process");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.expect("a line of it").parse().expect("a number")
}

#[test]
fn two_pipes_between_the_same_two_stages() {
    let (scene, content) = Scene::with_big_file();
    let script =
        "{ { shmcat in & shmcat in >&3 & wait; } 3>&1 >&4 | shmcat > 1; } 4>&1 | shmcat > 2";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("1", &content, script);
        scene.assert_holds("2", &content, script);
    }
}
