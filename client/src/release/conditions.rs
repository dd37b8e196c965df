//! What the conditions of a query's aggregates say about each other: which implies which, which make up
//! which. Everything here follows from the text of the query alone.

use hq_dsl::{Query, RowId, RowOp, Rows};
use hq_engine::sizes::{Conjunction, is_count, rows_behind, sizes};

/// The conditions of the numbers that a query's plan releases per group: of its aggregates, then of the sizes
/// that the engine adds. A size is taken as no less public than the sums over its rows.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    /// Per number: the rows it counts, or those over which it sums.
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
            let numbers =
                if is_count(query, aggregate) { &mut conditions.counts } else { &mut conditions.sums };
            numbers.push(index);
            conditions.masks.push(rows_behind(query, aggregate));
        }
        for size in sizes(query) {
            conditions.counts.push(conditions.masks.len());
            conditions.masks.push(size);
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
