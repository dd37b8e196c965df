//! `hq encrypt --add`: more forms of the columns of a dataset that is encrypted already. What it holds stays as it is; the
//! new parts are made from the same table, which its fingerprint shows, and count from the moment that the manifest
//! names them.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use hq_engine::dataset::{DatasetFolder, Manifest};
use hq_engine::forms::Forms;
use hq_engine::lower::PRESENT;
use hq_plugin_sdk::plan::Input;

use crate::backend::Backend;
use crate::blocks::{Encoder, Encryption};
use crate::cli::EncryptArgs;
use crate::error::{ClientError, Result, damaged, file_error, mismatch};
use crate::execution::threads;
use crate::fingerprint::{Fingerprint, FingerprintKey};
use crate::forms::shown;
use crate::keys::KeyFolder;
use crate::output;
use crate::part_files::{self, all_inputs};
use crate::program::{compile_schema, read_schema};

use super::encrypt::read_table;

/// The folder in a dataset's where new parts are made.
const WORKPLACE: &str = ".adding";
/// The file in it that is locked by whoever makes some.
const LOCK: &str = "lock";

/// Adds what a dataset does not hold yet.
pub(super) fn add_forms(args: &EncryptArgs) -> Result<()> {
    let (dataset, _) = read_schema(&args.dataset)?;
    let keys = KeyFolder::open(&args.keys)?;
    keys.check_dataset(&dataset, &args.dataset)?;
    let folder = DatasetFolder::open(&args.output)?;
    check_folder(&folder, &keys, args)?;
    let backend = Backend::load(&keys.description.backend)?;

    let kept = keys.forms()?;
    let asked = args
        .forms
        .as_ref()
        .map_or_else(|| Ok(kept.clone()), |source| source.of(&dataset, backend.evaluator.capabilities()))?
        .under(&keys.description.parameters, dataset.rows);
    let held = Forms::new(&dataset, kept.max_bytes_per_row, folder.encodings());
    held.check(&dataset).map_err(|reason| damaged(&args.output, format!("its manifest {reason}")))?;
    let (widened, left_out) = held.widened(&asked);
    for form in left_out {
        let (held, wanted) = (shown(&form.held), shown(&form.wanted));
        output::note(&format!("`{}` keeps {held}; {wanted} cannot stand beside it", form.column));
    }
    let encodings = widened.encodings();
    let mut inputs = all_inputs(&dataset, &backend, &encodings);
    inputs.retain(|input| !folder.manifest().parts.contains_key(&input.name));
    if inputs.is_empty() {
        return Err(ClientError::NothingToAdd { data: args.output.clone() });
    }

    let present = folder.manifest().parts.get(PRESENT).map_or("", |part| part.digest.as_str());
    let first = keys.recall(present, &args.output)?;
    let workplace = Workplace::new(&args.output)?;
    let table = read_table(args, &dataset)?;
    let secret = keys.secret(&args.passphrase)?;
    let fingerprints = FingerprintKey::of(&secret);
    let parameters = &keys.description.parameters;
    check_table(&first, &fingerprints.of_table(&table, parameters.rows_per_block())?, args)?;

    let key = keys.load(&backend, &secret)?;
    let encoder = Encoder::new(&inputs, backend.evaluator.capabilities(), &table, &encodings)?;
    let encryption = Encryption::new(&key, &table, encoder, parameters.rows_per_block(), threads(None))?;
    let mut fingerprint = fingerprints.begin(&table);
    let mut tables = [(encryption, Some(&mut fingerprint))];
    let parts = part_files::write(&workplace.folder, &inputs, &mut tables)?;
    let [(encryption, _)] = tables;
    // The table may have changed since it was looked at.
    check_table(&first, &fingerprint.finish(), args)?;

    let mut manifest: Manifest = folder.manifest().clone();
    manifest.columns = widened.columns;
    manifest.parts.extend(parts);
    // In this order: what stops between two steps is mended by the same command.
    keys.keep_forms(&kept.widened(&asked).0)?;
    workplace.move_to(&args.output, &inputs, &manifest)?;
    folder.replace_manifest(&manifest)?;
    output::out(&format!(
        "{}: {} parts added to {}, {} bytes, {:.2} s\n",
        args.output.display(),
        inputs.len(),
        manifest.parts.len() - inputs.len(),
        hq_dsl::with_commas(encryption.bytes.into()),
        encryption.seconds,
    ));
    Ok(())
}

/// Refuses a dataset of other keys, or of another schema than they are for.
fn check_folder(folder: &DatasetFolder, keys: &KeyFolder, args: &EncryptArgs) -> Result<()> {
    let (manifest, description) = (folder.manifest(), &keys.description);
    if manifest.key_id != description.key_id {
        let reason = format!(
            "was encrypted with key {}; {} holds key {}",
            manifest.key_id,
            args.keys.display(),
            description.key_id
        );
        return Err(mismatch(&args.output, reason));
    }
    if manifest.parameters != description.parameters || manifest.backend != description.backend {
        return Err(mismatch(&args.output, "has other parameters than those of the keys"));
    }
    if manifest.tables > 1 {
        return Err(mismatch(
            &args.output,
            "has control tables, and gains no forms: encrypt the table again with --controls",
        ));
    }
    let schema_path = args.output.join(hq_engine::dataset::SCHEMA);
    keys.check_dataset(&compile_schema(&schema_path, folder.schema())?, &schema_path)
}

fn check_table(first: &Fingerprint, found: &Fingerprint, args: &EncryptArgs) -> Result<()> {
    first.difference(found).map_or(Ok(()), |difference| {
        Err(ClientError::OtherTable { path: args.table.clone(), data: args.output.clone(), difference })
    })
}

/// Where new parts are made: in the dataset's folder, so that they only need another name. Emptied of what an interrupted
/// addition left, locked against a second one, and gone at the end.
struct Workplace {
    folder: PathBuf,
    _lock: File,
}

impl Workplace {
    fn new(data: &Path) -> Result<Self> {
        let folder = data.join(WORKPLACE);
        fs::create_dir_all(&folder).map_err(file_error(&folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(file_error(&path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ClientError::AddedElsewhere { data: data.to_owned() },
            TryLockError::Error(error) => file_error(&path)(error),
        })?;
        let workplace = Self { folder, _lock: lock };
        for entry in fs::read_dir(&workplace.folder).map_err(file_error(&workplace.folder))? {
            let path = entry.map_err(file_error(&workplace.folder))?.path();
            if path.file_name().is_some_and(|name| name != LOCK) {
                fs::remove_file(&path).map_err(file_error(&path))?;
            }
        }
        Ok(workplace)
    }

    /// Moves the files of some inputs to where their dataset has them.
    fn move_to(&self, data: &Path, inputs: &[Input], manifest: &Manifest) -> Result<()> {
        for file in inputs.iter().filter_map(|input| manifest.parts.get(&input.name)) {
            let place = data.join(&file.file);
            fs::rename(self.folder.join(&file.file), &place).map_err(file_error(&place))?;
        }
        Ok(())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What stays is removed by the next one.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
