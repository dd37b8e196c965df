//! Padding and erased rows are never counted.
//!
//! In an absent row every part is 0, so each node has one known value there: that of the circuit at zero.
//! A sum over a node with value c at absence becomes the sum of `node - c + c * present`, which is the node
//! on present rows and 0 on absent ones. No product is spent; where c is 0, nothing at all. A secret parameter
//! has its value in absent rows too: a node that depends on one there is multiplied by `present`.

use std::collections::HashMap;

use hq_plugin_sdk::plan::{NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::Range;

use crate::algebra::{Algebra, Result, rebuild_sums};
use crate::lower::present_input;

/// Adds the presence column to the sums that need it. The plan's inputs are parts.
///
/// # Errors
/// A value leaves 62 bits.
pub fn presence(plan: &Plan) -> Result<Plan> {
    let mut absent = AtAbsence::default();
    let values: HashMap<NodeId, Option<i64>> =
        plan.sums.iter().map(|sum| (sum.node, absent.value(plan, sum.node))).collect();
    rebuild_sums(
        plan,
        |algebra: &mut Algebra, _, op| algebra.apply(op),
        |algebra, sum, node| {
            let c = values.get(&sum.node).copied().unwrap_or_default();
            if c == Some(0) {
                // Nothing is to be released of a sum that is always 0.
                return Ok(if algebra.as_constant(node) == Some(0) { vec![] } else { vec![(1, node)] });
            }
            let present = algebra.input(present_input(), None)?;
            let masked = match c {
                Some(c) => algebra.linear(-c, [(1, node), (c, present)])?,
                None => algebra.mul(node, present)?,
            };
            algebra.narrow(masked, sum.range.hull(Range::single(0)));
            Ok(vec![(1, masked)])
        },
    )
}

/// The value of each node where every input of the table is 0, computed as far as it was asked for; `None`
/// where it depends on a parameter.
#[derive(Debug, Default)]
pub(super) struct AtAbsence {
    values: Vec<Option<i64>>,
}

impl AtAbsence {
    /// The value of a node of `plan`; the plan may have grown since the last call, but not changed.
    pub(super) fn value(&mut self, plan: &Plan, node: NodeId) -> Option<i64> {
        for op in plan.nodes().iter().take(node.index() + 1).skip(self.values.len()) {
            let value = self.own_value(plan, op);
            self.values.push(value);
        }
        self.at(node)
    }

    fn at(&self, node: NodeId) -> Option<i64> {
        self.values.get(node.index()).copied().flatten()
    }

    fn own_value(&self, plan: &Plan, op: &Op) -> Option<i64> {
        match op {
            Op::Input { input, .. } => match plan.origin(*input) {
                Origin::Table => Some(0),
                Origin::Parameter => None,
            },
            Op::Member { arg, set } => Some(i64::from(set.contains(self.at(*arg)?))),
            Op::Less { left, right } => Some(i64::from(self.at(*left)? < self.at(*right)?)),
            Op::Equal { left, right } => Some(i64::from(self.at(*left)? == self.at(*right)?)),
            Op::Linear(linear) => linear.terms().iter().try_fold(linear.constant(), |sum, &(c, node)| {
                Some(sum.wrapping_add(c.wrapping_mul(self.at(node)?)))
            }),
            Op::Mul { left, right } => match (self.at(*left), self.at(*right)) {
                (Some(0), _) | (_, Some(0)) => Some(0),
                (left, right) => Some(left?.wrapping_mul(right?)),
            },
            Op::Relinearize { arg } | Op::ModSwitch { arg } | Op::Drop { arg, .. } => self.at(*arg),
            Op::Lookup { .. } => None,
        }
    }
}
