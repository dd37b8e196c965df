//! Whether a table is the one that was encrypted: a digest of each column and one of the number of rows, under a key
//! made from the secret key. It stays with the keys; without the secret key nobody can try values or tables on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::table::{Cells, Table};

/// Sets the key apart from others made of the same secret key.
const CONTEXT: &str = "hq fingerprint of a table, version 1";

/// Columns that a message names.
const NAMED_COLUMNS: usize = 6;

/// Of a table as it was encrypted: digests, BLAKE3 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// Of the number of rows.
    rows: String,
    /// Of the codes of each column, from the first row to the last.
    columns: BTreeMap<String, String>,
}

/// What fingerprints are made with.
pub(crate) struct FingerprintKey(Zeroizing<[u8; blake3::KEY_LEN]>);

/// The fingerprint of a table in the making.
pub(crate) struct Fingerprinting {
    rows: blake3::Hasher,
    count: u64,
    columns: Vec<(String, blake3::Hasher)>,
}

impl FingerprintKey {
    /// From the frame of a secret key.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(Zeroizing::new(blake3::derive_key(CONTEXT, secret)))
    }

    /// Of the columns of a table, before its first row.
    pub(crate) fn begin(&self, table: &Table) -> Fingerprinting {
        // A name takes no zero byte, so no two things have the same digest.
        let keyed = |name: &str| {
            let mut hasher = blake3::Hasher::new_keyed(&self.0);
            hasher.update(name.as_bytes()).update(&[0]);
            hasher
        };
        let columns = table.names().map(|name| (name.to_owned(), keyed(name))).collect();
        Fingerprinting { rows: keyed(""), count: 0, columns }
    }

    /// Of a whole table, read `block` rows at a time.
    pub(crate) fn of_table(&self, table: &Table, block: u32) -> Result<Fingerprint> {
        let mut fingerprint = self.begin(table);
        let mut reader = table.reader()?;
        loop {
            let (rows, cells) = reader.next_rows(block)?;
            if rows == 0 {
                return Ok(fingerprint.finish());
            }
            fingerprint.add(rows, &cells);
        }
    }
}

impl Fingerprinting {
    /// Adds the next rows.
    pub(crate) fn add(&mut self, rows: usize, cells: &Cells) {
        self.count += rows as u64;
        for ((_, hasher), cells) in self.columns.iter_mut().zip(cells) {
            let bytes = |cell: &Option<i64>| {
                let mut bytes = [0; 9];
                if let Some(code) = cell {
                    bytes = [1; 9];
                    bytes[1..].copy_from_slice(&code.to_le_bytes());
                }
                bytes
            };
            hasher.update(&cells.iter().flat_map(bytes).collect::<Vec<u8>>());
        }
    }

    /// After the last row.
    pub(crate) fn finish(mut self) -> Fingerprint {
        self.rows.update(&self.count.to_le_bytes());
        let text = |hasher: &blake3::Hasher| hasher.finalize().to_hex().to_string();
        let columns = self.columns.iter().map(|(name, hasher)| (name.clone(), text(hasher))).collect();
        Fingerprint { rows: text(&self.rows), columns }
    }
}

impl Fingerprint {
    /// How another table differs from the one that this is of, in a few words.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        if self.rows != other.rows {
            return Some("it has more rows or fewer".to_owned());
        }
        let same = |name: &String| self.columns.get(name) == other.columns.get(name);
        let names =
            self.columns.keys().chain(other.columns.keys().filter(|name| !self.columns.contains_key(*name)));
        let changed: Vec<String> = names.filter(|name| !same(name)).map(|name| format!("`{name}`")).collect();
        if changed.is_empty() {
            return None;
        }
        if changed.len() >= self.columns.len() && changed.len() > 1 {
            return Some(
                "no column is as it was: these are other rows, or they stand in another order".to_owned(),
            );
        }
        let more = match changed.len().saturating_sub(NAMED_COLUMNS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = changed.iter().take(NAMED_COLUMNS).cloned().collect::<Vec<_>>().join(", ");
        Some(format!("there are other values, or rows in another order, in {named}{more}"))
    }
}
