//! The page: titles, panels one below the other, captions, and the words for readers who do not see it.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axis::short;
use super::frame::{Failure, Page};
use super::ink::{Size, dashed, text};
use super::panel::{Bars, Bin, Cell, Curve, Kind, Panel, Section};
use super::{bars, curves, histogram};

/// Measures in pixels.
pub(super) const WIDTH: i32 = 720;
pub(super) const LEFT: i32 = 86;
pub(super) const RIGHT: i32 = 28;
pub(super) const PLOT_HEIGHT: i32 = 260;
pub(super) const TITLE_ROOM: i32 = 30;
pub(super) const AXIS_ROOM: i32 = 56;
const MARGIN: i32 = 16;
const TITLE_LINE: i32 = 24;
const CAPTION_LINE: i32 = 18;
/// Characters that fit a line of the title and of the caption.
const TITLE_WIDTH: usize = 76;
const CAPTION_WIDTH: usize = 108;

/// Draws all sections as one SVG document.
pub(super) fn draw(sections: &[Section]) -> Result<String, Failure> {
    let height = MARGIN + sections.iter().map(section_height).sum::<i32>();
    let mut svg = String::new();
    {
        let size = (pixels(WIDTH), pixels(height));
        let page = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        page.fill(&WHITE)?;
        let mut top = MARGIN;
        for section in sections {
            top = draw_section(&page, top, section)?;
        }
        page.present()?;
    }
    Ok(accessible(&dashed(&tidy(&svg)), sections))
}

fn pixels(length: i32) -> u32 {
    u32::try_from(length).unwrap_or(1)
}

fn panel_height(panel: &Panel) -> i32 {
    MARGIN
        + match &panel.kind {
            Kind::Curves(curves) => curves::height(curves),
            Kind::Bins(_) => histogram::height(),
            Kind::Bars(bars) => bars::height(bars),
        }
}

fn section_height(section: &Section) -> i32 {
    let title = TITLE_LINE * lines_of(std::slice::from_ref(&section.title), TITLE_WIDTH);
    let caption = CAPTION_LINE * lines_of(&section.caption, CAPTION_WIDTH);
    title + section.panels.iter().map(panel_height).sum::<i32>() + caption + MARGIN
}

fn lines_of(texts: &[String], width: usize) -> i32 {
    i32::try_from(texts.iter().map(|text| wrapped(text, width).len()).sum::<usize>()).unwrap_or(0)
}

/// Draws a section and returns where the next one begins.
fn draw_section(page: &Page<'_>, mut top: i32, section: &Section) -> Result<i32, Failure> {
    for line in wrapped(&section.title, TITLE_WIDTH) {
        page.draw_text(&line, &text(Size::Title, HPos::Left), (MARGIN, top + TITLE_LINE / 2))?;
        top += TITLE_LINE;
    }
    for panel in &section.panels {
        let inner = top + MARGIN;
        page.draw_text(&panel.title, &text(Size::Panel, HPos::Left), (MARGIN, inner + 8))?;
        match &panel.kind {
            Kind::Curves(of) => curves::draw(page, inner, panel, of)?,
            Kind::Bins(of) => histogram::draw(page, inner, panel, of)?,
            Kind::Bars(of) => bars::draw(page, inner, panel, of)?,
        }
        top += panel_height(panel);
    }
    for line in section.caption.iter().flat_map(|text| wrapped(text, CAPTION_WIDTH)) {
        page.draw_text(&line, &text(Size::Small, HPos::Left), (MARGIN, top + CAPTION_LINE / 2))?;
        top += CAPTION_LINE;
    }
    Ok(top + MARGIN)
}

/// Lines of at most so many characters; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The backend puts a line break behind them, which readers show as space.
fn tidy(svg: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in svg.lines() {
        match lines.last_mut() {
            Some(open) if open.starts_with("<text") && !open.ends_with("</text>") => open.push_str(line),
            _ => lines.push(line.replace(" \"/>", "\"/>")),
        }
    }
    lines.join("\n") + "\n"
}

/// Adds title and description, which screen readers say in place of the picture.
fn accessible(svg: &str, sections: &[Section]) -> String {
    let Some((head, body)) = svg.split_once(">\n") else { return svg.to_owned() };
    let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
    let words: Vec<String> = sections
        .iter()
        .flat_map(|section| section.panels.iter().map(describe).chain(section.caption.iter().cloned()))
        .collect();
    format!(
        "{head} role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n{body}",
        escaped(&titles.join("; ")),
        escaped(&words.join(" "))
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a panel shows, in words.
fn describe(panel: &Panel) -> String {
    let (title, x, y) = (&panel.title, &panel.x, &panel.y);
    match &panel.kind {
        Kind::Curves(curves) => {
            let ends: Vec<String> = curves.iter().map(end).collect();
            format!("{title}: curves of {y} by {x}. {}", ends.join(" "))
        }
        Kind::Bins(bins) => {
            let bins: Vec<String> = bins.iter().map(bin).collect();
            format!("{title}: histogram of {x}. {}.", bins.join(", "))
        }
        Kind::Bars(bars) => {
            let and = if bars.legend.is_empty() { String::new() } else { format!(" and {}", bars.legend) };
            format!("{title}: bars of {y} by {x}{and}. {}.", heights(bars).join("; "))
        }
    }
}

fn end(curve: &Curve) -> String {
    let whose = if curve.label.is_empty() { "It" } else { &curve.label };
    match curve.steps.last() {
        Some((time, value)) => format!("{whose} ends at {} at time {}.", short(*value), short(*time)),
        None => format!("{whose} has no points."),
    }
}

fn bin(bin: &Bin) -> String {
    format!("{} to {}: {}", short(bin.from), short(bin.to), words(bin.count))
}

fn words(cell: Cell) -> String {
    match cell {
        Cell::Number(number) => short(number),
        Cell::Hidden => "hidden".to_owned(),
        Cell::Absent => "none".to_owned(),
    }
}

fn heights(bars: &Bars) -> Vec<String> {
    let mut texts = Vec::new();
    for (category, of_category) in bars.categories.iter().zip(&bars.bars) {
        for (series, bar) in bars.series.iter().zip(of_category) {
            let Some(bar) = bar else { continue };
            let whose = if series.is_empty() { category.clone() } else { format!("{category}, {series}") };
            let interval = bar.interval.map_or_else(String::new, |(lower, upper)| {
                format!(" ({} to {})", short(lower), short(upper))
            });
            texts.push(format!("{whose}: {}{interval}", words(bar.value)));
        }
    }
    texts
}
