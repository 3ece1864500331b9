//! Where and of what was measured.

use std::ffi::CStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What BENCHMARKS.md says of a machine, and of the sources that were measured on it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The model of the CPU.
    pub cpu: String,
    /// How many this process may use, how many there are, and how they share cores.
    pub cpus: String,
    /// The caches of the first.
    pub caches: String,
    /// The memory.
    pub memory: String,
    /// The kernel.
    pub kernel: String,
    /// The C library.
    pub glibc: String,
    /// The compiler.
    pub rustc: String,
    /// The day.
    pub date: String,
    /// The commit.
    pub commit: String,
    /// Whether sources were changed since that commit.
    pub dirty: bool,
}

impl Machine {
    /// This one, now. What cannot be found out is "unknown".
    pub fn now(root: &Path) -> Self {
        let git = |arguments: &[&str]| said_by("git", arguments, root);
        // What a report writes does not make the next one's sources others.
        let changed =
            git(&["status", "--porcelain", "--", ".", ":!BENCHMARKS.md", ":!benches/pictures"]);
        Machine {
            cpu: cpu_info("model name").unwrap_or_else(unknown),
            cpus: cpus(),
            caches: caches().unwrap_or_else(unknown),
            memory: memory().unwrap_or_else(unknown),
            // What a distribution adds behind the version is not the kernel's.
            kernel: word_in("/proc/sys/kernel/osrelease")
                .and_then(|release| release.split(['-', '+']).next().map(str::to_owned))
                .unwrap_or_else(unknown),
            glibc: glibc(),
            rustc: said_by("rustc", &["--version"], root)
                .and_then(|text| text.split(' ').nth(1).map(str::to_owned))
                .unwrap_or_else(unknown),
            date: time::OffsetDateTime::now_utc().date().to_string(),
            commit: git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown),
            dirty: changed.is_none_or(|changed| !changed.is_empty()),
        }
    }

    /// The commit, and whether it is the whole truth.
    pub fn sources(&self) -> String {
        let changed = if self.dirty { ", changed since" } else { "" };
        format!("{}{changed}", self.commit)
    }
}

fn unknown() -> String {
    "unknown".into()
}

fn word_in(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn said_by(program: &str, arguments: &[&str], root: &Path) -> Option<String> {
    let said = Command::new(program).args(arguments).current_dir(root).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// The first line of that name in /proc/cpuinfo.
fn cpu_info(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn cpus() -> String {
    let all = crate::harness::cpu::all();
    let siblings = all.first().and_then(|cpu| {
        word_in(&format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
    });
    let threads = siblings.map(|list| count(&list)).filter(|threads| *threads > 1);
    let threads = threads.map(|n| format!(", {n} threads to a core")).unwrap_or_default();
    let flags = cpu_info("flags").unwrap_or_default();
    let virtual_ = flags.split(' ').any(|flag| flag == "hypervisor");
    let how = if virtual_ { "virtual, under a hypervisor" } else { "physical" };
    format!("{}{threads}; {how}", all.len())
}

/// How many numbers there are in a list such as `0-3,8`.
fn count(list: &str) -> usize {
    let one = |part: &str| -> Option<usize> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1)
    };
    list.split(',').filter_map(one).sum()
}

fn caches() -> Option<String> {
    let of = |index: usize| {
        let at = |file: &str| {
            word_in(&format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}"))
        };
        let kind = match at("type")?.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        Some(format!("L{}{kind} {}", at("level")?, at("size")?))
    };
    let all: Vec<String> = (0..8).map_while(of).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn memory() -> Option<String> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().next()?.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()?;
    Some(format!("{:.0} GiB", kib / f64::from(1 << 20)))
}

fn glibc() -> String {
    // SAFETY: the function has no preconditions, and returns a text that lives
    // as long as the program.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    version.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_counted() {
        for (list, count) in [("0", 1), ("0-1", 2), ("0,4", 2), ("0-3,8-11", 8), ("", 0)] {
            assert_eq!(super::count(list), count, "{list}");
        }
    }

    #[test]
    fn what_cannot_be_found_out_is_unknown_and_no_failure() {
        let nowhere = Machine::now(Path::new("/proc/self/does-not-exist"));
        assert_eq!((nowhere.commit.as_str(), nowhere.dirty), ("unknown", true));
        assert!(!nowhere.cpu.is_empty() && nowhere.date.len() == 10);
    }
}
