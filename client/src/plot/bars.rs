//! Bars side by side, with intervals as error bars.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axis::Axis;
use super::frame::{Axes, Failure, Frame, Page, Place, rule};
use super::histogram::hidden;
use super::ink::{DARK, Size, colour, text, width};
use super::label::shortened;
use super::legend;
use super::page::{AXIS_ROOM, LEFT, PLOT_HEIGHT, RIGHT, TITLE_ROOM, WIDTH};
use super::panel::{Bars, Cell, Panel};

/// Longest label of a group, in characters.
const LONGEST: usize = 28;
/// Part of a group's room that its bars fill.
const FILLED: f64 = 0.8;

/// Room for the labels of groups: they stand upright where they are too wide.
fn label_room(bars: &Bars) -> (bool, i32) {
    let count = i32::try_from(bars.categories.len().max(1)).unwrap_or(i32::MAX);
    let widest = bars.categories.iter().map(|label| width(&shortened(label, LONGEST))).max().unwrap_or(0);
    let upright = widest + 8 > (WIDTH - LEFT - RIGHT) / count;
    (upright, if upright { widest + 14 } else { 24 })
}

fn series(bars: &Bars) -> Vec<String> {
    bars.series.iter().filter(|label| !label.is_empty()).cloned().collect()
}

pub(super) fn height(bars: &Bars) -> i32 {
    let (_, room) = label_room(bars);
    TITLE_ROOM + legend::height(&bars.legend, &series(bars)) + PLOT_HEIGHT + AXIS_ROOM - 24 + room
}

pub(super) fn draw(page: &Page<'_>, top: i32, panel: &Panel, bars: &Bars) -> Result<(), Failure> {
    let labels = series(bars);
    legend::draw(page, (LEFT, top + TITLE_ROOM), &bars.legend, &labels, false)?;
    let all = || bars.bars.iter().flatten().flatten();
    let values = || all().filter_map(|bar| bar.value.number());
    let ends = all().filter_map(|bar| bar.interval).flat_map(|(low, high)| [low, high]);
    // Bars stand on 0; intervals alone need not.
    let start = if values().next().is_some() { Some(0.0) } else { None };
    let (low, high) = values()
        .chain(ends)
        .chain(start)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
    let y = Axis::covering(low, high, 5);
    let (upright, room) = label_room(bars);
    let count = number(bars.categories.len());
    let place = Place {
        left: LEFT,
        top: top + TITLE_ROOM + legend::height(&bars.legend, &labels),
        width: WIDTH - LEFT - RIGHT,
        height: PLOT_HEIGHT,
    };
    let x = Axis::of((0..bars.categories.len()).map(|index| number(index) + 0.5).collect());
    let axes = Axes {
        x: &x,
        y: &y,
        bounds: (0.0, count.max(1.0)),
        x_words: &panel.x,
        y_words: &panel.y,
        x_room: room,
        x_labels: false,
    };
    let frame = Frame::new(page, place, &axes)?;
    for (&mark, label) in x.marks.iter().zip(&bars.categories) {
        let at = (frame.pixel(mark, y.low()).0, place.bottom());
        let label = shortened(label, LONGEST);
        if upright {
            let style = text(Size::Small, HPos::Right).transform(FontTransform::Rotate270);
            page.draw_text(&label, &style, (at.0, at.1 + 8))?;
        } else {
            page.draw_text(&label, &text(Size::Small, HPos::Center), (at.0, at.1 + 14))?;
        }
    }
    let thickness = FILLED / number(bars.series.len()).max(1.0);
    for (category, of_category) in bars.bars.iter().enumerate() {
        for (index, bar) in of_category.iter().enumerate() {
            let Some(bar) = bar else { continue };
            let from = number(category) + (1.0 - FILLED) / 2.0 + thickness * number(index);
            let middle = from + thickness / 2.0;
            match bar.value {
                Cell::Number(value) if value != 0.0 => {
                    frame.block((from, value.min(0.0)), (from + thickness, value.max(0.0)), colour(index))?;
                }
                Cell::Hidden => hidden(page, frame.pixel(middle, y.low().max(0.0)))?,
                Cell::Number(_) | Cell::Absent => {}
            }
            if let Some((lower, upper)) = bar.interval {
                // An interval without a bar is told apart by its own colour.
                let ink = if bar.value == Cell::Absent { colour(index) } else { DARK };
                whisker(page, frame.pixel(middle, lower), frame.pixel(middle, upper), ink)?;
            }
        }
    }
    if y.low() < 0.0 && y.high() > 0.0 {
        rule(page, frame.pixel(0.0, 0.0), frame.pixel(count.max(1.0), 0.0), DARK)?;
    }
    Ok(())
}

/// An error bar with its caps.
fn whisker(page: &Page<'_>, low: (i32, i32), high: (i32, i32), ink: RGBColor) -> Result<(), Failure> {
    rule(page, low, high, ink)?;
    for (x, y) in [low, high] {
        rule(page, (x - 4, y), (x + 4, y), ink)?;
    }
    Ok(())
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
