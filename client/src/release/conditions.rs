//! What the conditions of a query's aggregates say about each other: which implies which, which make up
//! which. Everything here follows from the text of the query alone.

use std::collections::BTreeSet;

use hq_dsl::{AggregateKind, Query, RowId, RowOp, Rows};

/// A conjunction of row conditions; empty for all rows.
type Conjunction = BTreeSet<RowId>;

/// The conditions of a query's aggregates.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// Per aggregate: the rows it counts, or those over which it sums.
    masks: Vec<Conjunction>,
    counts: Vec<usize>,
    sums: Vec<usize>,
    nested: Vec<(usize, usize)>,
    partitions: Vec<(usize, Vec<usize>)>,
    sums_over: Vec<(usize, usize)>,
}

impl Conditions {
    /// Of a query.
    pub(crate) fn of(query: &Query) -> Self {
        let rows = &query.rows;
        let mut conditions = Self {
            masks: Vec::new(),
            counts: Vec::new(),
            sums: Vec::new(),
            nested: Vec::new(),
            partitions: Vec::new(),
            sums_over: Vec::new(),
        };
        for (index, aggregate) in query.aggregates.iter().enumerate() {
            // A sum of flags is a count.
            let flag = rows.get(aggregate.value).range;
            let counts = aggregate.kind == AggregateKind::Count || flag.0 >= 0 && flag.1 <= 1;
            let mask = if counts {
                conditions.counts.push(index);
                conjunction(rows, aggregate.value)
            } else {
                conditions.sums.push(index);
                mask(rows, aggregate.value)
            };
            conditions.masks.push(mask);
        }
        conditions.relate(rows);
        conditions
    }

    fn relate(&mut self, rows: &Rows) {
        let implies = |part: usize, whole: usize| match (self.masks.get(part), self.masks.get(whole)) {
            (Some(part), Some(whole)) => {
                whole.iter().all(|&wanted| part.iter().any(|&given| condition_implies(rows, given, wanted)))
            }
            _ => false,
        };
        for &whole in &self.counts {
            self.nested.extend(
                self.counts
                    .iter()
                    .filter(|&&part| part != whole && implies(part, whole))
                    .map(|&part| (part, whole)),
            );
        }
        // A sum tells about every set of rows that holds those it sums over.
        for &sum in &self.sums {
            self.sums_over
                .extend(self.counts.iter().filter(|&&count| implies(sum, count)).map(|&count| (sum, count)));
        }
        self.partitions = self.counts.iter().flat_map(|&whole| self.parts_of(rows, whole)).collect();
    }

    /// Sets of counts that split a count's rows by the value of one expression.
    fn parts_of(&self, rows: &Rows, whole: usize) -> Vec<(usize, Vec<usize>)> {
        let Some(mask) = self.masks.get(whole) else { return Vec::new() };
        let mut by_value: Vec<(RowId, Vec<Slice>)> = Vec::new();
        for &part in &self.counts {
            let Some(other) = self.masks.get(part).filter(|other| other.is_superset(mask)) else { continue };
            let mut extra = other.difference(mask);
            let (Some(&condition), None) = (extra.next(), extra.next()) else { continue };
            let (value, set) = value_set(rows, condition);
            match by_value.iter_mut().find(|(other, _)| *other == value) {
                Some((_, slices)) => slices.push((part, set)),
                None => by_value.push((value, vec![(part, set)])),
            }
        }
        by_value
            .into_iter()
            .filter_map(|(value, slices)| cover(rows.get(value).range, slices))
            .map(|parts| (whole, parts))
            .collect()
    }

    /// Aggregates that count.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.counts.clone()
    }

    /// Pairs of counts: every row of the first is one of the second.
    pub(crate) fn nested(&self) -> Vec<(usize, usize)> {
        self.nested.clone()
    }

    /// Counts with the counts that make them up.
    pub(crate) fn partitions(&self) -> Vec<(usize, Vec<usize>)> {
        self.partitions.clone()
    }

    /// Sums, each with a count of rows that hold those it sums over.
    pub(crate) fn sums_over(&self) -> Vec<(usize, usize)> {
        self.sums_over.clone()
    }
}

/// A count and the values of an expression that it takes in.
type Slice = (usize, Vec<(i64, i64)>);

/// The slices in order of value, if they meet without a gap or overlap and fill the range.
fn cover(range: (i64, i64), mut slices: Vec<Slice>) -> Option<Vec<usize>> {
    let mut intervals: Vec<(i64, i64)> = slices.iter().flat_map(|(_, set)| set.iter().copied()).collect();
    intervals.sort_unstable();
    let mut next = range.0;
    for (lo, hi) in intervals {
        if lo != next {
            return None;
        }
        next = hi.checked_add(1)?;
    }
    slices.sort_by_key(|(_, set)| set.first().copied());
    (next > range.1 && slices.len() > 1).then(|| slices.into_iter().map(|(part, _)| part).collect())
}

/// A condition as a set of values of one expression.
fn value_set(rows: &Rows, condition: RowId) -> (RowId, Vec<(i64, i64)>) {
    match &rows.get(condition).op {
        RowOp::Member { arg, set } => (*arg, set.clone()),
        RowOp::Not(arg) => {
            let (value, set) = value_set(rows, *arg);
            (value, complement(rows.get(value).range, &set))
        }
        RowOp::Column(_)
        | RowOp::Known(_)
        | RowOp::Const(_)
        | RowOp::Add(..)
        | RowOp::Sub(..)
        | RowOp::Mul(..)
        | RowOp::Less { .. }
        | RowOp::Equal { .. }
        | RowOp::And(..)
        | RowOp::Or(..)
        | RowOp::Case { .. } => (condition, vec![(1, 1)]),
    }
}

fn complement(range: (i64, i64), set: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut rest = Vec::new();
    let mut next = range.0;
    for &(lo, hi) in set {
        if lo > next {
            rest.push((next, lo - 1));
        }
        next = hi.saturating_add(1);
    }
    if next <= range.1 {
        rest.push((next, range.1));
    }
    rest
}

fn condition_implies(rows: &Rows, given: RowId, wanted: RowId) -> bool {
    if given == wanted {
        return true;
    }
    let ((value, inner), (other, outer)) = (value_set(rows, given), value_set(rows, wanted));
    value == other
        && inner
            .iter()
            .all(|&(lo, hi)| outer.iter().any(|&(outer_lo, outer_hi)| outer_lo <= lo && hi <= outer_hi))
}

/// The conditions that all hold where `row` does.
fn conjunction(rows: &Rows, row: RowId) -> Conjunction {
    let mut found = Conjunction::new();
    let mut pending = vec![row];
    while let Some(row) = pending.pop() {
        if let RowOp::And(left, right) = rows.get(row).op {
            pending.extend([left, right]);
        } else if rows.get(row).op != RowOp::Const(1) {
            found.insert(row);
        }
    }
    found
}

/// The rows where a value is not zero, as far as its form shows: `flag * x`, `case { flag -> x else 0 }`.
fn mask(rows: &Rows, row: RowId) -> Conjunction {
    let op = &rows.get(row).op;
    if let RowOp::Mul(left, right) = op {
        let mut all = Conjunction::new();
        for &factor in [left, right] {
            let (lo, hi) = rows.get(factor).range;
            all.extend(if lo >= 0 && hi <= 1 { conjunction(rows, factor) } else { mask(rows, factor) });
        }
        return all;
    }
    if let RowOp::Case { arms, otherwise } = op
        && let [(condition, value)] = arms.as_slice()
        && rows.get(*otherwise).op == RowOp::Const(0)
    {
        let mut all = conjunction(rows, *condition);
        all.extend(mask(rows, *value));
        return all;
    }
    Conjunction::new()
}
