//! Readers that leave early: the rest is for whoever reads the pipe next, from the first byte that
//! they did not take. Where several rings are to follow one another, the writer reads from a pipe,
//! because what is left of a file may not be worth another one.

use crate::{
    scene::{BIG, SHELLS, Scene, assert_same},
    support::Ran,
};

/// Runs a script and asserts that the files hold the whole of `in` one after another.
#[track_caller]
fn shared_by(scene: &Scene, shell: &str, script: &str, files: &[&str], content: &[u8]) -> Ran {
    let ran = scene.run(shell, script).exits(0);
    let found: Vec<u8> = files.iter().flat_map(|name| scene.read(name)).collect();
    assert_same(&found, content, &format!("{files:?} after {shell}: {script}"));
    ran
}

#[test]
fn a_plain_reader_follows_an_upgraded_one() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    for shell in SHELLS {
        let script = "$S in 2> w | (head_example 3000000 > 1; cat > 2)";
        shared_by(&scene, shell, script, &["1", "2"], &content).silent();
        assert_eq!(scene.size("1"), 3_000_000);
        let writer = scene.stats("w").moved(BIG).over("shm");
        assert!(writer.output.shm <= 3_000_000, "the rest went by the pipe: {writer:?}");
    }
}

#[test]
fn an_upgrading_reader_follows_an_upgraded_one() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    for shell in SHELLS {
        let script = "cat in | $S 2> w | (head_example 3000000 > 1; $S 2> r > 2)";
        shared_by(&scene, shell, script, &["1", "2"], &content).silent();
        assert_eq!(scene.size("1"), 3_000_000);
        // Both of them did: together they took more than the second one alone.
        let (writer, reader) =
            (scene.stats("w").moved(BIG), scene.stats("r").moved(BIG - 3_000_000));
        assert!(reader.input.shm > 0, "a second ring: {reader:?}");
        assert!(writer.output.shm > reader.input.shm, "{writer:?} and {reader:?}");
    }
}

#[test]
fn five_upgraded_readers_one_after_another() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script = "cat in | shmcat | (
            for i in 1 2 3 4 5; do head_example 1500001 > $i; done; shmcat > 6
        )";
    for shell in SHELLS {
        let files = ["1", "2", "3", "4", "5", "6"];
        shared_by(&scene, shell, script, &files, &content).silent();
        assert_eq!(scene.size("5"), 1_500_001);
    }
}

#[test]
fn fifty_readers_that_each_take_a_little() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    // The amounts fall on every side of blocks, pipes and the moment of the offer.
    let script = "rm -f 1; cat in | shmcat | (
            i=1; while [ $i -le 50 ]; do head_example $((i * 6007)) >> 1; i=$((i + 1)); done
            shmcat > 2
        )";
    for shell in SHELLS {
        shared_by(&scene, shell, script, &["1", "2"], &content).silent();
    }
}

#[test]
fn a_reader_that_takes_nothing_leaves_everything() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script =
        "cat in | shmcat | (head_example 0 > 1; head_example 1 > 2; head_example 0; shmcat > 3)";
    for shell in SHELLS {
        shared_by(&scene, shell, script, &["1", "2", "3"], &content).silent();
        assert_eq!(scene.size("1") + scene.size("2"), 1);
    }
}

#[test]
fn a_reader_that_takes_exactly_everything() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script = format!("shmcat in | (head_example {BIG} > 1; shmcat > 2); echo $?");
    for shell in SHELLS {
        shared_by(&scene, shell, &script, &["1", "2"], &content).silent().prints("0\n");
    }
}

#[test]
fn what_is_in_the_ring_of_a_finished_writer_is_left_to_the_next_reader() {
    // All of it is in the ring or the pipe when its reader leaves, and its writer would be done.
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    for shell in SHELLS {
        for next in ["cat", "$S 2> r", "head_example 500000; shmcat"] {
            for left in [1, 4096, 65_536, 100_000, 700_000] {
                let script = format!(
                    "($S in 2> w; echo $? > status) | (head_example {} > 1; ({next}) > 2)",
                    BIG - left
                );
                shared_by(&scene, shell, &script, &["1", "2"], &content).silent();
                assert_eq!(scene.size("2"), left, "{script}");
                assert_eq!(scene.text("status"), "0\n", "{script}");
                scene.stats("w").moved(BIG).over("shm");
            }
        }
    }
}

#[test]
fn readers_that_leave_a_chain_of_writers() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script = "(head_example 4000000 < in; tail -c +4000001 in | shmcat) | shmcat |
        (head_example 2500000 | shmcat > 1; (head_example 2500000; cat) | shmcat | cat > 2)";
    for shell in SHELLS {
        shared_by(&scene, shell, script, &["1", "2"], &content).silent();
    }
}

#[test]
fn several_upgraded_writers_and_several_upgraded_readers() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script = "(shmcat in; shmcat in; shmcat in) |
        (head_example 9000000 > 1; head_example 9000000 > 2; shmcat > 3)";
    for shell in SHELLS {
        let all = [&content[..], &content, &content].concat();
        shared_by(&scene, shell, script, &["1", "2", "3"], &all).silent();
    }
}

#[test]
fn a_plain_reader_goes_before_an_upgrading_one() {
    let (scene, content) = Scene::with_big_file();
    let script = "shmcat in | (dd bs=1000 count=2000 iflag=fullblock status=none > 1; shmcat > 2)";
    for shell in SHELLS {
        shared_by(&scene, shell, script, &["1", "2"], &content).silent();
        assert_eq!(scene.size("1"), 2_000_000);
    }
}

#[test]
fn a_plain_reader_between_upgrading_ones() {
    let (scene, content) = Scene::with_big_file();
    let scene = scene.with_head_example();
    let script = "cat in | shmcat | (
            head_example 2000000 > 1
            dd bs=1000 count=2000 iflag=fullblock status=none > 2
            head_example 2000000 > 3; shmcat > 4
        )";
    for shell in SHELLS {
        shared_by(&scene, shell, script, &["1", "2", "3", "4"], &content).silent();
    }
}

#[test]
fn an_upgraded_stage_that_is_cut_loses_only_what_it_had_taken() {
    // As with `cat | head`: what the cut stage had read is gone, and what it
    // had not is the next one's.
    const ON_THE_WAY: usize = 512 << 10;
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        for next in ["cat", "shmcat"] {
            let script = format!("shmcat in | (shmcat | head -c 3000000 > 1; {next} > 2)");
            scene.run(shell, &script).exits(0).silent();
            assert_same(&scene.read("1"), &content[..3_000_000], &script);
            let rest = scene.read("2");
            assert!(rest.len() <= BIG - 3_000_000, "{} bytes in 2", rest.len());
            assert_same(&rest, &content[BIG - rest.len()..], &script);
            let lost = BIG - 3_000_000 - rest.len();
            assert!(lost <= ON_THE_WAY, "{lost} bytes were lost: {script}");
        }
    }
}

#[test]
fn the_writer_dies_of_sigpipe_when_the_last_reader_left() {
    let (scene, _) = Scene::with_big_file();
    let scene = scene.with_head_example();
    for readers in ["head_example 3000000", "(head_example 3000000; head_example 2000000)"] {
        let script = format!("shmcat in | {readers} > out; echo ${{PIPESTATUS[@]}}");
        scene.run("bash", &script).exits(0).prints("141 0\n").silent();
    }
}
