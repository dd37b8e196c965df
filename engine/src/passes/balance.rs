//! Rebalances chains of products: factors of least depth are multiplied first, so that a conjunction of n
//! conditions has depth log2 n above its deepest part. Products used in several places stay as they are.

use std::collections::{HashMap, HashSet};

use hq_plugin_sdk::plan::{NodeId, Op, Plan};

use crate::algebra::{Algebra, Result, live_nodes, rebuild};

/// Rebuilds every chain of products whose inner nodes are used once, by a product.
///
/// # Errors
/// A value leaves 62 bits.
pub fn balance(plan: &Plan) -> Result<Plan> {
    let inner = inner_products(plan);
    // What each old node became, and the factors of those that are inside a chain.
    let mut renamed: HashMap<NodeId, NodeId> = HashMap::new();
    let mut factors: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    let mut depths = Depths::default();
    rebuild(plan, |algebra, old, op| {
        let new = if let Some(Op::Mul { left, right }) = plan.op(old) {
            let mut chain = Vec::new();
            for operand in [left, right] {
                match factors.get(operand) {
                    Some(inside) => chain.extend_from_slice(inside),
                    None => chain.extend(renamed.get(operand)),
                }
            }
            if inner.contains(&old) {
                // The outermost product multiplies these; nothing reads what stands here.
                factors.insert(old, chain);
                algebra.constant(0)?
            } else {
                multiply(algebra, &mut depths, chain)?
            }
        } else {
            algebra.apply(op)?
        };
        renamed.insert(old, new);
        Ok(new)
    })
}

/// Products that only one other product reads.
pub(super) fn inner_products(plan: &Plan) -> HashSet<NodeId> {
    let live = live_nodes(plan);
    let mut readers: HashMap<NodeId, (usize, bool)> = HashMap::new();
    for (_, op) in plan.iter().filter(|(node, _)| live.get(node.index()).copied().unwrap_or(false)) {
        let is_product = matches!(op, Op::Mul { .. });
        for operand in op.operands() {
            let (count, by_product) = readers.entry(operand).or_insert((0, is_product));
            *count += 1;
            *by_product &= is_product;
        }
    }
    let summed: HashSet<NodeId> = plan.sums.iter().map(|sum| sum.node).collect();
    readers
        .into_iter()
        .filter(|(node, reads)| {
            *reads == (1, true) && !summed.contains(node) && matches!(plan.op(*node), Some(Op::Mul { .. }))
        })
        .map(|(node, _)| node)
        .collect()
}

/// Multiplies the two factors of least depth until one is left.
fn multiply(algebra: &mut Algebra, depths: &mut Depths, mut factors: Vec<NodeId>) -> Result<NodeId> {
    loop {
        factors.sort_by_key(|&node| std::cmp::Reverse((depths.of(algebra.plan(), node), node)));
        match (factors.pop(), factors.pop()) {
            (Some(left), Some(right)) => factors.push(algebra.mul(left, right)?),
            (Some(last), None) => return Ok(last),
            (None, _) => return algebra.constant(1),
        }
    }
}

/// Products in sequence up to each node, computed as far as it was asked for.
#[derive(Debug, Default)]
pub struct Depths {
    depths: Vec<u32>,
}

impl Depths {
    /// The depth of a node of `plan`; the plan may have grown since the last call, but not changed.
    pub fn of(&mut self, plan: &Plan, node: NodeId) -> u32 {
        for op in plan.nodes().iter().take(node.index() + 1).skip(self.depths.len()) {
            let deepest = op.operands().into_iter().map(|operand| self.at(operand)).max().unwrap_or(0);
            self.depths.push(deepest + u32::from(matches!(op, Op::Mul { .. })));
        }
        self.at(node)
    }

    fn at(&self, node: NodeId) -> u32 {
        self.depths.get(node.index()).copied().unwrap_or(0)
    }
}
