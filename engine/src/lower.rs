//! From a checked query to a circuit: one sum per group and aggregate over masked values.
//!
//! A mask is `where` x group x condition. The parts are multiplied in this order, so that groups share the
//! `where`, and the aggregates of a group share both. Missing cells and absent rows read as zero in every
//! part a dataset holds ("absence is zero"); here a column of unknown presence is guarded by its `known`.

mod distribution;

use std::collections::HashMap;

use hq_dsl::{AggregateKind, ColumnId, Query, RowId, RowOp};
use hq_plugin_sdk::plan::{Aggregate, Builder, Input, NodeId, Op, Origin, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};

use crate::algebra::{Algebra, Result};
use crate::sizes::sizes;

/// Name of the input that is 1 for every row of the table and 0 for padding.
pub const PRESENT: &str = "rows.present";

/// Name of the input that is 1 where a cell is not missing.
#[must_use]
pub fn known_input(column: &str) -> String {
    format!("{column}.known")
}

/// The circuit of a query, as [`lower_all`] makes it.
///
/// # Errors
/// A value leaves 62 bits.
pub fn lower(query: &Query) -> Result<Plan> {
    lower_all(&[query], Scores::AsMasks)
}

/// How small sums of a row's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// Through disjoint masks, one for each value: products of conditions, and no comparison.
    AsMasks,
    /// As numbers, for backends that look them up in a table.
    AsNumbers,
}

/// The common circuit of queries over one dataset: what is equal in two of them is there once. Aggregates come query by
/// query, then group by group (the first key varies slowest), and within a group in the query's order, followed by
/// the counts of rows that the release rules need ([`sizes`]).
///
/// # Errors
/// A value leaves 62 bits.
pub fn lower_all(queries: &[&Query], scores: Scores) -> Result<Plan> {
    let rows = queries.iter().map(|query| query.dataset.rows).max().unwrap_or(0);
    let mut algebra = Algebra::new(Builder::new(rows));
    for query in queries {
        algebra = Lowering::new(query, scores, algebra).query()?;
    }
    if algebra.plan().inputs.is_empty() {
        // A backend learns the number of rows from its inputs.
        algebra.input(present_input(), None)?;
    }
    Ok(algebra.finish())
}

/// The codes of every group, the first key varying slowest.
#[must_use]
pub fn groups(query: &Query) -> Vec<Vec<i64>> {
    let mut groups = vec![Vec::new()];
    for key in &query.by {
        let codes: Vec<i64> = key.labels.codes().collect();
        groups = groups
            .iter()
            .flat_map(|group: &Vec<i64>| {
                codes.iter().map(move |&code| {
                    let mut longer = group.clone();
                    longer.push(code);
                    longer
                })
            })
            .collect();
    }
    groups
}

/// The declaration of [`PRESENT`].
#[must_use]
pub fn present_input() -> Input {
    Input { name: PRESENT.to_owned(), range: Range::BOOL, family: None, origin: Origin::Table }
}

struct Lowering<'a> {
    query: &'a Query,
    scores: Scores,
    algebra: Algebra,
    values: HashMap<RowId, NodeId>,
    members: HashMap<(RowId, RangeSet), NodeId>,
    distributions: HashMap<RowId, Option<distribution::Distribution>>,
    supports: Vec<Support>,
}

/// Which column a node depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    None,
    One(ColumnId),
    Many,
}

impl Support {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) => other,
            (one, Self::None) => one,
            (a, b) if a == b => a,
            _ => Self::Many,
        }
    }
}

impl<'a> Lowering<'a> {
    /// Of a query, to be added to a circuit.
    fn new(query: &'a Query, scores: Scores, algebra: Algebra) -> Self {
        Self {
            query,
            scores,
            algebra,
            values: HashMap::new(),
            members: HashMap::new(),
            distributions: HashMap::new(),
            supports: Vec::new(),
        }
    }

    /// Adds the query's sums.
    fn query(mut self) -> Result<Algebra> {
        let query = self.query;
        let sizes = sizes(query);
        let filter = self.condition(query.filter)?;
        for group in groups(query) {
            let mut mask = vec![filter];
            for (key, code) in query.by.iter().zip(&group) {
                // The checker has reduced most keys to conditions on columns.
                let condition = key.labels.codes().position(|own| own == *code);
                match condition.and_then(|index| key.conditions.get(index)) {
                    Some(&condition) => mask.push(self.condition(condition)?),
                    None => {
                        let set = RangeSet::from_ranges([Range::single(*code)]);
                        mask.push(self.member(key.value, &set)?);
                    }
                }
            }
            let mask = self.conjunction(mask)?;
            for aggregate in &query.aggregates {
                let term = match aggregate.kind {
                    AggregateKind::Count => {
                        let condition = self.condition(aggregate.value)?;
                        self.conjunction(vec![mask, condition])?
                    }
                    AggregateKind::Sum => {
                        let value = self.value(aggregate.value)?;
                        self.algebra.mul(mask, value)?
                    }
                };
                self.release(term);
            }
            for size in &sizes {
                let mut factors = vec![mask];
                for &condition in size {
                    factors.push(self.condition(condition)?);
                }
                let term = self.conjunction(factors)?;
                self.release(term);
            }
        }
        Ok(self.algebra)
    }
}

impl Lowering<'_> {
    /// The sum of a node over all rows becomes the next aggregate.
    fn release(&mut self, term: NodeId) {
        let sum = self.algebra.sum(term);
        self.algebra.plan_mut().aggregates.push(Aggregate { terms: vec![(1, sum)] });
    }

    /// The value of a row expression.
    fn value(&mut self, row: RowId) -> Result<NodeId> {
        if let Some(&node) = self.values.get(&row) {
            return Ok(node);
        }
        let node = match self.query.rows.get(row).op.clone() {
            RowOp::Column(column) => self.column(column)?,
            RowOp::Known(column) => self.known(column)?,
            RowOp::Const(value) => self.algebra.constant(value)?,
            RowOp::Add(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.algebra.linear(0, [(1, a), (1, b)])?
            }
            RowOp::Sub(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.algebra.linear(0, [(1, a), (-1, b)])?
            }
            RowOp::Mul(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                self.algebra.mul(a, b)?
            }
            RowOp::Member { arg, set } => self.member(arg, &set_of(&set))?,
            RowOp::Less { left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.algebra.apply(Op::Less { left, right })?
            }
            RowOp::Equal { left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.algebra.apply(Op::Equal { left, right })?
            }
            RowOp::Not(arg) => {
                let arg = self.condition(arg)?;
                self.algebra.not(arg)?
            }
            RowOp::And(..) => {
                let mut factors = Vec::new();
                self.conjuncts(row, &mut factors);
                let factors = factors.into_iter().map(|f| self.condition(f)).collect::<Result<_>>()?;
                self.conjunction(factors)?
            }
            RowOp::Or(a, b) => {
                let (a, b) = (self.condition(a)?, self.condition(b)?);
                self.algebra.or(a, b)?
            }
            RowOp::Case { arms, otherwise } => self.case(&arms, otherwise)?,
        };
        let (lo, hi) = self.query.rows.get(row).range;
        if let Some(range) = Range::new(lo, hi) {
            self.algebra.narrow(node, range);
        }
        self.values.insert(row, node);
        Ok(node)
    }

    fn condition(&mut self, row: RowId) -> Result<NodeId> {
        self.value(row)
    }

    fn column(&mut self, column: ColumnId) -> Result<NodeId> {
        let Some(declared) = self.query.column(column) else {
            return self.algebra.constant(0);
        };
        let (lo, hi) = declared.domain.range();
        let range = Range::new(lo, hi).unwrap_or(Range::BOOL);
        let name = declared.name.clone();
        let secret = column.index() >= self.query.dataset.columns.len();
        let origin = if secret { Origin::Parameter } else { Origin::Table };
        self.algebra.input(Input { name, range, family: None, origin }, None)
    }

    fn known(&mut self, column: ColumnId) -> Result<NodeId> {
        match self.query.column(column) {
            Some(declared) if declared.optional => {
                let name = known_input(&declared.name);
                self.algebra
                    .input(Input { name, range: Range::BOOL, family: None, origin: Origin::Table }, None)
            }
            _ => self.algebra.constant(1),
        }
    }

    /// Disjoint arms: `otherwise + sum of (condition and none before) * (value - otherwise)`. Booleans go
    /// through the masks as well.
    fn case(&mut self, arms: &[(RowId, RowId)], otherwise: RowId) -> Result<NodeId> {
        let otherwise_node = self.value(otherwise)?;
        let masks = self.arm_masks(arms)?;
        let mut terms = vec![(1, otherwise_node)];
        for (mask, &(_, value)) in masks.into_iter().zip(arms) {
            let value = self.value(value)?;
            let difference = self.algebra.linear(0, [(1, value), (-1, otherwise_node)])?;
            terms.push((1, self.algebra.mul(mask, difference)?));
        }
        self.algebra.linear(0, terms)
    }

    /// For each arm, whether it is the first whose condition holds.
    fn arm_masks(&mut self, arms: &[(RowId, RowId)]) -> Result<Vec<NodeId>> {
        let mut none_before = self.algebra.constant(1)?;
        let mut masks = Vec::with_capacity(arms.len());
        for &(condition, _) in arms {
            let condition = self.condition(condition)?;
            masks.push(self.conjunction(vec![none_before, condition])?);
            let negated = self.algebra.not(condition)?;
            none_before = self.conjunction(vec![none_before, negated])?;
        }
        Ok(masks)
    }

    /// Membership pushed towards columns: through arms of a `case`, and through small sums of flags.
    fn member(&mut self, row: RowId, set: &RangeSet) -> Result<NodeId> {
        let key = (row, set.clone());
        if let Some(&node) = self.members.get(&key) {
            return Ok(node);
        }
        let node = match self.query.rows.get(row).op.clone() {
            RowOp::Case { arms, otherwise } => {
                let masks = self.arm_masks(&arms)?;
                let mut terms = Vec::with_capacity(arms.len() + 1);
                let mut remaining = vec![];
                for (mask, &(condition, value)) in masks.into_iter().zip(&arms) {
                    let inside = self.member(value, set)?;
                    terms.push((1, self.conjunction(vec![mask, inside])?));
                    let condition = self.condition(condition)?;
                    remaining.push(self.algebra.not(condition)?);
                }
                remaining.push(self.member(otherwise, set)?);
                terms.push((1, self.conjunction(remaining)?));
                let node = self.algebra.linear(0, terms)?;
                self.algebra.narrow(node, Range::BOOL);
                node
            }
            RowOp::Add(..) | RowOp::Sub(..) | RowOp::Mul(..) if self.scores == Scores::AsNumbers => {
                self.member_of_value(row, set)?
            }
            RowOp::Add(..) | RowOp::Sub(..) | RowOp::Mul(..) => match self.distribution(row)? {
                Some(distribution) => {
                    let masks = distribution.masks_in(set).map(|mask| (1, mask)).collect::<Vec<_>>();
                    let node = self.algebra.linear(0, masks)?;
                    self.algebra.narrow(node, Range::BOOL);
                    node
                }
                None => self.member_of_value(row, set)?,
            },
            RowOp::Column(_)
            | RowOp::Known(_)
            | RowOp::Const(_)
            | RowOp::Member { .. }
            | RowOp::Less { .. }
            | RowOp::Equal { .. }
            | RowOp::Not(_)
            | RowOp::And(..)
            | RowOp::Or(..) => self.member_of_value(row, set)?,
        };
        self.members.insert(key, node);
        Ok(node)
    }

    fn member_of_value(&mut self, row: RowId, set: &RangeSet) -> Result<NodeId> {
        let value = self.value(row)?;
        self.algebra.member(value, set)
    }

    fn conjuncts(&self, row: RowId, factors: &mut Vec<RowId>) {
        let mut pending = vec![row];
        while let Some(row) = pending.pop() {
            if let RowOp::And(a, b) = self.query.rows.get(row).op {
                pending.extend([b, a]);
            } else {
                factors.push(row);
            }
        }
    }

    /// The product of booleans: factors of one column first, so that comparisons merge and a `known` meets
    /// what it guards.
    fn conjunction(&mut self, factors: Vec<NodeId>) -> Result<NodeId> {
        let mut distinct: Vec<NodeId> = Vec::with_capacity(factors.len());
        for factor in factors {
            if !distinct.contains(&factor) {
                distinct.push(factor);
            }
        }
        let mut by_column: Vec<(Support, NodeId)> = Vec::with_capacity(distinct.len());
        for factor in distinct {
            let support = self.support(factor);
            let same = by_column.iter_mut().find(|(other, _)| *other == support);
            match (support, same) {
                (Support::One(_), Some((_, product))) => *product = self.algebra.mul(*product, factor)?,
                (Support::None | Support::Many, _) | (Support::One(_), None) => {
                    by_column.push((support, factor));
                }
            }
        }
        let mut product = self.algebra.constant(1)?;
        for (_, factor) in by_column {
            product = self.algebra.mul(product, factor)?;
        }
        Ok(product)
    }

    fn support(&mut self, node: NodeId) -> Support {
        for index in self.supports.len()..=node.index() {
            let support = NodeId::from_index(index).map_or(Support::Many, |id| self.own_support(id));
            self.supports.push(support);
        }
        self.supports.get(node.index()).copied().unwrap_or(Support::Many)
    }

    fn own_support(&self, node: NodeId) -> Support {
        match self.algebra.plan().op(node) {
            None => Support::Many,
            Some(Op::Input { input, .. }) => self.input_support(input.index()),
            Some(op) => op.operands().into_iter().fold(Support::None, |joined, operand| {
                joined.join(self.supports.get(operand.index()).copied().unwrap_or(Support::Many))
            }),
        }
    }

    fn input_support(&self, input: usize) -> Support {
        let Some(input) = self.algebra.plan().inputs.get(input) else { return Support::Many };
        let name = input.name.strip_suffix(".known").unwrap_or(&input.name);
        let column = self.query.dataset.columns.iter().position(|column| column.name == name);
        column.map_or(Support::Many, |index| Support::One(ColumnId::from_index(index)))
    }
}

fn set_of(intervals: &[(i64, i64)]) -> RangeSet {
    RangeSet::from_ranges(intervals.iter().filter_map(|&(lo, hi)| Range::new(lo, hi)))
}
