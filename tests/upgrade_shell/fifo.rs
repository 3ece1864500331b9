//! FIFOs, whose ends come and go on their own.

use crate::{
    processes::until_asleep,
    scene::{BIG, SHELLS, Scene},
    stats::{assert_agree, assert_upgraded},
    support::{Running, until},
};

/// Runs a script with a new FIFO `p` in both shells, and asserts that `out` is `expected`.
fn through_a_fifo(script: &str, check: impl Fn(&Scene), expected: impl Fn(&[u8]) -> Vec<u8>) {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        scene.run(shell, &format!("rm -f p && mkfifo p\n{script}")).exits(0).silent();
        scene.assert_holds("out", &expected(&content), script);
        check(&scene);
    }
}

fn upgraded(scene: &Scene) {
    assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
}

#[test]
fn the_ends_meet_whichever_is_started_first() {
    let scripts = [
        "$S in 2> w > p & $S < p 2> r > out && wait $!",
        "$S < p 2> r > out & $S in 2> w > p && wait $!",
    ];
    for script in scripts {
        through_a_fifo(script, upgraded, <[u8]>::to_vec);
    }
}

#[test]
fn a_fifo_named_as_a_file_is_read_whole() {
    through_a_fifo("$S in 2> w > p & $S p 2> r > out && wait $!", |_| (), <[u8]>::to_vec);
    through_a_fifo("cat in > p & shmcat p | shmcat > out && wait $!", |_| (), <[u8]>::to_vec);
}

#[test]
fn a_program_that_does_not_upgrade_at_either_end() {
    through_a_fifo("$S in 2> w > p & cat p > out && wait $!", |_| (), <[u8]>::to_vec);
    through_a_fifo("cat in > p & $S < p 2> r > out && wait $!", |_| (), <[u8]>::to_vec);
}

#[test]
fn writers_one_after_another_that_each_close_it() {
    // Somebody holds it open between them, as a shell does for a group.
    let script = "$S < p 2> r > out & (exec 3> p; $S in 2> v > p; cat in > p; $S in 2> w > p)
        wait $!";
    let check = |scene: &Scene| {
        let shm = ["v", "w"].map(|name| scene.stats(name).moved(BIG).over("shm").output.shm);
        assert_eq!(shm[0] + shm[1], scene.stats("r").moved(3 * BIG).input.shm);
    };
    through_a_fifo(script, check, |content| content.repeat(3));
}

#[test]
fn a_new_pair_meets_where_an_old_one_parted() {
    let script = "for i in 1 2 3 4; do $S in 2> w > p & $S < p 2> r; wait $!; done > out";
    through_a_fifo(script, upgraded, |content| content.repeat(4));
}

#[test]
fn a_reader_that_leaves_and_another_that_opens_it_anew() {
    let scene = Scene::new().with_head_example();
    let content = scene.file("in", BIG);
    // The descriptor keeps what is in the FIFO between the two.
    let script = "rm -f p; mkfifo p; exec 3<> p
        ($S in 2> w > p; exec 3<&-) & writer=$!
        head_example 3000000 < p > 1; shmcat < p 3<&- > 2 & reader=$!
        wait $writer; exec 3<&-; wait $reader; cat 1 2 > out";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        scene.stats("w").moved(BIG).over("shm");
    }
}

#[test]
fn a_fifo_that_is_open_for_both_at_both_ends() {
    // Neither end can ever see that the other has gone: there is no end of file and no SIGPIPE.
    let (scene, content) = Scene::with_big_file();
    let script = "rm -f p; mkfifo p; exec 3<> p; $S - 2> r <&3 >> out & $S in 2> w >&3";
    for shell in SHELLS {
        scene.create("out");
        let mut command = scene.script(shell, script);
        let running = Running::start(&mut command);
        until("all of it is there", || scene.size("out") == BIG);
        scene.assert_holds("out", &content, script);
        running.until_dead();
        scene.stats("w").moved(BIG);
        // The reader waits for ever, for what nobody sends.
        until_asleep(running.pid(), "-");
        drop(running);
    }
}

#[test]
fn from_a_fifo_through_a_pipe_into_a_fifo() {
    let script = "mkfifo q; cat in > p & $S < p 2> v | $S 2> w > q & $S < q 2> r > out; wait; rm q";
    let check = |scene: &Scene| {
        let [first, second, third] = ["v", "w", "r"].map(|name| scene.stats(name).moved(BIG));
        assert_eq!((first.input.shm, first.input.pipe), (0, BIG as u64), "{first:?}");
        assert_upgraded(&first, &second);
        assert_agree(&second, &third);
        assert_upgraded(&second, &third);
    };
    through_a_fifo(script, check, <[u8]>::to_vec);
}

#[test]
fn a_fifo_whose_writer_comes_when_the_reader_already_sleeps() {
    let (scene, content) = Scene::with_big_file();
    scene.run("dash", "mkfifo p").exits(0);
    for shell in SHELLS {
        // Open for both, or the reader would still be in open(2).
        let script = "exec 3<> p; $S - < p 3>&- 2> r > out & until [ -e go ]; do sleep 0.01; done
            $S in 3>&- 2> w > p; exec 3>&-; wait $!";
        let running = scene.start(shell, script);
        until_asleep(running.pid(), "-");
        scene.create("go");
        running.finish().exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        std::fs::remove_file(scene.path("go")).expect("it was made above");
    }
}
