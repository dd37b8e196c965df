//! A table on disk as codes: checked as a whole first, then read block by block, so that memory does not
//! grow with its rows.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hq_dsl::{Code, Column, Dataset, Domain};

use crate::cli::Outside;
use crate::error::{ClientError, Result, file_error};
use crate::header::{Header, Malformed};
use crate::output;

/// Offending cells that are shown; all are counted.
const SHOWN_OFFENCES: usize = 10;

/// Rows of some columns, column by column; `None` is missing.
pub(crate) type Cells = Vec<Vec<Option<i64>>>;

/// A checked table.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    /// The whole text, where there is no file.
    text: Option<Arc<[u8]>>,
    columns: Vec<TableColumn>,
    outside: Outside,
    rows: u64,
    made_missing: u64,
    ignored: Vec<String>,
}

#[derive(Clone, Debug)]
struct TableColumn {
    column: Column,
    source: Source,
}

/// Where a column's cells come from.
#[derive(Clone, Debug)]
enum Source {
    /// The table: position in a record.
    Table(usize),
    /// Computed from cells of the table: what reads each of them, by position in the dataset.
    Prepared(Vec<(usize, TableColumn)>),
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
    /// Empty for a missing cell; of a prepared column, what was computed.
    cell: String,
    domain: Domain,
}

impl Offences {
    fn add(&mut self, row: u64, column: &Column, cell: String) {
        self.count += 1;
        self.could_be_missing |= column.optional;
        if self.shown.len() < SHOWN_OFFENCES {
            let (column, domain) = (column.name.clone(), column.domain.clone());
            self.shown.push(Offence { row, column, cell, domain });
        }
    }
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
enum Parsed<'a> {
    Cell(Option<i64>),
    MadeMissing,
    /// A cell of this column, which may be one that a prepared column reads; empty where it is missing.
    Offends(&'a Column, String),
}

impl TableColumn {
    /// A cell; of a prepared column, the value computed from others.
    fn read(&self, record: &csv::ByteRecord, outside: Outside) -> std::result::Result<Parsed<'_>, Malformed> {
        let reads = match &self.source {
            Source::Table(index) => return Ok(self.parse(self.text(record, *index)?, outside)),
            Source::Prepared(reads) => reads,
        };
        let mut cells: Vec<(usize, Option<i64>)> = Vec::with_capacity(reads.len());
        for (position, column) in reads {
            match column.read(record, outside)? {
                Parsed::Cell(code) => cells.push((*position, code)),
                Parsed::MadeMissing => cells.push((*position, None)),
                offends @ Parsed::Offends(..) => return Ok(offends),
            }
        }
        let cell =
            |position: usize| cells.iter().find(|(known, _)| *known == position).and_then(|(_, code)| *code);
        let computed = match &self.column.prepared {
            Some(prepared) => prepared.code(&self.column.domain, &cell),
            None => Ok(None),
        };
        Ok(match computed {
            Ok(None) if !self.column.optional => Parsed::Offends(&self.column, String::new()),
            Ok(code) => Parsed::Cell(code),
            Err(_) if self.column.optional && outside == Outside::Missing => Parsed::MadeMissing,
            Err(value) => Parsed::Offends(&self.column, value),
        })
    }

    /// The text of a cell. Other columns may hold anything.
    fn text<'a>(&self, record: &'a csv::ByteRecord, index: usize) -> std::result::Result<&'a str, Malformed> {
        let cell = record.get(index).unwrap_or_default();
        std::str::from_utf8(cell).map(str::trim).map_err(|_| {
            let line = record.position().map_or(0, csv::Position::line);
            Malformed::NotUtf8 { place: format!("line {line}: `{}`", self.column.name) }
        })
    }

    fn parse(&self, cell: &str, outside: Outside) -> Parsed<'_> {
        let offends = || Parsed::Offends(&self.column, cell.to_owned());
        if cell.is_empty() || cell == "NA" && self.column.domain.parse(cell).is_none() {
            return if self.column.optional { Parsed::Cell(None) } else { offends() };
        }
        match self.column.domain.parse(cell) {
            Some(code) => Parsed::Cell(Some(code)),
            None if self.column.optional && outside == Outside::Missing => Parsed::MadeMissing,
            None => offends(),
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
        Self::read(path, None, dataset, wanted, outside)
    }

    /// As [`Self::open`], for a text; `name` stands for it in messages.
    pub(crate) fn of_text(
        name: &Path,
        text: Vec<u8>,
        dataset: &Dataset,
        wanted: &BTreeSet<String>,
    ) -> Result<Self> {
        Self::read(name, Some(text.into()), dataset, wanted, Outside::Refuse)
    }

    fn read(
        path: &Path,
        text: Option<Arc<[u8]>>,
        dataset: &Dataset,
        wanted: &BTreeSet<String>,
        outside: Outside,
    ) -> Result<Self> {
        let mut reader = csv_reader(path, text.as_ref())?;
        let header =
            reader.byte_headers().map_err(Malformed::from).and_then(Header::of).map_err(malformed(path))?;
        let declared: Vec<&Column> =
            dataset.columns.iter().filter(|column| wanted.contains(&column.name)).collect();
        let columns = sources(&header, dataset, &declared).map_err(malformed(path))?;
        let known = |name: &&str| !dataset.columns.iter().any(|column| column.name == *name);
        let ignored = header.names().filter(known).map(str::to_owned).collect();
        let mut table =
            Self { path: path.to_owned(), text, columns, outside, rows: 0, made_missing: 0, ignored };
        table.check(&mut reader)?;
        if table.rows > dataset.rows {
            let (path, dataset, limit) = (path.to_owned(), dataset.name.clone(), dataset.rows);
            return Err(ClientError::TooManyRows { path, rows: table.rows, dataset, limit });
        }
        Ok(table)
    }

    /// Counts rows and offending cells.
    fn check(&mut self, reader: &mut csv::Reader<Input>) -> Result<()> {
        let mut record = csv::ByteRecord::new();
        let mut offences =
            Offences { path: self.path.clone(), count: 0, shown: Vec::new(), could_be_missing: false };
        while reader.read_byte_record(&mut record).map_err(csv_error(&self.path))? {
            self.rows += 1;
            let mut seen: Vec<&str> = Vec::new();
            for column in &self.columns {
                match column.read(&record, self.outside).map_err(malformed(&self.path))? {
                    Parsed::Cell(_) => {}
                    Parsed::MadeMissing => self.made_missing += 1,
                    // Prepared columns may read it as well.
                    Parsed::Offends(column, _) if seen.contains(&column.name.as_str()) => {}
                    Parsed::Offends(column, cell) => {
                        seen.push(&column.name);
                        offences.add(self.rows, column, cell);
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

    /// Tells what is odd about it, but no mistake.
    pub(crate) fn note(&self) {
        let path = self.path.display();
        if self.rows == 0 {
            output::note(&format!("{path}: the table has no rows"));
        }
        if self.made_missing > 0 {
            let count = hq_dsl::with_commas(self.made_missing.into());
            output::note(&format!("{path}: {count} cells outside their domains are taken as missing"));
        }
    }

    /// Columns of the table that the schema does not name.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Names of the columns, in the order of [`Cells`].
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.column.name.as_str())
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
            reader: csv_reader(&self.path, self.text.as_ref())?,
            path: self.path.clone(),
            columns: self.columns.clone(),
            outside: self.outside,
            record: csv::ByteRecord::new(),
        })
    }
}

/// Reads rows in order.
#[derive(Debug)]
pub(crate) struct TableReader {
    reader: csv::Reader<Input>,
    path: PathBuf,
    columns: Vec<TableColumn>,
    outside: Outside,
    record: csv::ByteRecord,
}

impl TableReader {
    /// The next rows, at most so many; the number of rows and their cells.
    pub(crate) fn next_rows(&mut self, most: u32) -> Result<(usize, Cells)> {
        let mut cells: Cells = vec![Vec::new(); self.columns.len()];
        let mut rows = 0;
        for _ in 0..most {
            if !self.reader.read_byte_record(&mut self.record).map_err(csv_error(&self.path))? {
                break;
            }
            rows += 1;
            for (column, values) in self.columns.iter().zip(&mut cells) {
                match column.read(&self.record, self.outside).map_err(malformed(&self.path))? {
                    Parsed::Cell(code) => values.push(code),
                    Parsed::MadeMissing => values.push(None),
                    Parsed::Offends(..) => {
                        let reason = "changed while it was read; start again".to_owned();
                        return Err(ClientError::Damaged { path: self.path.clone(), reason });
                    }
                }
            }
        }
        Ok((rows, cells))
    }
}

/// Finds the columns of the table behind the wanted ones: their own, or those that a prepared one reads.
fn sources(
    header: &Header,
    dataset: &Dataset,
    wanted: &[&Column],
) -> std::result::Result<Vec<TableColumn>, Malformed> {
    let reads = |column: &Column| match &column.prepared {
        Some(prepared) => prepared.reads.iter().map(|(position, _)| *position).collect(),
        None => dataset.columns.iter().position(|known| known.name == column.name).into_iter().collect(),
    };
    let needed: BTreeSet<usize> = wanted.iter().flat_map(|column| -> Vec<usize> { reads(column) }).collect();
    let of_table: Vec<(usize, &Column)> =
        needed.iter().filter_map(|&position| Some((position, dataset.columns.get(position)?))).collect();
    let names: Vec<&str> = of_table.iter().map(|(_, column)| column.name.as_str()).collect();
    let found: Vec<(usize, TableColumn)> = of_table
        .iter()
        .zip(header.positions(&names)?)
        .map(|(&(position, column), index)| {
            (position, TableColumn { column: column.clone(), source: Source::Table(index) })
        })
        .collect();
    let at = |position: usize| found.iter().find(|(known, _)| *known == position).cloned();
    Ok(wanted
        .iter()
        .filter_map(|column| match &column.prepared {
            Some(prepared) => {
                let reads = prepared.reads.iter().filter_map(|(position, _)| at(*position)).collect();
                Some(TableColumn { column: (*column).clone(), source: Source::Prepared(reads) })
            }
            None => {
                found.iter().map(|(_, found)| found).find(|found| found.column.name == column.name).cloned()
            }
        })
        .collect())
}

/// Where a table is read from.
#[derive(Debug)]
enum Input {
    File(File),
    Text(Cursor<Arc<[u8]>>),
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Text(text) => text.read(buffer),
        }
    }
}

fn csv_reader(path: &Path, text: Option<&Arc<[u8]>>) -> Result<csv::Reader<Input>> {
    let input = match text {
        Some(text) => Input::Text(Cursor::new(Arc::clone(text))),
        None => Input::File(File::open(path).map_err(file_error(path))?),
    };
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input))
}

fn csv_error(path: &Path) -> impl FnOnce(csv::Error) -> ClientError {
    let malformed = malformed(path);
    move |source| malformed(source.into())
}

fn malformed(path: &Path) -> impl FnOnce(Malformed) -> ClientError {
    let path = path.to_owned();
    move |source| ClientError::Table { path, source }
}
