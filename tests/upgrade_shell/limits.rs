//! Limits that leave no room for an upgrade: the pipe is always there.

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::{assert_agree, assert_stayed_a_pipe},
};

#[test]
fn files_that_may_not_grow_keep_it_a_pipe() {
    // A file that grows past this limit is a signal, which nobody asked for.
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        for limit in [0, 1, 100, 511] {
            // At 0 not even statistics can be written.
            let stats = if limit == 0 { ["/dev/null"; 2] } else { ["w", "r"] };
            let script = format!(
                "(ulimit -f {limit}; exec $S in 2> {}) | $S 2> {} | cmp - in",
                stats[0], stats[1]
            );
            scene.run(shell, &script).exits(0).silent();
            if limit > 0 {
                assert_stayed_a_pipe(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
            }
        }
    }
    drop(content);
}

#[test]
fn files_that_may_grow_enough() {
    let (scene, _) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "ulimit -f 1000000; $S in 2> w | $S 2> r | cmp - in";
        scene.run(shell, script).exits(0).silent();
        scene.stats("w").moved(BIG).over("shm");
    }
}

/// It writes a word into the ring's head when it attaches, which must not be its death.
#[test]
fn a_reader_that_may_write_no_file_at_all() {
    let (scene, _) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "$S in 2> w | (ulimit -f 0; exec shmcat) | cmp - in";
        scene.run(shell, script).exits(0).silent();
        scene.stats("w").moved(BIG).over("shm");
    }
}

#[test]
fn a_reader_whose_files_may_not_grow() {
    let (scene, _) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "$S in 2> w | (ulimit -f 1; exec $S 2> r) | cmp - in";
        scene.run(shell, script).exits(0).silent();
        assert_agree(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

/// Runs `$S in | $S` with a limit on either end, which leaves room for a plain copy.
fn whole_under(limits: impl Iterator<Item = String>) {
    let (scene, _) = Scene::with_big_file();
    let mut possible = 0;
    for limit in limits {
        let ends = [format!("ulimit {limit}; exec"), "exec".to_owned()];
        let plain = format!("({} shmcat --no-upgrade in) 2> /dev/null | cmp - in", ends[0]);
        if !scene.run("bash", &plain).status.success() {
            continue;
        }
        possible += 1;
        for (writer, reader) in [(0, 1), (1, 0), (0, 0)] {
            let (writer, reader) = (&ends[writer], &ends[reader]);
            let script = format!("({writer} $S in) 2> w | ({reader} $S) 2> r | cmp - in");
            scene.run("bash", &script).exits(0).silent();
            assert_agree(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        }
    }
    assert!(possible > 0, "no plain copy under any of the limits");
}

#[test]
fn hardly_any_descriptors() {
    whole_under((3..12).map(|descriptors| format!("-n {descriptors}")));
}

#[test]
fn hardly_any_address_space() {
    // From what is too little for the program itself to what is enough for a ring, in KiB.
    whole_under((2 << 10..20 << 10).step_by(1 << 10).map(|kib| format!("-v {kib}")));
}
