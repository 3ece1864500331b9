//! Whether there is room for what will be written, seen before anything is.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::harness::volume;
use crate::output::Sink;
use crate::transport::size;

/// Refuses to begin if a file system has no room for the file that is `made` in a directory, if one
/// is, together with one that arrives: they come one at a time.
pub fn check(made: Option<&Path>, sinks: &[Sink], len: u64) -> Result<(), String> {
    let of_input = made.map(|made| (made, 0, 0));
    let of_sinks = sinks.iter().filter_map(Sink::takes_room_in);
    for (path, freed, arriving) in of_input.into_iter().chain(of_sinks.map(|(p, f)| (p, f, len))) {
        let failed = |e: io::Error| format!("{}: {e}", path.display());
        let beside = made.filter(|made| are_on_one_volume(made, path).unwrap_or(true));
        let needed = arriving.saturating_add(if beside.is_some() { len } else { 0 });
        let free = volume::free(path).map_err(failed)?.saturating_add(freed);
        if free < needed {
            let (free, needed) = (round(free), round(needed.next_multiple_of(1 << 20)));
            return Err(format!(
                "{} has room for {free}, and {needed} are needed; set TMPDIR, or give another --to or a smaller --size",
                path.display(),
            ));
        }
    }
    Ok(())
}

fn round(bytes: u64) -> String {
    size::show(bytes >> 20 << 20)
}

fn are_on_one_volume(a: &Path, b: &Path) -> io::Result<bool> {
    Ok(fs::metadata(a)?.dev() == fs::metadata(b)?.dev())
}
