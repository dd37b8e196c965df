//! The checked query: domains are known, names are resolved, missing values are met, aggregates are
//! merged. This is what the engine lowers and what `finish` evaluates after decryption.

use std::fmt;

use crate::clear::{Clears, Output};
use crate::domain::Domain;
use crate::prepared::Prepared;
use crate::rows::{ColumnId, RowId, Rows};
use crate::source::Span;

/// A column of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the table's header.
    pub name: String,
    /// The values that may occur.
    pub domain: Domain,
    /// Whether a cell may be missing.
    pub optional: bool,
    /// Unit and description; may be empty.
    pub description: String,
    /// The expression that the owner's client computes it from; `None` for a column of the table.
    pub prepared: Option<Prepared>,
    /// Where its name stands.
    pub span: Span,
}

impl Column {
    /// The unit that its description begins with.
    #[must_use]
    pub fn unit(&self) -> Option<String> {
        crate::evaluate::unit(&self.description).map(|unit| unit.to_string())
    }
}

/// Rules under which results are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseRules {
    /// Counts from 1 to this minus one are hidden; 0 if nothing is.
    pub min_cell: u64,
    /// Whether they are never decrypted, so that who holds the key does not learn them either.
    pub min_cell_encrypted: bool,
    /// Most numbers decrypted per query.
    pub max_cells: u64,
    /// Most queries per researcher and day.
    pub per_day: Option<u64>,
}

impl Default for ReleaseRules {
    fn default() -> Self {
        Self { min_cell: 0, min_cell_encrypted: false, max_cells: 10_000, per_day: None }
    }
}

/// What the owner publishes: names, domains, rules. `Display` writes it in the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// One line of description; may be empty.
    pub title: String,
    /// Upper bound on the number of rows.
    pub rows: u64,
    /// What a row stands for, in `one per person`.
    pub one_per: Option<String>,
    /// Release rules.
    pub release: ReleaseRules,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Where its name stands.
    pub span: Span,
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dataset {}", self.name)?;
        if !self.title.is_empty() {
            write!(f, " \"{}\"", self.title)?;
        }
        write!(f, " {{\n  rows <= {}", self.rows)?;
        if let Some(unit) = &self.one_per {
            write!(f, ", one per {unit}")?;
        }
        let encrypted = if self.release.min_cell_encrypted { " encrypted" } else { "" };
        let ReleaseRules { min_cell, max_cells, .. } = self.release;
        write!(f, "\n  release {{ min_cell {min_cell}{encrypted} max_cells {max_cells}")?;
        if let Some(per_day) = self.release.per_day {
            write!(f, " per_day {per_day}")?;
        }
        f.write_str(" }\n")?;
        for column in &self.columns {
            write!(f, "  {}: {}", column.name, column.domain)?;
            if column.optional {
                f.write_str(" ?")?;
            }
            if !column.description.is_empty() {
                write!(f, " \"{}\"", column.description)?;
            }
            if let Some(prepared) = &column.prepared {
                write!(f, " = {}", prepared.text)?;
            }
            f.write_str("\n")?;
        }
        f.write_str("}\n")
    }
}

/// One `by` item: rows with equal values form a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name, or its source text.
    pub name: String,
    /// The row value.
    pub value: RowId,
    /// Its values with their labels; a group exists for each of [`Domain::codes`].
    pub labels: Domain,
    /// For each code in that order, the condition that a row has it, in terms of columns where it can be.
    pub conditions: Vec<RowId>,
    /// Where it stands.
    pub span: Span,
}

/// What is added up over the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateKind {
    /// Rows for which a condition holds.
    Count,
    /// A value.
    Sum,
}

/// One encrypted number per group. All aggregates of a query are distinct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Unique name: the report's where it stands there directly, else its source text.
    pub name: String,
    /// Count or sum.
    pub kind: AggregateKind,
    /// Condition of a count, value of a sum.
    pub value: RowId,
    /// The sum stands for itself divided by `10^decimals`.
    pub decimals: u8,
    /// Where it was written first.
    pub span: Span,
}

/// One result of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportColumn {
    /// Its name.
    pub name: String,
    /// How it is computed.
    pub value: Output,
    /// Where it was written.
    pub span: Span,
}

/// What rows of the result are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortColumn {
    /// A key, by index; in the order of its domain.
    Key(usize),
    /// A report column, by index; hidden and undefined values come last.
    Report(usize),
}

/// One item of `sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// What to sort by.
    pub column: SortColumn,
    /// Largest first.
    pub descending: bool,
}

/// A checked query. `Display` writes it in a readable form for golden files and `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// The text behind the name; goes to the audit log. May be empty.
    pub purpose: String,
    /// The table it reads.
    pub dataset: Dataset,
    /// Secret parameters, as columns that hold one encrypted value for all rows; in row expressions their ids
    /// follow those of the dataset's columns.
    pub secrets: Vec<Column>,
    /// Row expressions.
    pub rows: Rows,
    /// Which rows take part: the conjunction of all `where`; the constant 1 if there is none.
    pub filter: RowId,
    /// Keys of the groups.
    pub by: Vec<Key>,
    /// What is decrypted, per group.
    pub aggregates: Vec<Aggregate>,
    /// Clear expressions over the aggregates.
    pub clears: Clears,
    /// Results.
    pub report: Vec<ReportColumn>,
    /// Order of the result's rows.
    pub sort: Vec<SortKey>,
    /// How many rows are shown.
    pub take: Option<u64>,
    /// Public parameters and their values, as written.
    pub params: Vec<(String, String)>,
}

impl Query {
    /// The column of an id in a row expression: one of the dataset, or a secret parameter.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        let columns = &self.dataset.columns;
        columns.get(id.index()).or_else(|| self.secrets.get(id.index().checked_sub(columns.len())?))
    }

    /// Number of groups: the product of the keys' sizes.
    #[must_use]
    pub fn group_count(&self) -> u64 {
        self.by.iter().fold(1, |product, key| product.saturating_mul(key.labels.size()))
    }
}
