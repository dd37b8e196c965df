//! Building circuits with the identities of arithmetic and boolean algebra applied on the way: constants
//! fold by range, comparisons of one value with constants merge, sums flatten.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::{
    Aggregate, Builder, Family, Input, InputId, Level, Linear, NodeId, Op, Plan, Sum, SumId,
};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::verify::{self, Invalid};

use crate::lower::present_input;

/// A value that does not fit 62 bits, or a malformed source plan.
pub type Result<T> = std::result::Result<T, Invalid>;

/// A builder that knows the range of every node.
#[derive(Debug)]
pub struct Algebra {
    builder: Builder,
    ranges: Vec<Range>,
}

/// A linear combination that would be longer than this is not inlined into another.
const MAX_INLINED_TERMS: usize = 64;

impl Algebra {
    /// Starts from an empty plan.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        Self { builder, ranges: Vec::new() }
    }

    /// The plan so far.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.builder.plan()
    }

    /// The header of the plan.
    pub fn plan_mut(&mut self) -> &mut Plan {
        self.builder.plan_mut()
    }

    /// The finished plan.
    #[must_use]
    pub fn finish(self) -> Plan {
        self.builder.finish()
    }

    /// The range of a node of this plan.
    #[must_use]
    pub fn range(&self, node: NodeId) -> Range {
        self.ranges.get(node.index()).copied().unwrap_or(Range::BOOL)
    }

    /// Adds what the caller proved of a node: its values lie in `range` as well.
    pub fn narrow(&mut self, node: NodeId, range: Range) {
        if let Some(known) = self.ranges.get_mut(node.index())
            && let Some(both) = known.intersect(range)
            && both != *known
        {
            *known = both;
            self.builder.prove(node, both);
        }
    }

    fn push(&mut self, op: Op) -> Result<NodeId> {
        let next = NodeId::from_index(self.ranges.len())
            .ok_or_else(|| Invalid { place: "plan".to_owned(), reason: "more than 2^32 nodes".to_owned() })?;
        let node = self.builder.push(op.clone());
        let range = verify::range_of(self.builder.plan(), &self.ranges, node, &op)?;
        if node == next {
            self.ranges.push(range);
        } else {
            // More may be known of the operands than when the node was made.
            self.narrow(node, range);
        }
        Ok(node)
    }

    /// An operation as it is, but for the identities of the other functions here.
    ///
    /// # Errors
    /// A value leaves 62 bits.
    pub fn apply(&mut self, op: Op) -> Result<NodeId> {
        match op {
            Op::Linear(linear) => self.linear(linear.constant(), linear.terms().iter().copied()),
            Op::Mul { left, right } => self.mul(left, right),
            Op::Member { arg, set } => self.member(arg, &set),
            op @ (Op::Input { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. }) => {
                let node = self.push(op)?;
                let range = self.range(node);
                if range.size() == 1 { self.constant(range.lo()) } else { Ok(node) }
            }
        }
    }

    /// An input, declared if it is new.
    ///
    /// # Errors
    /// None but too many nodes.
    pub fn input(&mut self, input: Input, level: Option<Level>) -> Result<NodeId> {
        let input = self.builder.declare(input);
        self.push(Op::Input { input, level })
    }

    /// An input that stands in tables alone, declared if it is new.
    pub fn declare(&mut self, input: Input) -> InputId {
        self.builder.declare(input)
    }

    /// A constant.
    ///
    /// # Errors
    /// The constant leaves 62 bits.
    pub fn constant(&mut self, value: i64) -> Result<NodeId> {
        self.push(Op::Linear(Linear::constant_of(value)))
    }

    /// The value of a constant node.
    #[must_use]
    pub fn as_constant(&self, node: NodeId) -> Option<i64> {
        let Op::Linear(linear) = self.builder.op(node)? else { return None };
        linear.terms().is_empty().then(|| linear.constant())
    }

    /// `constant + sum of coefficient * node`, flattened.
    ///
    /// # Errors
    /// A coefficient or the value leaves 62 bits.
    pub fn linear(
        &mut self,
        constant: i64,
        terms: impl IntoIterator<Item = (i64, NodeId)>,
    ) -> Result<NodeId> {
        let overflow = || Invalid {
            place: "linear combination".to_owned(),
            reason: "a coefficient leaves 62 bits".to_owned(),
        };
        // What is known of the operands is lost when they are inlined.
        let mut known = Some(Range::single(constant));
        let mut constant = constant;
        let mut flat = Vec::new();
        for (coefficient, node) in terms {
            let scaled = self.range(node).mul(Range::single(coefficient));
            known = known.and_then(|sum| sum.add(scaled?));
            match self.builder.op(node) {
                Some(Op::Linear(inner)) if inner.terms().len() <= MAX_INLINED_TERMS => {
                    constant = inner
                        .constant()
                        .checked_mul(coefficient)
                        .and_then(|scaled| constant.checked_add(scaled))
                        .ok_or_else(overflow)?;
                    for &(factor, term) in inner.terms() {
                        flat.push((factor.checked_mul(coefficient).ok_or_else(overflow)?, term));
                    }
                }
                _ => flat.push((coefficient, node)),
            }
        }
        let linear = Linear::new(constant, flat).ok_or_else(overflow)?;
        match linear.terms() {
            [(1, node)] if linear.constant() == 0 => Ok(*node),
            _ => {
                let node = self.push(Op::Linear(linear))?;
                if let Some(known) = known {
                    self.narrow(node, known);
                }
                let range = self.range(node);
                if range.size() == 1 { self.constant(range.lo()) } else { Ok(node) }
            }
        }
    }

    /// `1 - node` of a boolean.
    ///
    /// # Errors
    /// None but too many nodes.
    pub fn not(&mut self, node: NodeId) -> Result<NodeId> {
        if let Some(Op::Member { arg, set }) = self.builder.op(node) {
            let (arg, set) = (*arg, set.complement(self.range(*arg)));
            return self.member(arg, &set);
        }
        self.linear(1, [(-1, node)])
    }

    /// The product; of booleans, their conjunction.
    ///
    /// # Errors
    /// The value leaves 62 bits.
    pub fn mul(&mut self, left: NodeId, right: NodeId) -> Result<NodeId> {
        let known = self.range(left).mul(self.range(right));
        let node = self.product(left, right)?;
        if let Some(known) = known {
            self.narrow(node, known);
        }
        Ok(node)
    }

    fn product(&mut self, left: NodeId, right: NodeId) -> Result<NodeId> {
        for (constant, other) in [(left, right), (right, left)] {
            if let Some(value) = self.as_constant(constant) {
                return self.linear(0, [(value, other)]);
            }
        }
        for (scaled, other) in [(left, right), (right, left)] {
            if let Some(Op::Linear(linear)) = self.builder.op(scaled)
                && let (0, &[(coefficient, node)]) = (linear.constant(), linear.terms())
            {
                let product = self.mul(node, other)?;
                return self.linear(0, [(coefficient, product)]);
            }
        }
        if self.are_booleans(left, right) {
            if left == right {
                return Ok(left);
            }
            if self.negates(left, right) || self.negates(right, left) {
                return self.constant(0);
            }
            if let (Some(Op::Member { arg, set }), Some(Op::Member { arg: other, set: second })) =
                (self.builder.op(left), self.builder.op(right))
                && arg == other
            {
                let (arg, both) = (*arg, set.intersect(second));
                return self.member(arg, &both);
            }
            if self.excludes(left, right) {
                return self.constant(0);
            }
            if let Some(inner) = self.inner_of_nested(left, right) {
                return Ok(inner);
            }
        }
        self.push(Op::Mul { left, right })
    }

    fn are_booleans(&self, left: NodeId, right: NodeId) -> bool {
        [left, right].into_iter().all(|node| self.range(node) == Range::BOOL)
    }

    /// Whether `node` is `1 - other`.
    fn negates(&self, node: NodeId, other: NodeId) -> bool {
        let Some(Op::Linear(linear)) = self.builder.op(node) else { return false };
        linear.constant() == 1 && linear.terms() == [(-1, other)]
    }

    /// The family of an input.
    #[must_use]
    pub fn family(&self, node: NodeId) -> Option<&Family> {
        let Op::Input { input, .. } = self.builder.op(node)? else { return None };
        self.builder.plan().inputs.get(input.index())?.family.as_ref()
    }

    /// Whether both are inputs of which at most one is not zero.
    fn excludes(&self, left: NodeId, right: NodeId) -> bool {
        let name = |node| match self.family(node) {
            Some(Family::OneOf(name)) => Some(name),
            Some(Family::Nested(..)) | None => None,
        };
        left != right && name(left).is_some() && name(left) == name(right)
    }

    /// Of two nested flags the one that holds less often: it is their product.
    fn inner_of_nested(&self, left: NodeId, right: NodeId) -> Option<NodeId> {
        match (self.family(left)?, self.family(right)?) {
            (Family::Nested(a, lower), Family::Nested(b, higher)) if a == b => {
                Some(if lower > higher { left } else { right })
            }
            _ => None,
        }
    }

    /// The disjunction of booleans, as `1 - (1 - left)(1 - right)`, so that a guard in one factor covers
    /// the other.
    ///
    /// # Errors
    /// None but too many nodes.
    pub fn or(&mut self, left: NodeId, right: NodeId) -> Result<NodeId> {
        let (no_left, no_right) = (self.not(left)?, self.not(right)?);
        let neither = self.mul(no_left, no_right)?;
        self.not(neither)
    }

    /// 1 where the value lies in the set.
    ///
    /// # Errors
    /// None but too many nodes.
    pub fn member(&mut self, arg: NodeId, set: &RangeSet) -> Result<NodeId> {
        let range = self.range(arg);
        let set = set.intersect(&RangeSet::from_ranges([range]));
        if set.is_empty() {
            return self.constant(0);
        }
        if set.covers(range) {
            return self.constant(1);
        }
        if range == Range::BOOL {
            return if set.contains(1) { Ok(arg) } else { self.not(arg) };
        }
        if let Some(Op::Linear(linear)) = self.builder.op(arg)
            && let &[(coefficient, node)] = linear.terms()
        {
            let inverse = preimage(&set, linear.constant(), coefficient, self.range(node));
            return self.member(node, &inverse);
        }
        self.push(Op::Member { arg, set })
    }

    /// Declares a sum over all rows.
    pub fn sum(&mut self, node: NodeId) -> SumId {
        let range = self.range(node);
        self.builder.sum(Sum { node, range })
    }
}

/// The values x of `range` with `constant + coefficient * x` in `set`; `coefficient` is not zero.
fn preimage(set: &RangeSet, constant: i64, coefficient: i64, range: Range) -> RangeSet {
    let clamp = |value: i128| {
        i64::try_from(value.clamp(i128::from(i64::MIN), i128::from(i64::MAX))).unwrap_or(i64::MAX)
    };
    let (constant, coefficient) = (i128::from(constant), i128::from(coefficient));
    RangeSet::from_ranges(set.ranges().iter().filter_map(|part| {
        let ends = [part.lo(), part.hi()].map(|end| i128::from(end) - constant);
        let [first, last] = if coefficient > 0 { ends } else { [-ends[1], -ends[0]] };
        let step = coefficient.abs();
        let (lo, hi) = (-((-first).div_euclid(step)), last.div_euclid(step));
        if lo > hi { None } else { Range::new(clamp(lo).max(range.lo()), clamp(hi).min(range.hi())) }
    }))
}

/// Copies a plan node by node through `f`, which is given the new plan, the old node and its operation
/// with the operands renamed; only what the sums need is copied.
///
/// # Errors
/// Those of `f`.
pub fn rebuild(plan: &Plan, f: impl FnMut(&mut Algebra, NodeId, Op) -> Result<NodeId>) -> Result<Plan> {
    rebuild_sums(plan, f, |_, _, node| Ok(vec![(1, node)]))
}

/// As [`rebuild`]; `split` says how a sum, now over the given node, is put together from sums over nodes.
///
/// # Errors
/// Those of `f` and `split`.
pub fn rebuild_sums(
    plan: &Plan,
    mut f: impl FnMut(&mut Algebra, NodeId, Op) -> Result<NodeId>,
    mut split: impl FnMut(&mut Algebra, &Sum, NodeId) -> Result<Vec<(i64, NodeId)>>,
) -> Result<Plan> {
    let live = live_nodes(plan);
    let mut algebra = Algebra::new(Builder::headed(plan));
    let mut renamed: Vec<Option<NodeId>> = vec![None; plan.nodes().len()];
    for (node, op) in plan.iter() {
        if !live.get(node.index()).copied().unwrap_or(false) {
            continue;
        }
        let op = rename(plan, &mut algebra, op, &renamed)?;
        let new = f(&mut algebra, node, op)?;
        if let Some(range) = plan.proved(node) {
            algebra.narrow(new, range);
        }
        if let Some(slot) = renamed.get_mut(node.index()) {
            *slot = Some(new);
        }
    }
    let mut sums = Vec::with_capacity(plan.sums.len());
    for sum in &plan.sums {
        let node = lookup(&renamed, sum.node)?;
        algebra.narrow(node, sum.range);
        let terms = split(&mut algebra, sum, node)?;
        sums.push(terms.into_iter().map(|(c, node)| (c, algebra.sum(node))).collect::<Vec<_>>());
    }
    if algebra.plan().table_inputs().next().is_none() {
        // A backend learns the number of rows from the table's inputs.
        algebra.input(present_input(), None)?;
    }
    for aggregate in &plan.aggregates {
        let terms = aggregate.terms.iter().flat_map(|&(c, sum)| {
            sums.get(sum.index()).into_iter().flatten().map(move |&(factor, sum)| (c, factor, sum))
        });
        let aggregate = combine(terms)?;
        algebra.plan_mut().aggregates.push(aggregate);
    }
    Ok(algebra.finish())
}

/// An aggregate of sums with two coefficients each; equal sums are one term.
///
/// # Errors
/// A coefficient leaves 64 bits.
pub(crate) fn combine(terms: impl Iterator<Item = (i64, i64, SumId)>) -> Result<Aggregate> {
    let mut merged: BTreeMap<SumId, i64> = BTreeMap::new();
    for (coefficient, factor, sum) in terms {
        let total = merged.entry(sum).or_default();
        *total = coefficient.checked_mul(factor).and_then(|product| total.checked_add(product)).ok_or_else(
            || Invalid {
                place: sum.to_string(),
                reason: "a coefficient of an aggregate leaves 64 bits".to_owned(),
            },
        )?;
    }
    Ok(Aggregate { terms: merged.into_iter().map(|(sum, coefficient)| (coefficient, sum)).collect() })
}

fn lookup(renamed: &[Option<NodeId>], node: NodeId) -> Result<NodeId> {
    renamed
        .get(node.index())
        .copied()
        .flatten()
        .ok_or_else(|| Invalid { place: node.to_string(), reason: "operand is not defined above".to_owned() })
}

fn rename(plan: &Plan, algebra: &mut Algebra, op: &Op, renamed: &[Option<NodeId>]) -> Result<Op> {
    let of = |node: NodeId| lookup(renamed, node);
    Ok(match op {
        Op::Input { input, level } => {
            let declared = plan
                .inputs
                .get(input.index())
                .cloned()
                .ok_or_else(|| Invalid { place: input.to_string(), reason: "no such input".to_owned() })?;
            Op::Input { input: algebra.builder.declare(declared), level: *level }
        }
        Op::Member { arg, set } => Op::Member { arg: of(*arg)?, set: set.clone() },
        Op::Less { left, right } => Op::Less { left: of(*left)?, right: of(*right)? },
        Op::Equal { left, right } => Op::Equal { left: of(*left)?, right: of(*right)? },
        Op::Linear(linear) => {
            let mut terms = Vec::with_capacity(linear.terms().len());
            for &(coefficient, node) in linear.terms() {
                terms.push((coefficient, of(node)?));
            }
            Op::Linear(Linear::new(linear.constant(), terms).unwrap_or_default())
        }
        Op::Mul { left, right } => Op::Mul { left: of(*left)?, right: of(*right)? },
        Op::Relinearize { arg } => Op::Relinearize { arg: of(*arg)? },
        Op::ModSwitch { arg } => Op::ModSwitch { arg: of(*arg)? },
        Op::Drop { arg, to } => Op::Drop { arg: of(*arg)?, to: *to },
        Op::Lookup { arg, table } => {
            let mut declare = |input: InputId| {
                let declared = plan.inputs.get(input.index()).cloned();
                algebra.builder.declare(declared.unwrap_or_else(present_input))
            };
            Op::Lookup { arg: of(*arg)?, table: table.with_inputs(&mut declare) }
        }
    })
}

/// Which nodes some sum needs.
#[must_use]
pub fn live_nodes(plan: &Plan) -> Vec<bool> {
    let mut live = vec![false; plan.nodes().len()];
    for sum in &plan.sums {
        mark(&mut live, sum.node);
    }
    for (node, op) in plan.iter().rev() {
        if live.get(node.index()).copied().unwrap_or(false) {
            for operand in op.operands() {
                mark(&mut live, operand);
            }
        }
    }
    live
}

fn mark(live: &mut [bool], node: NodeId) {
    if let Some(flag) = live.get_mut(node.index()) {
        *flag = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(lo: i64, hi: i64) -> Range {
        Range::new(lo, hi).unwrap_or(Range::BOOL)
    }

    #[test]
    fn preimage_is_exact() {
        let set = RangeSet::from_ranges([range(-7, 3), range(11, 20)]);
        for coefficient in [-5, -2, -1, 1, 3, 10] {
            for constant in [-4, 0, 9] {
                let inverse = preimage(&set, constant, coefficient, range(-30, 30));
                for x in -30..=30 {
                    assert_eq!(inverse.contains(x), set.contains(constant + coefficient * x));
                }
            }
        }
    }
}
