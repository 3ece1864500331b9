//! The example `dataflow`: every mechanism brings what was sent, what is counted is
//! right, and nothing is left over.

#[path = "shmcat/support.rs"]
#[allow(dead_code, reason = "dataflow is no shmcat")]
mod support;

use std::{
    fs::{self, File},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

use nix::{
    sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare},
    sys::signal::Signal,
    unistd::Pid,
};
use serde_json::Value;
use support::{Place, Ran, Running, example};
use tempfile::TempDir;

/// A directory for temporary files that has to be empty at the end.
struct Scene {
    place: Place,
    temporary: TempDir,
}

impl Scene {
    fn new() -> Self {
        let place = Place::new();
        place.add_program(&example("dataflow"), "dataflow");
        Scene { place, temporary: tempfile::tempdir().expect("room for temporary files") }
    }

    /// A command in a place where whoever prepares can change what the process is given.
    fn command(&self, program: &str) -> Command {
        let mut command = self.place.command(program);
        command.env("TMPDIR", self.temporary.path());
        command
    }

    #[track_caller]
    fn dataflow(&self, words: &str) -> Ran {
        let mut command = self.command("bash");
        Running::start(command.args(["-c", &format!("exec dataflow {words}")])).finish()
    }

    #[track_caller]
    fn is_tidy(&self) {
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().flatten().collect();
        assert!(left.is_empty(), "left over: {left:?}");
    }
}

/// The rows that `--json` has printed, by what they are about and against whom.
fn rows(ran: &Ran) -> Vec<Value> {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[track_caller]
fn row<'a>(rows: &'a [Value], table: &str, title: &str) -> &'a Value {
    let of = |row: &&Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        text("table").contains(table) && text("row").starts_with(title)
    };
    rows.iter().find(of).unwrap_or_else(|| panic!("no {title} at {table}: {rows:?}"))
}

#[test]
fn all_bring_a_file_and_what_is_made_in_memory() {
    let scene = Scene::new();
    let ran = scene.dataflow("--size 1M --rounds 1 --svg picture.svg").exits(0);
    let out = ran.out();
    for title in [
        "ring of 4 MiB ",
        "ring of 4 MiB, POSIX",
        "shmcat | shmcat",
        "pipe ",
        "pipe of 1 MiB",
        "popen, a child's input",
        "FIFO",
        "Unix socket ",
        "Unix socket by its path",
        "Unix seqpacket, by 64 KiB",
        "SysV queue of ",
        "POSIX queue of ",
        "shared file and semaphores",
        "SysV memory and semaphores",
        "splice, pipe of 1 MiB",
        "vmsplice, pipe of 1 MiB",
        "cat | cat",
        "one process alone",
    ] {
        // Files are moved twice; memory is not for programs, nor a splice for memory.
        let there = out.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with(title) && (line.contains(" █") || line.contains("not available"))
        });
        assert!(there, "{title:?} is not in {out}");
    }
    assert_eq!(out.matches("all bytes arrived.").count(), 3, "{out}");
    let widest = out.lines().filter(|line| line.contains('█') || line.contains("GB/s"));
    let widest = widest.map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|width| width <= 100), "{widest:?}: {out}");
    let picture = String::from_utf8(scene.place.read("picture.svg")).expect("an SVG is text");
    assert!(picture.contains("pipe of 1 MiB") && picture.contains("GB/s"), "no picture of it");
    scene.is_tidy();
}

#[test]
fn system_calls_and_bytes_that_cross_are_counted() {
    let scene = Scene::new();
    let only =
        "ring,pipe,unix,sysv-queue,posix-queue,sysv-memory,shared-file,splice,vmsplice,popen";
    let ran = scene.dataflow(&format!("--json --size 16M --rounds 1 --only {only}")).exits(0);
    let rows = rows(&ran);
    let crossed = |table: &str, title: &str| {
        let row = row(&rows, table, title);
        let figures = &row["crossed_per_byte"];
        let (ours, theirs) = (figures["ours"].as_f64(), figures["theirs"].as_f64());
        ours.zip(theirs).unwrap_or_else(|| panic!("{row}"))
    };
    // What starting a process reads is a little more, and grows with nothing.
    let is_about = |found: f64, expected: f64| (expected..expected + 0.05).contains(&found);
    for (table, ours, expected) in [
        ("/dev/null", 2.0, &[("pipe", 4.0), ("SysV queue", 4.0), ("SysV memory", 2.0)][..]),
        ("/dev/null", 2.0, &[("splice", 0.0), ("shared file", 4.0), ("popen", 4.0)][..]),
        ("made in one", 0.0, &[("pipe", 2.0), ("Unix socket", 2.0), ("POSIX queue", 2.0)][..]),
        ("made in one", 0.0, &[("vmsplice", 1.0), ("SysV memory", 0.0), ("popen", 2.0)][..]),
    ] {
        for (title, theirs) in expected {
            let found = crossed(table, title);
            assert!(is_about(found.0, ours) && is_about(found.1, *theirs), "{title}: {found:?}");
        }
    }
    // Every message is a call at each end, or more where they are smaller than a piece of the file.
    let calls =
        |table: &str, title: &str| row(&rows, table, title)["calls_per_mb"]["theirs"].as_f64();
    let pieces = 1e6 / f64::from(8 << 10);
    let (memory, file) = (calls("made in one", "SysV queue"), calls("/dev/null", "SysV queue"));
    assert!(
        memory.is_some_and(|calls| (2.0 * pieces..2.2 * pieces).contains(&calls)),
        "{memory:?}"
    );
    assert!(file.is_some_and(|calls| (4.0 * pieces..4.2 * pieces).contains(&calls)), "{file:?}");
    let keys = ["table", "row", "size", "unit", "ours", "theirs", "ratio", "pairs"];
    assert!(rows.iter().all(|row| keys.iter().all(|key| !row[key].is_null())), "{rows:?}");
    assert!(rows.iter().all(|row| row["size"].is_u64() && row["unit"] == "B/s"), "{rows:?}");
    scene.is_tidy();
}

/// Puts the command into a namespace where nobody else has anything of System
/// V; whether that is allowed here.
fn isolate(command: &mut Command) -> bool {
    let alone = CloneFlags::CLONE_NEWIPC;
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(move || {
            let with_user = || unshare(alone | CloneFlags::CLONE_NEWUSER);
            unshare(alone).or_else(|_| with_user()).map_err(Into::into)
        });
    }
    let mut trial = Command::new("true");
    // SAFETY: as above.
    unsafe {
        trial.pre_exec(move || {
            let with_user = || unshare(alone | CloneFlags::CLONE_NEWUSER);
            unshare(alone).or_else(|_| with_user()).map_err(Into::into)
        });
    }
    trial.status().is_ok_and(|status| status.success())
}

/// Runs `words` until `appeared` (a command of the shell) says that there is something to leave
/// behind, ends it by a signal, and looks.
#[track_caller]
fn nothing_is_left_after(signal: Signal, words: &str, appeared: &str) {
    let scene = Scene::new();
    let script = format!(
        "dataflow --size 16M --rounds 100000 {words} > /dev/null & pid=$!
         until {appeared}; do [ -d /proc/$pid ] || exit 3; done
         children=$(cat /proc/$pid/task/*/children)
         kill -{} $pid; wait $pid; echo $?
         cat /proc/sysvipc/msg /proc/sysvipc/sem /proc/sysvipc/shm | grep -v key
         ls /dev/shm | grep dataflow-$pid-
         for child in $children; do
             grep -q dataflow /proc/$child/cmdline 2> /dev/null && echo $child lives
         done; true",
        signal.as_str().trim_start_matches("SIG"),
    );
    let mut command = scene.command("bash");
    if !isolate(&mut command) {
        println!("skipped: no namespace of its own for System V here");
        return;
    }
    let ran = Running::start(command.args(["-c", &script])).finish().exits(0);
    assert_eq!(ran.out(), format!("{}\n", 128 + signal as i32), "{ran:?}");
    scene.is_tidy();
}

#[test]
fn a_queue_of_system_v_does_not_outlive_an_interrupt() {
    let appeared = "grep -q ' 600 ' /proc/sysvipc/msg";
    nothing_is_left_after(Signal::SIGINT, "--only sysv-queue", appeared);
    nothing_is_left_after(Signal::SIGTERM, "--memory --only sysv-queue", appeared);
}

#[test]
fn semaphores_and_memory_of_system_v_do_not_outlive_an_interrupt() {
    let appeared = "grep -q ' 600 ' /proc/sysvipc/sem";
    nothing_is_left_after(Signal::SIGINT, "--memory --only sysv-memory", appeared);
}

#[test]
fn a_ring_with_a_name_does_not_outlive_an_interrupt() {
    let appeared = "ls /dev/shm | grep -q dataflow-$pid-";
    nothing_is_left_after(Signal::SIGINT, "--only ring:posix", appeared);
    nothing_is_left_after(Signal::SIGHUP, "--memory --only ring:posix", appeared);
}

#[test]
fn files_that_programs_open_by_their_names_do_not_outlive_an_interrupt() {
    let appeared = "[ -n \"$(ls $TMPDIR)\" ]";
    nothing_is_left_after(Signal::SIGINT, "--to $TMPDIR --only cp,fifo,unix-bound", appeared);
}

#[test]
fn nothing_of_system_v_is_left_after_a_run() {
    let scene = Scene::new();
    let mut command = scene.command("bash");
    if !isolate(&mut command) {
        return println!("skipped: no namespace of its own for System V here");
    }
    let script = "dataflow --size 1M --rounds 1 > /dev/null || exit
                  cat /proc/sysvipc/msg /proc/sysvipc/sem /proc/sysvipc/shm | grep -v key; true";
    Running::start(command.args(["-c", script])).finish().exits(0).silent().prints("");
    scene.is_tidy();
}

/// A `cat` that is found before the installed one.
fn add_cat(scene: &Scene, does: &str) -> String {
    let directory = scene.place.path("bin");
    fs::create_dir(&directory).unwrap();
    let text =
        format!("#!/bin/sh\n[ \"$1\" = --version ] && echo 'cat (false) 0' && exit\n{does}\n");
    fs::write(directory.join("cat"), text).unwrap();
    fs::set_permissions(directory.join("cat"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("PATH={}:$PATH; exec dataflow", directory.display())
}

#[test]
fn who_brings_something_else_has_failed() {
    for does in ["exec tr '\\000' x", "exec head -c 1000", "exec false"] {
        let scene = Scene::new();
        let dataflow = add_cat(&scene, does);
        for to in ["/dev/null", "$TMPDIR"] {
            let words = format!("--size 1M --rounds 1 --only ring,cat,pipe --to {to}");
            let mut command = scene.command("bash");
            command.args(["-c", &format!("{dataflow} {words}")]);
            let ran = Running::start(&mut command).finish().exits(1);
            let out = ran.out();
            assert!(out.contains("cat | cat (false 0) FAILED: "), "{out}");
            assert!(out.contains(": 1 FAILED.") && out.contains(" pipe "), "{out}");
        }
        let words = "--json --size 1M --rounds 1 --only ring,cat,pipe --to /dev/null";
        let mut command = scene.command("bash");
        command.args(["-c", &format!("{dataflow} {words}")]);
        let ran = Running::start(&mut command).finish().exits(1).says("FAILED");
        assert_eq!(rows(&ran).len(), 1, "the pipe's alone: {ran:?}");
        scene.is_tidy();
    }
}

#[test]
fn a_program_that_is_not_installed_is_left_out_with_a_word() {
    let scene = Scene::new();
    let words = "--size 1M --rounds 1 --only ring,pv,cat,pipe --to /dev/null";
    let dataflow = example("dataflow");
    let mut command = scene.command(dataflow.to_str().expect("a path of this project"));
    command.args(words.split(' ')).env("PATH", scene.place.path("nowhere"));
    let ran = Running::start(&mut command).finish().exits(0).silent();
    let out = ran.out();
    assert!(out.contains("pv: not available: no program is installed as pv"), "{out}");
    assert!(out.contains("cat: not available: ") && out.contains("all bytes arrived"), "{out}");
}

#[test]
fn what_a_machine_does_not_allow_is_said_and_no_failure() {
    let scene = Scene::new();
    // More than anybody may give a pipe.
    let ran = scene.dataflow("--size 1M --rounds 1 --only ring,pipe:2G,unix:1G --to /dev/null");
    let out = ran.exits(0).out();
    assert!(out.contains("pipe of 2 GiB: not available: a pipe of 2147483648 bytes"), "{out}");
    assert!(out.contains("Unix socket of 1 GiB: not available: "), "{out}");
}

#[test]
fn that_there_is_no_room_is_said_before_anything_is_moved() {
    let scene = Scene::new();
    scene.dataflow("--size 1000000G").exits(1).says("has room for").says("are needed").prints("");
    // As long as nobody reads it, it takes no room.
    File::create(scene.place.path("huge")).unwrap().set_len(8 << 40).unwrap();
    let ran = scene.dataflow("huge --to /dev/shm").exits(1);
    ran.says("/dev/shm has room for").says("8192 GiB are needed").prints("");
    scene.is_tidy();
}

#[test]
fn bad_input_is_refused_before_anything_is_done() {
    let scene = Scene::new();
    for (words, says) in [
        ("--only nonsense", "no transport is called “nonsense”"),
        ("--size much", "is not a size"),
        ("nowhere", "nowhere: "),
        ("--svg nowhere/picture.svg --size 1000000G", "nowhere/picture.svg: "),
        ("--json --paired 1", "cannot be used with"),
    ] {
        scene.dataflow(words).exits(1).says(says).prints("");
    }
    scene.is_tidy();
}

#[test]
fn everything_runs_on_one_cpu_which_is_said() {
    let scene = Scene::new();
    let mut command = scene.command("bash");
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("it may run somewhere");
    let cpu = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu) == Ok(true));
    let mut one = CpuSet::new();
    one.set(cpu.expect("it may run somewhere")).unwrap();
    // SAFETY: a system call, between fork and exec.
    unsafe {
        command.pre_exec(move || sched_setaffinity(Pid::from_raw(0), &one).map_err(Into::into));
    }
    command.args(["-c", "exec dataflow --size 1M --rounds 1"]);
    let ran = Running::start(&mut command).finish().exits(0);
    let out = ran.out();
    assert_eq!(out.matches("This process may use one CPU only").count(), 3, "{out}");
    assert_eq!(out.matches("all bytes arrived.").count(), 3, "{out}");
    scene.is_tidy();
}
