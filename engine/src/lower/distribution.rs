//! A row value of few possible values as disjoint masks, one per value: how sums of flags (scores), bands
//! and other small arithmetic are compared without a comparator.

use std::collections::BTreeMap;

use hq_dsl::{RowId, RowOp};
use hq_plugin_sdk::plan::NodeId;
use hq_plugin_sdk::range::{Range, RangeSet};

use super::Lowering;
use crate::algebra::Result;

/// Values of a row expression, each with the mask of the rows that have it. The masks add up to 1.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    masks: BTreeMap<i64, NodeId>,
}

/// Row values of more possible values than this are compared as numbers.
const MAX_VALUES: usize = 64;

impl Distribution {
    /// The masks of the values in the set.
    pub(super) fn masks_in(&self, set: &RangeSet) -> impl Iterator<Item = NodeId> {
        self.masks.iter().filter(|(value, _)| set.contains(**value)).map(|(_, &mask)| mask)
    }

    fn single(value: i64, mask: NodeId) -> Self {
        Self { masks: BTreeMap::from([(value, mask)]) }
    }
}

impl Lowering<'_> {
    /// The masks of a row expression, `None` where there are too many values.
    pub(super) fn distribution(&mut self, row: RowId) -> Result<Option<Distribution>> {
        if let Some(known) = self.distributions.get(&row) {
            return Ok(known.clone());
        }
        let made = self.make_distribution(row)?;
        self.distributions.insert(row, made.clone());
        Ok(made)
    }

    fn make_distribution(&mut self, row: RowId) -> Result<Option<Distribution>> {
        let node = self.query.rows.get(row);
        let (lo, hi) = node.range;
        if usize::try_from(hi.abs_diff(lo)).map_or(true, |width| width >= MAX_VALUES) {
            return Ok(None);
        }
        match node.op.clone() {
            RowOp::Const(value) => {
                let one = self.algebra.constant(1)?;
                Ok(Some(Distribution::single(value, one)))
            }
            RowOp::Add(..) => {
                let mut addends = Vec::new();
                self.addends(row, &mut addends);
                self.fold_balanced(&addends, |a, b| a.checked_add(b))
            }
            RowOp::Sub(a, b) => self.joint(a, b, |a, b| a.checked_sub(b)),
            RowOp::Mul(a, b) => self.joint(a, b, |a, b| a.checked_mul(b)),
            RowOp::Column(_)
            | RowOp::Known(_)
            | RowOp::Member { .. }
            | RowOp::Less { .. }
            | RowOp::Equal { .. }
            | RowOp::Not(_)
            | RowOp::And(..)
            | RowOp::Or(..)
            | RowOp::Case { .. } => {
                let mut masks = BTreeMap::new();
                for value in lo..=hi {
                    let set = RangeSet::from_ranges([Range::single(value)]);
                    masks.insert(value, self.member(row, &set)?);
                }
                Ok(Some(Distribution { masks }))
            }
        }
    }

    fn addends(&self, row: RowId, addends: &mut Vec<RowId>) {
        let mut pending = vec![row];
        while let Some(row) = pending.pop() {
            if let RowOp::Add(a, b) = self.query.rows.get(row).op {
                pending.extend([b, a]);
            } else {
                addends.push(row);
            }
        }
    }

    /// Halves are combined first, so that a score of n flags has depth log2 n.
    fn fold_balanced(
        &mut self,
        rows: &[RowId],
        f: fn(i64, i64) -> Option<i64>,
    ) -> Result<Option<Distribution>> {
        match rows {
            [] => Ok(None),
            [row] => self.distribution(*row),
            _ => {
                let (left, right) = rows.split_at(rows.len() / 2);
                match (self.fold_balanced(left, f)?, self.fold_balanced(right, f)?) {
                    (Some(left), Some(right)) => self.combine(&left, &right, f),
                    _ => Ok(None),
                }
            }
        }
    }

    fn joint(&mut self, a: RowId, b: RowId, f: fn(i64, i64) -> Option<i64>) -> Result<Option<Distribution>> {
        match (self.distribution(a)?, self.distribution(b)?) {
            (Some(a), Some(b)) => self.combine(&a, &b, f),
            _ => Ok(None),
        }
    }

    /// All pairs of values. Masks of either side add up to 1, so the last column of products is a
    /// difference: (|A| - 1) (|B| - 1) products.
    fn combine(
        &mut self,
        left: &Distribution,
        right: &Distribution,
        f: fn(i64, i64) -> Option<i64>,
    ) -> Result<Option<Distribution>> {
        let mut parts: BTreeMap<i64, Vec<(i64, NodeId)>> = BTreeMap::new();
        let last_left = left.masks.keys().next_back().copied();
        let last_right = right.masks.keys().next_back().copied();
        // used[b] collects the products of b with all but the last mask of the left side.
        let mut used: BTreeMap<i64, Vec<(i64, NodeId)>> = BTreeMap::new();
        for (&a, &mask_a) in &left.masks {
            let mut row = vec![(1, mask_a)];
            for (&b, &mask_b) in &right.masks {
                let Some(value) = f(a, b) else { return Ok(None) };
                let product = if Some(a) == last_left {
                    let mut rest = vec![(1, mask_b)];
                    rest.extend(used.get(&b).into_iter().flatten().map(|&(_, node)| (-1, node)));
                    self.algebra.linear(0, rest)?
                } else if Some(b) == last_right {
                    self.algebra.linear(0, row.iter().copied())?
                } else {
                    self.algebra.mul(mask_a, mask_b)?
                };
                self.algebra.narrow(product, Range::BOOL);
                row.push((-1, product));
                used.entry(b).or_default().push((1, product));
                parts.entry(value).or_default().push((1, product));
            }
        }
        let mut masks = BTreeMap::new();
        for (value, terms) in parts {
            let mask = self.algebra.linear(0, terms)?;
            self.algebra.narrow(mask, Range::BOOL);
            masks.insert(value, mask);
        }
        Ok(Some(Distribution { masks }))
    }
}
