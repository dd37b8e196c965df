//! Rows as files of encrypted parts, block after block.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hq_engine::dataset::{PartDigest, PartFile, part_file_name};
use hq_engine::lower::{known_input, present_input};
use hq_engine::passes::Encodings;
use hq_engine::run::{BlockSource as _, Progress};
use hq_plugin_sdk::capabilities::InputForm;
use hq_plugin_sdk::plan::{Input, Origin};
use hq_plugin_sdk::range::Range;

use hq_dsl::Dataset;

use crate::backend::Backend;
use crate::blocks::Encryption;
use crate::error::{Result, file_error};
use crate::fingerprint::Fingerprinting;
use crate::output::Bar;

/// Everything that the backend may be asked to read.
pub(crate) fn all_inputs(dataset: &Dataset, backend: &Backend, encodings: &Encodings) -> Vec<Input> {
    let mut inputs = vec![present_input()];
    for column in &dataset.columns {
        match backend.evaluator.capabilities().inputs {
            InputForm::Columns => {
                let (lo, hi) = column.domain.range();
                let range = Range::new(lo, hi).unwrap_or(Range::BOOL);
                inputs.push(Input { name: column.name.clone(), range, family: None, origin: Origin::Table });
                if column.optional {
                    let name = known_input(&column.name);
                    inputs.push(Input { name, range: Range::BOOL, family: None, origin: Origin::Table });
                }
            }
            InputForm::Parts => {
                let encoding = encodings.get(&column.name);
                inputs
                    .extend(encoding.iter().flat_map(|form| form.parts(&column.name)).map(|part| part.input));
            }
        }
    }
    inputs
}

/// Encrypts all blocks of tables, one after the other, into files of a folder, one for each input; tells what they hold, for
/// the manifest. A table that has a fingerprint is added to it.
pub(crate) fn write(
    folder: &Path,
    inputs: &[Input],
    tables: &mut [(Encryption<'_>, Option<&mut Fingerprinting>)],
) -> Result<BTreeMap<String, PartFile>> {
    let parts = inputs
        .iter()
        .map(|input| PartWriter::create(folder, &input.name).map(Mutex::new))
        .collect::<Result<Vec<_>>>()?;
    // Each input of a block is made once, so no two threads ever wait for a part.
    let append = |input: usize, frame: Vec<u8>| {
        let part = parts.get(input).map(|part| part.lock().unwrap_or_else(PoisonError::into_inner));
        part.map_or(Ok(()), |mut part| part.append(&frame))
    };
    let blocks = tables.iter().map(|(encryption, _)| encryption.blocks()).sum();
    let (mut bar, mut done) = (Bar::new("encrypting"), 0);
    for (encryption, fingerprint) in tables {
        for _ in 0..encryption.blocks() {
            let (rows, cells) = encryption.next_block(&append)?;
            if let Some(fingerprint) = fingerprint {
                fingerprint.add(rows, &cells);
            }
            done += 1;
            bar.set(Progress { done, blocks });
        }
    }
    drop(bar);
    let files = inputs.iter().zip(parts).map(|(input, part)| {
        let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
        part.finish().map(|file| (input.name.clone(), file))
    });
    files.collect()
}

/// A part's file in the making. It is not kept open: there may be more parts than open files.
struct PartWriter {
    path: PathBuf,
    file: String,
    bytes: u64,
    digest: PartDigest,
}

impl PartWriter {
    fn create(folder: &Path, part: &str) -> Result<Self> {
        let file = part_file_name(part)?;
        Ok(Self { path: folder.join(&file), file, bytes: 0, digest: PartDigest::default() })
    }

    /// Adds a block.
    fn append(&mut self, frame: &[u8]) -> Result<()> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut stream| stream.write_all(frame))
            .map_err(file_error(&self.path))?;
        self.bytes += frame.len() as u64;
        self.digest.add(frame);
        Ok(())
    }

    /// The file is on disk before a manifest names it.
    fn finish(self) -> Result<PartFile> {
        let file = OpenOptions::new().append(true).open(&self.path);
        file.and_then(|file| file.sync_all()).map_err(file_error(&self.path))?;
        Ok(PartFile { file: self.file, bytes: self.bytes, digest: self.digest.finish() })
    }
}
