//! Everything that goes to standard error.

use std::fmt::{self, Arguments};
use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;

use crate::args::{Reports, When};
use crate::progress;

/// Standard error: messages, and the progress bar that they must not tear.
pub struct Console {
    bar: ProgressBar,
}

impl Console {
    /// `total` is asked for only where progress is shown.
    pub fn new(reports: &Reports, total: impl FnOnce() -> Option<u64>) -> Self {
        let terminal = io::stderr().is_terminal();
        let bar = match reports.progress {
            When::Always if terminal => progress::bar(total()),
            When::Auto if terminal => progress::bar(total()),
            When::Always => progress::lines(total()),
            When::Auto | When::Never => ProgressBar::hidden(),
        };
        Self { bar }
    }

    /// Counts bytes that arrived where they were to go.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Says something under the program's name.
    pub fn say(&self, message: impl fmt::Display) {
        self.bar.suspend(|| say(message));
    }

    /// Says something only to a person who sits there.
    pub fn say_on_terminal(&self, message: impl fmt::Display) {
        if io::stderr().is_terminal() {
            self.say(message);
        }
    }

    /// Leaves the last state of the progress on the screen.
    pub fn finish(&self) {
        self.bar.abandon();
    }
}

/// Says something under the program's name, where no progress is shown.
pub fn say(message: impl fmt::Display) {
    write_line(format_args!("shmcat: {message}"));
}

/// One line in one write, so that the lines of two processes on one terminal stay whole. If
/// standard error takes nothing, there is nobody left to tell.
pub fn write_line(line: Arguments<'_>) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// What went wrong in the words that `cat` uses, which are the C library's.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) if error.raw_os_error().is_some() => text[..end].to_owned(),
        _ => text,
    }
}
