//! Writers that follow one another on the same pipe: their bytes come in the order in which they
//! ran, whether by the pipe or by a ring.

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::{Stats, assert_upgraded},
};

/// Runs a script that reads from the files `a`, `b` and `c`, all big, and asserts what comes out.
fn arrives(script: &str, expected: impl Fn([&[u8]; 3]) -> Vec<u8>) -> Scene {
    let scene = Scene::new();
    let content = bytes_of_three(&scene);
    let expected = expected([&content[0], &content[1], &content[2]]);
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &expected, script);
    }
    scene
}

fn bytes_of_three(scene: &Scene) -> [Vec<u8>; 3] {
    let mut number = 0;
    ["a", "b", "c"].map(|name| {
        number += 1;
        // No file is the beginning of another.
        let mut content = scene.file(name, BIG - number);
        content.reverse();
        content.rotate_left(number * 1_234_567);
        std::fs::write(scene.path(name), &content).expect("room for temporary files");
        content
    })
}

#[track_caller]
fn assert_sum(writers: &[Stats], reader: &Stats) {
    let sum = writers.iter().map(|writer| writer.output.shm).sum::<u64>();
    assert_eq!(sum, reader.input.shm, "by rings: {writers:?} and {reader:?}");
}

#[test]
fn a_group_of_writers_that_upgrade_and_writers_that_do_not() {
    let script = "($S a 2> wa; $S b 2> wb; echo x; cat c) | $S 2> r > out";
    let scene = arrives(script, |[a, b, c]| [a, b, b"x\n", c].concat());
    let writers = ["wa", "wb"].map(|name| scene.stats(name).over("shm"));
    assert_sum(&writers, &scene.stats("r").moved(3 * BIG - 6 + 2));
}

#[test]
fn a_group_that_begins_with_a_plain_writer() {
    let script = "(cat a; echo x; $S b 2> wb; $S c 2> wc) | $S 2> r > out";
    let scene = arrives(script, |[a, b, c]| [a, b"x\n", b, c].concat());
    let writers = ["wb", "wc"].map(|name| scene.stats(name).over("shm"));
    assert_sum(&writers, &scene.stats("r"));
}

#[test]
fn a_group_that_is_read_by_a_program_that_does_not_upgrade() {
    let script = "(shmcat a; cat b; $S c 2> w) | cat > out";
    let scene = arrives(script, |files| files.concat());
    scene.stats("w").over("pipe");
}

#[test]
fn short_writers_between_long_ones() {
    let script =
        "(for i in 1 2 3 4 5; do echo $i | shmcat; shmcat a; echo $i; done) | shmcat > out";
    arrives(script, |[a, ..]| {
        let turn = |i: u8| [&[b'0' + i, b'\n'], a, &[b'0' + i, b'\n']].concat();
        (1..=5).flat_map(turn).collect()
    });
}

#[test]
fn groups_within_groups() {
    let script = "( (shmcat a | shmcat; cat b) | shmcat; shmcat c ) | shmcat | shmcat > out";
    arrives(script, |files| files.concat());
}

#[test]
fn a_group_of_chains_into_a_chain() {
    let script = "(shmcat a | shmcat | shmcat; shmcat < b | cat | shmcat; echo x; shmcat c) |
        shmcat | shmcat | shmcat > out";
    arrives(script, |[a, b, c]| [a, b, b"x\n", c].concat());
}

#[test]
fn several_files_of_one_writer_are_one_stream() {
    let script = "$S a - c < b 2> w | $S 2> r > out";
    let scene = arrives(script, |files| files.concat());
    assert_upgraded(&scene.stats("w"), &scene.stats("r"));
}

#[test]
fn a_child_on_the_same_standard_output_afterwards() {
    let script = "sh -c 'shmcat a; sh -c \"shmcat b\"; exec cat c' | shmcat > out";
    arrives(script, |files| files.concat());
}

#[test]
fn a_child_that_inherits_standard_output_and_outlives_the_writer() {
    // The sleeper holds the pipe open: the end of file is not the end of the writer.
    let script = "(
            (until [ -e go ]; do sleep 0.01; done; cat b; rm go) &
            shmcat a; touch go; wait; shmcat c
        ) | shmcat > out";
    arrives(script, |files| files.concat());
}

#[test]
fn hundreds_of_short_writers_in_turn() {
    let scene = Scene::new();
    let script = "for i in $(seq 200); do echo $i | shmcat; done | shmcat | cmp - numbers";
    scene.run("dash", "seq 200 > numbers").exits(0);
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
    }
}
