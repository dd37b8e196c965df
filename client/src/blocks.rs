//! From rows to the inputs of a backend: what each named input holds, and its encryption on demand.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::thread;
use std::time::Instant;

use hq_engine::encoding::Part;
use hq_engine::lower::{PRESENT, known_input};
use hq_engine::passes::Encodings;
use hq_engine::run::{BlockSource, SourceError};
use hq_plugin_sdk::backend::BackendError;
use hq_plugin_sdk::capabilities::InputForm;
use hq_plugin_sdk::host::PluginKey;
use hq_plugin_sdk::plan::Input;
use hq_plugin_sdk::range::Range;

use crate::error::{ClientError, Result};
use crate::table::{Cells, Table, TableReader};

/// What an input holds for a row.
#[derive(Clone, Debug)]
enum Content {
    /// 1: the row is there.
    Present,
    /// The code of a column; for a missing cell the value nearest to 0 that the input may hold.
    Number { column: usize, absent: i64 },
    /// Whether a cell is not missing.
    Known { column: usize },
    /// A part of a column's encoded form.
    Part { column: usize, part: Part },
}

/// Which columns inputs are made from.
pub(crate) fn columns_of<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> BTreeSet<String> {
    let name = |input: &Input| input.name.split('.').next().unwrap_or_default().to_owned();
    inputs.into_iter().filter(|input| input.name != PRESENT).map(name).collect()
}

/// Turns rows into the values of a list of inputs.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    contents: Vec<Content>,
}

impl Encoder {
    /// For inputs in their order; an input that the table or the encodings lack is given back as the error.
    pub(crate) fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Input>,
        form: InputForm,
        table: &Table,
        encodings: &Encodings,
    ) -> std::result::Result<Self, SourceError> {
        let contents = inputs
            .into_iter()
            .map(|input| {
                content(input, form, table, encodings).ok_or_else(|| SourceError {
                    place: input.name.clone(),
                    reason: "the plan reads an input that the dataset does not hold".to_owned(),
                })
            })
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { contents })
    }

    /// Per input, one value per row.
    fn values(&self, rows: usize, cells: &Cells) -> Vec<Vec<i64>> {
        let column = |index: usize| cells.get(index).map_or(&[][..], Vec::as_slice).iter();
        self.contents
            .iter()
            .map(|content| match content {
                Content::Present => vec![1; rows],
                Content::Number { column: at, absent } => {
                    column(*at).map(|cell| cell.unwrap_or(*absent)).collect()
                }
                Content::Known { column: at } => column(*at).map(|cell| i64::from(cell.is_some())).collect(),
                Content::Part { column: at, part } => column(*at).map(|cell| part.value(*cell)).collect(),
            })
            .collect()
    }
}

fn content(input: &Input, form: InputForm, table: &Table, encodings: &Encodings) -> Option<Content> {
    if input.name == PRESENT {
        return Some(Content::Present);
    }
    let name = input.name.split('.').next()?;
    let column = table.position(name)?;
    match form {
        InputForm::Columns if input.name == name => {
            Some(Content::Number { column, absent: nearest_to_zero(input.range) })
        }
        InputForm::Columns => (input.name == known_input(name)).then_some(Content::Known { column }),
        InputForm::Parts => {
            let parts = encodings.get(name)?.parts(name);
            let part = parts.into_iter().find(|part| part.input.name == input.name)?;
            Some(Content::Part { column, part })
        }
    }
}

fn nearest_to_zero(range: Range) -> i64 {
    0_i64.clamp(range.lo(), range.hi())
}

/// Encrypts a table's blocks one after another.
pub(crate) struct Encryption<'a> {
    key: &'a PluginKey,
    reader: TableReader,
    encoder: Encoder,
    rows_per_block: u32,
    blocks: u64,
    /// Blocks made.
    made: u64,
    /// Wall-clock seconds spent encrypting, reading included.
    pub(crate) seconds: f64,
    /// Bytes of ciphertext made.
    pub(crate) bytes: u64,
}

impl<'a> Encryption<'a> {
    /// From the first row on.
    pub(crate) fn new(
        key: &'a PluginKey,
        table: &Table,
        encoder: Encoder,
        rows_per_block: u32,
    ) -> Result<Self> {
        let (reader, blocks) = (table.reader()?, table.blocks(rows_per_block));
        Ok(Self { key, reader, encoder, rows_per_block, blocks, made: 0, seconds: 0.0, bytes: 0 })
    }

    /// The next block: a frame per input.
    pub(crate) fn next_block(&mut self) -> Result<Vec<Vec<u8>>> {
        let start = Instant::now();
        let (rows, cells) = self.reader.next_rows(self.rows_per_block)?;
        let values = self.encoder.values(rows, &cells);
        let index = self.made;
        let frames = encrypt(self.key, &values)
            .map_err(|source| ClientError::Backend { place: format!("encrypting block {index}"), source })?;
        self.made += 1;
        self.seconds += start.elapsed().as_secs_f64();
        self.bytes += frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
        Ok(frames)
    }
}

impl BlockSource for Encryption<'_> {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block(&mut self, index: u64) -> std::result::Result<Vec<Vec<u8>>, SourceError> {
        let wrong = |reason: String| SourceError { place: format!("block {index}"), reason };
        if index != self.made {
            return Err(wrong(format!("was asked for where block {} is next", self.made)));
        }
        self.next_block().map_err(|error| wrong(error.to_string()))
    }
}

/// Encrypts inputs on all processors.
fn encrypt(key: &PluginKey, values: &[Vec<i64>]) -> std::result::Result<Vec<Vec<u8>>, BackendError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(values.len()).max(1);
    let share = values.len().div_ceil(threads).max(1);
    let work = |values: &[Vec<i64>]| {
        values.iter().map(|values| key.encrypt(values)).collect::<std::result::Result<Vec<_>, _>>()
    };
    if threads == 1 {
        return work(values);
    }
    let shares = thread::scope(|scope| {
        let handles: Vec<_> = values.chunks(share).map(|chunk| scope.spawn(move || work(chunk))).collect();
        handles.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut frames = Vec::with_capacity(values.len());
    for share in shares {
        // A thread of ours ends without a result only by a panic, which then goes on here.
        frames.extend(share.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(frames)
}
