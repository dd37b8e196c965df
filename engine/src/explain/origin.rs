//! Where in the program a value of a plan comes from.
//!
//! Passes rewrite comparisons into products of parts and share them, so nodes of a plan are nobody's expression in
//! particular. But they keep what a node reads: a product comes from the innermost place of its sum that reads all of
//! its columns. That is a function of query and plan, and no pass needs to know of it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use hq_dsl::{ColumnId, Query, RowId, Sources, Span};
use hq_plugin_sdk::plan::{NodeId, Op, Plan, SumId};

use crate::lower::{PRESENT, groups};
use crate::sizes::aggregates_per_group;

/// Longest text of a place that is shown, in characters.
const LONGEST: usize = 60;

/// Columns that something reads.
type Columns = BTreeSet<ColumnId>;

/// Columns of a plan's nodes and of a query's expressions.
#[derive(Clone, Debug)]
pub struct Origins<'a> {
    query: &'a Query,
    plan: &'a Plan,
    share: Range<usize>,
    nodes: Vec<Columns>,
    rows: Vec<Columns>,
}

impl<'a> Origins<'a> {
    /// Of a query and a plan in which it has these aggregates.
    #[must_use]
    pub fn of(query: &'a Query, plan: &'a Plan, share: Range<usize>) -> Self {
        let mut nodes: Vec<Columns> = Vec::with_capacity(plan.nodes().len());
        for op in plan.nodes() {
            let own = if let Op::Input { input, .. } = op {
                let name = plan.inputs.get(input.index()).map_or("", |input| input.name.as_str());
                column(query, name).into_iter().collect()
            } else {
                let operands = op.operands();
                operands.iter().filter_map(|node| nodes.get(node.index())).flatten().copied().collect()
            };
            nodes.push(own);
        }
        let mut rows: Vec<Columns> = Vec::with_capacity(query.rows.len());
        for (_, row) in query.rows.iter() {
            let mut own: Columns =
                row.op.operands().iter().filter_map(|row| rows.get(row.index())).flatten().copied().collect();
            if let hq_dsl::RowOp::Column(column) | hq_dsl::RowOp::Known(column) = row.op {
                own.insert(column);
            }
            rows.push(own);
        }
        Self { query, plan, share, nodes, rows }
    }

    /// Names of the columns that a node reads.
    pub fn columns(&self, node: NodeId) -> impl Iterator<Item = &'a str> {
        let columns = self.nodes.get(node.index()).into_iter().flatten();
        columns.filter_map(|&id| self.query.column(id)).map(|column| column.name.as_str())
    }

    /// The innermost place of a sum that reads all columns of a node: an expression, else the aggregate.
    #[must_use]
    pub fn place(&self, sum: SumId, node: NodeId) -> Option<Span> {
        let wanted = self.nodes.get(node.index())?;
        let index = self
            .plan
            .aggregates
            .get(self.share.clone())?
            .iter()
            .position(|aggregate| aggregate.terms.iter().any(|&(_, other)| other == sum))?;
        let (roots, whole) = self.roots(index);
        let mut reached: BTreeSet<RowId> = BTreeSet::new();
        let mut open = roots;
        while let Some(row) = open.pop() {
            if reached.insert(row) {
                open.extend(self.query.rows.get(row).op.operands());
            }
        }
        let holds =
            |row: &RowId| self.rows.get(row.index()).is_some_and(|columns| columns.is_superset(wanted));
        // Of expressions with the fewest columns the outermost: two comparisons of a column become one.
        let size = |row: &RowId| self.rows.get(row.index()).map_or(usize::MAX, BTreeSet::len);
        let found = reached.into_iter().filter(holds).min_by_key(|row| (size(row), std::cmp::Reverse(*row)));
        Some(found.map_or(whole, |row| self.query.rows.get(row).span))
    }

    /// The expressions of an aggregate of the plan, and where it was written.
    fn roots(&self, index: usize) -> (Vec<RowId>, Span) {
        let query = self.query;
        let per_group = aggregates_per_group(query).max(1);
        let mut roots = vec![query.filter];
        if let Some(codes) = groups(query).get(index / per_group) {
            for (key, code) in query.by.iter().zip(codes) {
                let condition = key.labels.codes().position(|own| own == *code);
                roots.push(condition.and_then(|at| key.conditions.get(at)).copied().unwrap_or(key.value));
            }
        }
        match query.aggregates.get(index % per_group) {
            Some(aggregate) => {
                roots.push(aggregate.value);
                (roots, aggregate.span)
            }
            None => (roots, query.dataset.span),
        }
    }
}

/// The column that an input is a part of: `age` of `age.bit3`.
fn column(query: &Query, input: &str) -> Option<ColumnId> {
    if input == PRESENT {
        return None;
    }
    let columns = query.dataset.columns.iter().chain(&query.secrets);
    let named =
        |name: &str| input.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    columns.enumerate().find(|(_, column)| named(&column.name)).map(|(index, _)| ColumnId::from_index(index))
}

/// A place for the eye: `file:line:column  text`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The texts.
    pub sources: &'a Sources,
    /// The place.
    pub span: Span,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sources, span } = *self;
        let before = sources.text(span.file).get(..span.start_index()).unwrap_or("");
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let words = sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{}:{}:{column}", sources.name(span.file), sources.line(span))?;
        match words.char_indices().nth(LONGEST) {
            None => write!(f, "  {words}"),
            Some((end, _)) => write!(f, "  {}…", words.get(..end).unwrap_or("")),
        }
    }
}
