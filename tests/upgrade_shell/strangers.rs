//! Ends that cannot reach each other: another user's, without /proc, in another pid namespace.
//! They stay a pipe and say nothing. Only root can set this up; where that is not possible, a
//! test says that it was skipped.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    processes::find,
    scene::{BIG, SHELLS, Scene},
    stats::{assert_agree, assert_stayed_a_pipe, assert_upgraded},
    support::{shmcat, until},
};

const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups";

/// Becomes another pid namespace, with a /proc of its own.
const ELSEWHERE: &str = "unshare --pid --fork --kill-child --mount-proc";

/// Becomes another pid namespace, with the /proc of the old one, in which every
/// number is another's.
const ASTRAY: &str = "unshare --pid --fork --kill-child";

/// Loses /proc, and becomes what follows.
const WITHOUT_PROC: &str = "unshare --mount sh -c 'mount -t tmpfs none /proc && exec \"$@\"' sh";

/// A scene whose program others may run, too, if `prefix` is possible here; or says that it is not.
fn scene_for(prefix: &str) -> Option<(Scene, Vec<u8>)> {
    let (scene, content) = Scene::with_big_file();
    fs::copy(shmcat(), scene.path("shmcat")).expect("room for a copy of the program");
    fs::set_permissions(scene.path("."), fs::Permissions::from_mode(0o755)).expect("own directory");
    let possible = scene.run("dash", &format!("{prefix} ./shmcat in > /dev/null"));
    if !possible.status.success() {
        println!("skipped: this is not possible here: {prefix}: {possible:?}");
        return None;
    }
    Some((scene, content))
}

/// What two ends make of their pipe.
enum Becomes {
    /// Neither does.
    Pipe,
    /// Whatever is possible.
    Either,
}

#[track_caller]
fn becomes(writer: &str, reader: &str, expected: Becomes) {
    for prefix in [writer, reader] {
        let Some((scene, content)) = scene_for(prefix) else { continue };
        for shell in SHELLS {
            let script = format!(
                "{writer} ./shmcat --stats=json in 2> w | {reader} ./shmcat --stats=json 2> r > out"
            );
            scene.run(shell, &script).exits(0).silent();
            scene.assert_holds("out", &content, &script);
            let (sent, received) = (scene.stats("w").moved(BIG), scene.stats("r").moved(BIG));
            match expected {
                Becomes::Pipe => assert_stayed_a_pipe(&sent, &received),
                Becomes::Either => assert_agree(&sent, &received),
            }
        }
    }
}

#[test]
fn another_user_s_reader() {
    becomes("", NOBODY, Becomes::Pipe);
}

#[test]
fn another_user_s_writer() {
    // Root could open everything of it, and must not.
    becomes(NOBODY, "", Becomes::Pipe);
}

#[test]
fn a_shell_of_another_user_upgrades_its_own_pipes() {
    let Some((scene, content)) = scene_for(NOBODY) else { return };
    fs::set_permissions(scene.path("."), fs::Permissions::from_mode(0o777)).expect("own directory");
    for shell in SHELLS {
        let line = "./shmcat --stats=json in 2> w | ./shmcat --stats=json 2> r > out";
        scene.run(shell, &format!("{NOBODY} {shell} -c '{line}'")).exits(0).silent();
        scene.assert_holds("out", &content, line);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

/// Of another than the shell, who has made the pipe: it cannot be opened again.
#[test]
fn two_ends_of_another_user() {
    becomes(NOBODY, NOBODY, Becomes::Pipe);
}

#[test]
fn a_reader_without_proc() {
    becomes("", WITHOUT_PROC, Becomes::Pipe);
}

#[test]
fn a_writer_without_proc() {
    becomes(WITHOUT_PROC, "", Becomes::Either);
}

#[test]
fn no_proc_at_all() {
    becomes(WITHOUT_PROC, WITHOUT_PROC, Becomes::Pipe);
}

#[test]
fn a_reader_in_another_pid_namespace() {
    becomes("", ELSEWHERE, Becomes::Pipe);
    becomes("", ASTRAY, Becomes::Pipe);
}

#[test]
fn a_writer_in_another_pid_namespace() {
    // The reader can see it.
    becomes(ELSEWHERE, "", Becomes::Either);
    becomes(ASTRAY, "", Becomes::Either);
}

#[test]
fn ends_in_namespaces_of_their_own() {
    becomes(ELSEWHERE, ELSEWHERE, Becomes::Pipe);
    becomes(ASTRAY, ASTRAY, Becomes::Pipe);
}

#[test]
fn two_ends_in_one_other_pid_namespace() {
    let Some((scene, content)) = scene_for(ELSEWHERE) else { return };
    let script = "./shmcat --stats=json in 2> w | ./shmcat --stats=json 2> r > out";
    for shell in SHELLS {
        scene.run(shell, &format!("{ELSEWHERE} {shell} -c '{script}'")).exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        // Their numbers lead to strangers in this /proc.
        scene.run(shell, &format!("{ASTRAY} {shell} -c '{script}'")).exits(0).silent();
        scene.assert_holds("out", &content, script);
        assert_stayed_a_pipe(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

#[test]
fn a_number_that_leads_to_the_ring_of_another_pipe() {
    let Some((scene, content)) = scene_for(ASTRAY) else { return };
    for shell in SHELLS {
        // A writer that offers its ring, and whose reader does not take it.
        let mut feed = scene.feed("p");
        let bystander = scene.start(shell, "shmcat -u - < p | cat > other");
        feed.send(&content);
        until("it has offered", || scene.size("other") == BIG);
        let pid = find(bystander.pid(), "-u").expect("it waits for more");
        // In the namespace of the two, their writer has the same number; in
        // their /proc, this is the other.
        let script = format!(
            "echo $(({pid} - 1)) > /proc/sys/kernel/ns_last_pid || exit 9
            $S - < in 2> w | $S 2> r > out"
        );
        let ran = scene.run(shell, &format!("{ASTRAY} dash -c '{script}'"));
        if ran.status.code() == Some(9) {
            println!("skipped: pids cannot be chosen here: {ran:?}");
            return;
        }
        ran.exits(0).silent();
        scene.assert_holds("out", &content, &script);
        assert_stayed_a_pipe(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        feed.send(&content);
        drop(feed);
        bystander.finish().exits(0).silent();
        scene.assert_holds("other", &content.repeat(2), "a bystander");
        fs::remove_file(scene.path("p")).expect("own FIFO");
        fs::remove_file(scene.path("other")).expect("own file");
    }
}

#[test]
fn a_program_that_may_not_be_looked_into() {
    // What is run from an executable that its user may not read is not dumpable on most kernels;
    // then its /proc entries are root's.
    let Some((scene, content)) = scene_for(NOBODY) else { return };
    fs::copy(shmcat(), scene.path("secret")).expect("room for a copy of the program");
    fs::set_permissions(scene.path("secret"), fs::Permissions::from_mode(0o711)).expect("own file");
    let owner = format!(
        "mkfifo p; exec 3<> p; {NOBODY} ./secret <&3 &
        until [ \"$(cat /proc/$!/comm)\" = secret ]; do sleep 0.01; done
        stat -c %u /proc/$!/fd; kill $!"
    );
    if scene.run("dash", &owner).exits(0).out() != "0\n" {
        println!("skipped: an executable that cannot be read can be looked into here");
        return;
    }
    for shell in SHELLS {
        let script = format!(
            "{NOBODY} ./secret --stats=json in 2> w | {NOBODY} ./shmcat --stats=json 2> r > out"
        );
        scene.run(shell, &script).exits(0).silent();
        scene.assert_holds("out", &content, &script);
        assert_stayed_a_pipe(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        let script = format!(
            "{NOBODY} ./shmcat --stats=json in 2> w | {NOBODY} ./secret --stats=json 2> r > out"
        );
        scene.run(shell, &script).exits(0).silent();
        scene.assert_holds("out", &content, &script);
        assert_agree(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}
