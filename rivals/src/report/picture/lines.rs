//! Lines over sizes, both axes logarithmic, each named at its right end.

use plotters::backend::SVGBackend;
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Failure, LINE, OURS, TEXT, THEIRS, WIDTH, described, letters};
use crate::transport::size;

/// Room for the names at the right: what they need, within these.
const NAMES: [usize; 2] = [120, 250];

/// What a letter takes, about.
const LETTER: usize = 10;

/// What is before a name: a line from the end of its curve.
const LEADER: usize = 18;

/// Pixels from the top to the bottom.
const HEIGHT: u32 = 460;

/// A line.
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// Sizes in bytes, ascending, and values.
    pub points: Vec<(f64, f64)>,
    /// Whether it is this library's.
    pub ours: bool,
}

/// Draws them; `figure` writes a value of the vertical axis.
///
/// # Errors
///
/// If there is nothing to draw, or plotters fails.
pub fn draw(
    title: &str,
    curves: &[Curve],
    figure: &dyn Fn(f64) -> String,
    alt: &str,
) -> Result<String, Failure> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN, f64::max);
    let (sizes, values) = ([least(|p| p.0), most(|p| p.0)], [least(|p| p.1), most(|p| p.1)]);
    if !(sizes[1] > sizes[0] && values[0] > 0.0) {
        return Err("there are not two sizes to draw a line between".into());
    }
    let longest = curves.iter().map(|curve| curve.name.chars().count()).max().unwrap_or(0);
    let names = (LEADER + LETTER * longest).clamp(NAMES[0], NAMES[1]);
    let right = WIDTH as i32 - names as i32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let center = |h: HPos| Pos::new(h, VPos::Center);
        let caption = letters(TEXT, true).pos(center(HPos::Left));
        area.draw(&Text::new(title.to_owned(), (4, LINE / 2 + 4), caption))?;
        let mut chart = ChartBuilder::on(&area)
            .margin_top(LINE as u32 * 3 / 2)
            .margin_right(names as u32)
            .x_label_area_size(34)
            .y_label_area_size(84)
            .build_cartesian_2d(
                (sizes[0]..sizes[1]).log_scale().base(2.0),
                (values[0] * 0.8..values[1] * 1.25).log_scale(),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(TEXT.mix(0.25))
            .axis_style(TEXT)
            .x_labels(5)
            .y_labels(6)
            .x_label_style(letters(TEXT, false))
            .y_label_style(letters(TEXT, false))
            .x_label_formatter(&|bytes| brief(*bytes as u64))
            .y_label_formatter(&|value| figure(*value))
            .draw()?;
        let mut ends = Vec::new();
        let mut others = THEIRS.into_iter().cycle();
        for curve in curves {
            let color = if curve.ours { OURS } else { others.next().unwrap_or(TEXT) };
            let style = color.stroke_width(if curve.ours { 4 } else { 2 });
            chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
            if let Some(last) = curve.points.last() {
                ends.push((curve, color, chart.backend_coord(last)));
            }
        }
        ends.sort_by_key(|(_, _, (_, y))| *y);
        let wanted: Vec<i32> = ends.iter().map(|(_, _, (_, y))| *y).collect();
        for ((curve, color, (x, y)), at) in ends.iter().zip(apart(&wanted, HEIGHT as i32 - 34)) {
            let name = shortened(&curve.name, (names - LEADER) / LETTER);
            let leader = [(*x + 3, *y), (right + LEADER as i32 - 4, at)];
            area.draw(&PathElement::new(leader, color.mix(0.6).stroke_width(1)))?;
            let style = letters(*color, curve.ours).pos(center(HPos::Left));
            area.draw(&Text::new(name, (right + LEADER as i32, at), style))?;
        }
        area.present()?;
    }
    Ok(described(&svg, alt))
}

/// So many letters of it, if it is longer than that also without what follows a comma or an "and".
fn shortened(name: &str, letters: usize) -> String {
    let parts = [Some(name), name.split(", ").next(), name.split(" and ").next()];
    let short = parts.into_iter().flatten().find(|part| part.chars().count() <= letters);
    if let Some(short) = short {
        return short.to_owned();
    }
    name.chars().take(letters.saturating_sub(1)).collect::<String>() + "…"
}

/// A size as short as can be, because it stands beside others: `512`, `4K`.
fn brief(bytes: u64) -> String {
    size::show(bytes).replace("iB", "").replace(['B', ' '], "")
}

/// Heights for names near those that are wanted, which ascend, a line of text from
/// each other and above `bottom`.
fn apart(wanted: &[i32], bottom: i32) -> Vec<i32> {
    const GAP: i32 = LINE - 3;
    let mut at = Vec::with_capacity(wanted.len());
    for want in wanted {
        let free = at.last().map_or(LINE * 2, |last| last + GAP);
        at.push(free.max(*want));
    }
    // Those that were pushed out at the bottom push up those above them.
    let mut limit = bottom;
    for height in at.iter_mut().rev() {
        *height = limit.min(*height);
        limit = *height - GAP;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_a_distance_and_stay_inside() {
        let placed = apart(&[100, 101, 102, 300, 399, 400], 400);
        assert!(placed.is_sorted_by(|a, b| b - a >= LINE - 3), "{placed:?}");
        assert_eq!((placed[0], placed[3], placed[5]), (100, 300, 400));
        assert_eq!((shortened("abc", 3), shortened("äöüß", 3)), ("abc".into(), "äö…".into()));
        assert_eq!(shortened("queue, by 8 KiB", 8), "queue");
        assert_eq!(shortened("memory and more", 8), "memory");
    }
}
