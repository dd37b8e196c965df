//! Multiplies shallow factors into the terms of a deep combination where that makes a product shallower:
//! `f (c + p q)` with a deep `p q` becomes `c f + (f p) q`, in which balancing meets `f` early. It costs a
//! product per further term, so the planner keeps the result only where it is cheaper.

use std::collections::HashSet;

use hq_plugin_sdk::plan::{Linear, NodeId, Op, Plan};
use hq_plugin_sdk::range::Range;

use super::balance::inner_products;
use crate::algebra::{Algebra, Result, live_nodes, rebuild};

/// Combinations of more products than this stay whole.
const MAX_PRODUCTS: usize = 3;

/// Distributes factors wherever the depth of the product falls.
///
/// # Errors
/// A value leaves 62 bits.
pub fn distribute(plan: &Plan) -> Result<Plan> {
    let chains = Chains::of(plan);
    let mut renamed = vec![None; plan.nodes().len()];
    rebuild(plan, |algebra, old, op| {
        let outer = matches!(op, Op::Mul { .. }) && !chains.inner.contains(&old);
        let distributed = if outer { chains.distributed(old) } else { None };
        let new = match distributed {
            Some(factors) => build(algebra, &chains, &renamed, &factors)?,
            None => algebra.apply(op)?,
        };
        if let Some(place) = renamed.get_mut(old.index()) {
            *place = Some(new);
        }
        Ok(new)
    })
}

/// A factor of a product, with those that are to be multiplied into its terms.
#[derive(Clone, Debug)]
struct Factor {
    node: NodeId,
    pushed: Vec<NodeId>,
}

/// The products of a plan as chains of factors.
struct Chains<'a> {
    plan: &'a Plan,
    /// Products that are part of another's chain.
    inner: HashSet<NodeId>,
    /// Nodes that one other reads.
    read_once: Vec<bool>,
    /// Depth of each node once its chain is balanced.
    depths: Vec<u32>,
}

impl<'a> Chains<'a> {
    fn of(plan: &'a Plan) -> Self {
        let live = live_nodes(plan);
        let mut readers = vec![0_u32; plan.nodes().len()];
        let reads = plan.iter().filter(|(node, _)| live.get(node.index()).copied().unwrap_or(false));
        let operands = reads.flat_map(|(_, op)| op.operands());
        for node in operands.chain(plan.sums.iter().map(|sum| sum.node)) {
            if let Some(count) = readers.get_mut(node.index()) {
                *count += 1;
            }
        }
        let read_once = readers.into_iter().map(|count| count == 1).collect();
        let mut chains = Self { plan, inner: inner_products(plan), read_once, depths: Vec::new() };
        for (node, op) in plan.iter() {
            let depth = if matches!(op, Op::Mul { .. }) {
                balanced_depth(chains.factors(node).into_iter().map(|factor| chains.depth(factor)))
            } else {
                op.operands().into_iter().map(|operand| chains.depth(operand)).max().unwrap_or(0)
            };
            chains.depths.push(depth);
        }
        chains
    }

    fn depth(&self, node: NodeId) -> u32 {
        self.depths.get(node.index()).copied().unwrap_or(0)
    }

    /// The factors of a node's chain; what is no product is its own.
    fn factors(&self, node: NodeId) -> Vec<NodeId> {
        match self.plan.op(node) {
            Some(Op::Mul { left, right }) => [*left, *right]
                .into_iter()
                .flat_map(|side| if self.inner.contains(&side) { self.factors(side) } else { vec![side] })
                .collect(),
            _ => vec![node],
        }
    }

    /// The terms of a combination that factors may be multiplied into.
    fn open(&self, node: NodeId) -> Option<&'a Linear> {
        let Some(Op::Linear(linear)) = self.plan.op(node) else { return None };
        let products = linear.terms().iter().filter(|&&(_, term)| self.depth(term) > 0).count();
        let once = self.read_once.get(node.index()).copied().unwrap_or(false);
        (once && (1..=MAX_PRODUCTS).contains(&products)).then_some(linear)
    }

    fn factor_depth(&self, factor: &Factor) -> u32 {
        let pushed = || factor.pushed.iter().map(|&pushed| self.depth(pushed));
        match self.open(factor.node) {
            Some(linear) if !factor.pushed.is_empty() => {
                let term = |&(_, term): &(i64, NodeId)| {
                    balanced_depth(
                        self.factors(term).into_iter().map(|factor| self.depth(factor)).chain(pushed()),
                    )
                };
                linear.terms().iter().map(term).max().unwrap_or(0).max(balanced_depth(pushed()))
            }
            _ => self.depth(factor.node),
        }
    }

    fn product_depth(&self, factors: &[Factor]) -> u32 {
        balanced_depth(factors.iter().map(|factor| self.factor_depth(factor)))
    }

    /// The chain of a product with factors distributed, where its depth falls.
    fn distributed(&self, product: NodeId) -> Option<Vec<Factor>> {
        let whole = |node| Factor { node, pushed: Vec::new() };
        let mut factors: Vec<Factor> = self.factors(product).into_iter().map(whole).collect();
        let mut changed = false;
        while let Some(better) = self.step(&factors) {
            factors = better;
            changed = true;
        }
        changed.then_some(factors)
    }

    /// One factor multiplied into another, if some such step lowers the depth; the lowest.
    fn step(&self, factors: &[Factor]) -> Option<Vec<Factor>> {
        let mut best = (self.product_depth(factors), None);
        for (into, target) in factors.iter().enumerate() {
            if self.open(target.node).is_none() {
                continue;
            }
            for (from, source) in factors.iter().enumerate() {
                if from == into || !source.pushed.is_empty() {
                    continue;
                }
                let mut trial = factors.to_vec();
                if let Some(target) = trial.get_mut(into) {
                    target.pushed.push(source.node);
                }
                trial.remove(from);
                let depth = self.product_depth(&trial);
                if depth < best.0 {
                    best = (depth, Some(trial));
                }
            }
        }
        best.1
    }
}

/// Depth of a product whose shallowest factors are multiplied first.
fn balanced_depth(depths: impl Iterator<Item = u32>) -> u32 {
    let mut depths: Vec<u32> = depths.collect();
    loop {
        depths.sort_unstable_by_key(|&depth| std::cmp::Reverse(depth));
        match (depths.pop(), depths.pop()) {
            (Some(_), Some(deeper)) => depths.push(deeper.saturating_add(1)),
            (Some(last), None) => return last,
            (None, _) => return 0,
        }
    }
}

/// The product of factors, in the new plan.
fn build(
    algebra: &mut Algebra,
    chains: &Chains<'_>,
    renamed: &[Option<NodeId>],
    factors: &[Factor],
) -> Result<NodeId> {
    let new = |old: NodeId| renamed.get(old.index()).copied().flatten();
    let mut product = algebra.constant(1)?;
    for factor in factors {
        let Some(whole) = new(factor.node) else { continue };
        let value = match chains.open(factor.node) {
            Some(linear) if !factor.pushed.is_empty() => {
                let pushed: Vec<NodeId> = factor.pushed.iter().filter_map(|&node| new(node)).collect();
                let terms: Vec<(i64, NodeId)> =
                    linear.terms().iter().filter_map(|&(c, term)| Some((c, new(term)?))).collect();
                multiply_in(algebra, whole, linear.constant(), &terms, &pushed)?
            }
            _ => whole,
        };
        product = algebra.mul(product, value)?;
    }
    Ok(product)
}

/// The product of `whole`, which is `constant + sum of terms`, with the pushed factors, term by term.
fn multiply_in(
    algebra: &mut Algebra,
    whole: NodeId,
    constant: i64,
    terms: &[(i64, NodeId)],
    pushed: &[NodeId],
) -> Result<NodeId> {
    let mut factor = algebra.constant(1)?;
    let mut range = Some(algebra.range(whole));
    for &node in pushed {
        factor = algebra.mul(factor, node)?;
        let with: Range = algebra.range(node);
        range = range.and_then(|range| range.mul(with));
    }
    let mut products = vec![(constant, factor)];
    for &(coefficient, term) in terms {
        products.push((coefficient, algebra.mul(factor, term)?));
    }
    let value = algebra.linear(0, products)?;
    // What is known of the factors does not show in the terms.
    if let Some(range) = range {
        algebra.narrow(value, range);
    }
    Ok(value)
}
