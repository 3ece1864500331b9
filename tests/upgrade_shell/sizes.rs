//! Streams of every size that means something to pages, pipes, blocks and the moment of the offer.

use crate::{
    scene::{BIG, NEVER_UPGRADED, SHELLS, Scene},
    stats::{assert_agree, assert_upgraded},
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// From this size on neither chance nor what is worth a ring has a say in
/// whether a file is upgraded.
const ALWAYS_UPGRADED: usize = 8 * MIB;

const SIZES: [usize; 14] = [
    0,
    1,
    4095,
    4096,
    4097,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    512 * KIB - 1,
    512 * KIB,
    512 * KIB + 1,
    MIB,
    3 * MIB,
    ALWAYS_UPGRADED,
];

#[test]
fn every_size_arrives_whole_through_one_pipe() {
    let script = "$S in 2> w | $S 2> r > out";
    for size in SIZES.into_iter().chain([BIG]) {
        let scene = Scene::new();
        let content = scene.file("in", size);
        for shell in SHELLS {
            scene.run(shell, script).exits(0).silent();
            scene.assert_holds("out", &content, script);
            let (writer, reader) = (scene.stats("w").moved(size), scene.stats("r").moved(size));
            match size {
                ..=NEVER_UPGRADED => drop((writer.over("pipe"), reader.over("pipe"))),
                ALWAYS_UPGRADED.. => assert_upgraded(&writer, &reader),
                _ => assert_agree(&writer, &reader),
            }
        }
    }
}

#[test]
fn every_size_arrives_whole_through_a_chain_of_five() {
    let script = "$S < in 2> 1 | $S 2> 2 | $S 2> 3 | $S 2> 4 | $S 2> 5 | cmp - in";
    for size in SIZES.into_iter().chain([BIG]) {
        let scene = Scene::new();
        scene.file("in", size);
        for shell in SHELLS {
            scene.run(shell, script).exits(0).silent();
            let stages = ["1", "2", "3", "4", "5"].map(|stage| scene.stats(stage).moved(size));
            for pair in stages.windows(2) {
                match size {
                    ALWAYS_UPGRADED.. => assert_upgraded(&pair[0], &pair[1]),
                    _ => assert_agree(&pair[0], &pair[1]),
                }
            }
        }
    }
}

#[test]
fn many_runs_one_after_another_all_upgrade() {
    let (scene, content) = Scene::with_big_file();
    let script = "$S in 2> w | $S 2> r > out";
    for _ in 0..50 {
        scene.run("dash", script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w"), &scene.stats("r"));
    }
}

#[test]
fn many_pipelines_at_once_do_not_meet() {
    let (scene, _) = Scene::with_big_file();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do
            (shmcat - < in; echo $i) | shmcat | shmcat > out.$i &
        done; wait
        for i in 1 2 3 4 5 6 7 8 9 10; do (cat in; echo $i) | cmp - out.$i; done";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
    }
}

#[test]
#[ignore = "a gigabyte takes a while"]
fn a_gigabyte_arrives_whole() {
    const PARTS: usize = 16;
    const PART: usize = 64 * MIB;
    let scene = Scene::new();
    scene.file("in", PART);
    let names = "in ".repeat(PARTS);
    let script = format!("$S {names} 2> w | $S 2> m | $S 2> r | cmp - all");
    scene.run("dash", &format!("cat {names} > all")).exits(0);
    for shell in SHELLS {
        scene.run(shell, &script).exits(0).silent();
        let [writer, middle, reader] =
            ["w", "m", "r"].map(|stage| scene.stats(stage).moved(PARTS * PART));
        assert_upgraded(&writer, &middle);
        assert_upgraded(&middle, &reader);
    }
}
