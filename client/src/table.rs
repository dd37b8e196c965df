//! A table on disk as codes: checked as a whole first, then read block by block, so that memory does not
//! grow with its rows.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use hq_dsl::{Code, Column, Dataset, Domain};

use crate::cli::Outside;
use crate::error::{ClientError, Result, file_error};

/// Offending cells that are shown; all are counted.
const SHOWN_OFFENCES: usize = 10;

/// Rows of some columns, column by column; `None` is missing.
pub(crate) type Cells = Vec<Vec<Option<i64>>>;

/// A checked table.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    columns: Vec<TableColumn>,
    outside: Outside,
    rows: u64,
    made_missing: u64,
    ignored: Vec<String>,
}

#[derive(Clone, Debug)]
struct TableColumn {
    column: Column,
    /// Position in a record.
    index: usize,
}

/// Cells that their domains do not allow (HQ070).
#[derive(Debug)]
pub(crate) struct Offences {
    path: PathBuf,
    count: u64,
    shown: Vec<Offence>,
    /// Whether some of them could become missing.
    could_be_missing: bool,
}

#[derive(Debug)]
struct Offence {
    /// Data row, from 1.
    row: u64,
    column: String,
    /// Empty for a missing cell.
    cell: String,
    domain: Domain,
}

impl fmt::Display for Offences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = if self.count == 1 { "cell is" } else { "cells are" };
        let count = hq_dsl::with_commas(self.count.into());
        writeln!(f, "{}: {}: {count} {cells} outside the schema:", Code::DataOutside, self.path.display())?;
        for Offence { row, column, cell, domain } in &self.shown {
            if cell.is_empty() {
                writeln!(f, "  row {row}, `{column}` is missing; it is {domain} and has no `?`")?;
            } else {
                writeln!(f, "  row {row}, `{column}` = {cell} is outside {domain}")?;
            }
        }
        let more = self.count.saturating_sub(self.shown.len() as u64);
        if more > 0 {
            writeln!(f, "  and {} more", hq_dsl::with_commas(more.into()))?;
        }
        write!(f, "Nothing was encrypted. Correct the table or widen the schema's domains")?;
        if self.could_be_missing {
            write!(f, "; `--outside missing` turns such cells of columns with `?` into missing")?;
        }
        write!(f, ".")
    }
}

/// What a cell stands for, or that it may not be there.
enum Parsed {
    Cell(Option<i64>),
    MadeMissing,
    Offends,
}

impl TableColumn {
    fn parse(&self, cell: &str, outside: Outside) -> Parsed {
        if cell.is_empty() || cell == "NA" && self.column.domain.parse(cell).is_none() {
            return if self.column.optional { Parsed::Cell(None) } else { Parsed::Offends };
        }
        match self.column.domain.parse(cell) {
            Some(code) => Parsed::Cell(Some(code)),
            None if self.column.optional && outside == Outside::Missing => Parsed::MadeMissing,
            None => Parsed::Offends,
        }
    }
}

impl Table {
    /// Finds the wanted columns of a dataset by the header and checks every cell of them.
    pub(crate) fn open(
        path: &Path,
        dataset: &Dataset,
        wanted: &BTreeSet<String>,
        outside: Outside,
    ) -> Result<Self> {
        let mut reader = csv_reader(path)?;
        let header = reader.headers().map_err(csv_error(path))?.clone();
        let (mut columns, mut missing) = (Vec::new(), Vec::new());
        for column in dataset.columns.iter().filter(|column| wanted.contains(&column.name)) {
            match header.iter().position(|name| name == column.name) {
                Some(index) => columns.push(TableColumn { column: column.clone(), index }),
                None => missing.push(format!("`{}`", column.name)),
            }
        }
        if !missing.is_empty() {
            let present = header.iter().collect::<Vec<_>>().join(", ");
            let (path, missing) = (path.to_owned(), missing.join(", "));
            return Err(ClientError::MissingColumns { path, missing, present });
        }
        let known = |name: &&str| !dataset.columns.iter().any(|column| column.name == *name);
        let ignored = header.iter().filter(known).map(str::to_owned).collect();
        let mut table = Self { path: path.to_owned(), columns, outside, rows: 0, made_missing: 0, ignored };
        table.check(&mut reader)?;
        if table.rows > dataset.rows {
            let (path, dataset, limit) = (path.to_owned(), dataset.name.clone(), dataset.rows);
            return Err(ClientError::TooManyRows { path, rows: table.rows, dataset, limit });
        }
        Ok(table)
    }

    /// Counts rows and offending cells.
    fn check(&mut self, reader: &mut csv::Reader<File>) -> Result<()> {
        let mut record = csv::StringRecord::new();
        let mut offences =
            Offences { path: self.path.clone(), count: 0, shown: Vec::new(), could_be_missing: false };
        while reader.read_record(&mut record).map_err(csv_error(&self.path))? {
            self.rows += 1;
            for column in &self.columns {
                let cell = record.get(column.index).unwrap_or_default();
                match column.parse(cell, self.outside) {
                    Parsed::Cell(_) => {}
                    Parsed::MadeMissing => self.made_missing += 1,
                    Parsed::Offends => {
                        offences.count += 1;
                        offences.could_be_missing |= column.column.optional;
                        if offences.shown.len() < SHOWN_OFFENCES {
                            offences.shown.push(Offence {
                                row: self.rows,
                                column: column.column.name.clone(),
                                cell: cell.to_owned(),
                                domain: column.column.domain.clone(),
                            });
                        }
                    }
                }
            }
        }
        if offences.count > 0 { Err(ClientError::Cells(offences)) } else { Ok(()) }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Cells outside their domains that became missing.
    pub(crate) fn made_missing(&self) -> u64 {
        self.made_missing
    }

    /// Columns of the table that the schema does not name.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Position of a column in [`Cells`].
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.column.name == name)
    }

    /// Blocks of a number of rows; a table without rows has one, empty.
    pub(crate) fn blocks(&self, rows_per_block: u32) -> u64 {
        self.rows.div_ceil(u64::from(rows_per_block).max(1)).max(1)
    }

    /// Reads the table again from its start.
    pub(crate) fn reader(&self) -> Result<TableReader> {
        Ok(TableReader {
            reader: csv_reader(&self.path)?,
            path: self.path.clone(),
            columns: self.columns.clone(),
            outside: self.outside,
            record: csv::StringRecord::new(),
        })
    }
}

/// Reads rows in order.
#[derive(Debug)]
pub(crate) struct TableReader {
    reader: csv::Reader<File>,
    path: PathBuf,
    columns: Vec<TableColumn>,
    outside: Outside,
    record: csv::StringRecord,
}

impl TableReader {
    /// The next rows, at most so many; the number of rows and their cells.
    pub(crate) fn next_rows(&mut self, most: u32) -> Result<(usize, Cells)> {
        let mut cells: Cells = vec![Vec::new(); self.columns.len()];
        let mut rows = 0;
        for _ in 0..most {
            if !self.reader.read_record(&mut self.record).map_err(csv_error(&self.path))? {
                break;
            }
            rows += 1;
            for (column, values) in self.columns.iter().zip(&mut cells) {
                let cell = self.record.get(column.index).unwrap_or_default();
                match column.parse(cell, self.outside) {
                    Parsed::Cell(code) => values.push(code),
                    Parsed::MadeMissing => values.push(None),
                    Parsed::Offends => {
                        let reason = "changed while it was read; start again".to_owned();
                        return Err(ClientError::Damaged { path: self.path.clone(), reason });
                    }
                }
            }
        }
        Ok((rows, cells))
    }
}

fn csv_reader(path: &Path) -> Result<csv::Reader<File>> {
    let file = File::open(path).map_err(file_error(path))?;
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file))
}

fn csv_error(path: &Path) -> impl FnOnce(csv::Error) -> ClientError {
    let path = path.to_owned();
    move |source| ClientError::Csv { path, source }
}
