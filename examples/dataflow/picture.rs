//! The results as a picture: bars, one below the other, so that it can be read at a phone's width,
//! in colours that are told from white and from black.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contest::{Outcome, Standing};

const WIDTH: u32 = 600;
const MARGIN: i32 = 12;

/// Of a rival: a line of text with the bar below.
const ROW: i32 = 50;

/// Above the first rival of a table, and below the last.
const HEAD: i32 = 68;
const FOOT: i32 = 18;

const TEXT: RGBColor = RGBColor(118, 126, 135);
const OURS: RGBColor = RGBColor(47, 129, 222);
const THEIRS: RGBColor = RGBColor(184, 124, 46);

/// Draws all tables into a file.
pub fn draw(path: &Path, outcomes: &[Outcome]) -> Result<(), String> {
    let height = outcomes.iter().map(|outcome| HEAD + ROW * shown(outcome).len() as i32 + FOOT);
    let size = (WIDTH, height.sum::<i32>().max(1).unsigned_abs());
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::new(path, size).into_drawing_area();
        let mut top = 0;
        for outcome in outcomes {
            top = panel(&area, outcome, top).map_err(|e| e.to_string())?;
        }
        Ok(area.present()?)
    };
    drawn().map_err(|e| format!("cannot draw into {}: {e}", path.display()))
}

/// Those that have figures, the fastest first.
fn shown(outcome: &Outcome) -> Vec<(&Standing, f64)> {
    let with_speed = |standing| outcome.speed(standing).map(|speed| (standing, speed));
    let mut shown: Vec<_> = outcome.standings.iter().filter_map(with_speed).collect();
    shown.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    shown
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws one table and returns where it ends.
fn panel(area: &Area<'_>, outcome: &Outcome, top: i32) -> Result<i32, String> {
    let right = WIDTH as i32 - MARGIN;
    let text = |words: &str, at: (i32, i32), side: HPos, size: i32| {
        let style = ("sans-serif", size).into_font().color(&TEXT);
        let style = style.pos(Pos::new(side, VPos::Top));
        area.draw(&Text::new(words.to_owned(), at, style)).map_err(|e| e.to_string())
    };
    // A long name of what is moved takes two lines.
    let (line, rest) = outcome.work.split_at(break_in(&outcome.work));
    text(line, (MARGIN, top + 8), HPos::Left, 24)?;
    text(rest.trim_start(), (MARGIN, top + 34), HPos::Left, 24)?;
    let shown = shown(outcome);
    let most = shown.first().map_or(1.0, |(_, speed)| *speed);
    let mut y = top + HEAD;
    for (standing, speed) in shown {
        let ours = standing.title.starts_with("ring") || standing.title.starts_with("shmcat");
        let colour = if ours { OURS } else { THEIRS };
        let length = (f64::from(right - MARGIN) * speed / most).max(2.0) as i32;
        text(&standing.title, (MARGIN, y), HPos::Left, 22)?;
        text(&format!("{speed:.2} GB/s"), (right, y), HPos::Right, 22)?;
        let bar = [(MARGIN, y + 24), (MARGIN + length, y + 37)];
        area.draw(&Rectangle::new(bar, colour.filled())).map_err(|e| e.to_string())?;
        y += ROW;
    }
    Ok(y + FOOT)
}

/// Where the first line of a heading ends.
fn break_in(words: &str) -> usize {
    const LINE: usize = 52;
    if words.chars().count() <= LINE {
        return words.len();
    }
    let fits = words.char_indices().nth(LINE).map_or(words.len(), |(at, _)| at);
    words[..fits].rfind(' ').unwrap_or(fits)
}

#[cfg(test)]
mod tests {
    use super::break_in;

    #[test]
    fn headings_break_between_words() {
        assert_eq!(break_in("short"), 5);
        let long = "word ".repeat(20);
        assert_eq!(break_in(&long), 49);
        assert_eq!(break_in(&"…".repeat(60)), 52 * "…".len());
    }
}
