//! From the values of a report to panels, with words on what they do not show.

use hq_dsl::{ClearId, Output, Query, Value};

use super::axis::short;
use super::bins;
use super::choose::{Drawing, Form, drawings, list};
use super::label;
use super::panel::{Bar, Bars, Cell, Curve, Kind, Panel, Section};
use crate::report::{Report, ReportRow};

/// Most curves in one panel; more make another.
const MOST_CURVES: usize = 7;
/// Most panels of a query, and most groups along an axis of bars.
const MOST_PANELS: usize = 24;
const MOST_CATEGORIES: usize = 60;

/// What of a report can be drawn.
pub(super) fn section(report: &Report<'_>) -> Section {
    of_rows(report.query(), report.rows())
}

/// What of the rows of a query's result can be drawn.
pub(super) fn of_rows(query: &Query, rows: &[ReportRow]) -> Section {
    let mut maker = Maker { query, rows, panels: Vec::new(), hidden: Vec::new(), cut: Vec::new() };
    for drawing in drawings(query) {
        match &drawing.form {
            Form::Curves => maker.curves(&drawing),
            Form::Bins => maker.histograms(&drawing),
            Form::Bars => maker.bars(&drawing, None),
            Form::Interval(field) => maker.bars(&drawing, Some(field.as_deref())),
        }
    }
    let mut caption = Vec::new();
    if !maker.hidden.is_empty() {
        let limit = query.dataset.release.min_cell;
        caption.push(format!("Hidden by the release rules (min_cell {limit}): {}.", maker.hidden.join("; ")));
    }
    caption.extend(maker.cut);
    if maker.panels.len() > MOST_PANELS {
        caption.push(format!("{} more panels are not drawn.", maker.panels.len() - MOST_PANELS));
        maker.panels.truncate(MOST_PANELS);
    }
    let title = if query.purpose.is_empty() {
        query.name.clone()
    } else {
        format!("{}: {}", query.name, query.purpose)
    };
    Section { title, panels: maker.panels, caption }
}

struct Maker<'a> {
    query: &'a Query,
    rows: &'a [ReportRow],
    panels: Vec<Panel>,
    /// What is hidden, result by result.
    hidden: Vec<String>,
    /// What is left out for want of room.
    cut: Vec<String>,
}

impl<'a> Maker<'a> {
    fn value(row: &'a ReportRow, path: &[String]) -> Option<&'a Value> {
        let (column, fields) = path.split_first()?;
        let mut value = row.report.iter().find(|(name, _)| name == column).map(|(_, value)| value)?;
        for field in fields {
            value = self::field(value, field)?;
        }
        Some(value)
    }

    fn shape(&self, path: &[String]) -> Option<&'a Output> {
        let (column, fields) = path.split_first()?;
        let mut shape = &self.query.report.iter().find(|report| report.name == *column)?.value;
        for name in fields {
            let Output::Record(fields) = shape else { return None };
            shape = &fields.iter().find(|(field, _)| field == name)?.1;
        }
        Some(shape)
    }

    fn curves(&mut self, drawing: &Drawing) {
        let name = drawing.path.join(".");
        let Some(shape) = self.shape(&drawing.path) else { return };
        let counts = list(shape, "at_risk").or_else(|| list(shape, "events"));
        let time = counts.and_then(|counts| label::compared(self.query, counts));
        let x = time.map_or_else(|| "time".to_owned(), label::of_column);
        let mut curves = Vec::new();
        for row in self.rows {
            let Some(curve) = Self::value(row, &drawing.path).and_then(|value| curve(value, group(&row.by)))
            else {
                continue;
            };
            if let Some(from) = hidden_from(row, &drawing.path) {
                let whose =
                    if curve.label.is_empty() { String::new() } else { format!(" of {}", curve.label) };
                self.hidden.push(format!("{name}{whose} from time {} on", short(from)));
            }
            curves.push(curve);
        }
        let several = curves.len() > MOST_CURVES;
        for (index, some) in curves.chunks(MOST_CURVES).enumerate() {
            let part = if several { format!(" ({})", index + 1) } else { String::new() };
            self.panels.push(Panel {
                title: format!("{name}{part}"),
                x: x.clone(),
                y: "survival".to_owned(),
                kind: Kind::Curves(some.to_vec()),
            });
        }
    }

    fn histograms(&mut self, drawing: &Drawing) {
        let name = drawing.path.join(".");
        let Some(shape) = self.shape(&drawing.path) else { return };
        let Some(counts) = list(shape, "count") else { return };
        let x = label::compared(self.query, counts).map_or_else(|| "from".to_owned(), label::of_column);
        for row in self.rows {
            let Some(value) = Self::value(row, &drawing.path) else { continue };
            let (from, count) = (cells(value, "from"), cells(value, "count"));
            let Some(bins) = bins::of(self.query, counts, &from, &count) else { continue };
            let label = group(&row.by);
            let whose = if label.is_empty() { String::new() } else { format!(", {label}") };
            let hidden: Vec<String> = bins
                .iter()
                .filter(|bin| bin.count == Cell::Hidden)
                .map(|bin| format!("{} to {}", short(bin.from), short(bin.to)))
                .collect();
            if !hidden.is_empty() {
                self.hidden.push(format!("{name}{whose}, {}", hidden.join(", ")));
            }
            self.panels.push(Panel {
                title: format!("{name}{whose}"),
                x: x.clone(),
                y: "count".to_owned(),
                kind: Kind::Bins(bins),
            });
        }
    }

    /// Bars of a number, or of a record with an interval around one of its fields.
    fn bars(&mut self, drawing: &Drawing, interval: Option<Option<&str>>) {
        let mut name = drawing.path.join(".");
        let mut id = self.shape(&drawing.path).and_then(scalar);
        if let Some(field) = interval {
            let mut path = drawing.path.clone();
            path.push(field.unwrap_or("lower").to_owned());
            id = self.shape(&path).and_then(scalar);
            name = field.map_or_else(|| format!("{name}, lower to upper"), |field| format!("{name}.{field}"));
        }
        let mut bars =
            Bars { categories: Vec::new(), legend: String::new(), series: Vec::new(), bars: Vec::new() };
        let others: Vec<&str> = self.query.by.iter().skip(1).map(|key| key.name.as_str()).collect();
        bars.legend = others.join(", ");
        let mut hidden = Vec::new();
        for row in self.rows {
            let Some(((_, category), rest)) = row.by.split_first() else { continue };
            let Some(value) = Self::value(row, &drawing.path) else { continue };
            let bar = match interval {
                None => Bar { value: cell(value), interval: None },
                Some(field) => interval_bar(value, field),
            };
            if bar.value == Cell::Hidden {
                hidden.push(group(&row.by));
            }
            let at = position(&mut bars.categories, category);
            let labels: Vec<&str> = rest.iter().map(|(_, label)| label.as_str()).collect();
            let series = position(&mut bars.series, &labels.join(", "));
            bars.bars.resize(bars.categories.len().max(bars.bars.len()), Vec::new());
            if let Some(of_category) = bars.bars.get_mut(at) {
                of_category.resize(of_category.len().max(series + 1), None);
                if let Some(place) = of_category.get_mut(series) {
                    *place = Some(bar);
                }
            }
        }
        if !hidden.is_empty() {
            self.hidden.push(format!("{name} of {}", hidden.join(", ")));
        }
        if bars.categories.len() > MOST_CATEGORIES {
            let left_out = bars.categories.len() - MOST_CATEGORIES;
            self.cut.push(format!("{name}: {left_out} more groups are not drawn."));
            bars.categories.truncate(MOST_CATEGORIES);
            bars.bars.truncate(MOST_CATEGORIES);
        }
        let (x, y) = (label::of_key(self.query, 0), label::of_value(self.query, &name, id));
        self.panels.push(Panel { title: name, x, y, kind: Kind::Bars(bars) });
    }
}

/// Where a name stands in a list; it is added if it does not.
fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|other| other == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

fn scalar(output: &Output) -> Option<ClearId> {
    if let Output::Scalar(id) = output { Some(*id) } else { None }
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Record(fields) = value else { return None };
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Number(number) => Cell::Number(*number),
        Value::Integer(number) => number.to_string().parse().map_or(Cell::Absent, Cell::Number),
        Value::Hidden => Cell::Hidden,
        Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Record(_) | Value::Undefined => {
            Cell::Absent
        }
    }
}

fn cells(value: &Value, name: &str) -> Vec<Cell> {
    match field(value, name) {
        Some(Value::List(items)) => items.iter().map(cell).collect(),
        _ => Vec::new(),
    }
}

/// Labels of a group in words: a number or a truth value says whose it is.
fn group(by: &[(String, String)]) -> String {
    let words = by.iter().map(|(name, label)| {
        let bare = label.parse::<f64>().is_err() && !matches!(label.as_str(), "true" | "false");
        if bare { label.clone() } else { format!("{name} {label}") }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn interval_bar(value: &Value, name: Option<&str>) -> Bar {
    let of = |name: &str| field(value, name).map_or(Cell::Absent, cell);
    let (lower, upper) = (of("lower"), of("upper"));
    let interval = match (lower, upper) {
        (Cell::Number(lower), Cell::Number(upper)) => Some((lower, upper)),
        _ => None,
    };
    let hidden = lower == Cell::Hidden || upper == Cell::Hidden;
    let value = match name {
        Some(name) => of(name),
        None if hidden => Cell::Hidden,
        None => Cell::Absent,
    };
    Bar { value, interval }
}

/// A curve as far as its values are numbers; `None` where the times do not rise.
fn curve(value: &Value, label: String) -> Option<Curve> {
    let times: Vec<f64> = cells(value, "time").into_iter().map(Cell::number).collect::<Option<_>>()?;
    let first = *times.first()?;
    if first < 0.0 || times.windows(2).any(|pair| matches!(pair, [low, high] if low >= high)) {
        return None;
    }
    // Survival is 1 at time 0, which a grid of intervals leaves unsaid.
    let implied = first > 0.0;
    let mut steps = Vec::new();
    let mut band = Vec::new();
    if implied {
        steps.push((0.0, 1.0));
        band.push((0.0, 1.0, 1.0));
    }
    let (lower, upper) = (cells(value, "lower"), cells(value, "upper"));
    let mut inside = true;
    for (index, (&time, survival)) in times.iter().zip(cells(value, "survival")).enumerate() {
        let Cell::Number(survival) = survival else { break };
        steps.push((time, survival));
        match (lower.get(index), upper.get(index)) {
            (Some(Cell::Number(lower)), Some(Cell::Number(upper))) if inside => {
                band.push((time, *lower, *upper));
            }
            _ => inside = false,
        }
    }
    if band.len() < 2 {
        band.clear();
    }
    // Those at risk in an interval are counted at its start.
    let starts: Vec<f64> =
        if implied { [0.0].into_iter().chain(times.iter().copied()).collect() } else { times.clone() };
    let at_risk = starts.iter().copied().zip(cells(value, "at_risk")).collect();
    let grid = if implied { starts } else { times };
    Some(Curve { label, steps, band, at_risk, grid })
}

/// The first time at which a curve is hidden.
fn hidden_from(row: &ReportRow, path: &[String]) -> Option<f64> {
    let value = Maker::value(row, path)?;
    let at = cells(value, "survival").iter().position(|cell| *cell == Cell::Hidden)?;
    cells(value, "time").get(at).copied().and_then(Cell::number)
}
