//! Standard descriptors that are closed, and inputs that cannot be read to their end. What is said
//! and how it ends is `cat`'s affair (`as_cat`); here it is what arrives.

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::assert_upgraded,
};

/// Runs scripts in both shells, and asserts what `out` holds.
fn delivers(cases: &[(&str, usize)]) {
    let (scene, content) = Scene::with_big_file();
    std::fs::create_dir(scene.path("d")).expect("a new directory");
    for shell in SHELLS {
        for (script, times) in cases {
            scene.run(shell, script).exits(0);
            scene.assert_holds("out", &content.repeat(*times), script);
        }
    }
}

#[test]
fn the_ring_takes_no_standard_descriptor_s_place() {
    // What is said on a closed standard error must not be written into the ring
    // that has its number.
    delivers(&[
        ("shmcat in <&- | shmcat > out", 1),
        ("shmcat in missing in <&- 2>&- | shmcat 2>&- > out", 2),
        ("shmcat in missing in 2>&- | shmcat - missing 2>&- > out; :", 2),
        ("shmcat in missing in <&- 2>&- | (shmcat 2>&-) | (shmcat <&0 2>&-) > out", 2),
        ("exec 2>&-; shmcat in | shmcat | shmcat > out", 1),
        ("exec <&- 2>&-; shmcat in missing in | shmcat - missing | shmcat > out", 2),
    ]);
}

#[test]
fn upgraded_with_standard_input_closed() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "$S in <&- 2> w | $S 2> r > out";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

#[test]
fn inputs_that_fail_in_mid_stream_do_not_disturb_the_others() {
    delivers(&[
        ("shmcat in missing in d in | shmcat > out", 3),
        // Reading its first page is an error of the device.
        ("shmcat in /proc/self/mem in | shmcat > out", 2),
        ("shmcat in - in < d | shmcat > out", 2),
        ("shmcat in - in <&- | shmcat > out", 2),
        ("shmcat missing in missing | shmcat > out", 1),
        ("shmcat in | shmcat missing - d > out; :", 1),
        ("shmcat in | shmcat - in missing - > out; :", 2),
    ]);
}

#[test]
fn a_read_error_in_the_middle_of_an_upgraded_file() {
    let (scene, content) = Scene::with_big_file();
    if !scene.can_trace() {
        return;
    }
    // The loader's reads come first, and must not fail; later there are always some left to fail.
    let inject = "strace -f -o trace -e trace=read,readv,pread64 \
        -e inject=read,readv,pread64:error=EIO:when=60+1000";
    let script = format!("({inject} $S in 2> w; echo $? > status) | shmcat > out");
    scene.run("dash", &script).exits(0).silent();
    let out = scene.read("out");
    crate::scene::assert_same(&out, &content[..out.len()], "the part before the error");
    if scene.text("trace").contains("INJECTED") && out.len() < BIG {
        assert_eq!(scene.text("status"), "1\n");
        assert!(scene.text("w").contains("shmcat: in: Input/output error\n"));
        scene.stats("w").moved(out.len());
    } else {
        println!("skipped: this program reads in larger portions than the error needs");
    }
}

#[test]
fn a_fifo_as_standard_input_of_an_upgraded_writer() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let script = "rm -f p; mkfifo p; cat in > p & $S < p 2> w | $S 2> r > out; wait";
        scene.run(shell, script).exits(0).silent();
        scene.assert_holds("out", &content, script);
        let writer = scene.stats("w").moved(BIG);
        assert_eq!(writer.input.pipe, BIG as u64, "{writer:?}");
        assert_upgraded(&writer, &scene.stats("r").moved(BIG));
    }
}

#[test]
fn an_upgraded_stream_into_a_closed_or_full_output() {
    let (scene, _) = Scene::with_big_file();
    for output in ["> /dev/full", ">&-"] {
        let script = format!("shmcat in | shmcat {output}; echo ${{PIPESTATUS[@]}}");
        scene.run("bash", &script).exits(0).prints("141 1\n");
    }
}
