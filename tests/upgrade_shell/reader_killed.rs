//! A reader that is killed: what it had not taken is there for the next one,
//! and its writer never knows.

use nix::sys::signal::{self, Signal};

use crate::{
    killed::{CHUNK, Chance, LONG, Moment, ROUNDS, SIZE, kill, pipe, start, until_arrived},
    processes::find,
    scene::{SHELLS, Scene, assert_same},
    support::{Running, bytes, until},
};

/// Writers. What is left of a file may not be worth a second ring; what is left
/// of a pipe nobody knows.
const FROM: [&str; 2] = ["exec $S in 2> w", "cat in | $S 2> w"];

/// One round: a reader is killed at some moment, and another one reads the same pipe then. Returns
/// whether the ring was in use.
#[track_caller]
fn round(scene: &Scene, content: &[u8], chance: &mut Chance) -> bool {
    let moment = chance.moment();
    let next = ["cat", "shmcat"][chance.below(2) as usize];
    let source = FROM[chance.below(2) as usize];
    let (read, write) = pipe();

    let mut writer = scene.script("dash", source);
    writer.stdout(write);
    let mut first = scene.shmcat("r");
    first.stdin(read.try_clone().expect("another descriptor")).stdout(scene.create("out"));
    let (writer, first) = (start(writer), start(first));
    moment.wait(scene, &first);
    let killed = kill(first);

    let mut second = scene.command(next);
    second.stdin(read).stdout(scene.create("rest"));
    let [writer, second] = [writer, start(second)].map(Running::finish);
    let (before, after) = (scene.read("out"), scene.read("rest"));
    let what = format!(
        "{source}, {next} after {moment:?}: {} and {} bytes of {SIZE}, {:?}",
        before.len(),
        after.len(),
        scene.text("w")
    );
    assert!(writer.status.success(), "{what}: {writer:?}");
    assert!(second.status.success(), "{what}: {second:?}");
    assert_eq!(second.stderr, "", "{what}");
    assert!(before.len() + after.len() <= SIZE, "something was doubled: {what}");
    let lost = SIZE - before.len() - after.len();
    assert!(lost <= if killed { CHUNK } else { 0 }, "{lost} bytes were lost: {what}");
    assert_same(&before, &content[..before.len()], &what);
    assert_same(&after, &content[SIZE - after.len()..], &what);
    scene.stats("w").moved(SIZE).output.shm > 0
}

fn rounds(rounds: usize) {
    let scene = Scene::new();
    let content = scene.file("in", SIZE);
    let mut chance = Chance::new();
    let upgraded = (0..rounds).filter(|_| round(&scene, &content, &mut chance)).count();
    println!("{upgraded} of {rounds} after the upgrade");
    assert!(upgraded > rounds / 4, "only {upgraded} of {rounds} were upgraded at all");
}

#[test]
fn at_any_moment_the_next_one_goes_on() {
    rounds(ROUNDS);
}

#[test]
#[ignore = "the long form"]
fn at_any_moment_the_next_one_goes_on_many_times() {
    rounds(LONG);
}

#[test]
fn three_are_killed_and_the_fourth_goes_on() {
    const READERS: usize = 4;
    let scene = Scene::new();
    let content = scene.file("in", SIZE);
    let mut chance = Chance::new();
    for _ in 0..10 {
        let (read, write) = pipe();
        let mut writer = scene.script("dash", FROM[1]);
        writer.stdout(write);
        let writer = start(writer);
        // What is known to have arrived or to be lost, and how much more may be.
        let (mut end, mut slack) = (0, 0);
        let mut total = 0;
        for number in 0..READERS {
            let mut reader = scene.command("shmcat");
            reader.stdin(read.try_clone().expect("another descriptor")).stdout(scene.create("out"));
            let reader = start(reader);
            if number + 1 < READERS {
                let enough = chance.below(SIZE as u64 / READERS as u64) as usize;
                Moment::Arrived(enough).wait(&scene, &reader);
                kill(reader);
            } else {
                reader.finish().exits(0).silent();
            }
            // Each part is found behind the one before, with no more than a chunk between them.
            let part = scene.read("out");
            if !part.is_empty() {
                let mut places = (end..=end + slack).filter(|at| content[*at..].starts_with(&part));
                let at = places.next();
                end = at.unwrap_or_else(|| panic!("part {number} is out of place")) + part.len();
                slack = 0;
            }
            slack = (slack + CHUNK).min(SIZE - end);
            total += part.len();
        }
        assert!(total + (READERS - 1) * CHUNK >= SIZE, "{total} bytes of {SIZE} arrived");
        assert!(end == SIZE || total + CHUNK >= SIZE, "the end is missing: {end} of {SIZE}");
        writer.finish().exits(0);
    }
}

#[test]
fn without_a_next_one_the_writer_dies_of_sigpipe() {
    let scene = Scene::new();
    scene.file("in", SIZE);
    let mut chance = Chance::new();
    for _ in 0..20 {
        let (read, write) = pipe();
        let mut writer = scene.shmcat("w");
        writer.arg("in").stdout(write);
        let mut reader = scene.shmcat("r");
        reader.stdin(read).stdout(scene.create("out"));
        let (writer, reader) = (start(writer), start(reader));
        // Far enough from the end that the rest does not fit a pipe.
        Moment::Arrived(chance.below(SIZE as u64 / 2) as usize).wait(&scene, &reader);
        reader.signal(Signal::SIGSTOP);
        if scene.size("out") + (2 << 20) < SIZE {
            kill(reader);
            writer.finish().dies_of(Signal::SIGPIPE);
        }
    }
}

#[test]
fn an_idle_writer_notices_when_it_next_writes() {
    for shell in SHELLS {
        let scene = Scene::new();
        let mut feed = scene.feed("p");
        let running = scene.start(shell, "(shmcat - < p; echo $? > status) | shmcat -u - > out");
        feed.send(&bytes(3 << 20));
        until_arrived(&scene, 3 << 20);
        let reader = find(running.pid(), "-u").expect("it reads");
        signal::kill(reader, Signal::SIGKILL).expect("own process");
        until("the writer dies of what it writes next", || {
            feed.send(b"more\n");
            scene.size("status") > 0
        });
        assert_eq!(scene.text("status"), "141\n");
    }
}
