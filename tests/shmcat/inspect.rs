//! `--list`, `--status`, `--remove` and `--repair`.

use std::{fs, os::unix::fs::FileExt};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    process::{Waits, until_waiting},
    support::{Place, Ran, is_system_v, system_v, until},
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
        (&place.backend().into(), &"bytes".into(), &6.into())
    );
    assert_eq!((&ring["mode"], &ring["capacity"]), (&"0600".into(), &(4 << 20).into()));
    match is_system_v() {
        true => assert_eq!(ring["sysv"]["key"], place.ring()["sysv:".len()..]),
        false => assert_eq!(ring["sysv"], Value::Null),
    }
    let ends = ring["ends"].as_array().expect("its ends");
    assert_eq!((&ends[0]["role"], &ends[0]["state"]), (&"writer".into(), &"alive".into()));
    assert_eq!(ends[0]["pid"], writer.pid().as_raw());
    assert_eq!((&ends[1]["role"], &ends[1]["state"]), (&"reader".into(), &"none-yet".into()));
    let table = place.bash("shmcat --list").exits(0).silent().out();
    let line = table.lines().find(|line| line.contains(&place.ring())).expect("it is there");
    assert!(line.contains(place.backend()) && line.contains("waiting"), "{line}");

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

/// Removes a System V ring, if it is still there at the end.
struct Segment(i32);

impl Drop for Segment {
    fn drop(&mut self) {
        system_v::remove(self.0);
    }
}

#[test]
fn a_system_v_ring_without_a_key_is_found_by_its_id() {
    if !system_v::is_available() {
        return println!("skipped: no System V IPC here");
    }
    let place = Place::new();
    let writer = place.start_shmcat("--to private --backend sysv --mode 0640 <<< hello");
    until_waiting(writer.pid(), Waits::ForPeer);
    let made = system_v::made_by(writer.pid().as_raw().cast_unsigned());
    let id = Segment(made.expect("it has made one"));
    let all = json(place.bash("shmcat --list --json"));
    let is_its = |ring: &&Value| ring["ends"][0]["pid"] == writer.pid().as_raw();
    let ring = all.as_array().expect("an array of rings").iter().find(is_its);
    assert_eq!(ring.expect("it is there")["sysv"]["id"], id.0);
    let name = format!("sysv:id={}", id.0);

    let mut status = Value::Null;
    // Other tests may be looking at it, too, for which they attach it.
    until("it is attached as its end attaches it", || {
        status = json(place.bash(&format!("shmcat --status {name} --sample 0 --json")));
        status["sysv"]["attached"] == 2
    });
    assert_eq!((&status["name"], &status["backend"]), (&name.clone().into(), &"sysv".into()));
    let owner = nix::unistd::geteuid().as_raw();
    let group = nix::unistd::getegid().as_raw();
    assert_eq!((&status["owner"], &status["group"]), (&owner.into(), &group.into()));
    assert_eq!(status["mode"], "0640");
    let sysv = &status["sysv"];
    let set = system_v::find_set(system_v::set_key(id.0)).expect("its semaphores");
    assert_eq!((&sysv["key"], &sysv["set"]), (&Value::Null, &set.into()));
    assert_eq!(sysv["creator"], owner);
    assert_eq!(sysv["creator_pid"], writer.pid().as_raw());
    assert_eq!(sysv["changed"], system_v::stat(id.0).expect("it is there").shm_ctime);

    let text = place.bash(&format!("shmcat --status {name} --sample 0")).exits(0).silent().out();
    let lines = [
        format!("name         {name}\n"),
        format!("owner        {owner}, group {group}, mode 0640\n"),
        "key          none\n".to_owned(),
        format!("id           {}, of its semaphores {set}\n", id.0),
        format!("created      by user {owner}, pid {}\n", writer.pid()),
        "attached     ".to_owned(),
    ];
    for line in lines {
        assert!(text.contains(&line), "{line:?} is not in {text}");
    }
    let table = place.bash("shmcat --list").exits(0).silent().out();
    let shown = |line: &&str| line.split_whitespace().next() == Some(&name);
    let line = table.lines().find(shown).expect("it is there");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[1..3], [&id.0.to_string(), "sysv"]);

    place.bash(&format!("shmcat --from {name} --mode 0640")).exits(0).prints("hello\n").silent();
    writer.finish().exits(0).silent();
    place.bash(&format!("shmcat --status {name}")).exits(1).says("there is no such ring");
    assert_eq!(system_v::find_set(system_v::set_key(id.0)), None);
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
    let dead = place.start_bash("exec shmcat --to ${P}d <<< hello");
    until_waiting(dead.pid(), Waits::ForPeer);
    let live = place.start_bash("exec shmcat --to ${P}e <<< hello");
    until_waiting(live.pid(), Waits::ForPeer);
    dead.signal(Signal::SIGKILL);
    dead.finish().dies_of(Signal::SIGKILL);
    let said = format!("removed {}d\n", place.prefix());
    place.bash("shmcat --remove --orphaned $P").exits(0).silent().prints(&said);
    place.bash("shmcat --remove --orphaned $P").exits(0).silent().prints("");
    place.bash("shmcat --from ${P}e").exits(0).prints("hello\n");
    live.finish().exits(0);
}

#[test]
fn repair_says_what_it_did() {
    let place = Place::new();
    place.make_object("shmbuild");
    assert_eq!(listed(&place).expect("it is there")["condition"], "abandoned");
    let done = json(place.bash("shmcat --repair $R --json"));
    assert_eq!(done["repaired"][0]["what"], "remains-removed");
    place.bash("shmcat --repair $R").exits(1).says("there is no such ring");
    place.make_object("another program's");
    place.bash("shmcat --repair $R").exits(1).says("it is no shmpipe ring");
    place.bash("shmcat --remove $R --force").exits(1).says("it is no shmpipe ring");
    assert_eq!(place.left_in_shm().len(), 1, "it is left alone");
    place.clear_shm();
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
    if is_system_v() {
        // `tests/replace` has it; here it is about what is printed.
        return;
    }
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
