//! `shmcat` beside every program that a pipeline is made of. Only where it meets itself is there an
//! upgrade, and nobody else notices.

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::{assert_stayed_a_pipe, assert_upgraded},
};

/// What of the file `in` a stage hands on.
#[derive(Clone, Copy, PartialEq)]
enum Hands {
    All,
    First(usize),
}

/// Whether a stage speaks of upgrades.
#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Yes,
    No,
}

const CUT: usize = 3_000_001;

const WRITERS: [(&str, Hands, Speaks); 7] = [
    ("cat in", Hands::All, Speaks::No),
    ("head -c 3000001 in", Hands::First(CUT), Speaks::No),
    ("tee copy < in", Hands::All, Speaks::No),
    ("$S in 2> w", Hands::All, Speaks::Yes),
    ("$S < in 2> w", Hands::All, Speaks::Yes),
    ("cat in | $S 2> w", Hands::All, Speaks::Yes),
    ("head -c 3000001 in | $S - 2> w", Hands::First(CUT), Speaks::Yes),
];

const READERS: [(&str, Hands, Speaks); 7] = [
    ("cat > out", Hands::All, Speaks::No),
    ("head -c 3000001 > out", Hands::First(CUT), Speaks::No),
    ("tee copy > out", Hands::All, Speaks::No),
    ("tail -c +1 > out", Hands::All, Speaks::No),
    ("$S 2> r > out", Hands::All, Speaks::Yes),
    ("$S - 2> r | cat > out", Hands::All, Speaks::Yes),
    ("$S 2> r | tee copy > out", Hands::All, Speaks::Yes),
];

#[test]
fn every_pairing_delivers_all_and_upgrades_where_both_can() {
    for shell in SHELLS {
        let (scene, content) = Scene::with_big_file();
        for (writer, handed, writes) in WRITERS {
            for (reader, taken, reads) in READERS {
                let script = format!("{writer} | {reader}");
                scene.run(shell, &script).exits(0).silent();
                let sizes = [handed, taken].map(|hands| match hands {
                    Hands::All => BIG,
                    Hands::First(size) => size,
                });
                let size = sizes[0].min(sizes[1]);
                scene.assert_holds("out", &content[..size], &script);
                match (writes, reads) {
                    (Speaks::Yes, Speaks::Yes) => assert_upgraded(
                        &scene.stats("w").moved(size),
                        &scene.stats("r").moved(size),
                    ),
                    // A stage that was cut dies of SIGPIPE and says nothing.
                    (Speaks::Yes, Speaks::No) if taken == Hands::All => {
                        drop(scene.stats("w").moved(size).over("pipe"))
                    }
                    (Speaks::No, Speaks::Yes) => drop(scene.stats("r").moved(size).over("pipe")),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_chain_upgrades_only_between_neighbours_that_both_can() {
    let script = "$S in 2> 1 | $S 2> 2 | cat | $S 2> 3 | tee copy | $S 2> 4 | $S 2> 5 > out";
    for shell in SHELLS {
        let (scene, content) = Scene::with_big_file();
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        scene.assert_holds("copy", &content, script);
        let stages = ["1", "2", "3", "4", "5"].map(|stage| scene.stats(stage).moved(BIG));
        assert_upgraded(&stages[0], &stages[1]);
        assert_stayed_a_pipe(&stages[1], &stages[2]);
        assert_stayed_a_pipe(&stages[2], &stages[3]);
        assert_upgraded(&stages[3], &stages[4]);
    }
}

#[test]
fn process_substitution_at_the_reading_end() {
    let (scene, content) = Scene::with_big_file();
    // `$!` is the substituted process, which bash does not wait for by itself.
    let script = "$S in 2> w > >($S 2> r > out); wait $!";
    scene.run("bash", script).exits(0).silent();
    scene.assert_holds("out", &content, script);
    assert_upgraded(&scene.stats("w"), &scene.stats("r"));
}

#[test]
fn process_substitution_at_the_writing_end() {
    let (scene, content) = Scene::with_big_file();
    let script = "$S < <($S in 2> w) 2> r > out; wait $!";
    scene.run("bash", script).exits(0).silent();
    scene.assert_holds("out", &content, script);
    assert_upgraded(&scene.stats("w"), &scene.stats("r"));
}

#[test]
fn process_substitutions_as_files() {
    let (scene, content) = Scene::with_big_file();
    let other = scene.file("other", (3 << 20) + 1);
    let script = "$S <(shmcat in) other <(cat other) <(shmcat other | shmcat) 2> w | $S 2> r > out";
    scene.run("bash", script).exits(0).silent();
    let expected = [&content[..], &other, &other, &other].concat();
    scene.assert_holds("out", &expected, script);
    assert_upgraded(&scene.stats("w"), &scene.stats("r"));
}

#[test]
fn tee_in_the_middle_with_an_upgrading_branch() {
    let (scene, content) = Scene::with_big_file();
    let script = "shmcat in | tee >(shmcat | shmcat > branch; echo > done) | shmcat | shmcat > out
        until [ -e done ]; do sleep 0.01; done";
    scene.run("bash", script).exits(0).silent();
    scene.assert_holds("out", &content, script);
    scene.assert_holds("branch", &content, script);
}

#[test]
fn command_substitution_takes_the_place_of_a_file() {
    let scene = Scene::new();
    let line = "0123456789abcdef".repeat(1 << 16);
    std::fs::write(scene.path("in"), &line).expect("room for temporary files");
    for shell in SHELLS {
        let script = "x=$(shmcat in | shmcat); echo \"$x\" > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", format!("{line}\n").as_bytes(), script);
    }
}

#[test]
fn named_rings_in_the_middle_of_upgraded_pipes() {
    let (scene, content) = Scene::with_big_file();
    let script = "$S in 2> w | shmcat --to $R & shmcat --from $R | $S 2> r > out; wait $!";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        scene.stats("w").moved(BIG);
        scene.stats("r").moved(BIG);
    }
}
