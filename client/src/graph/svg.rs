//! SVG documents, written as text: shapes and words, nothing else.

use std::fmt::Write as _;

/// Text and lines.
pub(super) const DARK: &str = "#222222";
/// Small words.
pub(super) const GREY: &str = "#666666";
/// Grid and surfaces.
pub(super) const PALE: &str = "#e4e4e4";
/// Colours that readers with any colour vision tell apart (Okabe and Ito, 2008).
pub(super) const BLUE: &str = "#0072b2";
/// As above.
pub(super) const ORANGE: &str = "#d55e00";
/// As above.
pub(super) const GREEN: &str = "#009e73";
/// As above.
pub(super) const SKY: &str = "#56b4e9";

/// Where a text is fastened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Middle,
    Right,
}

/// Size in pixels and weight of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Title,
    Body,
    Small,
}

/// A document being written.
#[derive(Debug)]
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// An empty white page; `title` and `description` are for readers who do not see it.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut text = String::new();
        // Writing to a String cannot fail; so everywhere here.
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 \
             {width:.0} {height:.0}\" font-family=\"sans-serif\" role=\"img\" aria-labelledby=\"title desc\">\n\
             <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            escaped(title),
            escaped(description)
        );
        Self { text }
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// A rectangle with round corners; `style` holds further attributes.
    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), radius: f64, style: &str) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius}\" {style}/>"
        );
    }

    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, style: &str) {
        let _ = writeln!(self.text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" {style}/>");
    }

    /// A straight line through points.
    pub(super) fn line(&mut self, points: &[(f64, f64)], style: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(self.text, "<polyline points=\"{}\" fill=\"none\" {style}/>", points.join(" "));
    }

    /// A smooth line through points that leaves and enters each of them vertically.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], style: &str) {
        let Some(&(x, y)) = points.first() else { return };
        let mut path = format!("M{x:.1} {y:.1}");
        for pair in points.windows(2) {
            let [(x0, y0), (x1, y1)] = *pair else { continue };
            let middle = f64::midpoint(y0, y1);
            let _ = write!(path, " C{x0:.1} {middle:.1} {x1:.1} {middle:.1} {x1:.1} {y1:.1}");
        }
        let _ = writeln!(self.text, "<path d=\"{path}\" fill=\"none\" {style}/>");
    }

    pub(super) fn words(&mut self, (x, y): (f64, f64), size: Size, side: Side, colour: &str, words: &str) {
        let (pixels, weight) = match size {
            Size::Title => (17, " font-weight=\"bold\""),
            Size::Body => (13, ""),
            Size::Small => (11, ""),
        };
        let anchor = match side {
            Side::Left => "start",
            Side::Middle => "middle",
            Side::Right => "end",
        };
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\"0.35em\" font-size=\"{pixels}\"{weight} text-anchor=\"{anchor}\" \
             fill=\"{colour}\">{}</text>",
            escaped(words)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
