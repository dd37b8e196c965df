//! Control tables: rows with known answers, encrypted beside copies of the owner's table so that only the folder of keys tells
//! which is which. Whoever computes does the same with all of them; whoever opens compares the controls with what is right,
//! and the copies with each other.

use std::fs;
use std::path::{Path, PathBuf};

use hq_dsl::Dataset;
use hq_engine::dataset::MAX_TABLES;
use hq_engine::passes::Encodings;
use hq_plugin_sdk::interpret::interpret;
use hq_plugin_sdk::plan::{Origin, Plan};
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::blocks::Encoder;
use crate::checkpoint::write_whole;
use crate::commands::synthetic;
use crate::error::{ClientError, Result, damaged, file_error};
use crate::keys::{KeyFolder, read_bounded};
use crate::table::Table;

/// The folder of them in a folder of keys.
const FOLDER: &str = "controls";
/// Longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 16;
/// Rows that are computed at once.
const ROWS: u32 = 4096;
/// Most controls: there are as many copies.
pub(crate) const MAX_CONTROLS: u64 = MAX_TABLES / 2;

/// What a table of a dataset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// The owner's.
    Copy,
    /// Synthetic rows of a seed.
    Control(u64),
}

/// What the tables of a dataset are, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Controls {
    rows: u64,
    tables: Vec<Kind>,
}

impl Controls {
    /// So many controls among as many copies of a table of so many rows, in an order that nobody can guess.
    pub(crate) fn draw(controls: u64, rows: u64) -> Result<Self> {
        let mut drawn = Vec::new();
        for _ in 0..controls {
            drawn.push((random()?, Kind::Copy));
            drawn.push((random()?, Kind::Control(random()?)));
        }
        drawn.sort_unstable_by_key(|(place, _)| *place);
        let tables: Vec<Kind> = drawn.into_iter().map(|(_, kind)| kind).collect();
        Ok(Self { rows, tables: if tables.is_empty() { vec![Kind::Copy] } else { tables } })
    }

    /// The tables to be encrypted, in their order: `None` for the owner's.
    pub(crate) fn tables(&self, dataset: &Dataset) -> Result<Vec<Option<Table>>> {
        self.tables.iter().map(|kind| self.control(*kind, dataset)).collect()
    }

    fn control(&self, kind: Kind, dataset: &Dataset) -> Result<Option<Table>> {
        let Kind::Control(seed) = kind else { return Ok(None) };
        let text = synthetic(dataset, self.rows, seed)?;
        let columns = dataset.columns.iter().map(|column| column.name.clone()).collect();
        Table::of_text(Path::new("control table"), text.into_bytes(), dataset, &columns).map(Some)
    }

    /// Keeps them with the keys, for the dataset of a manifest's digest.
    pub(crate) fn keep(&self, keys: &KeyFolder, manifest: &str) -> Result<()> {
        let path = path(keys, manifest);
        let folder = path.parent().unwrap_or(keys.folder());
        fs::create_dir_all(folder).map_err(file_error(folder))?;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        write_whole(&path, &text)
    }

    /// Those of the dataset of a manifest's digest, where it has some.
    pub(crate) fn of(keys: &KeyFolder, manifest: &str) -> Result<Option<Self>> {
        let path = path(keys, manifest);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_bounded(&path, MAX_BYTES)?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| damaged(&path, format!("names no control tables: {error}")))
    }

    /// The numbers of the owner's table, from what was opened of all: if the controls are right and the copies equal.
    pub(crate) fn check(
        &self,
        (plan, encodings): (&Plan, &Encodings),
        (backend, dataset): (&Backend, &Dataset),
        opened: Vec<Vec<Option<i128>>>,
    ) -> Result<Vec<Option<i128>>> {
        let alarm = |reason: String| ClientError::Alarm { reason };
        if opened.len() != self.tables.len() {
            let (found, wanted) = (opened.len(), self.tables.len());
            return Err(alarm(format!("it computed {found} tables of {wanted}")));
        }
        let mut copies: Option<Vec<Option<i128>>> = None;
        for (kind, numbers) in self.tables.iter().zip(opened) {
            match self.control(*kind, dataset)? {
                Some(table) => {
                    let right = answers(plan, encodings, backend, &table)?;
                    let differ = right.iter().zip(&numbers).filter(|(right, found)| Some(**right) != **found);
                    let differ = differ.count() + right.len().abs_diff(numbers.len());
                    if differ > 0 {
                        let all = right.len();
                        return Err(alarm(format!("of a control table {differ} of {all} numbers are wrong")));
                    }
                }
                None if copies.as_ref().is_some_and(|first| *first != numbers) => {
                    return Err(alarm("copies of one table have different numbers".to_owned()));
                }
                None => copies = Some(numbers),
            }
        }
        copies.ok_or_else(|| alarm("it computed no copy of the table".to_owned()))
    }
}

/// The numbers that a plan has of a table, in the clear.
fn answers(plan: &Plan, encodings: &Encodings, backend: &Backend, table: &Table) -> Result<Vec<i128>> {
    if let Some(input) = plan.inputs.iter().find(|input| input.origin == Origin::Parameter) {
        return Err(ClientError::UncheckedSecret { name: input.name.clone() });
    }
    let encoder = Encoder::new(plan.table_inputs(), backend.evaluator.capabilities(), table, encodings)?;
    let mut sums = vec![0_i128; plan.sums.len()];
    let mut reader = table.reader()?;
    loop {
        let (rows, cells) = reader.next_rows(ROWS)?;
        if rows == 0 {
            break;
        }
        for (sum, more) in sums.iter_mut().zip(interpret(plan, &encoder.all_values(rows, &cells))) {
            *sum = sum.saturating_add(more);
        }
    }
    // The certificate bounds every sum far below this.
    let sums: Vec<i64> = sums.into_iter().map(|sum| i64::try_from(sum).unwrap_or(i64::MAX)).collect();
    let place = "the control table".to_owned();
    hq_engine::open::aggregates(plan, &sums).map_err(|source| ClientError::Open { place, source })
}

fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| ClientError::Random { reason: error.to_string() })?;
    Ok(u64::from_le_bytes(bytes))
}

/// A digest comes from outside, so it is hashed to a name.
fn path(keys: &KeyFolder, manifest: &str) -> PathBuf {
    let name = blake3::hash(manifest.as_bytes()).to_hex();
    keys.folder().join(FOLDER).join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    #[test]
    fn as_many_controls_as_copies_stand_in_any_order() {
        assert_eq!(Controls::draw(0, 5).unwrap().tables, [Kind::Copy]);
        let orders: std::collections::BTreeSet<Vec<bool>> = (0..200)
            .map(|_| {
                let tables = Controls::draw(2, 5).unwrap().tables;
                assert_eq!(tables.iter().filter(|kind| **kind == Kind::Copy).count(), 2);
                tables.iter().map(|kind| *kind == Kind::Copy).collect()
            })
            .collect();
        // One of the six is not among two hundred with probability 10^-15.
        assert_eq!(orders.len(), 6);
    }
}
