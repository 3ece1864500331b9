//! The report, without measuring: text and pictures of figures that are there, and
//! what an interrupt leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// The time by which all is gone that an interrupted run has left to be tidied up.
const PATIENCE: Duration = Duration::from_secs(20);

fn rivals() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shmpipe-rivals"))
}

/// A page with a part for each name, and text around.
fn page(names: &[&str]) -> String {
    let part =
        |name: &&str| format!("text of {name}\n\n<!-- generated: {name} -->\n<!-- end -->\n");
    names.iter().map(part).collect::<String>() + "the end\n"
}

fn row(table: &str, row: &str, size: u64, figures: [f64; 2]) -> Value {
    let [ours, theirs] = figures;
    json!({
        "table": table, "row": row, "size": size, "unit": "B/s", "ours": ours, "theirs": theirs,
        "ratio": {"median": ours / theirs, "q1": 1.5, "q3": 9.0}, "pairs": 3,
        "cpu_s_per_gb": null, "line_ns": {"before": 62.0, "after": 64.0},
    })
}

/// A run as `--keep` leaves it: each step's figures, or why there are none.
fn keep(directory: &Path, steps: &[(&str, Result<Value, &str>)]) {
    let machine = json!({
        "cpu": "a CPU", "cpus": "2", "caches": "L1", "memory": "1 GiB", "kernel": "6.1",
        "glibc": "2.36", "rustc": "1.95", "date": "2026-01-02", "commit": "abc", "dirty": false,
    });
    let mut outcomes = serde_json::Map::new();
    for (name, figures) in steps {
        if let Ok(figures) = figures {
            fs::write(directory.join(format!("{name}.json")), figures.to_string()).expect("room");
        }
        let outcome = json!({
            "command": format!("measure {name}"), "seconds": 1.0, "failure": figures.as_ref().err(),
            "left_out": ["pv: not available: no program is installed as pv -q"],
        });
        outcomes.insert((*name).to_owned(), outcome);
    }
    let run = json!({"machine": machine, "command": "measure all", "steps": outcomes});
    fs::write(directory.join("run.json"), run.to_string()).expect("room");
}

#[test]
fn text_and_pictures_are_made_of_what_was_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (kept, into) = (directory.path().join("kept"), directory.path().join("into"));
    fs::create_dir(&kept).expect("a directory");
    fs::create_dir(&into).expect("a directory");
    let lines = json!([
        row("throughput", "pipe", 8, [8e9, 2e9]),
        row("throughput", "pipe", 64, [9e9, 3e9]),
    ]);
    let other = json!([{"mechanism": "FIFO", "GB/s": 1.25, "calls": 7}]);
    keep(
        &kept,
        &[
            ("throughput", Ok(lines)),
            ("mechanisms", Ok(other)),
            ("wakeup", Err("there is no bench called wakeup")),
        ],
    );
    let names = ["machine", "commands", "throughput", "mechanisms", "wakeup", "slots"];
    fs::write(into.join("BENCHMARKS.md"), page(&names)).expect("room");
    let json_file = directory.path().join("all.json");
    let mut report = rivals();
    report.args(["report", "--from"]).arg(&kept).arg("--into").arg(&into);
    let ended = report.arg("--json").arg(&json_file).output().expect("the program");

    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("FAILED: wakeup: there is no bench called wakeup"), "{said}");
    assert_eq!(ended.status.code(), Some(1), "a step failed");
    let text = fs::read_to_string(into.join("BENCHMARKS.md")).expect("it was written");
    for expected in [
        "| CPU | a CPU |",
        "    measure all    # 3 s, which ran\n\n    measure throughput    # 1 s\n",
        "![Bytes per second over the size of a block, for a ring and for what the kernel offers]\
         (benches/pictures/throughput.svg)\n\n| ",
        "| 8 B | pipe | 8.00 and 2.00 GB/s | **4.00** (1.50–9.00) | 3 | 62–64 |\n",
        "Left out:\n\n- pv: not available: no program is installed as pv -q\n",
        "*2026-01-02, a CPU, commit abc: `measure throughput`*",
        "| GB/s | calls | mechanism |\n| --- | --- | --- |\n| 1.25 | 7 | FIFO |\n",
        "Not measured: there is no bench called wakeup.",
        "text of slots\n\n<!-- generated: slots -->\n<!-- end -->\nthe end\n",
    ] {
        assert!(text.contains(expected), "“{expected}” is not in\n{text}");
    }
    let svg = fs::read_to_string(into.join("benches/pictures/throughput.svg")).expect("a picture");
    assert!(svg.contains("<title>Bytes per second") && svg.contains("shmpipe"), "{svg}");
    let rows: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(&json_file).expect("rows")).expect("an array");
    assert_eq!(rows.len(), 2);

    // Once more, and nothing is added.
    rivals().args(["report", "--from"]).arg(&kept).arg("--into").arg(&into).output().expect("it");
    assert_eq!(fs::read_to_string(into.join("BENCHMARKS.md")).expect("it is there"), text);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_measured() {
    let directory = tempfile::tempdir().expect("a directory");
    let said = |arguments: &[&str]| {
        let mut report = rivals();
        report.arg("report").args(arguments).arg("--into").arg(directory.path());
        let ended = report.output().expect("the program");
        assert_eq!(ended.status.code(), Some(1));
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    assert!(said(&["--quick"]).contains("BENCHMARKS.md: No such file"));
    fs::write(directory.path().join("BENCHMARKS.md"), page(&["machine"])).expect("room");
    assert!(said(&["--only", "sluts"]).contains("no step is called “sluts”; there are throughput"));
    assert!(said(&["--from", "/proc/self"]).contains("not what `report --keep` made"));
}

/// The processes that were started, at whatever remove, by one with this mark in its environment.
fn marked(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    let has_mark = |path: &Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let marked = processes.map(|entry| entry.path()).filter(|path| has_mark(path));
    marked.map(|path| path.display().to_string()).collect()
}

#[test]
fn an_interrupt_leaves_no_process_and_no_file() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let directory = tempfile::tempdir().expect("a directory");
        let names = ["machine", "commands", "many"];
        fs::write(directory.path().join("BENCHMARKS.md"), page(&names)).expect("room");
        let mark = format!("REPORT_TEST={}-{signal}", std::process::id());
        let (name, value) = mark.split_once('=').expect("it has one");
        let mut report = rivals();
        report.args(["report", "--only", "many", "--pairs", "1000", "--into"]);
        report.arg(directory.path()).env(name, value).stdout(Stdio::piped());
        let mut running = report.spawn().expect("the program");
        let lines = BufReader::new(running.stdout.take().expect("it was asked for")).lines();
        let begun = lines.map_while(Result::ok).find(|line| line.starts_with("1 of 1: many"));
        assert!(begun.is_some());
        let start = Instant::now();
        // This program, who tidies up behind it, the step, who does so behind
        // that, and two workers at least.
        while marked(&mark).len() < 6 {
            assert!(start.elapsed() < PATIENCE, "only {:?}", marked(&mark));
            std::thread::yield_now();
        }
        let pid = Pid::from_raw(running.id() as i32);
        kill(pid, signal).expect("it runs");
        running.wait().expect("it is a child");
        let start = Instant::now();
        let left_in_memory = || {
            let all = fs::read_dir("/dev/shm").expect("shared memory").flatten();
            let name = format!("shmpipe-rivals-{pid}");
            all.filter(|entry| entry.file_name().to_string_lossy().contains(&name)).count()
        };
        while !marked(&mark).is_empty() || left_in_memory() > 0 {
            assert!(start.elapsed() < PATIENCE, "left: {:?}", marked(&mark));
            std::thread::yield_now();
        }
    }
}
