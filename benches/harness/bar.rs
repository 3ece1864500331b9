//! How far it is, on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of runs; its message says which.
pub fn of_runs(runs: u64) -> ProgressBar {
    styled(runs, "{bar:30} {pos}/{len} {msg}")
}

/// A bar of bytes that `what` is done with.
pub fn of_bytes(what: &'static str, len: u64) -> ProgressBar {
    styled(len, "{msg:<24} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}").with_message(what)
}

fn styled(len: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(len).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
