//! `--to` and `--from`: streams through a named ring.

use std::{fs::File, io::Write};

use nix::sys::signal::{Signal, kill};

use crate::{
    process::{self, Waits, until_waiting},
    support::{Place, SIZES, is_system_v, until},
};

#[test]
fn every_size_arrives_whole_whoever_comes_first() {
    let place = Place::new();
    for size in SIZES {
        let content = place.file("in", size);

        let writer = place.start_shmcat("--to $R in");
        until_waiting(writer.pid(), Waits::ForPeer);
        place.bash("shmcat --from $R > out").exits(0).silent();
        writer.finish().exits(0).silent();
        assert!(place.read("out") == content, "{size} bytes, writer first");

        let reader = place.start_shmcat("--from $R > out");
        until_waiting(reader.pid(), Waits::ForPeer);
        place.bash("shmcat --to $R < in").exits(0).silent();
        reader.finish().exits(0).silent();
        assert!(place.read("out") == content, "{size} bytes, reader first");

        assert!(place.left_in_shm().is_empty(), "after {size} bytes");
    }
}

#[test]
fn far_more_than_fits_and_through_pipes() {
    let place = Place::new();
    place.file("in", 10 << 20);
    let script = "cat in | shmcat --to $R --capacity 4K & shmcat --from $R | cmp - in; \
                  echo ${PIPESTATUS[@]}; wait $!; echo $?";
    place.bash(script).exits(0).prints("0 0\n0\n").silent();
}

#[test]
#[ignore = "1 GiB: takes a while, and that much room in /tmp"]
fn a_gibibyte_arrives_whole() {
    let place = Place::new();
    place.file("in", 1 << 30);
    let script = "shmcat --to $R in & shmcat --from $R | cmp - in; echo ${PIPESTATUS[@]}; wait $!";
    place.bash(script).exits(0).prints("0 0\n").silent();
}

#[test]
fn a_name_serves_one_stream_after_another() {
    let place = Place::new();
    place.file("in", 10_000);
    let script = "for i in {1..20}; do shmcat --to $R in & shmcat --from $R | cmp - in || exit 9; \
                  wait $! || exit 8; done";
    place.bash(script).exits(0).silent();
}

#[test]
fn what_can_be_read_is_sent_and_the_stream_is_whole() {
    let place = Place::new();
    place.file("a", 5000);
    place.file("b", 7);
    let writer = place.start_shmcat("--to $R missing a . - b < a");
    let reader = place.bash("shmcat --from $R | cmp - <(cat a a b); echo ${PIPESTATUS[@]}");
    reader.exits(0).prints("0 0\n").silent();
    let said = "shmcat: missing: No such file or directory\nshmcat: .: Is a directory\n";
    assert_eq!(writer.finish().exits(1).stderr, said);

    let writer = place.start_shmcat("--to $R missing");
    place.bash("shmcat --from $R").exits(0).prints("").silent();
    writer.finish().exits(1).says("missing: No such file or directory");
}

#[test]
fn half_of_the_bytes_that_a_pipe_takes_through_the_kernel() {
    const SIZE: usize = 32 << 20;
    let place = Place::new();
    place.file("in", SIZE);

    // A shell's figures include those of the children that it has waited for.
    let with_figures = |end: &str| place.start_bash(&format!("{end} && cat /proc/$$/io"));
    let crossed = |first: &str, second: &str| {
        let ends = [with_figures(first), with_figures(second)];
        ends.map(|end| read_and_written(&end.finish().exits(0).silent().out())).iter().sum::<u64>()
    };
    place.bash("mkfifo p").exits(0);
    let pipe = crossed("shmcat --no-upgrade in > p", "shmcat < p > out");
    let ring = crossed("shmcat --to $R in", "shmcat --from $R > out");
    let upgraded = crossed("shmcat in > p", "shmcat < p > out");

    assert!(pipe >= 4 * SIZE as u64, "the comparison moved everything: {pipe}");
    assert!(ring >= 2 * SIZE as u64, "the ring's ends moved everything: {ring}");
    assert!(ring <= pipe / 2 + (1 << 20), "{ring} bytes against {pipe}");
    assert!(upgraded <= pipe / 2 + (5 << 20), "{upgraded} bytes against {pipe}");
}

/// Bytes that crossed between a process and the kernel, of what stands in its /proc/PID/io.
fn read_and_written(io: &str) -> u64 {
    let fields = io.lines().filter_map(|line| line.split_once(": "));
    let crossed = fields.filter(|(name, _)| matches!(*name, "rchar" | "wchar"));
    let counts: Vec<u64> = crossed.map(|(_, count)| count.parse().expect("a number")).collect();
    assert_eq!(counts.len(), 2, "rchar and wchar are in {io}");
    counts.iter().sum()
}

#[test]
fn each_line_of_a_log_arrives_at_once() {
    let place = Place::new();
    place.file("log", 0);
    let tail = "{ tail -f log & echo $! > tail.pid; wait; }";
    let writer = place.start_bash(&format!("{tail} | shmcat --to $R; echo ${{PIPESTATUS[1]}}"));
    let reader = place.start_shmcat("--from $R > out");

    let mut log = File::options().append(true).open(place.path("log")).expect("made above");
    let mut expected = Vec::new();
    for number in 0..5 {
        let line = format!("line {number}\n");
        log.write_all(line.as_bytes()).expect("room for a line");
        expected.extend(line.into_bytes());
        until("the line is at the other end", || place.holds("out", &expected));
    }

    place.bash("kill $(< tail.pid)").exits(0);
    writer.finish().exits(0).prints("0\n");
    reader.finish().exits(0).silent();
    assert_eq!(place.read("out"), expected);
}

#[test]
fn a_reader_cut_by_head_ends_both() {
    let place = Place::new();
    let script = "yes | shmcat --to $R & shmcat --from $R | head -n 2; echo ${PIPESTATUS[@]}; \
                  wait $!; echo $?";
    place.bash(script).exits(0).prints("y\ny\n141 0\n141\n").silent();

    // A stream that is longer than any pipe and shorter than the ring.
    place.file("in", 1 << 20);
    let script = "shmcat --to $R in & shmcat --from $R | head -c 1 | wc -c; echo ${PIPESTATUS[@]}; \
                  wait $!; echo $?";
    place.bash(script).exits(0).prints("1\n141 0 0\n141\n").silent();
}

#[test]
fn a_broken_pipe_is_told_where_sigpipe_is_ignored() {
    let place = Place::new();
    let script = "trap '' PIPE; shmcat --to $R /dev/zero & shmcat --from $R | head -c 2 | wc -c; \
                  echo ${PIPESTATUS[@]}; wait $!; echo $?";
    let ran = place.bash(script).exits(0).prints("2\n1 0 0\n1\n");
    assert_eq!(ran.stderr, "shmcat: write error: Broken pipe\n".repeat(2));
}

#[test]
fn a_full_device_at_the_end_of_a_ring() {
    let place = Place::new();
    let script =
        "shmcat --to $R /dev/zero & shmcat --from $R > /dev/full; echo $?; wait $!; echo $?";
    let ran = place.bash(script).exits(0).prints("1\n141\n");
    assert_eq!(ran.stderr, "shmcat: write error: No space left on device\n");
}

#[test]
fn closed_standard_streams_are_errors() {
    let place = Place::new();
    let ran = place.bash("shmcat --from $R >&-").exits(1);
    assert_eq!(ran.stderr, "shmcat: standard output: Bad file descriptor\n");
    assert!(place.left_in_shm().is_empty(), "no ring is made for somebody who cannot write");

    let writer = place.start_shmcat("--to $R <&-");
    place.bash("shmcat --from $R").exits(0).prints("").silent();
    writer.finish().exits(1).says("shmcat: -: Bad file descriptor\n");

    // Writing into a ring needs no standard output, nor does reading need standard input.
    let writer = place.start_shmcat("--to $R /dev/null <&- >&-");
    place.bash("shmcat --from $R <&-").exits(0).silent();
    writer.finish().exits(0).silent();
}

#[test]
fn an_end_that_is_taken_is_refused() {
    let place = Place::new();
    let writer = place.start_shmcat("--to $R /dev/null");
    until_waiting(writer.pid(), Waits::ForPeer);
    let ring = place.ring();
    place.bash("shmcat --to $R /dev/null").exits(1).says("shmcat: ").says(&ring);
    place.bash("shmcat --from $R").exits(0).prints("");
    writer.finish().exits(0).silent();

    let reader = place.start_shmcat("--from $R");
    until_waiting(reader.pid(), Waits::ForPeer);
    place.bash("shmcat --from $R").exits(1).says("shmcat: ").says(&ring);
    place.bash("echo hello | shmcat --to $R").exits(0);
    reader.finish().exits(0).prints("hello\n").silent();
}

#[test]
fn stopped_and_continued_at_any_time() {
    let place = Place::new();
    place.file("in", 10 << 20);
    let writer = place.start_shmcat("--to $R --capacity 64K in");
    let reader = place.start_shmcat("--from $R > out");
    let ends = [writer.pid(), reader.pid()];
    for end in ends.into_iter().cycle().take(20) {
        // Where it has ended already there is nothing to stop.
        let _ = kill(end, Signal::SIGSTOP);
        until("stopped", || matches!(process::state(end), Some('T' | 'Z') | None));
        let _ = kill(end, Signal::SIGCONT);
    }
    writer.finish().exits(0).silent();
    reader.finish().exits(0).silent();
    assert!(place.read("out") == place.read("in"));
}

#[test]
fn interrupted_calls_are_repeated() {
    let place = Place::new();
    if !place.can_trace() {
        return;
    }
    place.file("in", 10 << 20);
    // The first calls are the loader's, which does not repeat them.
    let inject = "strace -f -e trace=read,write -e inject=read,write:error=EINTR:when=20+3";
    let script = format!(
        "{inject} -o to shmcat --to $R --capacity 64K < in & \
         {inject} -o from shmcat --from $R > out; echo $?; wait $!; echo $?; cmp in out && \
         grep -q 'read(0, .*EINTR.*INJECTED' to && grep -q 'write(1, .*EINTR.*INJECTED' from"
    );
    place.bash(&script).exits(0).prints("0\n0\n").silent();
}

#[test]
fn a_ring_with_a_name_that_is_not_utf8() {
    if is_system_v() {
        return println!("skipped: names of POSIX objects alone can be anything");
    }
    let place = Place::new();
    let script = r#"shmcat --to "$R"$'\xff' <<< hello & shmcat --from "$R"$'\xff'; wait $!"#;
    place.bash(script).exits(0).prints("hello\n").silent();
}
