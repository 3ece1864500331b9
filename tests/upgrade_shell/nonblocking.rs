//! Pipes with flags of their own. O_NONBLOCK belongs to whoever else has the description open: it
//! is worked with, and never changed.

use std::os::fd::{AsFd, OwnedFd};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::pipe2,
};

use crate::{
    scene::{BIG, SHELLS, Scene},
    stats::{assert_agree, assert_stayed_a_pipe, assert_upgraded},
    support::{Running, until},
};

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// `extra` is for the pipe as a whole.
    fn new(extra: OFlag) -> Self {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | extra).expect("a pipe");
        Self { read, write }
    }
}

fn set(end: impl AsFd, flag: OFlag) {
    fcntl(&end, FcntlArg::F_SETFL(flags(&end) | flag)).expect("own pipe");
}

fn flags(end: impl AsFd) -> OFlag {
    OFlag::from_bits_retain(fcntl(end, FcntlArg::F_GETFL).expect("own pipe"))
}

fn twin(end: &OwnedFd) -> OwnedFd {
    end.try_clone().expect("room for another descriptor")
}

/// A script at one end of a pipe.
fn writer(scene: &Scene, shell: &str, script: &str, end: OwnedFd) -> Running {
    Running::start(scene.script(shell, script).stdout(end))
}

fn reader(scene: &Scene, shell: &str, script: &str, end: OwnedFd) -> Running {
    Running::start(scene.script(shell, script).stdin(end))
}

/// Runs a script at either end of the pipe, and asserts that they succeed and
/// the flags are what they were.
#[track_caller]
fn run(scene: &Scene, shell: &str, scripts: [&str; 2], pipe: Pipe) {
    let (read, write) = (twin(&pipe.read), twin(&pipe.write));
    let before = [flags(&read), flags(&write)];
    let from = writer(scene, shell, scripts[0], pipe.write);
    let to = reader(scene, shell, scripts[1], pipe.read);
    let sent = from.finish();
    assert_eq!([flags(&read), flags(&write)], before, "the flags after {scripts:?}");
    // Now the reader may see the end of file.
    drop(write);
    let received = to.finish();
    assert_eq!(flags(&read), before[0], "the flags of the reading end after {scripts:?}");
    for ran in [sent, received] {
        ran.exits(0).silent();
    }
}

#[test]
fn a_non_blocking_end_is_waited_for_and_left_as_it_was() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        for (reading, writing) in [(true, false), (false, true), (true, true)] {
            let pipe = Pipe::new(OFlag::empty());
            if reading {
                set(&pipe.read, OFlag::O_NONBLOCK);
            }
            if writing {
                set(&pipe.write, OFlag::O_NONBLOCK);
            }
            let scripts = ["exec $S in 2> w", "exec $S 2> r > out"];
            let what = format!("reading end {reading}, writing end {writing}");
            run(&scene, shell, scripts, pipe);
            scene.assert_holds("out", &content, &what);
            assert_upgraded(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
        }
    }
}

#[test]
fn a_non_blocking_end_beside_a_program_that_does_not_upgrade() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let pipe = Pipe::new(OFlag::empty());
        set(&pipe.write, OFlag::O_NONBLOCK);
        let scripts = ["exec $S in 2> w", "exec cat > out"];
        run(&scene, shell, scripts, pipe);
        scene.assert_holds("out", &content, "a writing end that does not wait");
        scene.stats("w").moved(BIG).over("pipe");

        let pipe = Pipe::new(OFlag::empty());
        set(&pipe.read, OFlag::O_NONBLOCK);
        let scripts = ["cat in; sleep 0.1; exec cat in", "exec $S 2> r > out"];
        run(&scene, shell, scripts, pipe);
        scene.assert_holds("out", &content.repeat(2), "a reading end that does not wait");
        scene.stats("r").moved(2 * BIG).over("pipe");
    }
}

#[test]
fn a_non_blocking_pipe_in_the_middle_of_a_chain_with_pauses() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let pipe = Pipe::new(OFlag::O_NONBLOCK);
        let scripts = [
            "(cat in; sleep 0.1; echo x; sleep 0.1; cat in) | shmcat",
            "shmcat | (sleep 0.1; exec shmcat) > out",
        ];
        run(&scene, shell, scripts, pipe);
        scene.assert_holds("out", &[&content[..], b"x\n", &content].concat(), "pauses");
    }
}

#[test]
fn a_flag_that_is_set_in_mid_stream() {
    let (scene, content) = Scene::with_big_file();
    let mut feed = scene.feed("p");
    let pipe = Pipe::new(OFlag::empty());
    let (read, write) = (twin(&pipe.read), twin(&pipe.write));
    let from = writer(&scene, "dash", "exec $S < p 2> w", pipe.write);
    let to = reader(&scene, "dash", "exec $S 2> r > out", pipe.read);
    let mut expected = 0;
    for part in content.chunks(BIG / 10) {
        feed.send(part);
        expected += part.len();
        until("it arrives", || scene.size("out") == expected);
        for end in [&read, &write] {
            let toggled = flags(end) ^ OFlag::O_NONBLOCK;
            fcntl(end, FcntlArg::F_SETFL(toggled)).expect("own pipe");
        }
    }
    drop((feed, write));
    for end in [from, to] {
        end.finish().exits(0).silent();
    }
    scene.assert_holds("out", &content, "flags that change");
}

#[test]
fn a_packet_pipe_stays_a_pipe() {
    let (scene, content) = Scene::with_big_file();
    for shell in SHELLS {
        let pipe = Pipe::new(OFlag::O_DIRECT);
        run(&scene, shell, ["exec $S in 2> w", "exec $S 2> r > out"], pipe);
        scene.assert_holds("out", &content, "packets");
        assert_stayed_a_pipe(&scene.stats("w").moved(BIG), &scene.stats("r").moved(BIG));
    }
}

#[test]
fn a_pipe_of_any_capacity_upgrades() {
    let (scene, content) = Scene::with_big_file();
    for capacity in [4096, 8192, 256 << 10, 1 << 20] {
        let pipe = Pipe::new(OFlag::empty());
        fcntl(&pipe.write, FcntlArg::F_SETPIPE_SZ(capacity)).expect("a capacity within the limit");
        run(&scene, "dash", ["exec $S in 2> w", "exec $S 2> r > out"], pipe);
        scene.assert_holds("out", &content, &format!("a pipe of {capacity} bytes"));
        let (sent, received) = (scene.stats("w").moved(BIG), scene.stats("r").moved(BIG));
        assert!(sent.output.shm > 0, "a pipe of {capacity} bytes: {sent:?}");
        assert_agree(&sent, &received);
    }
}
