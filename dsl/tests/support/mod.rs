//! Shared by the tests: a loader over the repository's schemas, and an interpreter of row expressions.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]
#![allow(dead_code, reason = "each test binary uses a part")]

mod functions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hq_dsl::{AggregateKind, ExternFunction, FunctionFault, Group, Loader, Query, RowOp};

pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

/// Oracle and tables kept beside the repository; `None` where they are absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")).join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is absent", path.display());
    None
}

/// Schemas of the repository, by name.
pub(crate) struct Schemas;

impl Loader for Schemas {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let text = std::fs::read_to_string(repository(&format!("tests/schemas/{module}.hq"))).ok()?;
        Some((format!("{module}.hq"), text))
    }

    fn tabulate(&self, function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        functions::tabulate(function)
    }
}

/// Values of the row expressions for one row; `None` stands for a missing cell.
pub(crate) fn row_values(query: &Query, cells: &[Option<i64>]) -> Vec<i64> {
    row_values_filled(query, cells, |_, hi| hi)
}

/// The group of a query without keys, over rows that are given.
pub(crate) fn group(query: &Query, rows: &[Vec<Option<i64>>]) -> Group {
    let mut sums = vec![0_i128; query.aggregates.len()];
    for row in rows {
        let values = row_values(query, row);
        if values[query.filter.index()] != 0 {
            for (sum, aggregate) in sums.iter_mut().zip(&query.aggregates) {
                *sum += i128::from(values[aggregate.value.index()]);
            }
        }
    }
    Group { by: Vec::new(), aggregates: sums.into_iter().map(Some).collect() }
}

/// As [`row_values`], with a choice of what stands in missing cells, from the column's range.
pub(crate) fn row_values_filled(
    query: &Query,
    cells: &[Option<i64>],
    fill: impl Fn(i64, i64) -> i64,
) -> Vec<i64> {
    let mut values: Vec<i64> = Vec::with_capacity(query.rows.len());
    for (id, node) in query.rows.iter() {
        let at = |id: hq_dsl::RowId| values[id.index()];
        let value = match &node.op {
            // An arbitrary value where the cell is missing: it must not matter.
            RowOp::Column(column) => cells[column.index()].unwrap_or_else(|| {
                let (lo, hi) = query.dataset.columns[column.index()].domain.range();
                fill(lo, hi)
            }),
            RowOp::Known(column) => i64::from(cells[column.index()].is_some()),
            RowOp::Const(value) => *value,
            RowOp::Add(a, b) => at(*a) + at(*b),
            RowOp::Sub(a, b) => at(*a) - at(*b),
            RowOp::Mul(a, b) => at(*a) * at(*b),
            RowOp::Member { arg, set } => {
                i64::from(set.iter().any(|&(lo, hi)| (lo..=hi).contains(&at(*arg))))
            }
            RowOp::Less { left, right } => i64::from(at(*left) < at(*right)),
            RowOp::Equal { left, right } => i64::from(at(*left) == at(*right)),
            RowOp::Not(a) => 1 - at(*a),
            RowOp::And(a, b) => at(*a) & at(*b),
            RowOp::Or(a, b) => at(*a) | at(*b),
            RowOp::Case { arms, otherwise } => arms
                .iter()
                .find(|(condition, _)| at(*condition) == 1)
                .map_or(at(*otherwise), |(_, value)| at(*value)),
        };
        let (lo, hi) = node.range;
        assert!(lo <= value && value <= hi, "node {} = {value} is outside {lo}..{hi}", id.index());
        values.push(value);
    }
    values
}

/// Aggregates of a query over a table, for every group of its keys.
pub(crate) fn run(query: &Query, csv_path: &Path, limit: usize) -> Vec<Group> {
    let mut reader = csv::Reader::from_path(csv_path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let columns: Vec<Option<usize>> = query
        .dataset
        .columns
        .iter()
        .map(|column| {
            let found = headers.iter().position(|name| name == column.name);
            assert!(found.is_some() || column.prepared.is_some(), "{} is not in the table", column.name);
            found
        })
        .collect();
    let mut groups: BTreeMap<Vec<i64>, Vec<i128>> = BTreeMap::new();
    let mut keys: Vec<Vec<i64>> = vec![Vec::new()];
    for key in &query.by {
        let codes: Vec<i64> = key.labels.codes().collect();
        keys = keys
            .iter()
            .flat_map(|prefix| codes.iter().map(move |&code| [prefix.as_slice(), &[code]].concat()))
            .collect();
    }
    for key in keys {
        groups.insert(key, vec![0; query.aggregates.len()]);
    }
    for record in reader.records().take(limit) {
        let record = record.unwrap();
        let of_table: Vec<Option<i64>> = columns
            .iter()
            .zip(&query.dataset.columns)
            .map(|(&at, column)| match at.map(|at| &record[at]) {
                None => None,
                Some("") => {
                    assert!(column.optional, "{} is missing", column.name);
                    None
                }
                Some(cell) => {
                    Some(column.domain.parse(cell).unwrap_or_else(|| panic!("{} = {cell}", column.name)))
                }
            })
            .collect();
        let cells: Vec<Option<i64>> = query
            .dataset
            .columns
            .iter()
            .zip(&of_table)
            .map(|(column, &cell)| match &column.prepared {
                Some(prepared) => prepared.code(&column.domain, &|index| of_table[index]).unwrap(),
                None => cell,
            })
            .collect();
        let values = row_values(query, &cells);
        if values[query.filter.index()] == 0 {
            continue;
        }
        for key in &query.by {
            for (code, condition) in key.labels.codes().zip(&key.conditions) {
                assert_eq!(
                    values[condition.index()],
                    i64::from(values[key.value.index()] == code),
                    "{}",
                    key.name
                );
            }
        }
        let key: Vec<i64> = query.by.iter().map(|key| values[key.value.index()]).collect();
        let sums = groups.get_mut(&key).unwrap();
        for (sum, aggregate) in sums.iter_mut().zip(&query.aggregates) {
            assert!(
                aggregate.kind == AggregateKind::Sum || (0..=1).contains(&values[aggregate.value.index()])
            );
            *sum += i128::from(values[aggregate.value.index()]);
        }
    }
    groups
        .into_iter()
        .map(|(by, sums)| Group { by, aggregates: sums.into_iter().map(Some).collect() })
        .collect()
}
