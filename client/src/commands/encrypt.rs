//! `hq encrypt`: a table as an encrypted dataset folder. Nothing is written unless every cell is sound.

use std::collections::BTreeSet;

use hq_dsl::Dataset;
use hq_engine::dataset::{DatasetFolder, Manifest, VERSION, hex_digest, write_manifest};
use hq_engine::lower::PRESENT;

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption};
use crate::cli::EncryptArgs;
use crate::controls::Controls;
use crate::error::{Result, mismatch};
use crate::execution::threads;
use crate::fingerprint::FingerprintKey;
use crate::keys::{KeyFolder, Staged};
use crate::output;
use crate::part_files::{self, all_inputs};
use crate::program::read_schema;
use crate::table::Table;

/// Encrypts a table.
pub(crate) fn encrypt(args: &EncryptArgs) -> Result<()> {
    if args.add {
        return super::add_forms::add_forms(args);
    }
    let (dataset, schema) = read_schema(&args.dataset)?;
    let keys = KeyFolder::open(&args.keys)?;
    keys.check_dataset(&dataset, &args.dataset)?;
    let backend = Backend::load(&keys.description.backend)?;
    let table = read_table(args, &dataset)?;
    let encodings = keys.forms()?.encodings();
    let inputs = all_inputs(&dataset, &backend, &encodings);
    if args.controls > 0 && keys.description.gates.is_some() {
        return Err(mismatch(
            &args.keys,
            "keeps small counts encrypted, which does not go together with --controls",
        ));
    }
    let secret = keys.secret(&args.passphrase)?;
    let key = keys.load(&backend, &secret)?;

    let staged = Staged::new(&args.output)?;
    let parameters = keys.description.parameters.clone();
    let controls = Controls::draw(args.controls, table.rows())?;
    let all = controls.tables(&dataset)?;
    let blocks = table.blocks(parameters.rows_per_block());
    let mut fingerprint = FingerprintKey::of(&secret).begin(&table);
    let mut first = Some(&mut fingerprint);
    let mut tables = Vec::with_capacity(all.len());
    for control in &all {
        let of = control.as_ref().unwrap_or(&table);
        let encoder = Encoder::new(&inputs, backend.evaluator.capabilities(), of, &encodings)?;
        let encryption = Encryption::new(&key, of, encoder, parameters.rows_per_block(), threads(None))?;
        tables.push((encryption, if control.is_none() { first.take() } else { None }));
    }
    let parts = part_files::write(staged.path(), &inputs, &mut tables)?;
    let (bytes, seconds) = tables
        .iter()
        .fold((0, 0.0), |(bytes, seconds), (made, _)| (bytes + made.bytes, seconds + made.seconds));
    drop(tables);
    let manifest = Manifest {
        version: VERSION,
        dataset: dataset.name.clone(),
        backend: backend.name.clone(),
        key_id: keys.description.key_id.clone(),
        parameters,
        gates: keys.description.gates.clone(),
        blocks,
        tables: all.len() as u64,
        schema_digest: hex_digest(schema.as_bytes()),
        columns: encodings.into_iter().collect(),
        parts,
    };
    write_manifest(staged.path(), &manifest, &schema)?;
    if all.len() > 1 {
        controls.keep(&keys, DatasetFolder::open(staged.path())?.digest())?;
    }
    // A table is of use without it.
    if let Some(present) = manifest.parts.get(PRESENT)
        && let Err(error) = keys.remember(&present.digest, &fingerprint.finish())
    {
        output::warn(&format!("{error}. No form can be added to {} later", args.output.display()));
    }
    staged.publish()?;
    output::out(&format!(
        "{}: {} rows of `{}` encrypted in {blocks} block{} of {} parts{}, {} bytes, {:.2} s\n",
        args.output.display(),
        hq_dsl::with_commas(table.rows().into()),
        dataset.name,
        if blocks == 1 { "" } else { "s" },
        inputs.len(),
        match args.controls {
            0 => String::new(),
            controls => format!(", as {controls} copies among {controls} controls"),
        },
        hq_dsl::with_commas(bytes.into()),
        seconds,
    ));
    Ok(())
}

/// All columns of a dataset.
pub(super) fn read_table(args: &EncryptArgs, dataset: &Dataset) -> Result<Table> {
    let wanted: BTreeSet<String> = dataset.columns.iter().map(|column| column.name.clone()).collect();
    let table = Table::open(&args.table, dataset, &wanted, args.outside)?;
    if !table.ignored().is_empty() {
        let ignored = table.ignored().join(", ");
        output::note(&format!("{}: not in the schema and left out: {ignored}", args.table.display()));
    }
    table.note();
    Ok(table)
}
