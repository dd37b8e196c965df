//! From rows to the inputs of a backend: what each named input holds, and its encryption on demand.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use hq_engine::encoding::{Part, is_word};
use hq_engine::lower::{PRESENT, known_input};
use hq_engine::passes::Encodings;
use hq_engine::run::{BlockSource, SourceError};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm};
use hq_plugin_sdk::host::PluginKey;
use hq_plugin_sdk::plan::Input;
use hq_plugin_sdk::range::Range;

use crate::error::{Result, refused};
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
    /// Whether the backend looks values up in tables.
    tables: bool,
}

impl Encoder {
    /// For inputs in their order; an input that the table or the encodings lack is given back as the error.
    pub(crate) fn new<'a>(
        inputs: impl IntoIterator<Item = &'a Input>,
        backend: &Capabilities,
        table: &Table,
        encodings: &Encodings,
    ) -> std::result::Result<Self, SourceError> {
        let form = backend.inputs;
        let contents = inputs
            .into_iter()
            .map(|input| {
                content(input, form, table, encodings).ok_or_else(|| SourceError {
                    place: input.name.clone(),
                    reason: "the plan reads an input that the dataset does not hold".to_owned(),
                })
            })
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self { contents, tables: backend.bootstrapped.is_some() })
    }

    /// Number of inputs.
    fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether an input stands in tables of a backend with tables.
    fn is_entry(&self, input: usize) -> bool {
        self.tables
            && matches!(self.contents.get(input), Some(Content::Part { part, .. }) if is_word(&part.input.name))
    }

    /// Of all inputs, one value per row.
    pub(crate) fn all_values(&self, rows: usize, cells: &Cells) -> Vec<Vec<i64>> {
        (0..self.len()).map(|input| self.values(input, rows, cells)).collect()
    }

    /// Of one input, one value per row.
    fn values(&self, input: usize, rows: usize, cells: &Cells) -> Vec<i64> {
        let column = |index: usize| cells.get(index).map_or(&[][..], Vec::as_slice).iter();
        match self.contents.get(input) {
            None => Vec::new(),
            Some(Content::Present) => vec![1; rows],
            Some(Content::Number { column: at, absent }) => {
                column(*at).map(|cell| cell.unwrap_or(*absent)).collect()
            }
            Some(Content::Known { column: at }) => {
                column(*at).map(|cell| i64::from(cell.is_some())).collect()
            }
            Some(Content::Part { column: at, part }) => column(*at).map(|cell| part.value(*cell)).collect(),
        }
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

/// Encrypts a table's blocks one after another, the inputs of a block on several threads.
pub(crate) struct Encryption<'a> {
    key: &'a PluginKey,
    reader: TableReader,
    encoder: Encoder,
    threads: NonZero<usize>,
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
        threads: NonZero<usize>,
    ) -> Result<Self> {
        let (reader, blocks) = (table.reader()?, table.blocks(rows_per_block));
        Ok(Self { key, reader, encoder, threads, rows_per_block, blocks, made: 0, seconds: 0.0, bytes: 0 })
    }

    /// Makes the next block and gives the frame of each input away as soon as it is made, in no order and on
    /// whatever thread: besides the rows, only one frame per thread is in memory. What was encrypted is given back.
    pub(crate) fn next_block(
        &mut self,
        take: &(dyn Fn(usize, Vec<u8>) -> Result<()> + Sync),
    ) -> Result<(usize, Cells)> {
        let start = Instant::now();
        let (rows, cells) = self.reader.next_rows(self.rows_per_block)?;
        let (inputs, next, bytes) = (self.encoder.len(), AtomicUsize::new(0), AtomicU64::new(0));
        let place = || format!("encrypting block {}", self.made);
        let work = || {
            loop {
                let input = next.fetch_add(1, Ordering::Relaxed);
                if input >= inputs {
                    return Ok(());
                }
                let values = self.encoder.values(input, rows, &cells);
                let frame = if self.encoder.is_entry(input) {
                    self.key.encrypt_entries(&values)
                } else {
                    self.key.encrypt(&values)
                };
                let frame = frame.map_err(refused(place()))?;
                bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
                take(input, frame)?;
            }
        };
        let threads = self.threads.get().min(inputs);
        if threads > 1 {
            on_threads(threads, &work)?;
        } else {
            work()?;
        }
        self.made += 1;
        self.seconds += start.elapsed().as_secs_f64();
        self.bytes += bytes.into_inner();
        Ok((rows, cells))
    }
}

/// The same work on several threads, which share it out themselves.
fn on_threads(threads: usize, work: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
    let ends = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    // A thread of ours ends without a result only by a panic, which then goes on here.
    ends.into_iter().try_for_each(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
}

impl BlockSource for Encryption<'_> {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block(&mut self, index: u64, frames: &mut Vec<Vec<u8>>) -> std::result::Result<(), SourceError> {
        let wrong = |reason: String| SourceError { place: format!("block {index}"), reason };
        if index != self.made {
            return Err(wrong(format!("was asked for where block {} is next", self.made)));
        }
        let made: Vec<OnceLock<Vec<u8>>> = vec![OnceLock::new(); self.encoder.len()];
        let take = |input: usize, frame| {
            // No input is made twice.
            let _ = made.get(input).map(|place| place.set(frame));
            Ok(())
        };
        self.next_block(&take).map_err(|error| wrong(error.to_string()))?;
        frames.clear();
        frames.extend(made.into_iter().filter_map(OnceLock::into_inner));
        Ok(())
    }
}
