//! The example programs that consist of two processes: what they say, how they
//! exit, what they leave.

#[path = "shmcat/support.rs"]
#[allow(dead_code, reason = "the programs need no shell")]
mod support;

use std::{
    fs::{self, File},
    process::{Command, Output, Stdio},
};
use support::example;

/// Runs an example to its end, which its patience bounds.
fn run(name: &str, arguments: &[&str], input: Stdio) -> Output {
    let output = Command::new(example(name)).args(arguments).stdin(input).output();
    output.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn succeeds(output: &Output, says: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), says);
}

#[track_caller]
fn fails(output: &Output, says: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for part in says {
        assert!(errors.contains(part), "{part:?} is not in: {errors}");
    }
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Rings of the example in /dev/shm that no process belongs to.
fn left_over(example: &str) -> Vec<String> {
    let prefix = format!("shmpipe-{example}-");
    let entries = fs::read_dir("/dev/shm").unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let of_nobody = |name: &String| {
        let pid = name.strip_prefix(&prefix);
        pid.is_some_and(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(false))
    };
    names.filter(of_nobody).collect()
}

#[test]
fn records_of_several_kinds_go_from_one_process_to_another() {
    for _ in 0..10 {
        let output = run("records", &[], Stdio::null());
        succeeds(&output, "the shop opens\nthe shop closes\norders for 1000 in all\n");
    }
    assert_eq!(left_over("records"), [""; 0]);
}

#[test]
fn a_sender_without_a_ring_says_so() {
    let ring = "/shmpipe-test-no-such-ring";
    fails(&run("records", &[ring], Stdio::null()), &["records: ", ring, "no such ring"]);
    assert_eq!(left_over("records"), [""; 0]);
}

#[test]
fn lines_of_several_processes_arrive_whole_and_in_the_order_of_each() {
    for _ in 0..10 {
        let output = run("fan_in", &[], Stdio::null());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        succeeds(&output, &said);
        let (lines, last) = said.trim_end().rsplit_once('\n').expect("more than one line");
        assert_eq!((last, lines.lines().count()), ("3000 lines in all", 3000));
        for name in ["anna", "ben", "carla"] {
            let of_one = lines.lines().filter(|line| line.split(' ').next() == Some(name));
            assert!(of_one.eq((1..=1000).map(|n| format!("{name} {n}"))), "{name}: {lines}");
        }
    }
    assert_eq!(left_over("fan_in"), [""; 0]);
}

#[test]
fn a_producer_without_a_ring_says_so() {
    let ring = "/shmpipe-test-no-such-ring";
    fails(&run("fan_in", &[ring, "anna"], Stdio::null()), &["fan_in: ", ring, "no such ring"]);
}

#[test]
fn typed_frames_go_from_one_process_to_another() {
    for _ in 0..10 {
        let output = run("typed", &[], Stdio::null());
        succeeds(&output, "10000 frames in 9999000 ns, 9.81 m/s² downwards\n");
    }
}

#[test]
fn a_sensor_without_a_ring_says_so() {
    for input in ["/dev/null", "/proc/self/exe"] {
        let output = run("typed", &["sensor"], File::open(input).unwrap().into());
        fails(&output, &["typed: ", "ring"]);
    }
}
