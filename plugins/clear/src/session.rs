//! A plan at work: checks each block as a whole, then runs it through the compiled code tile by tile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use hq_plugin_sdk::backend::{BackendError, Fault, Session};
use hq_plugin_sdk::frame::Kind;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{Family, Input, Origin, Plan};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::verify;

use crate::call::Code;
use crate::compile::{NUMBER_BYTES, compile};
use crate::format::{open_numbers, seal_numbers};
use crate::state::{self, Identity};
use crate::steps::Claim;

/// A value in each row of a block.
type Column<'a> = Cow<'a, [[u8; NUMBER_BYTES]]>;

/// Compiled code with the sums so far. They are exact over any number of rows.
pub struct ClearSession {
    work: Arc<Work>,
    /// Whether a block was computed, or a state taken up.
    begun: bool,
    scratch: Vec<i64>,
    /// Sums of one tile, which fit by the choice of its length.
    tile_sums: Vec<i64>,
    /// Of the block at work; they count only if no claim is broken in it.
    block_sums: Vec<i128>,
    sums: Vec<i128>,
}

/// What a session and its forks share.
struct Work {
    code: Code,
    inputs: Vec<Input>,
    /// Inputs of which at most one is not zero in a row.
    exclusive: Vec<Vec<usize>>,
    /// Pairs of which the second is zero where the first is.
    nested: Vec<[usize; 2]>,
    rows_per_block: usize,
    claims: Vec<Claim>,
    sums: usize,
    identity: Identity,
}

impl ClearSession {
    /// Compiles a plan for blocks of at most `rows_per_block` rows.
    ///
    /// # Errors
    /// `Fault::Plan` where it is invalid or made for an encrypted backend.
    pub(crate) fn new(plan: &Plan, rows_per_block: u32) -> Result<Self, BackendError> {
        let refuse = |reason: String| BackendError::new(Fault::Plan, reason);
        verify(plan).map_err(|error| refuse(error.to_string()))?;
        if let Some(Parameters::Rns(_) | Parameters::Tfhe(_)) = &plan.parameters {
            return Err(refuse("the plan was placed for an encrypted backend".to_owned()));
        }
        if plan.inputs.is_empty() && !plan.sums.is_empty() {
            return Err(refuse("a plan without inputs has no rows to sum over".to_owned()));
        }
        let (code, claims) = compile(plan)?;
        Ok(Self::over(Arc::new(Work {
            code,
            inputs: plan.inputs.clone(),
            exclusive: exclusive_groups(&plan.inputs),
            nested: nested_pairs(&plan.inputs),
            rows_per_block: usize::try_from(rows_per_block).unwrap_or(usize::MAX),
            claims,
            sums: plan.sums.len(),
            identity: Identity::new(plan, rows_per_block),
        })))
    }

    /// With nothing done.
    fn over(work: Arc<Work>) -> Self {
        let layout = work.code.layout();
        Self {
            begun: false,
            scratch: vec![0; layout.scratch],
            tile_sums: vec![0; layout.sums],
            block_sums: vec![0; layout.sums],
            sums: vec![0; work.sums],
            work,
        }
    }
}

impl Work {
    /// The block's columns, of one length, with every value in its range: the compiled code relies on that. A
    /// parameter is repeated for every row.
    fn columns<'a>(&self, inputs: &[&'a [u8]]) -> Result<Vec<Column<'a>>, BackendError> {
        let refuse = |reason: String| BackendError::new(Fault::Input, reason);
        if inputs.len() != self.inputs.len() {
            return Err(refuse(format!(
                "a block has {} inputs where the plan has {}",
                inputs.len(),
                self.inputs.len()
            )));
        }
        let mut columns: Vec<Column<'a>> = Vec::with_capacity(inputs.len());
        let mut block_rows = None;
        for (bytes, input) in inputs.iter().zip(&self.inputs) {
            let name = &input.name;
            let kind = match input.origin {
                Origin::Table => Kind::Ciphertext,
                Origin::Parameter => Kind::Parameter,
            };
            let column = open_numbers(bytes, kind)
                .map_err(|error| refuse(format!("input {name}: {}", error.message)))?;
            let rows = match input.origin {
                Origin::Table => *block_rows.get_or_insert(column.len()),
                Origin::Parameter => 1,
            };
            if column.len() != rows {
                return Err(refuse(format!(
                    "input {name} has {} rows where the inputs before it have {rows}",
                    column.len()
                )));
            }
            if rows > self.rows_per_block {
                return Err(refuse(format!("a block of {rows} rows where {} fit", self.rows_per_block)));
            }
            if let Some(value) = outside(column, input.range) {
                return Err(refuse(format!("input {name} holds {value}, outside {}", input.range)));
            }
            columns.push(Cow::Borrowed(column));
        }
        for (column, input) in columns.iter_mut().zip(&self.inputs) {
            if let (Origin::Parameter, [value]) = (input.origin, &**column) {
                *column = Cow::Owned(vec![*value; block_rows.unwrap_or(0)]);
            }
        }
        for group in &self.exclusive {
            let group: Vec<_> = group.iter().filter_map(|&input| columns.get(input)).collect();
            let set = |row: usize| {
                group
                    .iter()
                    .filter(|column| column.get(row).is_some_and(|value| *value != [0; NUMBER_BYTES]))
                    .count()
            };
            if let Some(row) = (0..columns.first().map_or(0, |column| column.len())).find(|&row| set(row) > 1)
            {
                return Err(refuse(format!(
                    "row {row} of the block sets two inputs that exclude each other"
                )));
            }
        }
        for pair in &self.nested {
            let [Some(lower), Some(higher)] = pair.map(|input| columns.get(input)) else { continue };
            let breaks = |(lower, higher): (&[u8; NUMBER_BYTES], &[u8; NUMBER_BYTES])| {
                *lower == [0; NUMBER_BYTES] && *higher != [0; NUMBER_BYTES]
            };
            if let Some(row) = lower.iter().zip(higher.iter()).position(breaks) {
                return Err(refuse(format!("row {row} of the block breaks the order of nested inputs")));
            }
        }
        Ok(columns)
    }
}

fn exclusive_groups(inputs: &[Input]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, input) in inputs.iter().enumerate() {
        if let Some(Family::OneOf(name)) = &input.family {
            groups.entry(name).or_default().push(index);
        }
    }
    groups.into_values().collect()
}

/// Pairs of flags of neighbouring ranks, the lower first.
fn nested_pairs(inputs: &[Input]) -> Vec<[usize; 2]> {
    let mut groups: BTreeMap<&str, Vec<(u32, usize)>> = BTreeMap::new();
    for (index, input) in inputs.iter().enumerate() {
        if let Some(Family::Nested(name, rank)) = &input.family {
            groups.entry(name).or_default().push((*rank, index));
        }
    }
    let mut pairs = Vec::new();
    for mut group in groups.into_values() {
        group.sort_unstable();
        pairs.extend(group.windows(2).filter_map(|pair| Some([pair.first()?.1, pair.last()?.1])));
    }
    pairs
}

/// The first value outside a range. All are looked at before any is named: that has no branch per value.
fn outside(column: &[[u8; NUMBER_BYTES]], range: Range) -> Option<i64> {
    let width = range.hi().abs_diff(range.lo());
    let is_outside = |bytes: &[u8; NUMBER_BYTES]| {
        i64::from_le_bytes(*bytes).wrapping_sub(range.lo()).cast_unsigned() > width
    };
    let any = column.iter().fold(false, |any, bytes| any | is_outside(bytes));
    if any {
        column.iter().find(|bytes| is_outside(bytes)).map(|bytes| i64::from_le_bytes(*bytes))
    } else {
        None
    }
}

impl Session for ClearSession {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        let columns = self.work.columns(inputs)?;
        let rows = columns.first().map_or(0, |column| column.len());
        let tile_rows = self.work.code.layout().tile_rows;
        let mut tile = Vec::with_capacity(columns.len());
        self.block_sums.fill(0);
        for start in (0..rows).step_by(tile_rows) {
            let end = rows.min(start + tile_rows);
            tile.clear();
            tile.extend(columns.iter().map(|column| column.get(start..end).unwrap_or_default()));
            self.tile_sums.fill(0);
            self.work.code.run(&tile, &mut self.scratch, &mut self.tile_sums)?;
            for (sum, added) in self.block_sums.iter_mut().zip(&self.tile_sums) {
                *sum += i128::from(*added);
            }
        }
        let (added, broken) = self.block_sums.split_at(self.sums.len());
        if let Some((claim, rows)) = self.work.claims.iter().zip(broken).find(|(_, rows)| **rows != 0) {
            return Err(BackendError::new(
                Fault::Plan,
                format!(
                    "the plan claims that {} lies in {}, which {rows} rows of the block break",
                    claim.node, claim.range
                ),
            ));
        }
        for (sum, added) in self.sums.iter_mut().zip(added) {
            *sum += added;
        }
        self.begun = true;
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        let mut sums = Vec::with_capacity(self.sums.len());
        for (index, &sum) in self.sums.iter().enumerate() {
            sums.push(i64::try_from(sum).map_err(|_| {
                BackendError::new(Fault::Plan, format!("sum s{index} is {sum}, which leaves 64 bits"))
            })?);
        }
        Ok(seal_numbers(Kind::Sums, sums.into_iter()))
    }

    fn fork(&self) -> Result<Self, BackendError> {
        Ok(Self::over(Arc::clone(&self.work)))
    }

    fn absorb(&mut self, other: Self) -> Result<(), BackendError> {
        if !Arc::ptr_eq(&self.work, &other.work) {
            return Err(BackendError::new(Fault::Plan, "the other session is over another plan"));
        }
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, added)| *sum += added);
        self.begun |= other.begun;
        Ok(())
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        Ok(state::seal(self.work.identity, &self.sums))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        if self.begun {
            return Err(BackendError::new(Fault::Input, "a state is for a session that has done no block"));
        }
        self.sums = state::open(state, self.work.identity, self.sums.len())?;
        self.begun = true;
        Ok(())
    }
}
