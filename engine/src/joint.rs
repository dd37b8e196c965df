//! Several queries in one plan: which may be together, where the numbers of each stand, and what they share.

use std::ops::Range;

use hq_dsl::Query;
use hq_plugin_sdk::capabilities::OpKind;
use hq_plugin_sdk::plan::{NodeId, Plan, SumId};

use crate::lower::groups;
use crate::sizes::aggregates_per_group;

/// Whether two queries may be in one plan: they read one dataset, and what both call by the same secret parameter is one.
#[must_use]
pub fn may_join(one: &Query, other: &Query) -> bool {
    let same_secrets = one.secrets.iter().all(|secret| {
        let mut named = other.secrets.iter().filter(|named| named.name == secret.name);
        named.all(|named| named.domain == secret.domain)
    });
    same_secrets && one.dataset.to_string() == other.dataset.to_string()
}

/// The aggregates of each query in the plan of all: one query after the other, as `lower` puts them.
#[must_use]
pub fn shares(queries: &[&Query]) -> Vec<Range<usize>> {
    let mut next = 0;
    let share = |query: &&Query| {
        let first = next;
        next += groups(query).len() * aggregates_per_group(query);
        first..next
    };
    queries.iter().map(share).collect()
}

/// What a query needs of the plan of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Ciphertext products.
    pub products: usize,
    /// Sums.
    pub sums: usize,
}

/// What each query needs of a plan, and what there is of it. Where the first add up to more, that is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Of each query.
    pub each: Vec<Needs>,
    /// Of the plan.
    pub all: Needs,
    /// What more than one query needs.
    pub shared: Needs,
}

impl Sharing {
    /// Of a plan, with the aggregates of each query.
    #[must_use]
    pub fn of(plan: &Plan, shares: &[Range<usize>]) -> Self {
        let mut users = Users { sums: vec![0; plan.sums.len()], nodes: vec![0; plan.nodes().len()] };
        let each = shares.iter().map(|share| users.add(plan, share.clone())).collect();
        let is_product = |index: usize| plan.nodes().get(index).is_some_and(|op| op.kind() == OpKind::Mul);
        let count = |least: u32| Needs {
            products: (0..)
                .zip(&users.nodes)
                .filter(|&(index, &users)| users >= least && is_product(index))
                .count(),
            sums: users.sums.iter().filter(|&&users| users >= least).count(),
        };
        Self { each, all: count(1), shared: count(2) }
    }
}

/// How many queries need each sum and each node.
struct Users {
    sums: Vec<u32>,
    nodes: Vec<u32>,
}

impl Users {
    /// Counts a query in.
    fn add(&mut self, plan: &Plan, share: Range<usize>) -> Needs {
        let mut sums = vec![false; plan.sums.len()];
        let aggregates = plan.aggregates.get(share).unwrap_or_default();
        for (_, sum) in aggregates.iter().flat_map(|aggregate| &aggregate.terms) {
            mark(&mut sums, sum.index());
        }
        let mut nodes = vec![false; plan.nodes().len()];
        for sum in own(&sums).filter_map(|index| plan.sums.get(index)) {
            mark(&mut nodes, sum.node.index());
        }
        // Operands come before their users.
        for index in (0..nodes.len()).rev() {
            if nodes.get(index) == Some(&true)
                && let Some(op) = NodeId::from_index(index).and_then(|node| plan.op(node))
            {
                op.operands().iter().for_each(|node| mark(&mut nodes, node.index()));
            }
        }
        for (users, own) in [(&mut self.sums, &sums), (&mut self.nodes, &nodes)] {
            users.iter_mut().zip(own).for_each(|(users, own)| *users += u32::from(*own));
        }
        let products = plan.nodes().iter().zip(&nodes).filter(|(op, own)| **own && op.kind() == OpKind::Mul);
        Needs { products: products.count(), sums: own(&sums).count() }
    }
}

fn mark(marks: &mut [bool], index: usize) {
    if let Some(place) = marks.get_mut(index) {
        *place = true;
    }
}

/// What is marked.
fn own(marks: &[bool]) -> impl Iterator<Item = usize> {
    (0..).zip(marks).filter(|(_, marked)| **marked).map(|(index, _)| index)
}

/// The query that a sum of the plan of all is released for, the first of them.
#[must_use]
pub fn asked_by(plan: &Plan, shares: &[Range<usize>], sum: SumId) -> Option<usize> {
    let of_sum =
        |aggregate: &hq_plugin_sdk::plan::Aggregate| aggregate.terms.iter().any(|&(_, id)| id == sum);
    let index = plan.aggregates.iter().position(of_sum)?;
    shares.iter().position(|share| share.contains(&index))
}
