//! The release rules: which aggregates may be shown. Pure functions of the query and the opened numbers.
//!
//! With `min_cell m`, a number is hidden where it is, or lets one subtract one's way to, a count from 1 to
//! m - 1. Rules act until nothing changes:
//!
//! | rule | hides |
//! |---|---|
//! | small | a count from 1 to m - 1; zero may be shown |
//! | difference | a count B within a shown count A of its group where A - B is from 1 to m - 1 |
//! | parts | the smallest other part where exactly one part of a shown whole is hidden |
//! | line | the smallest other cell where exactly one cell of a line along a key is hidden |
//! | sum | a sum over the rows of a hidden count |
//!
//! The counts behind sums that a query does not ask for are released to the custodian for these rules
//! ([`hq_engine::sizes`]); they are themselves never shown.
//!
//! Where small counts stay encrypted (`min_cell m encrypted`), there is no number to look at: what is not there is small, and
//! hides what a small count would.
//!
//! The line rule takes every total as known: other queries may ask for it.

mod conditions;
mod history;
mod selection;

use hq_dsl::{AggregateKind, Query};
use hq_engine::sizes::aggregates_per_group;

use crate::execution::group_label;
use conditions::Conditions;
pub(crate) use history::{History, Past};
pub(crate) use selection::{Selection, selections};

/// Why a number is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is a count from 1 to m - 1.
    Small,
    /// It would give away a hidden number.
    Complement,
}

/// Which numbers are hidden: per group, per number of the plan, so the query's aggregates come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Released {
    /// `None` where the number may be shown.
    pub(crate) hidden: Vec<Vec<Option<Reason>>>,
}

impl Released {
    /// What stayed encrypted is hidden, and nothing else.
    pub(crate) fn opened(query: &Query, aggregates: &[Option<i128>]) -> Self {
        let small = |value: &Option<i128>| if value.is_none() { Some(Reason::Small) } else { None };
        let of_group = |group: &[Option<i128>]| group.iter().map(small).collect();
        Self { hidden: aggregates.chunks(aggregates_per_group(query).max(1)).map(of_group).collect() }
    }

    /// Whether anything is hidden.
    pub(crate) fn hides(&self) -> bool {
        self.hidden.iter().flatten().any(Option::is_some)
    }

    /// The reason for one number.
    pub(crate) fn reason(&self, group: usize, aggregate: usize) -> Option<Reason> {
        self.hidden.get(group).and_then(|group| group.get(aggregate)).copied().flatten()
    }
}

/// Applies the rules of the query's dataset. `aggregates` come group by group, as the plan has them.
pub(crate) fn apply(query: &Query, aggregates: &[Option<i128>]) -> Released {
    let per_group = aggregates_per_group(query).max(1);
    let min_cell = i128::from(query.dataset.release.min_cell);
    let mut rules = Rules {
        conditions: Conditions::of(query),
        sizes: query.by.iter().map(|key| usize::try_from(key.labels.size()).unwrap_or(usize::MAX)).collect(),
        min_cell,
        values: aggregates.chunks(per_group).map(<[_]>::to_vec).collect(),
        released: Released::opened(query, aggregates),
    };
    if min_cell > 1 {
        rules.small();
        while rules.differences() | rules.parts() | rules.lines() | rules.sums() {}
    }
    rules.released
}

struct Rules {
    conditions: Conditions,
    /// Values of each key.
    sizes: Vec<usize>,
    min_cell: i128,
    values: Vec<Vec<Option<i128>>>,
    released: Released,
}

impl Rules {
    fn value(&self, group: usize, aggregate: usize) -> i128 {
        self.values.get(group).and_then(|group| group.get(aggregate)).copied().flatten().unwrap_or(0)
    }

    fn hidden(&self, group: usize, aggregate: usize) -> bool {
        self.released.reason(group, aggregate).is_some()
    }

    fn is_small(&self, count: i128) -> bool {
        (1..self.min_cell).contains(&count)
    }

    /// Hides a number; whether that is new.
    fn hide(&mut self, group: usize, aggregate: usize, reason: Reason) -> bool {
        let place = self.released.hidden.get_mut(group).and_then(|group| group.get_mut(aggregate));
        match place {
            Some(place) if place.is_none() => {
                *place = Some(reason);
                true
            }
            Some(_) | None => false,
        }
    }

    fn small(&mut self) {
        for group in 0..self.values.len() {
            for count in self.conditions.counts() {
                if self.is_small(self.value(group, count)) {
                    self.hide(group, count, Reason::Small);
                }
            }
        }
    }

    /// The rows of A that are not in B would be a small count.
    fn differences(&mut self) -> bool {
        let mut changed = false;
        for (part, whole) in self.conditions.nested() {
            for group in 0..self.values.len() {
                let shown = !self.hidden(group, part) && !self.hidden(group, whole);
                if shown && self.is_small(self.value(group, whole) - self.value(group, part)) {
                    changed |= self.hide(group, part, Reason::Complement);
                }
            }
        }
        changed
    }

    /// One hidden part of a shown whole is the whole minus the other parts.
    fn parts(&mut self) -> bool {
        let mut changed = false;
        for (whole, parts) in self.conditions.partitions() {
            for group in 0..self.values.len() {
                if !self.hidden(group, whole) {
                    let cells: Vec<(usize, usize)> = parts.iter().map(|&part| (group, part)).collect();
                    changed |= self.cover(&cells);
                }
            }
        }
        changed
    }

    /// One hidden cell of a line is the line's total minus the other cells.
    fn lines(&mut self) -> bool {
        let mut changed = false;
        let mut stride = self.values.len();
        for size in self.sizes.clone() {
            let line_span = stride;
            stride /= size.max(1);
            for start in 0..self.values.len() {
                // The first cell of each line along this key.
                if line_span == 0 || stride == 0 || (start % line_span) / stride != 0 {
                    continue;
                }
                for count in self.conditions.counts() {
                    let cells: Vec<(usize, usize)> =
                        (0..size).map(|step| (start + step * stride, count)).collect();
                    changed |= self.cover(&cells);
                }
            }
        }
        changed
    }

    /// Where exactly one of several numbers is hidden, hides the smallest other: not a zero, if there is
    /// another.
    fn cover(&mut self, cells: &[(usize, usize)]) -> bool {
        let hidden = cells.iter().filter(|&&(group, count)| self.hidden(group, count)).count();
        if hidden != 1 {
            return false;
        }
        let smallest = cells.iter().filter(|&&(group, count)| !self.hidden(group, count)).min_by_key(
            |&&(group, count)| {
                let value = self.value(group, count);
                (value == 0, value)
            },
        );
        match smallest {
            Some(&(group, count)) => self.hide(group, count, Reason::Complement),
            None => false,
        }
    }

    fn sums(&mut self) -> bool {
        let mut changed = false;
        for (sum, count) in self.conditions.sums_over() {
            for group in 0..self.values.len() {
                if let Some(reason) = self.released.reason(group, count) {
                    changed |= self.hide(group, sum, reason);
                }
            }
        }
        changed
    }
}

/// Groups that the message names for each reason.
const NAMED_GROUPS: usize = 12;

/// What is hidden and why (HQ080), a line per aggregate; empty where nothing is.
pub(crate) fn describe(query: &Query, released: &Released) -> String {
    let groups = hq_engine::lower::groups(query);
    let min_cell = query.dataset.release.min_cell;
    let mut lines = Vec::new();
    for (index, aggregate) in query.aggregates.iter().enumerate() {
        let of = |reason: Reason| {
            let labels =
                groups.iter().enumerate().filter(|&(group, _)| released.reason(group, index) == Some(reason));
            labels.map(|(_, codes)| group_label(query, codes)).collect::<Vec<_>>()
        };
        let (small, complement) = (of(Reason::Small), of(Reason::Complement));
        if small.is_empty() && complement.is_empty() {
            continue;
        }
        let few = match aggregate.kind {
            AggregateKind::Count => format!("1..{}", min_cell.saturating_sub(1)),
            AggregateKind::Sum => "a sum over too few rows".to_owned(),
        };
        let mut reasons = Vec::new();
        let mut line = format!("  `{}` is hidden", aggregate.name);
        if query.by.is_empty() {
            reasons.push(if small.is_empty() {
                "it would give away a hidden number by subtraction".to_owned()
            } else {
                format!("it is {few}")
            });
        } else {
            line += &format!(" in {} of {} groups", small.len() + complement.len(), groups.len());
            if !small.is_empty() {
                let has = if small.len() == 1 { "has" } else { "have" };
                reasons.push(format!("{} {has} {few}", list(&small)));
            }
            if !complement.is_empty() {
                let hides = if complement.len() == 1 { "hides" } else { "hide" };
                reasons.push(format!("{} {hides} what could be found by subtraction", list(&complement)));
            }
        }
        line += &format!(": {}", reasons.join("; "));
        lines.push(line);
    }
    if lines.is_empty() {
        return String::new();
    }
    format!(
        "{}: small counts, and what would give them away, are hidden (min_cell {min_cell} of `{}`).\n{}\n",
        hq_dsl::Code::HiddenCells,
        query.dataset.name,
        lines.join("\n")
    )
}

fn list(labels: &[String]) -> String {
    let shown = labels.get(..NAMED_GROUPS).unwrap_or(labels).join(", ");
    match labels.len().saturating_sub(NAMED_GROUPS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
