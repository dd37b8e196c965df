//! What queries do with each column, as their circuits show it, and what a comparison of a column takes.

use std::collections::{BTreeMap, BTreeSet};

use hq_dsl::Query;
use hq_plugin_sdk::plan::{Builder, Input, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};

use crate::algebra::Algebra;
use crate::encoding::Encoding;
use crate::lower::{PRESENT, lower};
use crate::passes::{Depths, Encodings, Values, encode};

/// What queries do with a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Where comparisons with constants cut its values: each the first value above.
    pub cuts: BTreeSet<i64>,
    /// Whether its value is summed, multiplied or compared with another.
    pub value: bool,
    /// Whether its value is compared with another.
    pub compared: bool,
    /// Whether it is multiplied with itself.
    pub square: bool,
}

/// What queries do with the columns of the table that they read, by name. A query that does not lower has none.
pub fn uses<'a>(queries: impl IntoIterator<Item = &'a Query>) -> BTreeMap<String, Uses> {
    let mut uses = BTreeMap::new();
    for plan in queries.into_iter().filter_map(|query| lower(query).ok()) {
        add(&plan, &mut uses);
    }
    uses
}

fn add(plan: &Plan, uses: &mut BTreeMap<String, Uses>) {
    let column = |node: NodeId| match plan.op(node) {
        Some(Op::Input { input, .. }) => plan
            .inputs
            .get(input.index())
            .filter(|input| input.origin == Origin::Table && !input.name.contains('.'))
            .map(|input| (input.name.clone(), input.range)),
        _ => None,
    };
    for input in plan.table_inputs().filter(|input| input.name != PRESENT) {
        let name = input.name.split('.').next().unwrap_or_default();
        uses.entry(name.to_owned()).or_default();
    }
    let mut value = |node: NodeId, square: bool| {
        if let Some((name, _)) = column(node) {
            let own = uses.entry(name).or_default();
            own.value = true;
            own.square |= square;
        }
    };
    for sum in &plan.sums {
        value(sum.node, false);
    }
    let mut compared = Vec::new();
    for (_, op) in plan.iter() {
        match op {
            Op::Member { .. } => {}
            Op::Less { left, right } | Op::Equal { left, right } => compared.extend([*left, *right]),
            Op::Mul { left, right } => {
                value(*left, left == right);
                value(*right, left == right);
            }
            other @ (Op::Input { .. }
            | Op::Linear(_)
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. }) => other.operands().into_iter().for_each(|operand| value(operand, false)),
        }
    }
    for &node in &compared {
        value(node, false);
    }
    for (name, _) in compared.into_iter().filter_map(column) {
        uses.entry(name).or_default().compared = true;
    }
    for (_, op) in plan.iter() {
        let Op::Member { arg, set } = op else { continue };
        if let Some((name, range)) = column(*arg) {
            let own = uses.entry(name).or_default();
            let edges = set.ranges().iter().flat_map(|part| [part.lo(), part.hi().saturating_add(1)]);
            own.cuts.extend(edges.filter(|cut| *cut > range.lo() && *cut <= range.hi()));
        }
    }
}

/// What `column >= c` takes, where c is in the middle of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Products.
    pub products: usize,
    /// Products in sequence.
    pub depth: u32,
}

/// Of a column in an encoding; `None` where its forms do not decide it.
#[must_use]
pub fn comparison(column: &str, encoding: &Encoding) -> Option<Comparison> {
    let range = Range::new(encoding.lo, encoding.hi)?;
    // As in a typical query: odd, so that it decides on every digit.
    let step = i64::try_from(encoding.size() / 2 + encoding.size() / 7).ok()? | 1;
    let above = Range::new(encoding.lo.checked_add(step)?.min(encoding.hi), encoding.hi)?;
    let mut algebra = Algebra::new(Builder::new(1));
    let input = Input { name: column.to_owned(), range, family: None, origin: Origin::Table };
    let value = algebra.input(input, None).ok()?;
    let reached = algebra.member(value, &RangeSet::from_ranges([above])).ok()?;
    algebra.sum(reached);
    let encodings = Encodings::from([(column.to_owned(), encoding.clone())]);
    let plan = encode(&algebra.finish(), &encodings, Values::Whole).ok()?;
    let products = plan.iter().filter(|(_, op)| matches!(op, Op::Mul { .. })).count();
    let depth = plan.sums.first().map_or(0, |sum| Depths::default().of(&plan, sum.node));
    Some(Comparison { products, depth })
}
