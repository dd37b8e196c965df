//! The picture of a plan: a band for each level, items in rows, edges behind them.

use std::fmt::Write as _;

use super::collect::{Edge, Graph, Item, Kind, Way};
use super::layers::{Layout, text, width};
use super::subject::Subject;
use super::svg::{BLUE, DARK, GREEN, GREY, ORANGE, PALE, SKY, Side, Size, Svg};

/// Pixels.
const ROW: f64 = 74.0;
const GUTTER: f64 = 148.0;
const MARGIN: f64 = 20.0;
const HEAD: f64 = 60.0;
const FOOT: f64 = 66.0;
const LEAST_WIDTH: f64 = 720.0;
const RADIUS: f64 = 14.0;
const HALF_HEIGHT: f64 = 13.0;

/// Widest edge of values whose noise fills the modulus, and one of values without.
const EDGES: (f64, f64) = (1.0, 5.0);

pub(super) fn draw(subject: &Subject<'_>, graph: &Graph, layout: &Layout) -> String {
    let letters = f64::from(u32::try_from(subject.title.chars().count()).unwrap_or(0));
    let least = LEAST_WIDTH.max(letters * 10.2 + 2.0 * MARGIN);
    let inner = layout.width.max(least - GUTTER - 2.0 * MARGIN);
    let page = (inner + GUTTER + 2.0 * MARGIN, height(layout));
    let mut svg = Svg::new(page.0, page.1, &subject.title, &description(subject, graph));
    svg.words((MARGIN, 24.0), Size::Title, Side::Left, DARK, &subject.title);
    svg.words((MARGIN, 44.0), Size::Small, Side::Left, GREY, &caption(subject, graph));
    bands(&mut svg, subject, layout, page.0);
    let shift = GUTTER + MARGIN + (inner - layout.width) / 2.0;
    let at = |(row, x): (usize, f64)| (x + shift, middle(row));
    for critical in [false, true] {
        for (edge, passes) in graph.edges.iter().zip(&layout.passes) {
            if edge.critical == critical {
                let ends =
                    [edge.from, edge.to].map(|item| layout.items.get(item).copied().unwrap_or_default());
                let mut points: Vec<(f64, f64)> = vec![at(ends[0])];
                points.extend(passes.iter().map(|&pass| at(pass)));
                points.push(at(ends[1]));
                svg.curve(&points, &edge_style(subject, graph, edge));
            }
        }
    }
    for (item, &place) in graph.items.iter().zip(&layout.items) {
        draw_item(&mut svg, item, at(place));
    }
    legend(&mut svg, page.1 - FOOT + 22.0);
    svg.finish()
}

fn rows(layout: &Layout) -> f64 {
    f64::from(u32::try_from(layout.rows.len()).unwrap_or(u32::MAX))
}

fn height(layout: &Layout) -> f64 {
    HEAD + ROW * rows(layout) + FOOT
}

/// The height of a row's middle.
fn middle(row: usize) -> f64 {
    HEAD + ROW * (f64::from(u32::try_from(row).unwrap_or(u32::MAX)) + 0.5)
}

fn caption(subject: &Subject<'_>, graph: &Graph) -> String {
    let rns = subject.rns;
    let summarised = if graph.items.iter().any(|item| item.count > 1 && item.kind == Kind::Product) {
        "; alike values are one, with their number"
    } else {
        ""
    };
    let gates = match subject.plan.cells().len() {
        0 => String::new(),
        1 => " behind 1 gate".to_owned(),
        gates => format!(" behind {gates} gates"),
    };
    format!(
        "N = {}, t = {}, {} primes; {} values, {} sums{gates}{summarised}",
        rns.ring_degree,
        rns.plaintext_modulus,
        rns.moduli.len(),
        subject.plan.nodes().len(),
        subject.plan.sums.len()
    )
}

/// A band for each level, with its modulus in the gutter.
fn bands(svg: &mut Svg, subject: &Subject<'_>, layout: &Layout, width: f64) {
    let (mut start, mut dark) = (0, false);
    for (index, row) in layout.rows.iter().enumerate() {
        if layout.rows.get(index + 1) == Some(row) {
            continue;
        }
        let (top, bottom) = (middle(start) - ROW / 2.0, middle(index) + ROW / 2.0);
        dark = !dark;
        if dark {
            svg.rect((0.0, top), (width, bottom - top), 0.0, "fill=\"#f6f6f4\"");
        }
        svg.line(&[(0.0, bottom), (width, bottom)], &format!("stroke=\"{PALE}\""));
        let centre = f64::midpoint(top, bottom);
        let name = if row.release { format!("release @{}", row.level) } else { format!("@{}", row.level) };
        let room = format!("room for {:.0} bits", subject.capacity(row.level));
        svg.words((MARGIN, centre - 9.0), Size::Body, Side::Left, DARK, &name);
        svg.words((MARGIN, centre + 9.0), Size::Small, Side::Left, GREY, &room);
        start = index + 1;
    }
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Column => SKY,
        Kind::Product => ORANGE,
        Kind::Combination => GREEN,
        Kind::Sum => BLUE,
    }
}

/// The part of its modulus that an item's noise fills.
fn filled(subject: &Subject<'_>, item: &Item) -> f64 {
    (item.bound / subject.capacity(item.level)).clamp(0.0, 1.0)
}

fn edge_style(subject: &Subject<'_>, graph: &Graph, edge: &Edge) -> String {
    let share = graph.items.get(edge.from).map_or(0.0, |item| filled(subject, item));
    let width = EDGES.0 + (EDGES.1 - EDGES.0) * share;
    let (colour, width) = if edge.critical { (DARK, width + 1.2) } else { ("#a9a9a9", width) };
    let dashes = match edge.way {
        Way::Dropped => " stroke-dasharray=\"5 4\"",
        Way::Straight | Way::Switched => "",
    };
    format!("stroke=\"{colour}\" stroke-width=\"{width:.1}\" stroke-linecap=\"round\"{dashes}")
}

fn draw_item(svg: &mut Svg, item: &Item, (x, y): (f64, f64)) {
    let colour = colour(item.kind);
    let edge = if item.critical {
        format!("stroke=\"{DARK}\" stroke-width=\"2.6\"")
    } else {
        "stroke=\"#ffffff\" stroke-width=\"2\"".to_owned()
    };
    let style = format!("fill=\"{colour}\" {edge}");
    let noise = format!("{:.0}", item.bound);
    match item.kind {
        Kind::Product | Kind::Combination => {
            if item.count > 1 {
                svg.circle(
                    (x + 4.0, y - 4.0),
                    RADIUS,
                    &format!("fill=\"{colour}\" fill-opacity=\"0.45\" stroke=\"#ffffff\" stroke-width=\"2\""),
                );
            }
            svg.circle((x, y), RADIUS, &style);
            svg.words((x, y), Size::Title, Side::Middle, "#ffffff", &item.label);
            halo(svg, (x, y + RADIUS + 10.0), &noise);
            if item.count > 1 {
                halo(svg, (x, y - RADIUS - 12.0), &format!("{} alike", item.count));
            }
        }
        Kind::Column | Kind::Sum => {
            let width = width(item);
            let ink = if item.kind == Kind::Column { DARK } else { "#ffffff" };
            svg.rect((x - width / 2.0, y - HALF_HEIGHT), (width, 2.0 * HALF_HEIGHT), HALF_HEIGHT, &style);
            svg.words((x, y), Size::Body, Side::Middle, ink, &text(item));
            halo(svg, (x, y + HALF_HEIGHT + 11.0), &noise);
        }
    }
}

/// Small words on a white ground, so that edges do not cross them.
fn halo(svg: &mut Svg, (x, y): (f64, f64), words: &str) {
    let width = f64::from(u32::try_from(words.chars().count()).unwrap_or(0)) * 5.6 + 4.0;
    svg.rect((x - width / 2.0, y - 7.0), (width, 14.0), 3.0, "fill=\"#ffffff\" fill-opacity=\"0.85\"");
    svg.words((x, y), Size::Small, Side::Middle, GREY, words);
}

fn legend(svg: &mut Svg, y: f64) {
    let mut x = MARGIN + 12.0;
    for (kind, words) in [
        (Kind::Column, "column"),
        (Kind::Product, "product"),
        (Kind::Combination, "sum of values"),
        (Kind::Sum, "released number"),
    ] {
        svg.circle((x, y), 7.0, &format!("fill=\"{}\"", colour(kind)));
        svg.words((x + 13.0, y), Size::Small, Side::Left, DARK, words);
        x += 32.0 + 5.8 * f64::from(u32::try_from(words.len()).unwrap_or(0));
    }
    for (style, words) in [
        (format!("stroke=\"{DARK}\" stroke-width=\"3\""), "critical path"),
        (
            "stroke=\"#a9a9a9\" stroke-width=\"2\" stroke-dasharray=\"5 4\"".to_owned(),
            "dropped, not switched",
        ),
    ] {
        svg.line(&[(x - 8.0, y), (x + 18.0, y)], &style);
        svg.words((x + 24.0, y), Size::Small, Side::Left, DARK, words);
        x += 44.0 + 5.9 * f64::from(u32::try_from(words.len()).unwrap_or(0));
    }
    let words =
        "Numbers are bits of the certified noise bound; the wider an edge, the more of its room is filled.";
    svg.words((MARGIN, y + 20.0), Size::Small, Side::Left, GREY, words);
}

/// The picture in words.
fn description(subject: &Subject<'_>, graph: &Graph) -> String {
    let mut out = String::new();
    for level in (0..subject.rns.moduli.len()).rev() {
        let count = |kind: Kind| -> usize {
            let own = graph.items.iter().filter(|item| item.level == level && item.kind == kind);
            own.map(|item| item.count).sum()
        };
        let [columns, products, combinations, sums] =
            [Kind::Column, Kind::Product, Kind::Combination, Kind::Sum].map(count);
        if columns + products + combinations + sums > 0 {
            // Writing to a String cannot fail.
            let _ = write!(
                out,
                "Level {level}: {columns} parts of columns, {products} products, {combinations} combinations, {sums} \
                 released numbers. "
            );
        }
    }
    out.trim_end().to_owned()
}
