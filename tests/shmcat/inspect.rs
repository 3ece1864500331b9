//! `--list`, `--status`, `--remove` and `--repair`.

use std::{fs, os::unix::fs::FileExt};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    process::{Waits, until_waiting},
    support::{Place, Ran, until},
};

#[track_caller]
fn json(ran: Ran) -> Value {
    let ran = ran.exits(0).silent();
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// What `--list` says of this place's ring.
#[track_caller]
fn listed(place: &Place) -> Option<Value> {
    let all = json(place.bash("shmcat --list --json"));
    let all = all.as_array().expect("an array of rings").clone();
    all.into_iter().find(|ring| ring["name"] == place.ring())
}

#[test]
fn a_ring_is_listed_with_its_ends_until_it_is_gone() {
    let place = Place::new();
    assert!(listed(&place).is_none());
    let writer = place.start_writer_of("hello");
    until_waiting(writer.pid(), Waits::ToRead);
    let ring = listed(&place).expect("it is there");
    assert_eq!(ring["condition"], "waiting");
    assert_eq!(
        (&ring["backend"], &ring["face"], &ring["unread"]),
        (&"posix".into(), &"bytes".into(), &6.into())
    );
    assert_eq!((&ring["mode"], &ring["capacity"]), (&"0600".into(), &(4 << 20).into()));
    let ends = ring["ends"].as_array().expect("its ends");
    assert_eq!((&ends[0]["role"], &ends[0]["state"]), (&"writer".into(), &"alive".into()));
    assert_eq!(ends[0]["pid"], writer.pid().as_raw());
    assert_eq!((&ends[1]["role"], &ends[1]["state"]), (&"reader".into(), &"none-yet".into()));
    let table = place.bash("shmcat --list").exits(0).silent().out();
    let line = table.lines().find(|line| line.contains(&place.ring())).expect("it is there");
    assert!(line.contains("posix") && line.contains("waiting"), "{line}");

    let reader = place.start_shmcat("--from $R");
    until("the reader waits", || {
        let status = json(place.bash("shmcat --status $R --sample 0.01 --json"));
        status["ends"][1]["state"] == "waiting"
    });
    let status = json(place.bash("shmcat --status $R --sample 0.01 --json"));
    assert_eq!((&status["condition"], &status["released"]), (&"live".into(), &6.into()));
    assert!(status["rates"]["seconds"].as_f64() >= Some(0.01), "{status}");
    assert_eq!(
        (&status["rates"]["bytes_in"], &status["rates"]["items_in"]),
        (&0.0.into(), &Value::Null)
    );
    // Every now and then it wakes up to see whether the writer lives.
    until("it is told for whom it waits", || {
        let text = place.bash("shmcat --status $R --sample 0").exits(0).silent().out();
        text.contains("waiting for the writer for")
    });

    writer.signal(Signal::SIGTERM);
    reader.finish().exits(1).prints("hello\n");
    assert!(listed(&place).is_none());
    place.bash("shmcat --status $R").exits(1).prints("").says("there is no such ring");
}

#[test]
fn the_ring_of_an_upgraded_pipe_can_be_looked_at() {
    let place = Place::new();
    let script = "yes | shmcat | shmcat > /dev/null";
    let running = place.start_bash(script);
    let mut found = Value::Null;
    until("the pipe is upgraded", || {
        let all = json(place.bash("shmcat --list --json"));
        let rings = all.as_array().expect("an array of rings");
        // Of another test it may be, too: what is told of it is the same.
        let ring =
            rings.iter().find(|ring| ring["upgraded"] == true && ring["condition"] == "live");
        ring.inspect(|ring| found = (*ring).clone()).is_some()
    });
    assert_eq!((&found["backend"], &found["name"]), (&"memfd".into(), &Value::Null));
    assert!(found["place"].as_str().expect("a place").starts_with("/proc/"), "{found}");
    drop(running);
}

#[test]
fn removal_is_refused_while_somebody_is_there() {
    let place = Place::new();
    let writer = place.start_writer_of("hello");
    until_waiting(writer.pid(), Waits::ToRead);
    place.bash("shmcat --remove $R").exits(1).prints("").says("it is in use by pids");
    assert_eq!(place.left_in_shm().len(), 1);
    let removed = json(place.bash("shmcat --remove $R --force --json"));
    assert_eq!(removed["removed"][0], place.ring());
    assert!(place.left_in_shm().is_empty());
    place.bash("shmcat --remove $R").exits(1).says("there is no such ring");
}

#[test]
fn orphaned_removes_the_dead_ones_only() {
    let place = Place::new();
    let dead = place.start_bash("exec shmcat --to ${R}dead <<< hello");
    until_waiting(dead.pid(), Waits::ForPeer);
    let live = place.start_bash("exec shmcat --to ${R}live <<< hello");
    until_waiting(live.pid(), Waits::ForPeer);
    dead.signal(Signal::SIGKILL);
    dead.finish().dies_of(Signal::SIGKILL);
    let said = format!("removed {}dead\n", place.ring());
    place.bash("shmcat --remove --orphaned $R").exits(0).silent().prints(&said);
    place.bash("shmcat --remove --orphaned $R").exits(0).silent().prints("");
    place.bash("shmcat --from ${R}live").exits(0).prints("hello\n");
    live.finish().exits(0);
}

#[test]
fn repair_says_what_it_did() {
    let place = Place::new();
    let shm = format!("/dev/shm{}", place.ring());
    fs::write(&shm, "shmbuild").expect("room in /dev/shm");
    assert_eq!(listed(&place).expect("it is there")["condition"], "abandoned");
    let done = json(place.bash("shmcat --repair $R --json"));
    assert_eq!(done["repaired"][0]["what"], "remains-removed");
    place.bash("shmcat --repair $R").exits(1).says("there is no such ring");
    fs::write(&shm, "another program's").expect("room in /dev/shm");
    place.bash("shmcat --repair $R").exits(1).says("it is no shmpipe ring");
    place.bash("shmcat --remove $R --force").exits(1).says("it is no shmpipe ring");
    fs::remove_file(&shm).expect("it is left alone");
    let writer = place.start_writer_of("hello");
    until_waiting(writer.pid(), Waits::ToRead);
    place
        .bash("shmcat --repair $R")
        .exits(0)
        .prints(&format!("{}: nothing to repair\n", place.ring()));
    writer.signal(Signal::SIGTERM);
    writer.finish().dies_of(Signal::SIGTERM);
}

/// Whoever replaced it was killed before its name was gone.
#[test]
fn a_ring_that_was_replaced_says_so() {
    let place = Place::new();
    let writer = place.start_writer_of("hello");
    until_waiting(writer.pid(), Waits::ToRead);
    let shm = fs::File::options().write(true).open(format!("/dev/shm{}", place.ring()));
    // `crate::layout::control` shows where that is.
    shm.and_then(|file| file.write_all_at(&1_u64.to_ne_bytes(), 304)).expect("it is there");
    let text = place.bash("shmcat --status $R --sample 0").exits(0).silent().out();
    assert!(text.contains("state        replaced"), "{text}");
    assert_eq!(listed(&place).expect("it is there")["condition"], "replaced");
    place.bash("shmcat --repair $R").exits(0).says("");
    assert!(place.left_in_shm().is_empty());
    writer.signal(Signal::SIGTERM);
    writer.finish().dies_of(Signal::SIGTERM);
}

#[test]
fn command_lines_that_make_no_sense() {
    let place = Place::new();
    for words in [
        "--list in",
        "--list --status $R",
        "--status",
        "--repair",
        "--remove",
        "--orphaned",
        "--remove $R --orphaned $R",
        "--remove --orphaned --force",
        "--force",
        "--json",
        "--list --sample 1",
        "--list --force",
        "--list --orphaned",
        "--status $R --sample x",
        "--to $R --list",
        "--status no-slash",
    ] {
        let ran = place.bash(&format!("shmcat {words}")).exits(1).prints("");
        assert!(ran.stderr.starts_with("shmcat: "), "{words}: {ran:?}");
    }
}
