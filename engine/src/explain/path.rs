//! The way that decides how deep a plan is: from the deepest sum back to an input.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hq_plugin_sdk::plan::{NodeId, Op, Plan, SumId};

use super::origin::{Origins, Place};
use super::{Asked, Request, Subject, section};
use crate::joint::asked_by;
use crate::passes::Depths;

/// Most columns of a product that are named.
const MOST_COLUMNS: usize = 4;

/// Nodes of a path, an input first and the node that is summed last, and the sum.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// The sum.
    pub sum: SumId,
}

/// The critical path: of the sums with most products in sequence the one with most noise, and back from it always the
/// deepest operand, of equally deep ones that with most noise. `bits` is the noise of each node. `None` without
/// sums.
#[must_use]
pub fn critical(plan: &Plan, bits: &[f64]) -> Option<Path> {
    let mut depths = Depths::default();
    let mut rank = |node: NodeId| {
        let noise = bits.get(node.index()).copied().unwrap_or(0.0);
        (depths.of(plan, node), noise, std::cmp::Reverse(node))
    };
    let mut deepest = |nodes: Vec<NodeId>| {
        let ranked = nodes.into_iter().map(&mut rank);
        ranked
            .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)))
            .map(|(.., node)| node.0)
    };
    let last = deepest(plan.sums.iter().map(|sum| sum.node).collect())?;
    let sum = SumId::from_index(plan.sums.iter().position(|sum| sum.node == last)?)?;
    let mut nodes = vec![last];
    while let Some(node) = nodes.last().and_then(|&node| deepest(plan.op(node)?.operands())) {
        nodes.push(node);
    }
    nodes.reverse();
    Some(Path { nodes, sum })
}

/// The path as a table: each product with the place of the program it comes from.
pub(super) fn describe(out: &mut String, request: &Request<'_>, subject: &Subject<'_>) {
    let plan = subject.plan;
    let Some(path) = critical(plan, &subject.certificate.node_bits) else { return };
    let shares = request.shares();
    let query = asked_by(plan, &shares, path.sum).unwrap_or(0);
    let (Some(Asked { query, sources }), Some(share)) = (request.asked.get(query), shares.get(query)) else {
        return;
    };
    let origins = Origins::of(query, plan, share.clone());
    let products = path.nodes.iter().filter(|&&node| matches!(plan.op(node), Some(Op::Mul { .. }))).count();
    section(out, &format!("Critical path: {products} products in sequence, up to sum {}", path.sum));
    let _ = writeln!(
        out,
        "{:>6} {:>5} {:>7} {:>7} {:>7}  columns, place",
        "", "level", "deviat.", "bound", "log2 Q"
    );
    for &node in &path.nodes {
        let at = |bits: &[f64]| bits.get(node.index()).copied().unwrap_or(f64::NAN);
        let level = subject.level(node);
        let words = match plan.op(node) {
            Some(op @ Op::Input { .. }) => plan.show(op),
            Some(Op::Mul { .. }) => {
                let columns: BTreeSet<&str> = origins.columns(node).collect();
                let more = columns.len().saturating_sub(MOST_COLUMNS);
                let mut columns = columns.into_iter().take(MOST_COLUMNS).collect::<Vec<_>>().join(", ");
                if more > 0 {
                    let _ = write!(columns, " and {more} more");
                }
                let place = origins
                    .place(path.sum, node)
                    .map_or_else(String::new, |span| format!("  {}", Place { sources, span }));
                format!("product of {columns}{place}")
            }
            Some(
                Op::Linear(_)
                | Op::Relinearize { .. }
                | Op::ModSwitch { .. }
                | Op::Drop { .. }
                | Op::Member { .. }
                | Op::Less { .. }
                | Op::Equal { .. }
                | Op::Lookup { .. },
            )
            | None => continue,
        };
        let _ = writeln!(
            out,
            "{:>6} {:>5} {:>7.1} {:>7.1} {:>7.1}  {words}",
            node.to_string(),
            format!("@{level}"),
            at(&subject.predicted.node_bits),
            at(&subject.certificate.node_bits),
            subject.rns.log2_q(level),
        );
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "the plan is written here")]

    use super::*;

    #[test]
    fn the_deepest_and_noisiest_way_is_taken() {
        let plan = Plan::parse(
            "hq-plan 1\nrows 9\ninput a 0..1\ninput b 0..1\n%0 = input a\n%1 = input b\n%2 = linear 1 -1*%1\n\
             %3 = mul %0 %2\n%4 = linear 0 1*%3 1*%1\n%5 = mul %1 %4\nsum %3 0..1\nsum %5 0..1\n",
        )
        .unwrap();
        let nodes = |bits: &[f64]| {
            let path = critical(&plan, bits).unwrap();
            (path.nodes.iter().map(|node| node.index()).collect::<Vec<_>>(), path.sum.index())
        };
        assert_eq!(nodes(&[1.0, 2.0, 2.0, 3.0, 3.0, 5.0]), (vec![1, 2, 3, 4, 5], 1));
        assert_eq!(nodes(&[2.0, 1.0, 1.0, 3.0, 3.0, 5.0]), (vec![0, 3, 4, 5], 1));
        assert_eq!(critical(&Plan::default(), &[]), None);
    }
}
