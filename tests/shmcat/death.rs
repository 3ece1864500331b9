//! SIGKILL: the other end notices, and whoever comes next goes on.

use std::time::Instant;

use nix::sys::signal::Signal;

use crate::{
    process::{Waits, until_waiting},
    support::{Place, Ran, Running, until},
};

/// A death is noticed within a sleep and a look, which is a fraction of a second; a busy machine
/// gets many times that before a test fails.
const NOTICED: std::time::Duration = std::time::Duration::from_secs(10);

#[track_caller]
fn finish_soon(child: Running) -> Ran {
    let killed = Instant::now();
    let ran = child.finish();
    assert!(killed.elapsed() < NOTICED, "a death was noticed only after {:?}", killed.elapsed());
    ran
}

fn kill_now(child: Running) {
    child.signal(Signal::SIGKILL);
    child.finish().dies_of(Signal::SIGKILL);
}

#[test]
fn a_writer_killed_in_mid_stream_is_told_by_its_reader() {
    let place = Place::new();
    let writer = place.start_writer_of("hello");
    let reader = place.start_shmcat("--from $R > out");
    until("the line is there", || place.holds("out", b"hello\n"));
    kill_now(writer);
    let said = finish_soon(reader).exits(1).stderr;
    assert_eq!(said, format!("shmcat: {}: the writer died in mid-stream\n", place.ring()));
    assert_eq!(place.read("out"), b"hello\n");
}

#[test]
fn a_reader_killed_in_mid_stream_is_told_by_its_writer() {
    let place = Place::new();
    let writer = place.start_shmcat("--to $R --capacity 64K /dev/zero");
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ToWrite);
    kill_now(reader);
    let said = finish_soon(writer).exits(1).stderr;
    assert_eq!(said, format!("shmcat: {}: the reader died\n", place.ring()));
    // The rest was meant for somebody and is kept for whoever comes next.
    let ran = place.bash("shmcat --from $R | tr -d '\\0' | wc -c; echo ${PIPESTATUS[0]}");
    ran.exits(0).prints("0\n1\n").says("the writer left in mid-stream");
}

#[test]
fn a_reader_killed_before_the_end_of_a_finished_stream() {
    let place = Place::new();
    place.file("in", 1 << 20);
    let writer = place.start_shmcat("--to $R in");
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ToWrite);
    until_waiting(writer.pid(), Waits::ForPeer);
    kill_now(reader);
    finish_soon(writer).exits(1).says("the reader died");
    place.clear_shm();
}

#[test]
fn what_a_dead_writer_left_is_delivered_and_called_incomplete() {
    let place = Place::new();
    let writer = place.start_writer_of("hello");
    until_waiting(writer.pid(), Waits::ToRead);
    kill_now(writer);
    let ran = place.bash("shmcat --from $R").exits(1).prints("hello\n");
    ran.says("the writer died in mid-stream");
}

#[test]
fn a_new_writer_starts_clean_after_a_dead_one() {
    let place = Place::new();
    let writer = place.start_writer_of("old");
    until_waiting(writer.pid(), Waits::ToRead);
    kill_now(writer);
    let writer = place.start_shmcat("--to $R <<< new");
    until_waiting(writer.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R").exits(0).prints("new\n").silent();
    writer.finish().exits(0).silent();
}

#[test]
fn a_stream_that_was_finished_is_whole_though_its_writer_was_killed() {
    let place = Place::new();
    let writer = place.start_shmcat("--to $R <<< hello");
    until_waiting(writer.pid(), Waits::ForPeer);
    kill_now(writer);
    place.bash("shmcat --from $R").exits(0).prints("hello\n").silent();
}

#[test]
fn a_new_writer_comes_behind_a_whole_stream() {
    let place = Place::new();
    let writer = place.start_shmcat("--to $R <<< first");
    until_waiting(writer.pid(), Waits::ForPeer);
    kill_now(writer);
    let writer = place.start_shmcat("--to $R <<< second");
    until_waiting(writer.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R").exits(0).prints("first\n").silent();
    place.bash("shmcat --from $R").exits(0).prints("second\n").silent();
    writer.finish().exits(0).silent();
}

#[test]
fn a_writer_waits_where_no_room_is_left_for_a_third_stream() {
    let place = Place::new();
    for line in ["first", "second"] {
        let writer = place.start_shmcat(&format!("--to $R <<< {line}"));
        until_waiting(writer.pid(), Waits::ForPeer);
        kill_now(writer);
    }
    let writer = place.start_shmcat("--to $R <<< third");
    until_waiting(writer.pid(), Waits::ToTryAgain);
    for line in ["first\n", "second\n", "third\n"] {
        place.bash("shmcat --from $R").exits(0).prints(line).silent();
    }
    writer.finish().exits(0).silent();
}

#[test]
fn a_new_writer_waits_for_a_reader_that_is_busy_with_a_broken_stream() {
    let place = Place::new();
    let writer = place.start_shmcat("--to $R --capacity 64K /dev/zero");
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ToWrite);
    kill_now(writer);
    let writer = place.start_shmcat("--to $R <<< new");
    until_waiting(writer.pid(), Waits::ToTryAgain);
    reader.finish().exits(1).says("the writer died in mid-stream");
    until_waiting(writer.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R").exits(0).prints("new\n").silent();
    writer.finish().exits(0).silent();
}

#[test]
fn both_killed_and_the_name_is_good_for_another_stream() {
    let place = Place::new();
    place.file("in", 100_000);
    let writer = place.start_shmcat("--to $R --capacity 64K /dev/zero");
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ToWrite);
    kill_now(reader);
    kill_now(writer);
    let writer = place.start_shmcat("--to $R in");
    until_waiting(writer.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R | cmp - in; echo ${PIPESTATUS[@]}").exits(0).prints("0 0\n");
    writer.finish().exits(0).silent();
}

#[test]
fn a_reader_killed_while_it_waits_leaves_its_place_to_the_next() {
    let place = Place::new();
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ForPeer);
    kill_now(reader);
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ForPeer);
    place.bash("shmcat --to $R <<< hello").exits(0).silent();
    reader.finish().exits(0).prints("hello\n").silent();
}
