//! `--no-upgrade` and `SHMPIPE_UPGRADE=0`: at either end they keep it a pipe.

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::{assert_stayed_a_pipe, assert_upgraded},
};

/// How an end is started that may not upgrade.
const OFF: [&str; 2] =
    ["SHMPIPE_UPGRADE=0 shmcat --stats=json", "shmcat --stats=json --no-upgrade"];
const ON: &str = "shmcat --stats=json";

#[test]
fn at_either_end_or_both_it_stays_a_pipe() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        for off in OFF {
            for (writer, reader) in [(off, ON), (ON, off), (off, off)] {
                let script = format!("{writer} in 2> w | {reader} 2> r > out");
                scene.run(shell, &script).exits(0).silent();
                scene.assert_holds("out", &content, &script);
                let (sent, received) = (scene.stats("w").moved(BIG), scene.stats("r").moved(BIG));
                assert_stayed_a_pipe(&sent, &received);
            }
        }
    }
}

#[test]
fn in_the_environment_of_the_whole_pipeline() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "export SHMPIPE_UPGRADE=0; $S in 2> w | $S 2> m | $S 2> r > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        for stage in ["w", "m", "r"] {
            scene.stats(stage).moved(BIG).over("pipe");
        }
    }
}

#[test]
fn for_one_stage_of_a_chain_its_neighbours_still_upgrade() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        for off in OFF {
            let script = format!("$S in 2> 1 | $S 2> 2 | {off} 2> 3 | $S 2> 4 | $S 2> 5 > out");
            scene.run(shell, &script).exits(0).silent();
            scene.assert_holds("out", &content, &script);
            let stages = ["1", "2", "3", "4", "5"].map(|name| scene.stats(name).moved(BIG));
            assert_upgraded(&stages[0], &stages[1]);
            assert_stayed_a_pipe(&stages[1], &stages[2]);
            assert_stayed_a_pipe(&stages[2], &stages[3]);
            assert_upgraded(&stages[3], &stages[4]);
        }
    }
}

#[test]
fn any_other_value_leaves_it_on() {
    let (scene, content) = Scene::with_big_file();
    for value in ["1", ""] {
        let script = format!("export SHMPIPE_UPGRADE={value}; $S in 2> w | $S 2> r > out");
        scene.run("dash", &script).exits(0).silent();
        scene.assert_holds("out", &content, &script);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}
