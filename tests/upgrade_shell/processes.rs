//! The processes of a pipeline.

use std::fs;

use nix::unistd::Pid;

use crate::{
    process::state,
    support::{Running, until},
};

/// Waits until the script has ended and all that it started.
#[track_caller]
pub fn until_nothing_runs(running: &Running, script: &str) {
    running.until_dead();
    until(&format!("nothing runs any more that was started by: {script}"), || {
        group(running.pid()).is_empty()
    });
}

/// The processes of a group that have not ended.
pub fn group(leader: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("/proc is mounted");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let belongs = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold anything and ends with the last parenthesis; then
        // come state, parent, group.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        !matches!(fields.next(), None | Some("" | "Z" | "X"))
            && fields.nth(1) == Some(leader.to_string().as_str())
    };
    pids.filter(belongs).map(Pid::from_raw).collect()
}

/// The process of the group that runs `shmcat` with this word among its arguments.
pub fn find(leader: Pid, word: &str) -> Option<Pid> {
    group(leader).into_iter().find(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = arguments.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"shmcat"))
            && words.any(|found| found == word.as_bytes())
    })
}

/// Waits until the process of the group that runs `shmcat` with this word among its arguments
/// sleeps, and not just between two steps.
#[track_caller]
pub fn until_asleep(leader: Pid, word: &str) -> Pid {
    let mut looks = 0;
    until(&format!("the shmcat that was given {word:?} sleeps"), || {
        let asleep = find(leader, word).is_some_and(|pid| state(pid) == Some('S'));
        looks = if asleep { looks + 1 } else { 0 };
        looks == 20
    });
    find(leader, word).expect("it sleeps")
}
