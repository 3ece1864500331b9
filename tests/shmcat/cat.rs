//! `shmcat [FILE...]` beside the installed `cat`.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, sync::OnceLock};

use crate::support::{Place, Ran, SIZES, shmcat};

/// The coreutils' `cat`, without which there is nothing to compare with.
fn assert_gnu_cat() {
    static VERSION: OnceLock<String> = OnceLock::new();
    let version = VERSION.get_or_init(|| {
        let output = Command::new("cat").arg("--version").output().expect("cat is needed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    assert!(version.contains("GNU coreutils"), "GNU cat is needed for comparison, not {version}");
}

/// Runs the script twice, `P` being `cat` once and `shmcat` once, each in a directory that holds
/// the files `a` and `b`, the empty file `empty` and the directory `d`. Asserts that there is no
/// difference but the program's name, and returns what it was.
#[track_caller]
fn same_as_cat(script: &str) -> Ran {
    assert_gnu_cat();
    let [expected, found] = ["cat", "shmcat"].map(|program| {
        let place = Place::new();
        place.file("a", 100_000);
        place.file("b", 7);
        place.file("empty", 0);
        fs::create_dir(place.path("d")).expect("a new directory");
        let mut ran = place.bash(&format!("P() {{ command {program} \"$@\"; }}\n{script}"));
        let prefix = format!("{program}: ");
        let lines = ran.stderr.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line));
        ran.stderr = lines.map(|line| format!("{line}\n")).collect();
        ran
    });
    assert_eq!(found.stderr, expected.stderr, "standard error of: {script}");
    assert!(found.stdout == expected.stdout, "standard output of: {script}");
    assert_eq!(found.status, expected.status, "exit status of: {script}");
    found
}

#[test]
fn every_size_arrives_whole() {
    let place = Place::new();
    for size in SIZES {
        let content = place.file("in", size);
        let ran =
            place.bash("shmcat in > file && shmcat < in | shmcat > pipe && shmcat in | cmp - in");
        ran.exits(0).silent();
        assert!(place.read("file") == content, "{size} bytes to a file");
        assert!(place.read("pipe") == content, "{size} bytes through a pipe");
    }
}

#[test]
fn files_and_standard_input_in_order() {
    let ran = same_as_cat(
        "P a - b < b && P b b - < a && P -- a && P && P - - < b && P -u a -u && echo ok",
    );
    assert!(ran.exits(0).stdout.ends_with(b"ok\n"));
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    same_as_cat("P missing a d b/x b").exits(1).says("missing: No such file or directory");
    same_as_cat("P d").exits(1).says("d: Is a directory");
    same_as_cat("P < d").exits(1).says("-: Is a directory");
    same_as_cat("ln -s self self; P self a").exits(1);
    // Upstream fails, downstream does not.
    same_as_cat("P missing a | P; echo ${PIPESTATUS[@]} >&2").exits(0).says("1 0");
}

#[test]
fn names_are_quoted_in_messages_as_by_cat() {
    same_as_cat(
        r#"P $'\xff' $'a\xff\xfeb c' 'a b' "a'b" "a'b c:d" "a'!b" x:y '' '~' a~ '{' '{}' 'a!b' \
             $'a\nb' $'a\tb\001' 'a\b' 'é' 'a=b' 'a?b' '[' ']' 'a,b' 'a#b' '#a' '%' 'a"b' 'a*b' 'a&b'"#,
    )
    .exits(1);
}

#[test]
fn names_need_not_be_utf8() {
    same_as_cat(r"cp a $'\xff\xfe'; P $'\xff\xfe' > copy && cmp a copy").exits(0);
    same_as_cat("cp a ./-n; cp a ./-; P -- -n ./- | wc -c").exits(0).prints("200000\n");
}

#[test]
fn a_full_device_is_a_write_error() {
    let text = "write error: No space left on device";
    same_as_cat("P a b missing > /dev/full").exits(1).says(text);
    same_as_cat("P empty > /dev/full").exits(0);
    same_as_cat("P --help > /dev/full").exits(1).says(text);
    same_as_cat("P --version > /dev/full").exits(1).says(text);
}

#[test]
fn input_that_is_the_output_is_refused() {
    let text = "input file is output file";
    // A program that does copy a file to itself must not fill the disk.
    let same_as_cat = |script: &str| same_as_cat(&format!("ulimit -f 1000; {script}"));
    same_as_cat("P a b >> a; echo $?; wc -c < a").exits(0).says(text).prints("1\n100007\n");
    same_as_cat("P < b >> b").exits(1).says(text);
    same_as_cat("P empty >> empty").exits(0);
    same_as_cat("P a > a; wc -c < a").exits(0).prints("0\n");
    same_as_cat("ln a link; P b link >> a; wc -c < a").says(text).prints("100007\n");
}

#[test]
fn closed_standard_streams_are_errors() {
    same_as_cat("P <&-").exits(1).says("-: Bad file descriptor\nclosing standard input: Bad");
    same_as_cat("P - a <&-").exits(1);
    same_as_cat("P a <&-").exits(0);
    same_as_cat("P a >&-").exits(1).says("standard output: Bad file descriptor");
    same_as_cat("P <&- >&-").exits(1);
    same_as_cat("P a 2>&-").exits(0);
    same_as_cat("P missing a 2>&-").exits(1);
    same_as_cat("P --help >&-").exits(1).says("write error: Bad file descriptor");
}

#[test]
fn an_endless_source_is_cut_by_head() {
    same_as_cat("P /dev/zero | head -c 100000 | wc -c; echo ${PIPESTATUS[0]}")
        .prints("100000\n141\n");
    same_as_cat("yes | P | head -n 3; echo ${PIPESTATUS[@]}").prints("y\ny\ny\n141 141 0\n");
    same_as_cat("trap '' PIPE; P /dev/zero | head -c 1 >/dev/null; echo ${PIPESTATUS[@]}")
        .says("write error: Broken pipe")
        .prints("1 0\n");
}

#[test]
fn thousands_of_files() {
    same_as_cat("mkdir m; for i in {1..3000}; do echo $i > m/$i; done; P m/*").exits(0);
}

#[test]
fn from_a_fifo_and_into_it() {
    same_as_cat("mkfifo p; P a b > p & P p > copy; wait $! && P copy").exits(0);
}

#[test]
fn unreadable_files() {
    let place = Place::new();
    place.file("secret", 10);
    place.file("open", 10);
    // Root reads everything, so it has to become somebody else, who needs a way to the program.
    fs::copy(shmcat(), place.path("shmcat")).expect("room for a copy of the program");
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o755)).expect("own directory");
    fs::set_permissions(place.path("secret"), fs::Permissions::from_mode(0o000)).expect("own file");
    let root = nix::unistd::geteuid().is_root();
    let become_nobody =
        if root { "setpriv --reuid=65534 --regid=65534 --clear-groups " } else { "" };
    let possible =
        place.bash(&format!("{become_nobody}./shmcat open && ! {become_nobody}cat secret"));
    if !possible.status.success() {
        println!("skipped: nobody here who may run programs and not read all: {possible:?}");
        return;
    }
    let ran = place
        .bash(&format!("{become_nobody}./shmcat secret open | wc -c; echo ${{PIPESTATUS[0]}}"));
    ran.exits(0).prints("10\n1\n").says("shmcat: secret: Permission denied\n");
}

#[test]
fn interrupted_calls_are_repeated() {
    let place = Place::new();
    if !place.can_trace() {
        return;
    }
    place.file("in", 10 << 20);
    // The first calls are the loader's, which does not repeat them.
    let inject =
        "strace -f -o trace -e trace=read,write -e inject=read,write:error=EINTR:when=20+2";
    place.bash(&format!("{inject} shmcat - < in > out && cmp in out")).exits(0).silent();
    place.bash("grep -q 'write(1, .*EINTR.*INJECTED' trace").exits(0);
    place.bash("grep -q 'read(0, .*EINTR.*INJECTED' trace").exits(0);
}

#[test]
fn a_line_is_passed_on_at_once() {
    let place = Place::new();
    let script = "mkfifo in out; exec 3<>in 4<>out; shmcat in > out & \
                  for i in 1 2 3; do echo $i >&3; read -r -t 60 line <&4 && echo got $line; done; kill %1";
    place.bash(script).exits(0).prints("got 1\ngot 2\ngot 3\n");
}

#[test]
fn formatting_options_are_refused() {
    let place = Place::new();
    place.file("in", 10);
    let options = "-A -b -e -E -n -s -t -T -v -un -vET --show-all --number-nonblank --show-ends \
                   --number --squeeze-blank --show-tabs --show-nonprinting";
    for option in options.split_whitespace() {
        place.bash(&format!("shmcat {option} in")).exits(1).says("use cat").prints("");
    }
}
