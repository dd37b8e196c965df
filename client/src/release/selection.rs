//! The rows that a released count is of, in a form that is the same in every program over a dataset: the digests of the
//! conditions that all hold of them.

use std::collections::{BTreeMap, BTreeSet};

use hq_dsl::{Query, RowId, RowOp};
use hq_engine::sizes::{Conjunction, conjunction, is_count, rows_behind, sizes};
use serde::{Deserialize, Serialize};

use super::Released;

/// A count of rows that was released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Selection {
    /// Digests of the conditions.
    pub(crate) conditions: BTreeSet<String>,
    /// How many rows.
    pub(crate) rows: i128,
}

/// The counts that a query released, and those of rows behind its sums; `numbers` are the query's own.
pub(crate) fn selections(query: &Query, numbers: &[Option<i128>], released: &Released) -> Vec<Selection> {
    let digests = digests(query);
    let texts = |conditions: &Conjunction| -> BTreeSet<String> {
        conditions.iter().filter_map(|row| digests.get(row).cloned()).collect()
    };
    let all = texts(&conjunction(&query.rows, query.filter));
    let counts = query.aggregates.iter().enumerate().filter(|(_, aggregate)| is_count(query, aggregate));
    let counts = counts.map(|(index, aggregate)| (index, rows_behind(query, aggregate)));
    let sizes = sizes(query);
    let per_group = query.aggregates.len() + sizes.len();
    let masks: Vec<(usize, BTreeSet<String>)> = counts
        .chain(sizes.into_iter().enumerate().map(|(index, rows)| (query.aggregates.len() + index, rows)))
        .map(|(index, rows)| (index, texts(&rows)))
        .collect();
    let mut found = Vec::new();
    for (group, conditions) in group_conditions(query).into_iter().enumerate() {
        let of_group = conditions.into_iter().flat_map(|condition| conjunction(&query.rows, condition));
        let of_group = texts(&of_group.collect());
        for (index, mask) in &masks {
            let Some(rows) = numbers.get(group * per_group + index).copied().flatten() else { continue };
            if released.reason(group, *index).is_none() {
                let conditions = all.iter().chain(&of_group).chain(mask).cloned().collect();
                found.push(Selection { conditions, rows });
            }
        }
    }
    found
}

/// Of each group, the conditions that its rows have, one for each key.
fn group_conditions(query: &Query) -> Vec<Vec<RowId>> {
    query.by.iter().fold(vec![Vec::new()], |groups, key| {
        let longer = |group: &Vec<RowId>| {
            let longer = |&condition: &RowId| group.iter().copied().chain([condition]).collect::<Vec<_>>();
            key.conditions.iter().map(longer).collect::<Vec<_>>()
        };
        groups.iter().flat_map(longer).collect()
    })
}

/// A digest of each row expression, which names columns instead of numbering them.
fn digests(query: &Query) -> BTreeMap<RowId, String> {
    let mut known: BTreeMap<RowId, String> = BTreeMap::new();
    for (row, node) in query.rows.iter() {
        let of = |row: &RowId| known.get(row).cloned().unwrap_or_default();
        let unordered = |left: &RowId, right: &RowId| {
            let mut both = [of(left), of(right)];
            both.sort();
            both.join(" ")
        };
        let column =
            |index: usize| query.dataset.columns.get(index).map_or("", |column| column.name.as_str());
        let text = match &node.op {
            RowOp::Column(id) => format!("column {}", column(id.index())),
            RowOp::Known(id) => format!("known {}", column(id.index())),
            RowOp::Const(value) => format!("const {value}"),
            RowOp::Add(left, right) => format!("add {}", unordered(left, right)),
            RowOp::Sub(left, right) => format!("sub {} {}", of(left), of(right)),
            RowOp::Mul(left, right) => format!("mul {}", unordered(left, right)),
            RowOp::Member { arg, set } => format!("member {} {set:?}", of(arg)),
            RowOp::Less { left, right } => format!("less {} {}", of(left), of(right)),
            RowOp::Equal { left, right } => format!("equal {}", unordered(left, right)),
            RowOp::Not(arg) => format!("not {}", of(arg)),
            RowOp::And(left, right) => format!("and {}", unordered(left, right)),
            RowOp::Or(left, right) => format!("or {}", unordered(left, right)),
            RowOp::Case { arms, otherwise } => {
                let arms: Vec<String> = arms
                    .iter()
                    .map(|(condition, value)| format!("{} {}", of(condition), of(value)))
                    .collect();
                format!("case {} else {}", arms.join(" "), of(otherwise))
            }
        };
        let digest = blake3::hash(format!("{text} /{}", node.decimals).as_bytes());
        known.insert(row, digest.to_hex().to_string());
    }
    known
}
