//! Keys at rest: a folder with `secret.key`, `evaluation.keys`, `keys.json`, which says what they are for,
//! `forms.json`, in which forms tables are encrypted under them, and `tables`, by which such a table is known again. The secret key is encrypted with a passphrase (age, scrypt); the two files cannot be confused.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use hq_dsl::Dataset;
use hq_engine::dataset::GateBinding;
use hq_engine::forms::Forms;
use hq_engine::gate_keys::GatePublic;
use hq_plugin_sdk::backend::KeyPair;
use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind, MAGIC, split_off};
use hq_plugin_sdk::host::PluginKey;
use hq_plugin_sdk::parameters::Parameters;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::checkpoint::write_whole;
use crate::cli::PassphraseArgs;
use crate::error::{ClientError, Result, damaged, file_error, mismatch, refused};
use crate::execution::key_id;
use crate::fingerprint::Fingerprint;
use crate::forms;
use crate::output;
use crate::passphrase::{Purpose, passphrase};
use crate::program::compile_schema;

/// The secret key's file.
pub(crate) const SECRET: &str = "secret.key";
/// The evaluation keys' file.
pub(crate) const EVALUATION: &str = "evaluation.keys";
/// The description's file.
const DESCRIPTION: &str = "keys.json";
/// The file of the forms in which the dataset's columns are encrypted.
pub(crate) const FORMS: &str = "forms.json";
/// The folder of the fingerprints of tables that were encrypted.
const TABLES: &str = "tables";
/// Version of the description's format.
const VERSION: u32 = 1;
/// How a file of age begins.
const AGE_MAGIC: &[u8] = b"age-encryption.org/";
/// Largest key file that is read, in bytes.
const MAX_KEY_BYTES: u64 = 4 << 30;
/// Largest description that is read, in bytes.
const MAX_DESCRIPTION_BYTES: u64 = 16 << 20;

/// What a key pair is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    version: u32,
    /// Name of the dataset.
    pub(crate) dataset: String,
    /// Backend.
    pub(crate) backend: String,
    /// Id of the key pair, in hexadecimal.
    pub(crate) key_id: String,
    /// Parameters of the key pair.
    pub(crate) parameters: Parameters,
    /// The keys of its gates, where small counts stay encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gates: Option<GateBinding>,
    /// The schema's text: its release rules are the custodian's own, whatever a result says.
    pub(crate) schema: String,
    /// BLAKE3 of all of the above, in hexadecimal.
    digest: String,
}

impl Description {
    fn sealed(mut self) -> Self {
        self.digest = self.expected_digest();
        self
    }

    fn expected_digest(&self) -> String {
        let bare = Self { digest: String::new(), ..self.clone() };
        // A structure of strings and integers always has a text.
        let text = serde_json::to_vec(&bare).unwrap_or_default();
        blake3::hash(&text).to_hex().to_string()
    }
}

/// A folder of keys, read and checked; the secret key stays closed.
#[derive(Debug)]
pub(crate) struct KeyFolder {
    folder: PathBuf,
    /// What the keys are for.
    pub(crate) description: Description,
    /// The dataset that they are for.
    pub(crate) dataset: Dataset,
}

/// The frame of a secret key, and that of its gates.
type Secrets = (Zeroizing<Vec<u8>>, Option<Zeroizing<Vec<u8>>>);

/// How a new secret key is stored.
pub(crate) enum Protection {
    /// Encrypted with a passphrase.
    Passphrase(SecretString),
    /// As it is.
    None,
}

/// Writes a new folder of keys; nothing stays behind where that fails.
pub(crate) fn write(
    folder: &Path,
    (backend, parameters, gates): (&str, Parameters, Option<GateBinding>),
    (dataset, schema, forms): (&Dataset, String, &Forms),
    pair: &KeyPair,
    protection: &Protection,
) -> Result<Description> {
    let key_id = key_id(&pair.evaluation).map_err(|error| damaged(folder, error.to_string()))?;
    let description = Description {
        version: VERSION,
        dataset: dataset.name.clone(),
        backend: backend.to_owned(),
        key_id,
        parameters,
        gates,
        schema,
        digest: String::new(),
    }
    .sealed();
    let text = serde_json::to_vec_pretty(&description)
        .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
    let secret_path = folder.join(SECRET);
    let secret = match protection {
        Protection::None => pair.secret.clone(),
        Protection::Passphrase(passphrase) => {
            let recipient = age::scrypt::Recipient::new(passphrase.clone());
            let sealed = age::encrypt(&recipient, &pair.secret)
                .map_err(|error| damaged(&secret_path, format!("cannot be encrypted: {error}")))?;
            Zeroizing::new(sealed)
        }
    };
    let staged = Staged::new(folder)?;
    write_private(&staged.path().join(SECRET), &secret)?;
    write_private(&staged.path().join(EVALUATION), &pair.evaluation)?;
    write_private(&staged.path().join(DESCRIPTION), &text)?;
    write_private(&staged.path().join(FORMS), &forms::text(forms)?)?;
    staged.publish()?;
    Ok(description)
}

/// A folder in the making beside its place; removed unless it is published.
pub(crate) struct Staged {
    folder: tempfile::TempDir,
    place: PathBuf,
}

impl Staged {
    /// Beside `place`, where there must be nothing yet but an empty folder.
    pub(crate) fn new(place: &Path) -> Result<Self> {
        let taken = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => place.exists(),
        };
        if taken {
            return Err(ClientError::Exists { path: place.to_owned() });
        }
        let parent = match place.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(file_error(parent))?;
        let folder =
            tempfile::Builder::new().prefix(".hq-").tempdir_in(parent).map_err(file_error(parent))?;
        Ok(Self { folder, place: place.to_owned() })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves it to its place.
    pub(crate) fn publish(self) -> Result<()> {
        if self.place.is_dir() {
            fs::remove_dir(&self.place).map_err(file_error(&self.place))?;
        }
        fs::rename(self.folder.path(), &self.place).map_err(file_error(&self.place))?;
        // What was moved away needs no removal.
        let _ = self.folder.keep();
        Ok(())
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(file_error(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(file_error(path))
}

/// Reads a file of bounded size.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(file_error(path))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(file_error(path))?;
    if bytes.len() as u64 > most {
        return Err(damaged(path, format!("is longer than the {most} bytes that such a file may have")));
    }
    Ok(bytes)
}

/// Whether bytes are, or once were, a secret key in either form.
fn is_secret_key(bytes: &[u8]) -> bool {
    let framed = bytes.strip_prefix(&MAGIC).and_then(<[u8]>::first) == Some(&(Kind::SecretKey as u8));
    framed || bytes.starts_with(AGE_MAGIC)
}

/// Secret keys, ready to open results.
pub(crate) struct Unlocked {
    /// What sums are opened with.
    pub(crate) sums: PluginKey,
    /// What is opened with it is what gates let out.
    pub(crate) gates: Option<PluginKey>,
}

/// Evaluation keys, as they were read.
pub(crate) struct EvaluationKeys {
    /// The frame of the pair under which tables are encrypted.
    pub(crate) frame: Vec<u8>,
    /// Which pair that is.
    pub(crate) key: KeyId,
    /// What decides on counts.
    pub(crate) gates: Option<GatePublic>,
}

/// Reads evaluation keys; refuses a secret key by name.
pub(crate) fn read_evaluation_keys(path: &Path) -> Result<EvaluationKeys> {
    let bytes = read_bounded(path, MAX_KEY_BYTES)?;
    if is_secret_key(&bytes) {
        return Err(ClientError::SecretKey { path: path.to_owned() });
    }
    let read = || {
        let (frame, first, rest) = split_off(&bytes, Kind::EvaluationKey)?;
        Ok(EvaluationKeys { frame: first.to_vec(), key: frame.key, gates: GatePublic::read(rest)? })
    };
    match read() {
        Ok(keys) => Ok(keys),
        Err(FrameError::Kind { found: Kind::SecretKey, .. }) => {
            Err(ClientError::SecretKey { path: path.to_owned() })
        }
        Err(error) => Err(damaged(path, error.to_string())),
    }
}

impl EvaluationKeys {
    /// The file as it was.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let mut bytes = self.frame.clone();
        if let Some(GatePublic { evaluation, bridge }) = &self.gates {
            bytes.extend_from_slice(evaluation);
            bytes.extend_from_slice(bridge);
        }
        bytes
    }
}

/// Keys that decide on counts are those that the dataset in `data` was encrypted with.
pub(crate) fn check_gates(
    path: &Path,
    data: &Path,
    wanted: Option<&GateBinding>,
    found: Option<&GatePublic>,
) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let no_keys = || ClientError::NoGateKeys { path: path.to_owned(), data: data.to_owned() };
    match found.ok_or_else(no_keys)?.foreign_to(wanted) {
        None => Ok(()),
        Some(reason) => {
            let reason =
                format!("decides on counts with other keys than {} asks for: {reason}", data.display());
            Err(mismatch(path, reason))
        }
    }
}

impl KeyFolder {
    /// Reads and checks the description.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        let bytes = read_bounded(&path, MAX_DESCRIPTION_BYTES)?;
        let description: Description = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(&path, format!("is no description of keys: {error}")))?;
        if description.version != VERSION {
            let reason = format!("has version {}, this program reads {VERSION}", description.version);
            return Err(damaged(&path, reason));
        }
        if description.digest != description.expected_digest() {
            return Err(damaged(&path, "does not match its digest: it was altered or damaged"));
        }
        let dataset = compile_schema(&path, &description.schema)?;
        Ok(Self { folder: folder.to_owned(), description, dataset })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Unlocks the secret key, and that of its gates.
    pub(crate) fn unlock(&self, backend: &Backend, args: &PassphraseArgs) -> Result<Unlocked> {
        let (secret, gates) = self.secrets(args)?;
        let gates = match gates {
            Some(gates) => Some(self.load(backend.gates()?, &gates)?),
            None => None,
        };
        Ok(Unlocked { sums: self.load(backend, &secret)?, gates })
    }

    /// The unlocked frame of the secret key.
    pub(crate) fn secret(&self, args: &PassphraseArgs) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.secrets(args)?.0)
    }

    /// The unlocked frames of the secret key and of that of its gates.
    pub(crate) fn secrets(&self, args: &PassphraseArgs) -> Result<Secrets> {
        let path = self.folder.join(SECRET);
        let bytes = Zeroizing::new(read_bounded(&path, MAX_KEY_BYTES)?);
        let secret = if bytes.starts_with(AGE_MAGIC) {
            let identity = age::scrypt::Identity::new(passphrase(args, Purpose::Existing)?);
            let opened = age::decrypt(&identity, &bytes)
                .map_err(|error| damaged(&path, format!("cannot be unlocked: {error}")))?;
            Zeroizing::new(opened)
        } else {
            output::warn(&format!("{} is stored WITHOUT A PASSPHRASE", path.display()));
            bytes
        };
        let wrong = |error: FrameError| damaged(&path, error.to_string());
        let check = |secret: &[u8], wanted: Option<&String>| {
            let key = frame::open(secret, Kind::SecretKey).map_err(wrong)?.key;
            if wanted == Some(&key.to_string()) {
                return Ok(Zeroizing::new(secret.to_vec()));
            }
            Err(damaged(&path, format!("belongs to key {key}, {DESCRIPTION} to another")))
        };
        let (_, first, rest) = split_off(&secret, Kind::SecretKey).map_err(wrong)?;
        let first = check(first, Some(&self.description.key_id))?;
        let gates = self.description.gates.as_ref().map(|gates| &gates.key_id);
        let rest = if rest.is_empty() && gates.is_none() { None } else { Some(check(rest, gates)?) };
        Ok((first, rest))
    }

    /// Gives a backend the unlocked secret key.
    pub(crate) fn load(&self, backend: &Backend, secret: &[u8]) -> Result<PluginKey> {
        let place = self.folder.join(SECRET).display().to_string();
        backend.custody.load_key(secret).map_err(refused(place))
    }

    /// The forms in which the keys' dataset is encrypted.
    pub(crate) fn forms(&self) -> Result<Forms> {
        forms::read(&self.folder.join(FORMS), &self.dataset)
    }

    /// Keeps other forms from now on.
    pub(crate) fn keep_forms(&self, forms: &Forms) -> Result<()> {
        write_whole(&self.folder.join(FORMS), &forms::text(forms)?)
    }

    /// Keeps the fingerprint of a table that was encrypted. `present` is the digest of the part that says which rows are
    /// there: no two encryptions have the same, and it stays when forms are added.
    pub(crate) fn remember(&self, present: &str, table: &Fingerprint) -> Result<()> {
        let path = self.fingerprint_path(present);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(file_error(folder))?;
        let text = serde_json::to_vec_pretty(table)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        write_whole(&path, &text)
    }

    /// The fingerprint of the table in a dataset.
    pub(crate) fn recall(&self, present: &str, data: &Path) -> Result<Fingerprint> {
        let path = self.fingerprint_path(present);
        if !path.exists() {
            return Err(ClientError::UnknownTable { data: data.to_owned(), path });
        }
        let bytes = read_bounded(&path, MAX_DESCRIPTION_BYTES)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| damaged(&path, format!("is no fingerprint of a table: {error}")))
    }

    /// A digest comes from outside, so it is hashed to a name.
    fn fingerprint_path(&self, present: &str) -> PathBuf {
        let name = blake3::hash(present.as_bytes()).to_hex();
        self.folder.join(TABLES).join(format!("{name}.json"))
    }

    /// Length of the evaluation keys in bytes, 0 where they are kept elsewhere.
    pub(crate) fn evaluation_bytes(&self) -> u64 {
        fs::metadata(self.folder.join(EVALUATION)).map_or(0, |data| data.len())
    }

    /// Refuses a schema other than the one that the keys were made for.
    pub(crate) fn check_dataset(&self, dataset: &Dataset, place: &Path) -> Result<()> {
        let Some(change) = hq_dsl::difference(&self.dataset, dataset) else { return Ok(()) };
        let reason = format!(
            "{}: `{}` is not the dataset as it was when the keys in {} were made: {change}. Use that schema, or make \
             new keys",
            hq_dsl::Code::SchemaChanged,
            dataset.name,
            self.folder.display()
        );
        Err(crate::error::mismatch(place, reason))
    }
}
