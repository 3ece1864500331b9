//! Other programs that a process starts or becomes.

use super::*;
use std::{
    os::{fd::FromRawFd, unix::process::CommandExt},
    process::{Command, Stdio},
};

#[test]
fn who_executes_another_program_has_left_its_end() {
    alone(|| {
        let name = RingName::new("exec");
        let mut reader: Reader = options().open_or_create(&name).unwrap();
        let child = Child::fork(|_| {
            let mut writer: Writer = options().open(&name).unwrap();
            writer.write_all(b"last words").unwrap();
            panic!("{}", Command::new("sleep").arg("1000").exec());
        });
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"last words");
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(matches!(cause, Some(ReadError::Died)), "{error:?}");
        eventually("the other program", || {
            let comm = fs::read_to_string(format!("/proc/{}/comm", child.pid())).unwrap();
            (comm.trim() == "sleep").then_some(())
        });
        child.kill();
    });
}

/// Set for [`program`]; says which part it plays.
const PROGRAM: &str = "SHMPIPE_TEST_PROGRAM";

/// The descriptor it was given.
const GIVEN: i32 = 100;

/// Another program, as far as this test is concerned: this binary, executed anew.
fn program_that(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "programs::program", "--nocapture"]).env(PROGRAM, part);
    command
}

#[test]
fn program() {
    match std::env::var(PROGRAM).as_deref() {
        Ok("write") => {
            // SAFETY: the parent put it there, and nothing else in this process uses it.
            let fd = unsafe { OwnedFd::from_raw_fd(GIVEN) };
            let mut writer = Unclaimed::<Writer>::from(fd).claim_with(&options()).unwrap();
            writer.write_all(b"from another program").unwrap();
            writer.finish().unwrap();
        }
        Ok("read") => {
            let fd = io::stdin().as_fd().try_clone_to_owned().unwrap();
            let mut reader = Unclaimed::<Reader>::from(fd).claim_with(&options()).unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "to another program");
        }
        Ok("list") => {
            for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
                println!("has {:?}", fs::read_link(entry.path()));
            }
        }
        _ => {}
    }
}

#[test]
fn a_program_claims_the_descriptor_it_was_given() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let mut reader = reader.claim_with(&options()).unwrap();
        let mut command = program_that("write");
        let fd = writer.as_fd().as_raw_fd();
        // SAFETY: one system call in the child, on a descriptor that is open until then.
        unsafe {
            command.pre_exec(move || match libc::dup2(fd, GIVEN) {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            });
        }
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "from another program");
    });
}

#[test]
fn a_program_claims_its_standard_input() {
    alone(|| {
        let (writer, reader) = options().anonymous::<Writer>().unwrap();
        let mut writer = writer.claim_with(&options()).unwrap();
        let mut command = program_that("read");
        let mut child = command.stdin(OwnedFd::from(reader)).stdout(Stdio::null()).spawn().unwrap();
        writer.write_all(b"to another program").unwrap();
        writer.finish_and_wait_timeout(DEADLINE).unwrap();
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_program_inherits_no_descriptors() {
    alone(|| {
        let name = RingName::new("close-on-exec");
        let _named = ends(&name);
        let (writer, _unclaimed) = options().anonymous::<Writer>().unwrap();
        let _anonymous = writer.claim().unwrap();
        let output = program_that("list").output().unwrap();
        let list = String::from_utf8(output.stdout).unwrap();
        assert!(list.contains("has "), "{list}");
        assert!(!list.contains("shm") && !list.contains("memfd"), "{list}");
    });
}
