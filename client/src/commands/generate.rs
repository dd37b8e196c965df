//! `hq generate`: a synthetic table that a schema describes. No person is behind it; equal seeds give equal
//! tables.

use std::path::Path;

use hq_dsl::{Column, Dataset, Domain};

use crate::checkpoint::write_whole;
use crate::cli::GenerateArgs;
use crate::error::{ClientError, Result};
use crate::output;
use crate::program::read_schema;

/// Domains of at least so many numbers are drawn around their middle, smaller ones evenly.
const MIN_BELL_VALUES: u64 = 12;

/// One cell in so many is missing where it may be.
const MISSING_ONE_IN: u64 = 10;

/// Makes a table.
pub(crate) fn generate(args: &GenerateArgs) -> Result<()> {
    let (dataset, _) = read_schema(&args.schema)?;
    if args.rows > dataset.rows {
        let (path, dataset, limit) = (args.schema.clone(), dataset.name, dataset.rows);
        return Err(ClientError::TooManyRows { path, rows: args.rows, dataset, limit });
    }
    let text = synthetic(&dataset, args.rows, args.seed)?;
    match &args.output {
        Some(path) => write_table(path, &text, args.rows),
        None => {
            output::out(&text);
            Ok(())
        }
    }
}

/// A synthetic table as CSV; prepared columns are computed when it is read.
pub(crate) fn synthetic(dataset: &Dataset, rows: u64, seed: u64) -> Result<String> {
    let columns: Vec<Column> =
        dataset.columns.iter().filter(|column| column.prepared.is_none()).cloned().collect();
    table(&columns, rows, seed)
        .map_err(|error| ClientError::Format { format: "CSV", reason: error.to_string() })
}

fn write_table(path: &Path, text: &str, rows: u64) -> Result<()> {
    write_whole(path, text.as_bytes())?;
    output::out(&format!("{}: {} synthetic rows\n", path.display(), hq_dsl::with_commas(rows.into())));
    Ok(())
}

fn table(columns: &[Column], rows: u64, seed: u64) -> std::result::Result<String, csv::Error> {
    let mut random = Random(seed);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.name.as_str()))?;
    for _ in 0..rows {
        writer.write_record(columns.iter().map(|column| cell(column, &mut random)))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cell(column: &Column, random: &mut Random) -> String {
    // Both draws are made for every cell, so that a column's values do not depend on its `?`.
    let missing = random.below(MISSING_ONE_IN) == 0;
    let code = draw(&column.domain, random);
    if missing && column.optional {
        return String::new();
    }
    match &column.domain {
        Domain::Bool => code.to_string(),
        domain @ (Domain::Int { .. } | Domain::Fixed { .. } | Domain::Levels(_) | Domain::Date { .. }) => {
            domain.label(code)
        }
    }
}

fn draw(domain: &Domain, random: &mut Random) -> i64 {
    let size = domain.size();
    let index = match domain {
        Domain::Bool => u64::from(random.below(4) == 0),
        Domain::Int { .. } | Domain::Fixed { .. } if size >= MIN_BELL_VALUES => {
            // The mean of three draws: a bell that stays inside the domain.
            let draws: u128 = (0..3).map(|_| u128::from(random.below(size))).sum();
            u64::try_from(draws / 3).unwrap_or(0)
        }
        Domain::Int { .. } | Domain::Fixed { .. } | Domain::Levels(_) | Domain::Date { .. } => {
            random.below(size)
        }
    };
    let step = if let Domain::Int { step, .. } = domain { *step } else { 1 };
    let (lo, _) = domain.range();
    i64::try_from(index).ok().and_then(|index| lo.checked_add(index.checked_mul(step)?)).unwrap_or(lo)
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    /// A number below `bound` (0 for bound 0), uniform up to one part in 2^64 / bound.
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}
