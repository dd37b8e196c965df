//! Survival curves: steps drawn as steps, bands around them, numbers at risk below.

use plotters::style::text_anchor::HPos;

use super::axis::{Axis, short};
use super::frame::{Axes, Failure, Frame, Page, Place};
use super::ink::{Size, colour, line, text, width};
use super::legend;
use super::page::{AXIS_ROOM, LEFT, PLOT_HEIGHT, RIGHT, TITLE_ROOM, WIDTH};
use super::panel::{Cell, Curve, Panel};

/// Height of a line of numbers at risk.
const LINE: i32 = 18;
/// Most marks of the axis of times.
const MOST_MARKS: usize = 8;

fn has_risk(curves: &[Curve]) -> bool {
    curves.iter().any(|curve| !curve.at_risk.is_empty())
}

fn labels(curves: &[Curve]) -> Vec<String> {
    curves.iter().map(|curve| curve.label.clone()).filter(|label| !label.is_empty()).collect()
}

/// Pixels from the top of the panel to its end.
pub(super) fn height(curves: &[Curve]) -> i32 {
    let count = i32::try_from(curves.len()).unwrap_or(i32::MAX / 64);
    let risk = if has_risk(curves) { LINE * (count + 1) + 8 } else { 0 };
    TITLE_ROOM + legend::height("", &labels(curves)) + PLOT_HEIGHT + AXIS_ROOM + risk
}

pub(super) fn draw(page: &Page<'_>, top: i32, panel: &Panel, curves: &[Curve]) -> Result<(), Failure> {
    let labels = labels(curves);
    let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
    let left = if has_risk(curves) { LEFT.max(widest + 44) } else { LEFT };
    legend::draw(page, (left, top + TITLE_ROOM), "", &labels, true)?;
    let place = Place {
        left,
        top: top + TITLE_ROOM + legend::height("", &labels),
        width: WIDTH - left - RIGHT,
        height: PLOT_HEIGHT,
    };
    // Marks stand on the grid of times, where the curves may step and persons at risk are counted.
    let grid = curves.iter().map(|curve| &curve.grid).max_by_key(|grid| grid.len());
    let grid = grid.cloned().unwrap_or_default();
    let stride = grid.len().div_ceil(MOST_MARKS).max(1);
    let x = Axis::of(grid.iter().copied().step_by(stride).collect());
    let bounds = curves
        .iter()
        .flat_map(|curve| &curve.grid)
        .fold((0.0_f64, 0.0_f64), |(low, high), &time| (low.min(time), high.max(time)));
    let y = Axis::of(vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    let axes =
        Axes { x: &x, y: &y, bounds, x_words: &panel.x, y_words: &panel.y, x_room: 24, x_labels: true };
    let frame = Frame::new(page, place, &axes)?;
    for (index, curve) in curves.iter().enumerate() {
        if !curve.band.is_empty() {
            let edge = |pick: fn(&(f64, f64, f64)) -> f64| {
                stairs(&curve.band.iter().map(|point| (point.0, pick(point))).collect::<Vec<_>>())
            };
            let (mut outline, lower) = (edge(|point| point.2), edge(|point| point.1));
            outline.extend(lower.into_iter().rev());
            frame.surface(outline, colour(index))?;
        }
    }
    for (index, curve) in curves.iter().enumerate() {
        frame.path(stairs(&curve.steps), line(index))?;
    }
    if has_risk(curves) {
        at_risk(page, &frame, place, &x, curves)?;
    }
    Ok(())
}

/// Points of a line that stays until it steps.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::with_capacity(points.len() * 2);
    for &(x, y) in points {
        if let Some(&(_, before)) = line.last() {
            line.push((x, before));
        }
        line.push((x, y));
    }
    line
}

fn at_risk(
    page: &Page<'_>,
    frame: &Frame<'_>,
    place: Place,
    x: &Axis,
    curves: &[Curve],
) -> Result<(), Failure> {
    let mut top = place.bottom() + AXIS_ROOM;
    page.draw_text("Number at risk", &text(Size::Body, HPos::Left), (place.left, top))?;
    for (index, curve) in curves.iter().enumerate() {
        top += LINE;
        let ink = colour(index);
        let label = text(Size::Small, HPos::Right).color(&ink);
        page.draw_text(&curve.label, &label, (place.left - 30, top))?;
        for mark in &x.marks {
            let Some((_, cell)) = curve.at_risk.iter().find(|(time, _)| time == mark) else { continue };
            let words = match cell {
                Cell::Number(number) => short(*number),
                Cell::Hidden => "hidden".to_owned(),
                Cell::Absent => continue,
            };
            page.draw_text(&words, &text(Size::Small, HPos::Center), (frame.pixel(*mark, 0.0).0, top))?;
        }
    }
    Ok(())
}
