//! How rings are made and waited for, and command lines that make no sense.

use std::os::unix::fs::MetadataExt;

use crate::{
    process::{Waits, until_waiting},
    support::Place,
};

#[test]
fn capacity_and_mode_of_a_new_ring() {
    let place = Place::new();
    let object = format!("/dev/shm{}", place.ring());
    let made_with = |place: &Place, options: &str| {
        let writer = place.start_shmcat(&format!("--to $R {options} /dev/null"));
        until_waiting(writer.pid(), Waits::ForPeer);
        let metadata = std::fs::metadata(&object).expect("the ring is there");
        place.bash(&format!("shmcat --from $R {options}")).exits(0).silent();
        writer.finish().exits(0).silent();
        (metadata.len(), metadata.mode() & 0o777)
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
    let script =
        "shmcat --to $R --backend posix <<< hello & shmcat --from $R --backend=posix; wait $!";
    place.bash(script).exits(0).prints("hello\n").silent();
}

#[test]
fn a_persistent_name_stays_until_it_is_removed() {
    let place = Place::new();
    let script = "shmcat --to $R --persistent <<< hello & shmcat --from $R --persistent; wait $!";
    for _ in 0..2 {
        place.bash(script).exits(0).prints("hello\n").silent();
        assert_eq!(place.left_in_shm().len(), 1);
    }
    place.bash("rm /dev/shm$R").exits(0);
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
