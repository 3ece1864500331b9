//! Several writers on one pipe at the same time. Nothing is promised between them, but the bytes of
//! each come once, whole and in order; and what a plain write would not tear is not torn.

use std::{fs, ops::Range};

use crate::{
    scene::{SHELLS, Scene, assert_same},
    support::bytes,
};

/// As many writers as two bits can tell apart.
const WRITERS: Range<u8> = 0..4;

/// Bytes that say in their upper bits whose they are and in their lower bits where they belong.
fn tagged(writer: u8, size: usize) -> Vec<u8> {
    bytes(size).into_iter().map(|byte| writer << 6 | byte & 0x3f).collect()
}

/// Runs the script, in which writers send the files `0` to `3`, and asserts of each writer that its
/// bytes are all in `out` and in order.
fn each_in_order(script: &str, sizes: [usize; 4]) -> Scene {
    let scene = Scene::new();
    let contents: Vec<_> = WRITERS.map(|writer| tagged(writer, sizes[writer as usize])).collect();
    for (writer, content) in contents.iter().enumerate() {
        fs::write(scene.path(&writer.to_string()), content).expect("room for temporary files");
    }
    for shell in SHELLS {
        for _ in 0..2 {
            scene.run(shell, script).exits(0).silent();
            let mut found = WRITERS.map(|_| Vec::new()).collect::<Vec<_>>();
            for byte in scene.read("out") {
                found[(byte >> 6) as usize].push(byte);
            }
            for (writer, content) in contents.iter().enumerate() {
                assert_same(&found[writer], content, &format!("writer {writer} of: {script}"));
            }
        }
    }
    scene
}

/// Enough for an upgrade of each.
const BIG: usize = 3 << 20;

#[test]
fn upgrading_writers_at_once() {
    each_in_order(
        "(shmcat 0 & shmcat 1 & shmcat 2 & shmcat 3 & wait) | shmcat > out",
        [BIG, BIG, BIG, BIG],
    );
}

#[test]
fn upgrading_and_plain_writers_at_once() {
    let sizes = [2 * BIG, BIG, BIG, 100_000];
    let scene =
        each_in_order("($S 0 2> w0 & cat 1 & $S 2 2> w2 & cat 3 & wait) | $S 2> r > out", sizes);
    let (writers, reader) = (["w0", "w2"].map(|name| scene.stats(name)), scene.stats("r"));
    let shm = writers.iter().map(|writer| writer.output.shm).sum::<u64>();
    assert_eq!(shm, reader.moved(sizes.iter().sum()).input.shm, "{writers:?}");
}

#[test]
fn a_plain_writer_that_never_pauses_beside_an_upgraded_one() {
    // Small writes all the time, so that the pipe is never found empty.
    each_in_order(
        "(shmcat 0 & dd if=1 bs=512 status=none & wait) | shmcat > out",
        [4 * BIG, BIG, 0, 0],
    );
}

#[test]
fn an_upgraded_writer_that_waits_for_a_plain_one() {
    // Writer 0 goes on once writer 1 is through, which needs the reader to look into the
    // pipe while it waits for the ring.
    each_in_order(
        "rm -f p; mkfifo p
        (
            (cat 0; cat p > /dev/null; cat 2) | shmcat &
            cat 1; echo > p; wait
        ) | shmcat > out",
        [BIG, BIG, BIG, 0],
    );
}

#[test]
fn writers_at_once_whose_reader_does_not_upgrade() {
    each_in_order("(shmcat 0 & cat 1 & shmcat 2 & shmcat 3 & wait) | cat > out", [BIG; 4]);
}

#[test]
fn writers_at_once_through_a_chain() {
    each_in_order(
        "( (shmcat 0 & shmcat 1 & wait) | shmcat & shmcat 2 & cat 3 & wait) | shmcat | shmcat > out",
        [BIG; 4],
    );
}

#[test]
fn lines_that_fit_a_pipe_are_not_torn_by_an_upgraded_stream() {
    const LINES: usize = 3000;
    let scene = Scene::new();
    fs::write(scene.path("in"), vec![b'.'; 4 * BIG]).expect("room for temporary files");
    // `echo` writes each line at once.
    let script = format!(
        "(
            shmcat in &
            for i in $(seq 1 {LINES}); do echo \"<a $i>\"; done &
            for i in $(seq 1 {LINES}); do echo \"<b $i>\"; done &
            wait
        ) | shmcat > out"
    );
    for shell in SHELLS {
        scene.run(shell, &script).exits(0).silent();
        let out = String::from_utf8(scene.read("out")).expect("all of it is ASCII");
        for writer in ["a", "b"] {
            let lines: Vec<_> = out.match_indices(&format!("<{writer} ")).collect();
            assert_eq!(lines.len(), LINES, "lines of {writer}");
            for (number, (at, _)) in lines.into_iter().enumerate() {
                let line = format!("<{writer} {}>\n", number + 1);
                assert!(out[at..].starts_with(&line), "{line:?} is torn or out of order");
            }
        }
        assert_eq!(out.matches('.').count(), 4 * BIG);
    }
}

#[test]
fn readers_at_once_share_one_stream() {
    const SIZE: usize = 4 * BIG;
    let scene = Scene::new();
    fs::write(scene.path("in"), vec![b'.'; SIZE]).expect("room for temporary files");
    // What runs in the background has no standard input unless it is given one.
    let script = "shmcat in | (exec 3<&0; shmcat <&3 > 1 & shmcat <&3 > 2 & cat <&3 > 3 & wait)";
    for shell in SHELLS {
        scene.run(shell, script).exits(0).silent();
        let sizes = ["1", "2", "3"].map(|name| scene.size(name));
        assert_eq!(sizes.iter().sum::<usize>(), SIZE, "{sizes:?}");
    }
}
