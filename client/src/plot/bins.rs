//! The bins of a histogram with their edges, of which the result names the lower ones only.

use hq_dsl::{ClearOp, Output, Query, RowId, RowOp};

use super::panel::{Bin, Cell};

/// Bins from lower edges and counts. The last upper edge is read from the condition that the last bin counts;
/// without one the bin is taken to be as wide as the one before. `None` where the edges do not rise.
pub(super) fn of(query: &Query, shape: &[Output], from: &[Cell], counts: &[Cell]) -> Option<Vec<Bin>> {
    let edges: Vec<f64> = from.iter().map(|edge| edge.number()).collect::<Option<_>>()?;
    if edges.windows(2).any(|pair| matches!(pair, [low, high] if low >= high)) {
        return None;
    }
    let last = *edges.last()?;
    let width = match edges.as_slice() {
        [.., before, last] => last - before,
        _ => 1.0,
    };
    let end = upper_edge(query, shape.last()?).filter(|&end| end > last).unwrap_or(last + width);
    let uppers = edges.iter().skip(1).copied().chain([end]);
    let bins = edges.iter().zip(uppers).zip(counts);
    Some(bins.map(|((&from, to), &count)| Bin { from, to, count }).collect())
}

/// One step above what a count of `x in lo..hi`, or of `x >= lo and x < hi`, takes in.
fn upper_edge(query: &Query, count: &Output) -> Option<f64> {
    let Output::Scalar(id) = count else { return None };
    let ClearOp::Aggregate(index) = query.clears.get(*id) else { return None };
    let (arg, high) = highest(query, query.aggregates.get(*index)?.value)?;
    let decimals = query.rows.get(arg).decimals;
    let scaled = format!("{}e-{decimals}", high.checked_add(1)?);
    scaled.parse().ok()
}

/// The value that a condition compares, and the largest code for which it can hold.
fn highest(query: &Query, condition: RowId) -> Option<(RowId, i64)> {
    match &query.rows.get(condition).op {
        RowOp::Member { arg, set } => Some((*arg, set.last()?.1)),
        RowOp::And(left, right) => {
            let ((one, low), (other, high)) = (highest(query, *left)?, highest(query, *right)?);
            (one == other).then_some((one, low.min(high)))
        }
        RowOp::Column(_)
        | RowOp::Known(_)
        | RowOp::Const(_)
        | RowOp::Add(..)
        | RowOp::Sub(..)
        | RowOp::Mul(..)
        | RowOp::Less { .. }
        | RowOp::Equal { .. }
        | RowOp::Not(_)
        | RowOp::Or(..)
        | RowOp::Case { .. } => None,
    }
}
