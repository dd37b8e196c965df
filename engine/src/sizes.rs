//! The rows behind each number of a query, as far as its text shows them, and the counts of rows that the
//! release rules need beside what was asked for.
//!
//! A sum over two persons tells as much as a count of two. So where small cells are hidden, a plan also
//! counts the rows under each sum, unless the query does: for the custodian's eyes only.

use std::collections::BTreeSet;

use hq_dsl::{Aggregate, AggregateKind, Query, RowId, RowOp, Rows};

/// Conditions that all hold, besides those of `where` and of the group; none for all rows of a group.
pub type Conjunction = BTreeSet<RowId>;

/// Whether an aggregate is a number of rows. A sum of flags is.
#[must_use]
pub fn is_count(query: &Query, aggregate: &Aggregate) -> bool {
    aggregate.kind == AggregateKind::Count || is_flag(&query.rows, aggregate.value)
}

/// The rows of a group that an aggregate counts, or outside of which it adds nothing.
#[must_use]
pub fn rows_behind(query: &Query, aggregate: &Aggregate) -> Conjunction {
    let own = if is_count(query, aggregate) {
        conjunction(&query.rows, aggregate.value)
    } else {
        nonzero(&query.rows, aggregate.value)
    };
    own.difference(&conjunction(&query.rows, query.filter)).copied().collect()
}

/// What a plan counts per group after the query's own aggregates: the rows behind each sum, where small
/// cells are hidden and no aggregate counts the same rows.
#[must_use]
pub fn sizes(query: &Query) -> Vec<Conjunction> {
    // With a min_cell of 1, no count is too small.
    if query.dataset.release.min_cell < 2 {
        return Vec::new();
    }
    let (counts, sums): (Vec<_>, Vec<_>) =
        query.aggregates.iter().partition(|aggregate| is_count(query, aggregate));
    let mut known: Vec<Conjunction> = counts.into_iter().map(|count| rows_behind(query, count)).collect();
    let mut sizes = Vec::new();
    for sum in sums {
        let rows = rows_behind(query, sum);
        if !known.contains(&rows) {
            known.push(rows.clone());
            sizes.push(rows);
        }
    }
    sizes
}

/// Numbers that a plan releases per group: the query's own aggregates in their order, then [`sizes`].
#[must_use]
pub fn aggregates_per_group(query: &Query) -> usize {
    query.aggregates.len() + sizes(query).len()
}

fn is_flag(rows: &Rows, row: RowId) -> bool {
    let (lo, hi) = rows.get(row).range;
    lo >= 0 && hi <= 1
}

/// The conditions that all hold where `row` does.
#[must_use]
pub fn conjunction(rows: &Rows, row: RowId) -> Conjunction {
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
fn nonzero(rows: &Rows, row: RowId) -> Conjunction {
    let mut found = Conjunction::new();
    let mut pending = vec![row];
    while let Some(row) = pending.pop() {
        match &rows.get(row).op {
            _ if is_flag(rows, row) => found.extend(conjunction(rows, row)),
            RowOp::Mul(left, right) => pending.extend([*left, *right]),
            RowOp::Case { arms, otherwise } => {
                if let [(condition, value)] = arms.as_slice()
                    && rows.get(*otherwise).op == RowOp::Const(0)
                {
                    found.extend(conjunction(rows, *condition));
                    pending.push(*value);
                }
            }
            RowOp::Column(_)
            | RowOp::Known(_)
            | RowOp::Const(_)
            | RowOp::Add(..)
            | RowOp::Sub(..)
            | RowOp::Member { .. }
            | RowOp::Less { .. }
            | RowOp::Equal { .. }
            | RowOp::Not(_)
            | RowOp::And(..)
            | RowOp::Or(..) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;
    use crate::lower::{groups, lower};

    fn query(min_cell: u64, report: &str) -> Query {
        let text = format!(
            "dataset d {{ rows <= 1_000 release {{ min_cell {min_cell} max_cells 100 }}\n x: 0..99\n y: 0..99 ?\n \
             flag: bool\n site: {{a, b, c}} }}\nquery q from d {report}"
        );
        let compiled = hq_dsl::compile("q.hq", &text, &[], &hq_dsl::NoModules);
        assert!(!compiled.diagnostics.iter().any(hq_dsl::Diagnostic::is_error), "{:?}", compiled.diagnostics);
        compiled.queries.into_iter().next().unwrap()
    }

    /// Conditions of each size.
    fn conditions(min_cell: u64, report: &str) -> Vec<usize> {
        let query = query(min_cell, report);
        let plan = lower(&query).unwrap();
        assert_eq!(plan.aggregates.len(), groups(&query).len() * aggregates_per_group(&query));
        sizes(&query).iter().map(Conjunction::len).collect()
    }

    #[test]
    fn rows_under_a_sum_are_counted_once() {
        assert_eq!(conditions(5, "report s = sum(x)"), [0]);
        assert_eq!(conditions(5, "by site report s = sum(x) s2 = sum(x * x)"), [0]);
        assert_eq!(conditions(5, "report s = sum(x * flag) t = sum(x)"), [1, 0]);
        assert_eq!(conditions(5, "report s = sum(case { flag and site == a -> x else 0 })"), [2]);
        assert_eq!(conditions(5, "report s = sum(case { flag -> x else 1 })"), [0]);
    }

    #[test]
    fn nothing_is_counted_that_is_known_or_of_no_use() {
        assert!(conditions(0, "report s = sum(x)").is_empty());
        assert!(conditions(1, "report s = sum(x)").is_empty());
        assert!(conditions(5, "report n = count(flag)").is_empty());
        assert!(conditions(5, "by site report m = sum(x) / count()").is_empty());
        assert!(conditions(5, "report s = sum(x * flag) n = count(flag)").is_empty());
        assert!(conditions(5, "where flag report s = sum(x * flag) n = count()").is_empty());
        assert!(conditions(5, "where known(y) report s = sum(y) n = count()").is_empty());
    }
}
