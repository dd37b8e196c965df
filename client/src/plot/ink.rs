//! Colours, lines and texts.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours that readers with any colour vision tell apart, also in print (Okabe and Ito, 2008), with the dashes
/// of their lines.
const PALETTE: [(RGBColor, &str); 7] = [
    (RGBColor(0, 114, 178), ""),
    (RGBColor(213, 94, 0), "9 4"),
    (RGBColor(0, 158, 115), "3 3"),
    (RGBColor(204, 121, 167), "9 3 3 3"),
    (RGBColor(230, 159, 0), "14 4"),
    (RGBColor(86, 180, 233), "5 5"),
    (RGBColor(0, 0, 0), "2 5"),
];

/// Text and axes.
pub(super) const DARK: RGBColor = RGBColor(34, 34, 34);
/// Grid lines.
pub(super) const PALE: RGBColor = RGBColor(224, 224, 224);
/// What stands for hidden values.
pub(super) const GREY: RGBColor = RGBColor(102, 102, 102);

/// Width of curves; no other line has it.
const CURVE: u32 = 2;

pub(super) fn colour(index: usize) -> RGBColor {
    PALETTE.iter().cycle().nth(index % PALETTE.len()).map_or(DARK, |(colour, _)| *colour)
}

/// The line of a curve.
pub(super) fn line(index: usize) -> ShapeStyle {
    colour(index).stroke_width(CURVE)
}

/// Dashes for the lines of curves, which the drawing library does not know.
pub(super) fn dashed(svg: &str) -> String {
    PALETTE.iter().filter(|(_, dashes)| !dashes.is_empty()).fold(svg.to_owned(), |svg, (colour, dashes)| {
        let RGBColor(red, green, blue) = colour;
        let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"{CURVE}\"");
        svg.replace(&stroke, &format!("{stroke} stroke-dasharray=\"{dashes}\""))
    })
}

/// Sizes of texts in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Title,
    Panel,
    Body,
    Small,
}

/// A text style; the family is generic, so that the reader's own font serves.
pub(super) fn text(size: Size, side: HPos) -> TextStyle<'static> {
    // The SVG backend divides by 1.24.
    let (pixels, style) = match size {
        Size::Title => (21.08, FontStyle::Bold),
        Size::Panel => (17.36, FontStyle::Bold),
        Size::Body => (16.12, FontStyle::Normal),
        Size::Small => (14.88, FontStyle::Normal),
    };
    let font = ("sans-serif", pixels, style).into_font();
    TextStyle::from(font).color(&DARK).pos(Pos::new(side, VPos::Center))
}

/// Width of a text of usual letters, in pixels: fonts are the reader's, so it is an estimate.
pub(super) fn width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 16) * 7
}
