//! Which colour stands for what, in lines above a panel.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::frame::{Failure, Page};
use super::ink::{Size, colour, line, text, width};
use super::page::{LEFT, RIGHT, WIDTH};

const LINE: i32 = 20;
/// Width of a sample, and the space behind a label.
const SAMPLE: i32 = 30;
const GAP: i32 = 22;

/// Where each label goes, from the left of the legend: pixels to the right and lines down.
fn places(title: &str, labels: &[String]) -> Vec<(i32, i32)> {
    let room = WIDTH - LEFT - RIGHT;
    let (mut x, mut y) = (if title.is_empty() { 0 } else { width(title) + GAP }, 0);
    let mut places = Vec::with_capacity(labels.len());
    for label in labels {
        let needed = SAMPLE + width(label);
        if x > 0 && x + needed > room {
            (x, y) = (0, y + 1);
        }
        places.push((x, y));
        x += needed + GAP;
    }
    places
}

/// Pixels that the legend takes; one entry needs none.
pub(super) fn height(title: &str, labels: &[String]) -> i32 {
    if labels.len() < 2 {
        return 0;
    }
    LINE * (places(title, labels).last().map_or(0, |&(_, line)| line) + 1) + 4
}

/// Draws it at a pixel: samples are lines or blocks.
pub(super) fn draw(
    page: &Page<'_>,
    (left, top): (i32, i32),
    title: &str,
    labels: &[String],
    lines: bool,
) -> Result<(), Failure> {
    if labels.len() < 2 {
        return Ok(());
    }
    if !title.is_empty() {
        page.draw_text(&format!("{title}:"), &text(Size::Body, HPos::Left), (left, top + LINE / 2))?;
    }
    for (index, (label, (x, row))) in labels.iter().zip(places(title, labels)).enumerate() {
        let (x, y) = (left + x, top + row * LINE + LINE / 2);
        if lines {
            page.draw(&PathElement::new([(x, y), (x + SAMPLE - 6, y)], line(index)))?;
        } else {
            page.draw(&Rectangle::new([(x + 10, y - 6), (x + SAMPLE - 8, y + 6)], colour(index).filled()))?;
        }
        page.draw_text(label, &text(Size::Body, HPos::Left), (x + SAMPLE, y))?;
    }
    Ok(())
}
