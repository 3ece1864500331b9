//! Bars in groups, each with its name before it and its figure behind it.

use plotters::backend::SVGBackend;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Failure, LINE, OURS, TEXT, THEIRS, WIDTH, described, letters};

/// Where bars begin.
const LEFT: i32 = 198;

/// Room behind the longest for its figure.
const RIGHT: i32 = 98;

/// Pixels from one bar to the next.
const STEP: i32 = 26;

/// Pixels of a bar's height.
const THICK: i32 = 18;

/// Bars that are compared.
pub struct Group {
    /// What they have in common.
    pub title: String,
    /// From the top.
    pub bars: Vec<Bar>,
}

/// One bar.
pub struct Bar {
    /// What it is called.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// The figure.
    pub label: String,
    /// Whether it is this library's.
    pub ours: bool,
}

/// How length says a value.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// By its amount.
    Linear,
    /// By how many times it is ten times a power of ten below the least.
    Logarithmic,
}

/// Draws them.
///
/// # Errors
///
/// If there is nothing to draw, or plotters fails.
pub fn draw(title: &str, groups: &[Group], scale: Scale, alt: &str) -> Result<String, Failure> {
    let values = || groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value);
    let most = values().fold(f64::MIN, f64::max);
    let least = values().fold(f64::MAX, f64::min);
    if !(most > 0.0 && least > 0.0) {
        return Err("there is nothing to draw".into());
    }
    let floor = 10f64.powf(least.log10().floor());
    let room = f64::from(WIDTH as i32 - LEFT - RIGHT);
    let length = |value: f64| match scale {
        Scale::Linear => room * value / most,
        Scale::Logarithmic => room * (value / floor).ln() / (most / floor).ln().max(f64::EPSILON),
    };
    let height = LINE * 3 / 2
        + groups.iter().map(|group| LINE * 3 / 2 + STEP * group.bars.len() as i32).sum::<i32>();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        let at = |h: HPos| Pos::new(h, VPos::Center);
        area.draw(&Text::new(
            title.to_owned(),
            (4, LINE / 2 + 4),
            letters(TEXT, true).pos(at(HPos::Left)),
        ))?;
        let mut y = LINE * 3 / 2;
        for group in groups {
            area.draw(&Text::new(
                group.title.clone(),
                (4, y + LINE / 2 + 4),
                letters(TEXT, false).pos(at(HPos::Left)),
            ))?;
            y += LINE * 3 / 2;
            for bar in &group.bars {
                let color = if bar.ours { OURS } else { THEIRS[0] };
                let middle = y + THICK / 2;
                let end = LEFT + length(bar.value).round().max(2.0) as i32;
                let (before, behind) = (LEFT - 8, end + 8);
                let own = letters(if bar.ours { OURS } else { TEXT }, bar.ours);
                area.draw(&Rectangle::new([(LEFT, y), (end, y + THICK)], color.filled()))?;
                area.draw(&Text::new(
                    bar.name.clone(),
                    (before, middle),
                    own.pos(at(HPos::Right)),
                ))?;
                area.draw(&Text::new(
                    bar.label.clone(),
                    (behind, middle),
                    own.pos(at(HPos::Left)),
                ))?;
                y += STEP;
            }
        }
        area.present()?;
    }
    Ok(described(&svg, alt))
}
