//! What a picture shows, without places and colours.

/// Panels of one query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Section {
    /// The query's name and purpose.
    pub(super) title: String,
    pub(super) panels: Vec<Panel>,
    /// Sentences below the panels: what is hidden, what was left out.
    pub(super) caption: Vec<String>,
}

/// One coordinate system.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    /// The result that it shows.
    pub(super) title: String,
    /// Words of the axes.
    pub(super) x: String,
    pub(super) y: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Curves(Vec<Curve>),
    Bins(Vec<Bin>),
    Bars(Bars),
}

/// A number, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    /// Hidden by the release rules.
    Hidden,
    /// There is no such number, or it is no number.
    Absent,
}

impl Cell {
    pub(super) fn number(self) -> Option<f64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

/// A survival curve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    /// Labels of its group; empty where there is one curve only.
    pub(super) label: String,
    /// Times and what holds from then on; begins at time 0, ends before the first cell that is no number.
    pub(super) steps: Vec<(f64, f64)>,
    /// Times with the lower and the upper bound from then on.
    pub(super) band: Vec<(f64, f64, f64)>,
    /// Times and numbers at risk then.
    pub(super) at_risk: Vec<(f64, Cell)>,
    /// The whole grid of times, however long the curve.
    pub(super) grid: Vec<f64>,
}

/// A bin of a histogram, from its lower to its upper edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: Cell,
}

/// Bars side by side: for each category one of each series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bars {
    pub(super) categories: Vec<String>,
    /// What the series stand for: the names of the keys. Empty where there is one series.
    pub(super) legend: String,
    pub(super) series: Vec<String>,
    /// By category, then by series; `None` where the result has no such group.
    pub(super) bars: Vec<Vec<Option<Bar>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bar {
    /// Absent where only an interval is reported.
    pub(super) value: Cell,
    pub(super) interval: Option<(f64, f64)>,
}
