//! Pictures of what was measured, as SVG: readable on white and on black, and at a phone's width.
//!
//! Nothing is behind them, all colours are of a middle brightness, and lines and bars are named
//! where they are, not in a legend.

mod bars;
mod choice;
mod lines;

use plotters::style::{FontDesc, FontFamily, FontStyle, IntoTextStyle, RGBColor, TextStyle};

pub use choice::of;

/// What plotters draws on, for a moment.
type Failure = Box<dyn std::error::Error>;

/// Pixels from side to side.
const WIDTH: u32 = 600;

/// Pixels of a letter's height.
const LETTER: f64 = 16.0;

/// Pixels from one line of text to the next.
const LINE: i32 = 22;

/// At least 4 to 1 against white and against GitHub's black.
const TEXT: RGBColor = RGBColor(0x76, 0x7e, 0x88);

/// This library's.
const OURS: RGBColor = RGBColor(0xdd, 0x5c, 0x14);

/// The others', in turns.
const THEIRS: [RGBColor; 8] = [
    RGBColor(0x3b, 0x82, 0xc4),
    RGBColor(0x2e, 0x95, 0x56),
    RGBColor(0x9a, 0x6f, 0xd8),
    RGBColor(0x8b, 0x8a, 0x22),
    RGBColor(0xd6, 0x50, 0x5d),
    RGBColor(0x1b, 0x94, 0xa0),
    RGBColor(0xc4, 0x5a, 0xa0),
    RGBColor(0xa4, 0x7a, 0x4e),
];

/// A picture, and what it is called: the name of its file without `.svg`.
pub struct Picture {
    /// The name.
    pub name: &'static str,
    /// What is in it, for who cannot see it.
    pub alt: String,
    /// The file.
    pub svg: String,
}

impl Picture {
    /// The line by which a page in `root` shows it.
    pub fn markdown(&self) -> String {
        format!("![{}](benches/pictures/{}.svg)", self.alt, self.name)
    }
}

/// Letters of that colour; bold ones for titles and for what is this library's.
fn letters(color: RGBColor, bold: bool) -> TextStyle<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    // The backend writes the size divided by 1.24.
    FontDesc::new(FontFamily::SansSerif, LETTER * 1.24, style)
        .color(&color)
        .into_text_style(&(0, 0))
}

/// The picture with its description in it, for programs that read aloud.
fn described(svg: &str, alt: &str) -> String {
    let alt = alt.replace('&', "&amp;").replace('<', "&lt;");
    svg.replacen(">\n", &format!(" role=\"img\">\n<title>{alt}</title>\n"), 1)
}
