//! Exit statuses and messages: the same as with `cat` in the place of `shmcat`, whether the
//! upgrade won a race or lost it.

use std::fs;

use crate::{
    scene::{BIG, SHELLS, Scene, assert_same},
    support::{Ran, Running},
};

/// What messages consist of: `cat` writes its own in pieces, which those of two stages may mix.
fn letters(messages: &str) -> Vec<char> {
    let mut letters: Vec<_> = messages.chars().filter(|letter| !letter.is_whitespace()).collect();
    letters.sort();
    letters
}

struct Table(Scene);

impl Table {
    /// The files that the pipelines read.
    fn new() -> Self {
        let scene = Scene::new();
        scene.file("big", BIG);
        scene.file("small", 1000);
        scene.file("empty", 0);
        fs::create_dir(scene.path("d")).expect("a new directory");
        Self(scene)
    }

    /// Runs a script in which `$P` is the program. Its messages are without its name. What it left
    /// in the file `out` is behind what it printed.
    fn run(&self, shell: &str, program: &str, script: &str) -> Ran {
        let mut command = self.0.script(shell, script);
        let mut ran = Running::start(command.env("P", program)).finish();
        if let Ok(out) = fs::read(self.0.path("out")) {
            ran.stdout.extend(out);
            fs::remove_file(self.0.path("out")).expect("own file");
        }
        // The shell's own reports of deaths quote the script, and have numbers in them.
        let from_program = |line: &&str| !line.contains("$P");
        let lines: Vec<_> = ran.stderr.lines().filter(from_program).collect();
        ran.stderr = lines.join("\n").replace(&format!("{program}: "), "");
        ran
    }

    /// Asserts that a pipeline does the same with `cat` and with `shmcat`.
    #[track_caller]
    fn same_as_cat(&self, pipeline: &str) {
        for shell in SHELLS {
            let statuses = if shell == "bash" { "${PIPESTATUS[@]}" } else { "$?" };
            let script = format!("{pipeline}\necho statuses {statuses}");
            let expected = self.run(shell, "cat", &script);
            // More than once, because it is races that are to make no difference.
            for _ in 0..3 {
                let found = self.run(shell, "shmcat", &script);
                let messages = [&found, &expected].map(|ran| letters(&ran.stderr));
                let said = (&found.stderr, &expected.stderr);
                assert_eq!(messages[0], messages[1], "{said:?} in {shell} of: {pipeline}");
                assert_same(&found.stdout, &expected.stdout, pipeline);
                assert_eq!(found.status, expected.status, "{pipeline}");
            }
        }
    }
}

#[test]
fn pipelines_that_succeed() {
    let table = Table::new();
    for pipeline in [
        "$P big | $P",
        "$P big small | $P - small",
        "$P - < big | $P - -",
        "$P empty | $P",
        "$P small | $P | $P",
        "$P big | ($P; $P)",
        "$P big | $P small",
        "$P small | (sleep 0.1; $P small)",
    ] {
        // Who does not read the big one makes its writer die, which is the same.
        table.same_as_cat(pipeline);
    }
}

#[test]
fn readers_that_leave_early() {
    let table = Table::new();
    for pipeline in [
        "$P big | head -c 1",
        "$P big | $P | head -c 3000000",
        "$P big | $P | $P | $P | head -c 3000000",
        "yes | $P | $P | head -n 1",
        "yes | $P | $P | head -n 1000000 | tail -n 1",
        "$P big | true",
        "$P big | $P | true",
        "$P big | (exit 7)",
        "$P big | $P | (head -c 3000000 | wc -c; exit 7)",
        "$P big | exec 0<&-",
        "($P big; echo after) | head -c 1000",
    ] {
        table.same_as_cat(pipeline);
    }
}

#[test]
fn errors_of_one_stage_are_not_errors_of_the_next() {
    let table = Table::new();
    for pipeline in [
        "$P big missing big | $P",
        "$P missing | $P",
        "$P missing | $P | $P missing -",
        "$P d big | $P",
        "$P big /proc/self/mem | $P",
        "$P < d | $P",
        "$P big | $P - missing",
        "$P big | $P missing",
        "$P big | $P d -",
        "(exit 3) | $P",
        "$P big | ($P; exit 3)",
        "$P big nowhere/x | ($P; $P; exit 4) | $P - missing",
    ] {
        table.same_as_cat(pipeline);
    }
}

#[test]
fn outputs_that_fail() {
    let table = Table::new();
    for pipeline in [
        "$P big | $P > /dev/full",
        "$P big | $P | $P > /dev/full",
        "$P big | $P >&-",
        "$P big | $P <&-",
        "$P <&- | $P",
        "$P big >&- | $P",
        "$P big <&- | $P",
        "$P big 2>&- | $P 2>&-",
        "$P big missing 2>&- | $P - missing 2>&-",
        // After the upgrade: the limit lies behind the offer.
        "$P big | (trap '' XFSZ; ulimit -f 6000; exec $P > out)",
        "$P big | (ulimit -c 0; ulimit -f 6000; exec $P > out)",
    ] {
        table.same_as_cat(pipeline);
    }
}

#[test]
fn sigpipe_ignored_is_a_message() {
    let table = Table::new();
    for pipeline in [
        "trap '' PIPE; $P big | true",
        "trap '' PIPE; $P big | head -c 3000000",
        "trap '' PIPE; $P big | $P | head -c 3000000",
        "trap '' PIPE; $P big | $P | $P | $P | head -c 3000000",
        "(trap '' PIPE; exec $P big) | $P | head -c 3000000",
        "$P big | (trap '' PIPE; exec $P) | head -c 3000000",
    ] {
        table.same_as_cat(pipeline);
    }
    let script = "trap '' PIPE; $P big | $P | head -c 3000000 > /dev/null; echo ${PIPESTATUS[@]}";
    let ran = table.run("bash", "shmcat", script).exits(0).prints("1 1 0\n");
    assert_eq!(ran.stderr, "write error: Broken pipe\nwrite error: Broken pipe");
}

#[test]
fn what_fits_a_pipe_is_written_though_nobody_reads_it() {
    let table = Table::new();
    for pipeline in ["small", "empty"] {
        let pipeline = format!(
            "rm -f done; ($P {pipeline}; echo $? > done) | (until [ -s done ]; do sleep 0.01; done; true)
            echo $(cat done)"
        );
        table.same_as_cat(&pipeline);
    }
}
