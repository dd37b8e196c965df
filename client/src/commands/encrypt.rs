//! `hq encrypt`: a table as an encrypted dataset folder. Nothing is written unless every cell is sound.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hq_dsl::Dataset;
use hq_engine::dataset::{
    Manifest, PartDigest, PartFile, VERSION, hex_digest, part_file_name, write_manifest,
};
use hq_engine::lower::{known_input, present_input};
use hq_engine::passes::Encodings;
use hq_engine::run::Progress;
use hq_plugin_sdk::capabilities::InputForm;
use hq_plugin_sdk::plan::{Input, Origin};
use hq_plugin_sdk::range::Range;

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption};
use crate::cli::EncryptArgs;
use crate::error::{Result, file_error};
use crate::execution::threads;
use crate::keys::{KeyFolder, Staged};
use crate::output::{self, Bar};
use crate::program::read_schema;
use crate::table::Table;

/// Encrypts a table.
pub(crate) fn encrypt(args: &EncryptArgs) -> Result<()> {
    let (dataset, schema) = read_schema(&args.dataset)?;
    let keys = KeyFolder::open(&args.keys)?;
    keys.check_dataset(&dataset, &args.dataset)?;
    let backend = Backend::load(&keys.description.backend)?;
    let table = read_table(args, &dataset)?;
    let encodings = keys.forms()?.encodings();
    let inputs = all_inputs(&dataset, &backend, &encodings);
    let key = keys.unlock(&backend, &args.passphrase)?;

    let staged = Staged::new(&args.output)?;
    let parameters = keys.description.parameters.clone();
    let encoder = Encoder::new(&inputs, backend.evaluator.capabilities(), &table, &encodings)?;
    let mut encryption = Encryption::new(&key, &table, encoder, parameters.rows_per_block(), threads(None))?;
    let blocks = table.blocks(parameters.rows_per_block());
    let parts = inputs
        .iter()
        .map(|input| PartWriter::create(staged.path(), &input.name).map(Mutex::new))
        .collect::<Result<Vec<_>>>()?;
    // Each input of a block is made once, so no two threads ever wait for a part.
    let append = |input: usize, frame: Vec<u8>| {
        let part = parts.get(input).map(|part| part.lock().unwrap_or_else(PoisonError::into_inner));
        part.map_or(Ok(()), |mut part| part.append(&frame))
    };
    let mut bar = Bar::new("encrypting");
    for block in 0..blocks {
        encryption.next_block(&append)?;
        bar.set(Progress { done: block + 1, blocks });
    }
    drop(bar);
    let manifest = Manifest {
        version: VERSION,
        dataset: dataset.name.clone(),
        backend: backend.name.clone(),
        key_id: keys.description.key_id.clone(),
        parameters,
        blocks,
        schema_digest: hex_digest(schema.as_bytes()),
        columns: encodings.into_iter().collect(),
        parts: inputs
            .iter()
            .zip(parts)
            .map(|(input, part)| {
                let part = part.into_inner().unwrap_or_else(PoisonError::into_inner);
                (input.name.clone(), part.finish())
            })
            .collect(),
    };
    write_manifest(staged.path(), &manifest, &schema)?;
    staged.publish()?;
    output::out(&format!(
        "{}: {} rows of `{}` encrypted in {blocks} block{} of {} parts, {} bytes, {:.2} s\n",
        args.output.display(),
        hq_dsl::with_commas(table.rows().into()),
        dataset.name,
        if blocks == 1 { "" } else { "s" },
        inputs.len(),
        hq_dsl::with_commas(encryption.bytes.into()),
        encryption.seconds,
    ));
    Ok(())
}

fn read_table(args: &EncryptArgs, dataset: &Dataset) -> Result<Table> {
    let wanted: BTreeSet<String> = dataset.columns.iter().map(|column| column.name.clone()).collect();
    let table = Table::open(&args.table, dataset, &wanted, args.outside)?;
    if !table.ignored().is_empty() {
        let ignored = table.ignored().join(", ");
        output::note(&format!("{}: not in the schema and left out: {ignored}", args.table.display()));
    }
    table.note();
    Ok(table)
}

/// Everything that the backend may be asked to read.
fn all_inputs(dataset: &Dataset, backend: &Backend, encodings: &Encodings) -> Vec<Input> {
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

    fn finish(self) -> PartFile {
        PartFile { file: self.file, bytes: self.bytes, digest: self.digest.finish() }
    }
}
