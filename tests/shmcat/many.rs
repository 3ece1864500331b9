//! `--many`: whole lines of any number of writers in one ring.

use std::fs;

use nix::sys::signal::Signal;
use shmpipe::{Options, mpsc::Sender};

use crate::{
    process::{Waits, is_waiting, until_waiting},
    support::{Place, Running, until},
};

/// Lines that say whose they are and which, of many lengths.
fn lines(writer: &str, count: usize) -> String {
    let line = |n: usize| format!("{writer} {n} {}\n", "x".repeat(n * n % 997));
    (0..count).map(line).collect()
}

/// Asserts that a text consists of the lines of these texts, each of them in its own order.
#[track_caller]
fn assert_woven(found: &[u8], texts: &[String]) {
    let found = str::from_utf8(found).expect("only what was written");
    let mut rests: Vec<_> =
        texts.iter().map(|text| text.split_inclusive('\n').peekable()).collect();
    for line in found.split_inclusive('\n') {
        let is_due = rests.iter_mut().any(|rest| rest.next_if_eq(&line).is_some());
        assert!(is_due, "nobody was to write this next: {line:?}");
    }
    let missing: Vec<_> = rests.iter_mut().filter_map(Iterator::next).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

/// Starts a writer that waits for its input, which those bring who write into the FIFO `fifo`. It
/// is at its end when what is returned beside it is dropped.
fn start_fed_writer(place: &Place, fifo: &str) -> (Running, Running) {
    place.bash(&format!("mkfifo {fifo}")).exits(0);
    let writer = place.start_shmcat(&format!("--to $R --many < {fifo}"));
    let open = place.start_bash(&format!("exec 3> {fifo}; exec sleep 1000"));
    until_waiting(writer.pid(), Waits::ToRead);
    (writer, open)
}

#[test]
fn lines_of_four_writers_at_once_arrive_whole_and_in_the_order_of_each() {
    let place = Place::new();
    let texts = ["anna", "ben", "carla", "dora"].map(|name| lines(name, 1000));
    let start = |(n, text): (usize, &String)| {
        fs::write(place.path(&format!("in{n}")), text).expect("room for temporary files");
        place.start_shmcat(&format!("--to $R --many --capacity 64K in{n}"))
    };
    let writers: Vec<_> = texts.iter().enumerate().map(start).collect();
    // More than there is room for: so they are all there when the reader comes.
    writers.iter().for_each(|writer| until_waiting(writer.pid(), Waits::ForPeer));
    place.bash("shmcat --from $R > out").exits(0).silent();
    for writer in writers {
        writer.finish().exits(0).silent();
    }
    assert_woven(&place.read("out"), &texts);
}

#[test]
fn the_reader_may_be_first_and_its_ring_says_of_which_kind_it_is() {
    let place = Place::new();
    for words in ["--to $R --many", "--to $R"] {
        let reader = place.start_shmcat("--from $R --many");
        until_waiting(reader.pid(), Waits::ForPeer);
        place.bash(&format!("shmcat {words} <<< hello")).exits(0).silent();
        reader.finish().exits(0).prints("hello\n").silent();
    }
    // A ring of one writer is read whatever the reader would have made.
    let writer = place.start_shmcat("--to $R <<< hello");
    until_waiting(writer.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R --many").exits(0).prints("hello\n").silent();
    writer.finish().exits(0).silent();
}

#[test]
fn a_ring_of_one_writer_is_none_of_many() {
    let place = Place::new();
    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ForPeer);
    place.bash("shmcat --to $R --many <<< hello").exits(1).says("it is a ring of bytes and not");
    place.bash("shmcat --to $R <<< hello").exits(0).silent();
    reader.finish().exits(0).prints("hello\n").silent();
}

#[test]
fn one_writer_sends_what_it_reads_as_it_is() {
    let place = Place::new();
    place.file("binary", 1 << 20);
    place.bash("printf 'no end' > a; printf ' of a line\\nand more' > b; : > empty").exits(0);
    place.bash("head -c 200000 /dev/zero > zeros; yes | head -c 300000 > yes").exits(0);
    for (files, capacity) in [
        ("a b a", "4M"),
        ("empty", "4M"),
        ("zeros", "4M"),
        ("zeros", "4K"),
        ("yes yes a", "64K"),
        ("binary a zeros empty yes b", "64K"),
        ("binary a zeros empty yes b", "4M"),
    ] {
        let script = format!(
            "shmcat --to $R --many --capacity {capacity} {files} & shmcat --from $R --many \
             --capacity {capacity} | cmp - <(cat {files}); echo ${{PIPESTATUS[@]}}; wait $!"
        );
        place.bash(&script).exits(0).prints("0 0\n").silent();
    }
}

#[test]
fn lines_of_64_kib_stay_whole() {
    let place = Place::new();
    let long = |c: char| format!("{}\n", c.to_string().repeat((64 << 10) - 1)).repeat(20);
    let texts = ['a', 'b', 'c'].map(long);
    let start = |(n, text): (usize, &String)| {
        fs::write(place.path(&format!("in{n}")), text).expect("room for temporary files");
        place.start_shmcat(&format!("--to $R --many --capacity 256K in{n}"))
    };
    let writers: Vec<_> = texts.iter().enumerate().map(start).collect();
    writers.iter().for_each(|writer| until_waiting(writer.pid(), Waits::ForPeer));
    place.bash("shmcat --from $R > out").exits(0).silent();
    for writer in writers {
        writer.finish().exits(0).silent();
    }
    assert_woven(&place.read("out"), &texts);
}

#[test]
fn a_line_is_there_at_once_and_not_before_its_end() {
    let place = Place::new();
    let reader = place.start_shmcat("--from $R --many > out");
    let (writer, input) = start_fed_writer(&place, "p");
    place.bash("printf 'one\\ntwo\\nthr' > p").exits(0);
    until("two lines are there", || place.holds("out", b"one\ntwo\n"));
    until_waiting(writer.pid(), Waits::ToRead);
    let (second, second_input) = start_fed_writer(&place, "q");
    place.bash("echo between > q").exits(0);
    until("another's line is there", || place.holds("out", b"one\ntwo\nbetween\n"));
    place.bash("printf 'ee\\nfour' > p").exits(0);
    until("the rest is there", || place.holds("out", b"one\ntwo\nbetween\nthree\n"));
    drop(second_input);
    second.finish().exits(0).silent();
    drop(input);
    writer.finish().exits(0).silent();
    reader.finish().exits(0).silent();
    assert!(place.holds("out", b"one\ntwo\nbetween\nthree\nfour"));
}

#[test]
fn writers_that_find_no_place_wait_for_one() {
    const WRITERS: usize = 70;
    let place = Place::new();
    let texts: Vec<_> = (0..WRITERS).map(|n| lines(&n.to_string(), 30)).collect();
    let start = |(n, text): (usize, &String)| {
        fs::write(place.path(&format!("in{n}")), text).expect("room for temporary files");
        place.start_shmcat(&format!("--to $R --many in{n}"))
    };
    let mut writers: Vec<_> = texts.iter().enumerate().map(start).collect();
    let waiting = |writers: &[Running], how| {
        writers.iter().filter(|writer| is_waiting(writer.pid(), how)).count()
    };
    until("64 have a place, and 6 wait for one", || {
        waiting(&writers, Waits::ForPeer) == 64 && waiting(&writers, Waits::ToTryAgain) == 6
    });
    let outside = writers.iter().position(|writer| is_waiting(writer.pid(), Waits::ToTryAgain));
    let impatient = writers.remove(outside.expect("there are six"));
    let without = &texts[outside.unwrap()];
    impatient.signal(Signal::SIGINT);
    impatient.finish().dies_of(Signal::SIGINT).silent();

    place.bash("shmcat --from $R > out").exits(0).silent();
    for writer in writers {
        writer.finish().exits(0).silent();
    }
    let texts: Vec<_> = texts.iter().filter(|text| *text != without).cloned().collect();
    assert_woven(&place.read("out"), &texts);
}

#[test]
fn a_place_is_had_when_another_leaves() {
    let place = Place::new();
    let first: Sender = Options::new().producers(2).create_new(place.ring()).expect("a new ring");
    let second = first.try_clone().expect("there are two places");
    let writer = place.start_shmcat("--to $R <<< hello");
    until_waiting(writer.pid(), Waits::ToTryAgain);
    second.finish().expect("sound");
    until_waiting(writer.pid(), Waits::ForPeer);
    let reader = place.start_shmcat("--from $R");
    writer.finish().exits(0).silent();
    first.finish().expect("sound");
    reader.finish().exits(0).prints("hello\n").silent();
}

#[test]
fn a_writer_killed_takes_nothing_of_the_others_with_it() {
    let place = Place::new();
    let reader = place.start_shmcat("--from $R --many > out");
    let (victim, _open) = start_fed_writer(&place, "p");
    let (survivor, input) = start_fed_writer(&place, "q");
    place.bash("printf 'one\\nunfinish' > p").exits(0);
    until("a line is there", || place.holds("out", b"one\n"));
    until_waiting(victim.pid(), Waits::ToRead);
    let pid = victim.pid();
    victim.signal(Signal::SIGKILL);
    victim.finish().dies_of(Signal::SIGKILL);
    place.bash("echo two > q").exits(0);
    until("another line is there", || place.holds("out", b"one\ntwo\n"));
    drop(input);
    survivor.finish().exits(0).silent();
    let said = reader.finish().exits(1).stderr;
    let who = format!("shmcat: {}: the writer with pid {pid}", place.ring());
    assert_eq!(said, format!("{who} died in mid-stream\n"));
    assert_eq!(place.read("out"), b"one\ntwo\n");
}

#[test]
fn writers_killed_while_they_write_leave_whole_lines() {
    let place = Place::new();
    let texts = [lines("survivor", 4000)];
    fs::write(place.path("in"), &texts[0]).expect("room for temporary files");
    let start = |words: &str| place.start_shmcat(&format!("--to $R --many --capacity 64K {words}"));
    let survivor = start("in");
    let victims: Vec<_> = (0..3).map(|_| start("< <(yes victim)")).collect();
    for writer in victims.iter().chain([&survivor]) {
        until_waiting(writer.pid(), Waits::ForPeer);
    }
    let reader = place.start_shmcat("--from $R > out");
    let arrived = || fs::metadata(place.path("out")).map_or(0, |out| out.len());
    for victim in victims {
        let before = arrived();
        until("they write", || arrived() > before + (100 << 10));
        victim.signal(Signal::SIGKILL);
        victim.finish().dies_of(Signal::SIGKILL);
    }
    survivor.finish().exits(0).silent();
    let ran = reader.finish().exits(1);
    assert_eq!(ran.stderr.matches(" died in mid-stream\n").count(), 3, "{ran:?}");
    let out = String::from_utf8(place.read("out")).expect("only what was written");
    let of_the_survivor: String =
        out.split_inclusive('\n').filter(|line| *line != "victim\n").collect();
    assert_woven(of_the_survivor.as_bytes(), &texts);
}

#[test]
fn a_writer_that_dies_of_a_signal_says_so_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let place = Place::new();
        let reader = place.start_shmcat("--from $R --many > out");
        let (writer, _open) = start_fed_writer(&place, "p");
        place.bash("echo one > p").exits(0);
        until("a line is there", || place.holds("out", b"one\n"));
        writer.signal(signal);
        writer.finish().dies_of(signal).silent();
        reader.finish().exits(1).says(" left in mid-stream\n");
        assert!(place.left_in_shm().is_empty(), "{:?} after {signal}", place.left_in_shm());

        // Nobody to tell: the name is gone with whoever made it.
        for words in ["--to $R --many < /dev/null", "--from $R --many"] {
            let alone = place.start_shmcat(words);
            until_waiting(alone.pid(), Waits::ForPeer);
            alone.signal(signal);
            alone.finish().dies_of(signal).silent();
            assert!(place.left_in_shm().is_empty(), "{:?} after {signal}", place.left_in_shm());
        }
    }
}

#[test]
fn a_reader_cut_by_head_ends_all() {
    let place = Place::new();
    let yes = |name| place.start_shmcat(&format!("--to $R --many --capacity 64K < <(yes {name})"));
    let writers = ["a", "b"].map(yes);
    // Both are there before the reader has had enough.
    writers.iter().for_each(|writer| until_waiting(writer.pid(), Waits::ForPeer));
    place
        .bash("shmcat --from $R | head -n 2 | wc -l; echo ${PIPESTATUS[@]}")
        .exits(0)
        .prints("2\n141 0 0\n")
        .silent();
    for writer in writers {
        writer.finish().dies_of(Signal::SIGPIPE).silent();
    }
}

#[test]
fn a_reader_killed_is_succeeded_by_another() {
    let place = Place::new();
    let (writer, input) = start_fed_writer(&place, "p");
    let reader = place.start_shmcat("--from $R > out");
    place.bash("echo one > p").exits(0);
    until("a line is there", || place.holds("out", b"one\n"));
    // And has been given back: it waits for the next.
    until_waiting(reader.pid(), Waits::ForPeer);
    reader.signal(Signal::SIGKILL);
    reader.finish().dies_of(Signal::SIGKILL);
    let reader = place.start_shmcat("--from $R > more");
    until_waiting(reader.pid(), Waits::ForPeer);
    place.bash("echo two > p").exits(0);
    until("another line is there", || place.holds("more", b"two\n"));
    until_waiting(reader.pid(), Waits::ForPeer);
    reader.signal(Signal::SIGKILL);
    reader.finish().dies_of(Signal::SIGKILL);
    drop(input);
    // All that it sent was read. Whoever comes next is told of the end.
    writer.finish().exits(0).silent();
    place.bash("shmcat --from $R").exits(0).prints("").silent();
}
