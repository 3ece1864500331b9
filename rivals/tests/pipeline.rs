//! Pipelines of small files: what arrives is compared, and what is not there is left out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A script in `directory` that anybody may run.
fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// Compares a rival with `cat | cat` in the place of shmcat.
fn pipeline(rival: &str, to: &Path, more: impl FnOnce(&mut Command)) -> (Output, Vec<Value>) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("rows.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmpipe-rivals"));
    command.args(["pipeline", "--size", "3M", "--pairs", "1", "--shmcat", "/bin/cat", "--to"]);
    command.arg(to).arg("--only").arg(format!("shmcat | shmcat : {rival}"));
    command.arg("--json").arg(&file);
    more(&mut command);
    let ended = command.output().expect("the program");
    let rows = fs::read_to_string(&file).map(|text| serde_json::from_str(&text));
    (ended, rows.expect("a file of rows").expect("an array"))
}

#[test]
fn a_rival_that_brings_something_else_has_failed() {
    let scripts = tempfile::tempdir().expect("a directory");
    for (name, text) in [
        ("short", "head -c 2000000"),
        ("long", "cat && echo"),
        ("other", "tr a b"),
        ("failing", "cat; exit 3"),
    ] {
        let path = script(scripts.path(), name, text);
        for to in [Path::new("/dev/null"), scripts.path()] {
            let (ended, rows) = pipeline(name, to, |command| {
                command.arg("--with").arg(&path);
            });
            let said = String::from_utf8_lossy(&ended.stdout);
            assert_eq!(ended.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains(&format!("FAILED: {name} | {name}: ")), "{name}: {said}");
            assert!(rows.is_empty(), "{name}: {rows:?}");
        }
    }
    let path = script(scripts.path(), "right", "cat");
    let (ended, rows) = pipeline("right", scripts.path(), |command| {
        command.arg("--with").arg(&path);
    });
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let [row] = &rows[..] else { panic!("one comparison was made: {rows:?}") };
    assert_eq!(
        (&row["table"], &row["size"], &row["pairs"]),
        (&"pipeline".into(), &(3 << 20).into(), &1.into())
    );
    assert!(
        row["row"].as_str().is_some_and(|row| row.ends_with(", shmcat | shmcat, right | right"))
    );
    assert!(row["ours"].as_f64().is_some_and(|speed| speed > 0.0));
    let left: Vec<_> = fs::read_dir(scripts.path()).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 5, "the scripts and nothing else: {left:?}");
}

#[test]
fn uutils_cat_is_part_of_this_program() {
    let (ended, rows) = pipeline("uu-cat", Path::new("/dev/null"), |_| ());
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert!(rows[0]["row"].as_str().is_some_and(|row| row.ends_with("cat | cat (uutils 0.12.0)")));
}

#[test]
fn a_tool_that_is_not_installed_is_left_out() {
    let (ended, rows) = pipeline("pv", Path::new("/dev/null"), |command| {
        command.env("PATH", "/nowhere");
    });
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("left out: pv: not available: no program is installed as pv"), "{said}");
    assert_eq!((ended.status.code(), rows.len()), (Some(0), 0));
}

#[test]
fn a_file_that_is_there_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = script(directory.path(), "precious", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmpipe-rivals"));
    command.args(["pipeline", "--size", "1M", "--shmcat", "/bin/cat", "--to"]).arg(&path);
    let ended = command.output().expect("the program");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("precious: not a directory or a device"), "{said}");
    assert_eq!((ended.status.code(), path.exists()), (Some(1), true));
}

#[test]
fn too_little_room_is_said_before_the_run() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmpipe-rivals"));
    command.args(["pipeline", "--size", "1048576G", "--shmcat", "/bin/cat"]);
    let ended = command.output().expect("the program");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("has room for"), "{said}");
    assert_eq!(ended.status.code(), Some(1));
}
