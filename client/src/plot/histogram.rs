//! Histograms: a block for each bin, of its count as area.

use plotters::style::text_anchor::HPos;

use super::axis::Axis;
use super::frame::{Axes, Failure, Frame, Page, Place};
use super::ink::{GREY, Size, colour, text};
use super::page::{AXIS_ROOM, LEFT, PLOT_HEIGHT, RIGHT, TITLE_ROOM, WIDTH};
use super::panel::{Bin, Cell, Panel};

/// Most edges that are all marked.
const MOST_EDGES: usize = 13;

pub(super) fn height() -> i32 {
    TITLE_ROOM + PLOT_HEIGHT + AXIS_ROOM
}

/// Whether all bins are of one width, so that heights are counts.
fn is_even(bins: &[Bin]) -> bool {
    let Some(first) = bins.first() else { return true };
    let width = first.to - first.from;
    bins.iter().all(|bin| ((bin.to - bin.from) - width).abs() <= 1e-9 * width.abs())
}

pub(super) fn draw(page: &Page<'_>, top: i32, panel: &Panel, bins: &[Bin]) -> Result<(), Failure> {
    let even = is_even(bins);
    let level = |bin: &Bin| {
        let count = bin.count.number()?;
        Some(if even { count } else { count / (bin.to - bin.from) })
    };
    let highest = bins.iter().filter_map(level).fold(0.0_f64, f64::max);
    let y = Axis::covering(0.0, if highest > 0.0 { highest } else { 1.0 }, 5);
    let bounds = (bins.first().map_or(0.0, |bin| bin.from), bins.last().map_or(1.0, |bin| bin.to));
    let edges: Vec<f64> = bins.iter().map(|bin| bin.from).chain(bins.last().map(|bin| bin.to)).collect();
    let x = if edges.len() <= MOST_EDGES {
        Axis::of(edges)
    } else {
        let stride = edges.len().div_ceil(MOST_EDGES);
        Axis::of(edges.into_iter().step_by(stride).collect())
    };
    let words = if even { panel.y.clone() } else { format!("{} per unit of width", panel.y) };
    let place = Place { left: LEFT, top: top + TITLE_ROOM, width: WIDTH - LEFT - RIGHT, height: PLOT_HEIGHT };
    let axes = Axes { x: &x, y: &y, bounds, x_words: &panel.x, y_words: &words, x_room: 24, x_labels: true };
    let frame = Frame::new(page, place, &axes)?;
    for bin in bins {
        if let Some(level) = level(bin).filter(|&level| level > 0.0) {
            frame.block((bin.from, 0.0), (bin.to, level), colour(0))?;
        } else if bin.count == Cell::Hidden {
            let (x, y) = frame.pixel(f64::midpoint(bin.from, bin.to), 0.0);
            hidden(page, (x, y))?;
        }
    }
    Ok(())
}

/// The word `hidden`, standing where a bar would.
pub(super) fn hidden(page: &Page<'_>, (x, y): (i32, i32)) -> Result<(), Failure> {
    let style = text(Size::Small, HPos::Left).color(&GREY);
    page.draw_text("hidden", &style.transform(plotters::style::FontTransform::Rotate270), (x, y - 4))
}
