//! The progress bar on a terminal, and as lines in a log.
//!
//! The bar is drawn by a thread of its own; counting costs the copying thread an addition and a
//! look at the clock per block, so that a slow terminal does not slow down the copy.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::report::write_line;

const KNOWN_SIZE: &str = "{binary_bytes} of {binary_total_bytes} in {elapsed_precise}, \
                          {binary_bytes_per_sec} [{bar:24}] {percent}%, ETA {eta_precise}";
const UNKNOWN_SIZE: &str = "{binary_bytes} in {elapsed_precise}, {binary_bytes_per_sec}";

const REDRAW: Duration = Duration::from_millis(100);
const NEXT_LINE: Duration = Duration::from_secs(1);

/// A bar that redraws itself on the terminal.
pub fn bar(total: Option<u64>) -> ProgressBar {
    start(total, ProgressDrawTarget::stderr(), REDRAW)
}

/// The same, a line a second, for a standard error that is not a terminal.
pub fn lines(total: Option<u64>) -> ProgressBar {
    start(total, ProgressDrawTarget::term_like(Box::new(Lines::default())), NEXT_LINE)
}

fn start(total: Option<u64>, target: ProgressDrawTarget, every: Duration) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, target);
    let template = if total.is_some() { KNOWN_SIZE } else { UNKNOWN_SIZE };
    let style = ProgressStyle::with_template(template).expect("the templates above are valid");
    bar.set_style(style.progress_chars("=> "));
    bar.enable_steady_tick(every);
    bar
}

/// A "terminal" that cannot move its cursor: what is drawn is collected and becomes a line.
#[derive(Debug, Default)]
struct Lines {
    drawn: Mutex<String>,
}

impl TermLike for Lines {
    fn width(&self) -> u16 {
        // As wide as a line can get: nothing is cut or wrapped.
        u16::MAX
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        // Padding to the width, and the carriage returns that would have redrawn the line.
        let line = drawn.trim();
        if !line.is_empty() {
            write_line(format_args!("shmcat: {line}"));
        }
        Ok(())
    }
}
