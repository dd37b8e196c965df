//! A coordinate system at a place of the page: grid, axes, their marks and words.

use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints, WithKeyPoints};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::axis::Axis;
use super::ink::{DARK, PALE, Size, text};

/// The page.
pub(super) type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Why a picture could not be drawn.
pub(super) type Failure = DrawingAreaErrorKind<std::io::Error>;

type Spec = Cartesian2d<WithKeyPoints<RangedCoordf64>, WithKeyPoints<RangedCoordf64>>;

/// A rectangle of the page, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Place {
    pub(super) fn bottom(self) -> i32 {
        self.top + self.height
    }
}

/// Words and marks of the axes.
pub(super) struct Axes<'a> {
    pub(super) x: &'a Axis,
    pub(super) y: &'a Axis,
    /// Bounds of x, where they are not the outer marks.
    pub(super) bounds: (f64, f64),
    pub(super) x_words: &'a str,
    pub(super) y_words: &'a str,
    /// Pixels between the axis and its words, for the labels of marks.
    pub(super) x_room: i32,
    /// Whether the marks of x are labelled here.
    pub(super) x_labels: bool,
}

/// A coordinate system ready to be drawn into.
pub(super) struct Frame<'a> {
    chart: ChartContext<'a, SVGBackend<'a>, Spec>,
}

impl<'a> Frame<'a> {
    /// Draws the axes so that the plotting area fills `place`.
    pub(super) fn new(page: &Page<'a>, place: Place, axes: &Axes<'_>) -> Result<Self, Failure> {
        let area = page.clone().shrink((place.left, place.top), (place.width, place.height));
        let x = (axes.bounds.0..axes.bounds.1).with_key_points(axes.x.marks.clone());
        let y = (axes.y.low()..axes.y.high()).with_key_points(axes.y.marks.clone());
        let chart = ChartBuilder::on(&area).build_cartesian_2d(x, y)?;
        let frame = Self { chart };
        let right = place.left + place.width;
        for &mark in &axes.y.marks {
            let (_, at) = frame.pixel(axes.bounds.0, mark);
            rule(page, (place.left, at), (right, at), PALE)?;
            rule(page, (place.left - 4, at), (place.left, at), DARK)?;
            page.draw_text(&axes.y.text(mark), &text(Size::Small, HPos::Right), (place.left - 8, at))?;
        }
        let bottom = place.bottom();
        for &mark in &axes.x.marks {
            let (at, _) = frame.pixel(mark, axes.y.low());
            if axes.x_labels {
                rule(page, (at, bottom), (at, bottom + 4), DARK)?;
                page.draw_text(&axes.x.text(mark), &text(Size::Small, HPos::Center), (at, bottom + 14))?;
            }
        }
        rule(page, (place.left, place.top), (place.left, bottom), DARK)?;
        rule(page, (place.left, bottom), (right, bottom), DARK)?;
        let middle = place.left + place.width / 2;
        let words = text(Size::Body, HPos::Center);
        page.draw_text(axes.x_words, &words, (middle, bottom + axes.x_room + 12))?;
        page.draw_text(
            axes.y_words,
            &words.transform(FontTransform::Rotate270),
            (14, place.top + place.height / 2),
        )?;
        Ok(frame)
    }

    /// The pixel of a point.
    pub(super) fn pixel(&self, x: f64, y: f64) -> (i32, i32) {
        self.chart.plotting_area().map_coordinate(&(x, y))
    }

    /// A line through points.
    pub(super) fn path(&self, points: Vec<(f64, f64)>, style: ShapeStyle) -> Result<(), Failure> {
        self.chart.plotting_area().draw(&PathElement::new(points, style))
    }

    /// A filled rectangle with a white edge, so that neighbours are told apart.
    pub(super) fn block(&self, from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Result<(), Failure> {
        let area = self.chart.plotting_area();
        area.draw(&Rectangle::new([from, to], colour.filled()))?;
        area.draw(&Rectangle::new([from, to], WHITE.stroke_width(1)))
    }

    /// A pale surface.
    pub(super) fn surface(&self, points: Vec<(f64, f64)>, colour: RGBColor) -> Result<(), Failure> {
        self.chart.plotting_area().draw(&Polygon::new(points, colour.mix(0.16)))
    }
}

/// A thin line between pixels.
pub(super) fn rule(
    page: &Page<'_>,
    from: (i32, i32),
    to: (i32, i32),
    colour: RGBColor,
) -> Result<(), Failure> {
    page.draw(&PathElement::new([from, to], colour.stroke_width(1)))
}
