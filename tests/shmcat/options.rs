//! How rings are made and waited for, and command lines that make no sense.

use crate::{
    process::{Waits, until_waiting},
    support::{Place, is_system_v},
};

#[test]
fn capacity_and_mode_of_a_new_ring() {
    let place = Place::new();
    let made_with = |place: &Place, options: &str| {
        let writer = place.start_shmcat(&format!("--to $R {options} /dev/null"));
        until_waiting(writer.pid(), Waits::ForPeer);
        let found = place.size_and_mode();
        place.bash(&format!("shmcat --from $R {options}")).exits(0).silent();
        writer.finish().exits(0).silent();
        found
    };

    let (control_and_4k, mode) = made_with(&place, "--capacity 4096");
    assert_eq!(mode, 0o600);
    for (capacity, size) in [("64K", 64 << 10), ("1MiB", 1 << 20), ("4m", 4 << 20)] {
        let (found, _) = made_with(&place, &format!("--capacity {capacity}"));
        assert_eq!(found - (control_and_4k - 4096), size, "{capacity}");
    }
    assert_eq!(made_with(&place, "--mode 0640 --capacity 4K").1, 0o640);
}

#[test]
fn each_way_to_wait() {
    let place = Place::new();
    place.file("in", 100_000);
    for how in ["adaptive", "spin", "sleep"] {
        let script = format!(
            "shmcat --to $R --wait {how} --capacity 4K in & shmcat --from $R --wait {how} | cmp - in; \
             echo ${{PIPESTATUS[@]}}; wait $!"
        );
        place.bash(&script).exits(0).prints("0 0\n").silent();
    }
}

#[test]
fn the_backend_can_be_named() {
    let place = Place::new();
    let said = "shmcat --to $N --backend $B <<< hello & shmcat --from $N --backend=$B; wait $!";
    let through = |name: &str, backend| {
        place.bash(&format!("N={name} B={backend}; {said}")).exits(0).prints("hello\n").silent();
    };
    if !is_system_v() {
        return through("$R", "posix");
    }
    through("$R", "sysv");
    // Where it is named, the prefix is not needed. Keys have other forms, and one end
    // need not say as the other does.
    through("${R#sysv:}", "sysv");
    through("$((${R#sysv:}))", "sysv");
    place.bash("touch file").exits(0);
    through("$PWD/file:7", "sysv");
    let script = "shmcat --to $R <<< hello & shmcat --from ${R#sysv:} --backend sysv; wait $!";
    place.bash(script).exits(0).prints("hello\n").silent();
    place.bash("shmcat --from $PWD/missing:7 --backend sysv").exits(1).says("missing");
    place.bash("shmcat --to /name --backend sysv <<< x").exits(1).says("sysv:0x2A01");
}

#[test]
fn a_persistent_name_stays_until_it_is_removed() {
    let place = Place::new();
    let script = "shmcat --to $R --persistent <<< hello & shmcat --from $R --persistent; wait $!";
    for _ in 0..2 {
        place.bash(script).exits(0).prints("hello\n").silent();
        assert_eq!(place.left_in_shm().len(), 1);
    }
    place.clear_shm();
}

#[test]
fn the_reader_takes_the_capacity_that_it_finds() {
    let place = Place::new();
    let script =
        "shmcat --to $R --capacity 8K <<< hello & shmcat --from $R --capacity 64K; wait $!";
    place.bash(script).exits(0).prints("hello\n").silent();
}

#[test]
fn nonsense_is_refused_with_status_1() {
    let place = Place::new();
    place.file("in", 10);
    for words in [
        "--nonsense",
        "-z",
        "--to",
        "--to $R --from $R",
        "--from $R in",
        "--capacity 4M in",
        "--persistent in",
        "--many in",
        "--to $R --capacity 3M in",
        "--to $R --capacity 1K in",
        "--to $R --capacity 0 in",
        "--to $R --capacity 4X in",
        "--to $R --capacity -4M in",
        "--to $R --capacity 99999999999999G in",
        "--to $R --mode 0999 in",
        "--to $R --mode 7777 in",
        "--to $R --wait for-ever in",
        "--to $R --backend floppy in",
        "--to no-slash in",
        "--to /two/slashes in",
        "--to '' in",
        "--from no-slash",
        "--progress=perhaps in",
        "--stats=xml in",
    ] {
        let ran = place.bash(&format!("shmcat {words}")).exits(1).prints("");
        assert!(ran.stderr.starts_with("shmcat: "), "{words}: {ran:?}");
        assert!(place.left_in_shm().is_empty(), "{words}");
    }
}

#[test]
fn help_and_version() {
    let place = Place::new();
    let help = place.bash("shmcat --help").exits(0).silent().out();
    for word in [
        "--to",
        "--from",
        "--many",
        "--progress",
        "--stats",
        "--capacity",
        "Examples:",
        "tail -f log",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    assert!(!help.contains("--show-all"), "options that are refused are not offered");
    let longest = help.lines().map(str::len).max();
    assert!(longest <= Some(100), "lines fit a terminal: {longest:?}");
    let version = format!("shmcat {}\n", env!("CARGO_PKG_VERSION"));
    place.bash("shmcat --version").exits(0).silent().prints(&version);
}
