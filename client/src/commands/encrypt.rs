//! `hq encrypt`: a table as an encrypted dataset folder. Nothing is written unless every cell is sound.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use hq_dsl::Dataset;
use hq_engine::compile::default_encodings;
use hq_engine::dataset::{MANIFEST, Manifest, PartFile, SCHEMA, VERSION, part_file_name};
use hq_engine::lower::{known_input, present_input};
use hq_engine::passes::Encodings;
use hq_engine::run::Progress;
use hq_plugin_sdk::capabilities::InputForm;
use hq_plugin_sdk::plan::Input;
use hq_plugin_sdk::range::Range;

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption};
use crate::cli::EncryptArgs;
use crate::error::{ClientError, Result, file_error};
use crate::keys::{KeyFolder, Staged};
use crate::output::{self, Bar};
use crate::program::read_schema;
use crate::table::Table;

/// File with the digest of the manifest.
pub(crate) const MANIFEST_DIGEST: &str = "manifest.b3";

/// Encrypts a table.
pub(crate) fn encrypt(args: &EncryptArgs) -> Result<()> {
    let (dataset, schema) = read_schema(&args.dataset)?;
    let keys = KeyFolder::open(&args.keys)?;
    keys.check_dataset(&dataset, &args.dataset)?;
    let backend = Backend::load(&keys.description.backend)?;
    let table = read_table(args, &dataset)?;
    let encodings = default_encodings(&dataset);
    let inputs = all_inputs(&dataset, &backend, &encodings);
    let key = keys.unlock(&backend, &args.passphrase)?;

    let staged = Staged::new(&args.output)?;
    let parameters = keys.description.parameters.clone();
    let form = backend.evaluator.capabilities().inputs;
    let encoder = Encoder::new(&inputs, form, &table, &encodings)?;
    let mut encryption = Encryption::new(&key, &table, encoder, parameters.rows_per_block())?;
    let blocks = table.blocks(parameters.rows_per_block());
    let mut parts: BTreeMap<String, PartFile> = BTreeMap::new();
    let bar = Bar::new("encrypting");
    for block in 0..blocks {
        let frames = encryption.next_block()?;
        for (input, frame) in inputs.iter().zip(&frames) {
            append(staged.path(), &input.name, frame, &mut parts)?;
        }
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
        schema_digest: blake3::hash(schema.as_bytes()).to_hex().to_string(),
        columns: encodings.into_iter().collect(),
        parts,
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
    if table.made_missing() > 0 {
        let count = hq_dsl::with_commas(table.made_missing().into());
        output::note(&format!(
            "{}: {count} cells outside their domains became missing",
            args.table.display()
        ));
    }
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
                inputs.push(Input { name: column.name.clone(), range, one_of: None });
                if column.optional {
                    let name = known_input(&column.name);
                    inputs.push(Input { name, range: Range::BOOL, one_of: None });
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

/// Adds a block to a part's file. Files are not kept open: there may be more parts than open files.
fn append(folder: &Path, part: &str, frame: &[u8], parts: &mut BTreeMap<String, PartFile>) -> Result<()> {
    let file = part_file_name(part)?;
    let path = folder.join(&file);
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut stream| stream.write_all(frame))
        .map_err(file_error(&path))?;
    parts.entry(part.to_owned()).or_insert(PartFile { file, bytes: 0 }).bytes += frame.len() as u64;
    Ok(())
}

fn write_manifest(folder: &Path, manifest: &Manifest, schema: &str) -> Result<()> {
    let text = serde_json::to_string_pretty(manifest)
        .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    for (name, text) in [(MANIFEST, text.as_str()), (SCHEMA, schema), (MANIFEST_DIGEST, &digest)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(file_error(&path))?;
    }
    Ok(())
}
