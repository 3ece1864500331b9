//! `shmcat` between users.

use super::*;
use crate::support::{alone, eventually, is_system_v, posix_only};
use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The program, where every user can run it.
struct Shmcat {
    _directory: TempDir,
    program: PathBuf,
}

impl Shmcat {
    fn new() -> Self {
        let this = std::env::current_exe().unwrap();
        let built = this.ancestors().nth(2).unwrap().join("examples/shmcat");
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let program = directory.path().join("shmcat");
        fs::copy(&built, &program).expect("cargo build --example shmcat");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Self { _directory: directory, program }
    }

    fn command(&self, user: User, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir("/").env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: between fork and exec these make system calls, and nothing else.
        unsafe {
            command.pre_exec(move || {
                let groups = [Gid::from_raw(GROUP)];
                setgroups(&groups[..usize::from(user.in_group)])?;
                setgid(Gid::from_raw(user.uid))?;
                setuid(Uid::from_raw(user.uid))?;
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
                Ok(())
            });
        }
        command
    }

    fn run(&self, user: User, words: &[&str]) -> Output {
        self.command(user, words).output().unwrap()
    }
}

#[track_caller]
fn says(output: &Output, parts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn bytes_between_two_users() {
    alone(|| {
        as_root(|| {
            let shmcat = Shmcat::new();
            let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
            let group = GROUP.to_string();
            for (first_way, second_way) in [("--to", "--from"), ("--from", "--to")] {
                let name = RingName::new("shmcat");
                let shared = ["--mode", "0660", "--group", &group, "--trust", "any"];
                let start = |user, way| {
                    let words = [&[way, name.as_str()], &shared[..]].concat();
                    let mut command = shmcat.command(user, &words);
                    if way == "--to" {
                        command.stdin(Stdio::piped());
                    }
                    let mut child = command.spawn().unwrap();
                    let input = child.stdin.take();
                    let bytes = text.clone();
                    let feeder = input.map(|mut input| {
                        std::thread::spawn(move || input.write_all(bytes.as_bytes()))
                    });
                    (child, feeder)
                };
                let first = start(ALICE, first_way);
                eventually("the ring is there", || name.exists().then_some(()));
                // Each without the other's word.
                let from = ["--from", name.as_str()];
                says(&shmcat.run(STRANGER, &[&from[..], &shared].concat()), &["Permission denied"]);
                let alone = shmcat.run(BOB, &[&from[..], &["--mode", "0660"]].concat());
                says(&alone, &["belongs to user 54001", "trust any user"]);
                let second = start(BOB, second_way);
                let mut received = Vec::new();
                // What comes out first, so that it goes on coming.
                let both = if first_way == "--to" { [second, first] } else { [first, second] };
                for (child, feeder) in both {
                    let output = child.wait_with_output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{said}");
                    if let Some(feeder) = feeder {
                        feeder.join().unwrap().unwrap();
                    }
                    received.extend(output.stdout);
                }
                assert!(received == text.as_bytes(), "{} of {}", received.len(), text.len());
                // Bob may not remove it, if he was the last one out.
                if name.exists() {
                    says(&shmcat.run(BOB, &["--remove", name.as_str()]), &["user 54001"]);
                    assert!(shmcat.run(ALICE, &["--remove", name.as_str()]).status.success());
                }
                name.assert_gone();
            }
        });
    });
}

#[test]
fn lists_and_removals() {
    alone(|| {
        as_root(|| {
            let shmcat = Shmcat::new();
            let name = RingName::new("alices");
            let (to, name_) = (["--to", name.as_str()], name.as_str());
            let mut alice = shmcat.command(ALICE, &to).spawn().unwrap();
            // It waits for somebody to read, and then keeps the ring.
            eventually("the ring is there", || name.exists().then_some(()));
            let listed = |user| {
                let list = shmcat.run(user, &["--list", "--json"]);
                assert!(list.status.success());
                String::from_utf8(list.stdout).unwrap().contains(name_)
            };
            eventually("its owner sees it", || listed(ALICE).then_some(()));
            assert!(!listed(BOB));
            says(&shmcat.run(BOB, &["--status", name_]), &[name_, "Permission denied"]);
            for words in [&["--remove", name_][..], &["--remove", name_, "--force"]] {
                // A System V object may not even be looked at.
                let reasons = match is_system_v() {
                    true => ["shmctl", "Permission denied"],
                    false => ["user 54001", "not permitted"],
                };
                says(&shmcat.run(BOB, words), &[&[name_], &reasons[..]].concat());
            }
            alice.kill().unwrap();
            alice.wait().unwrap();
            assert!(shmcat.run(ALICE, &["--remove", "--orphaned", name_]).status.success());
            name.assert_gone();
        });
    });
}

#[test]
fn a_group_by_name_and_one_that_there_is_not() {
    alone(|| {
        as_root(|| {
            let shmcat = Shmcat::new();
            let name = RingName::new("group");
            let to = ["--to", name.as_str(), "--group"];
            says(&shmcat.run(ALICE, &[&to[..], &["no-such-group"]].concat()), &["no such group"]);
            if !posix_only("what only root may give") {
                return;
            }
            // By name: one that she is not in.
            says(
                &shmcat.run(ALICE, &[&to[..], &["root"]].concat()),
                &["group 0", "Operation not permitted", "only root"],
            );
            name.assert_gone();
        });
    });
}
