//! An encrypted dataset as a folder: `manifest.json` with its digest in `manifest.b3`, the schema as text,
//! and one file of ciphertext frames per part, one frame per block. Parts stand alone, so a column can gain
//! a form later.
//!
//! The digest of the manifest holds that of every other file; the digest of a part is that of the checksums of
//! its frames, one after the other. So no byte of a ciphertext is hashed but once, by the backend that opens it:
//! frames that moved are noticed when the parts are opened for a plan, damage in a frame when it is computed.
//! Digests are no signatures: whoever may write to the folder can make another dataset of it.

mod blocks;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use hq_plugin_sdk::frame;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;
use hq_plugin_sdk::tfhe::TfheParameters;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoding;
use crate::passes::Encodings;
use crate::run::SourceError;
pub use blocks::{DatasetBlocks, PartBytes};

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";

/// Name of the file with the manifest's digest, BLAKE3 in hexadecimal.
pub const MANIFEST_DIGEST: &str = "manifest.b3";

/// Name of the schema in the folder.
pub const SCHEMA: &str = "schema.hq";

/// Version of the manifest's format.
pub const VERSION: u32 = 2;

/// Largest manifest or schema that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Most tables of a dataset.
pub const MAX_TABLES: u64 = 64;

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_one(tables: &u64) -> bool {
    *tables == 1
}

/// What a dataset folder holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub version: u32,
    /// Name of the dataset.
    pub dataset: String,
    /// Backend that made the ciphertexts.
    pub backend: String,
    /// Id of the key pair, in hexadecimal.
    pub key_id: String,
    /// Parameters of the key pair.
    pub parameters: Parameters,
    /// The keys of its gates, where small counts stay encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<GateBinding>,
    /// Blocks of rows of each table.
    pub blocks: u64,
    /// Tables of as many blocks each, one behind the other: copies of the owner's, and controls, which none but the owner tells apart.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub tables: u64,
    /// Digest of the schema's text, BLAKE3 in hexadecimal.
    pub schema_digest: String,
    /// The form of each column.
    pub columns: BTreeMap<String, Encoding>,
    /// File of each part, and its digest.
    pub parts: BTreeMap<String, PartFile>,
}

/// Binds a dataset to the keys that decide on its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateBinding {
    /// Id of their pair, in hexadecimal.
    pub key_id: String,
    /// Its parameters.
    pub parameters: TfheParameters,
    /// BLAKE3 of the frame of its evaluation keys, in hexadecimal.
    pub evaluation: String,
    /// BLAKE3 of the frame of the key that leads to that pair, in hexadecimal.
    pub bridge: String,
}

/// One part of a column on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// File name in the folder.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// What [`PartDigest`] makes of its frames.
    pub digest: String,
}

/// The digest of a part: BLAKE3 of the checksums of its frames in order, in hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct PartDigest(blake3::Hasher);

impl PartDigest {
    /// Adds a frame, by the checksum at its end.
    pub fn add(&mut self, frame: &[u8]) {
        self.0.update(frame::checksum(frame).map_or(&[], |checksum| checksum));
    }

    /// As it stands in a manifest.
    #[must_use]
    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// A dataset folder opened for computing.
#[derive(Debug)]
pub struct DatasetFolder {
    folder: PathBuf,
    digest: String,
    manifest: Manifest,
    schema: String,
}

fn wrong(path: &Path, reason: impl Into<String>) -> SourceError {
    SourceError { place: path.display().to_string(), reason: reason.into() }
}

/// The file name of a part: names of columns hold letters, digits and `_` only.
///
/// # Errors
/// A name that is no plain file name.
pub fn part_file_name(part: &str) -> Result<String, SourceError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if part.is_empty() || part.starts_with('.') || !part.chars().all(plain) {
        return Err(SourceError { place: part.to_owned(), reason: "is no name of a part".to_owned() });
    }
    Ok(format!("{part}.hqc"))
}

/// Writes the manifest, its digest and the schema, whose digest the manifest holds.
///
/// # Errors
/// A file that cannot be written.
pub fn write_manifest(folder: &Path, manifest: &Manifest, schema: &str) -> Result<(), SourceError> {
    let path = folder.join(MANIFEST);
    let text = manifest_text(&path, manifest)?;
    let digest = format!("{}\n", hex_digest(text.as_bytes()));
    for (name, text) in [(MANIFEST, text.as_str()), (SCHEMA, schema), (MANIFEST_DIGEST, digest.as_str())] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| wrong(&path, error.to_string()))?;
    }
    Ok(())
}

fn manifest_text(path: &Path, manifest: &Manifest) -> Result<String, SourceError> {
    let mut text = serde_json::to_string_pretty(manifest).map_err(|error| wrong(path, error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// Writes a file that is there as it was or as a whole, even after a failure of the machine.
///
/// # Errors
/// What the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// The digest of a text as it stands in a manifest.
#[must_use]
pub fn hex_digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

impl DatasetFolder {
    /// Reads and checks the manifest and the schema, and that the files of all parts are there.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn open(folder: &Path) -> Result<Self, SourceError> {
        let (manifest, digest) = read_manifest(folder)?;
        let schema_path = folder.join(SCHEMA);
        let schema = read_text(&schema_path)?;
        if hex_digest(schema.as_bytes()) != manifest.schema_digest {
            return Err(wrong(&schema_path, "is not the schema that the manifest names: it was altered"));
        }
        for file in manifest.parts.values() {
            let path = folder.join(&file.file);
            let bytes = fs::metadata(&path).map_err(|error| wrong(&path, error.to_string()))?.len();
            if bytes != file.bytes {
                let reason =
                    format!("is {bytes} bytes long, the manifest says {}: it was cut or altered", file.bytes);
                return Err(wrong(&path, reason));
            }
        }
        Ok(Self { folder: folder.to_owned(), digest, manifest, schema })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the manifest, and so of all that the folder holds: BLAKE3 in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The schema's text.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The form of each column.
    #[must_use]
    pub fn encodings(&self) -> Encodings {
        self.manifest.columns.iter().map(|(name, encoding)| (name.clone(), encoding.clone())).collect()
    }

    /// Puts another manifest in the place of this one; the files of its parts are there. At every moment the folder is a
    /// dataset, the old one or the new one: for a while the digests of both are in [`MANIFEST_DIGEST`].
    ///
    /// # Errors
    /// A file that cannot be written, or a manifest that is no longer the one that was opened.
    pub fn replace_manifest(self, manifest: &Manifest) -> Result<(), SourceError> {
        let (path, digest_path) = (self.folder.join(MANIFEST), self.folder.join(MANIFEST_DIGEST));
        if read_manifest(&self.folder)?.1 != self.digest {
            return Err(wrong(&path, "was changed meanwhile: do it again"));
        }
        let text = manifest_text(&path, manifest)?;
        let digest = hex_digest(text.as_bytes());
        let write = |path: &Path, text: &str| {
            write_whole(path, text.as_bytes()).map_err(|error| wrong(path, error.to_string()))
        };
        write(&digest_path, &format!("{}\n{digest}\n", self.digest))?;
        write(&path, &text)?;
        write(&digest_path, &format!("{digest}\n"))
    }

    /// The blocks of the parts that a plan reads: their frames are there and in their order.
    ///
    /// # Errors
    /// A part that the dataset does not hold, or that is not as the manifest says.
    pub fn blocks(&self, plan: &Plan) -> Result<DatasetBlocks, SourceError> {
        let open = |part: &PartFile| {
            let path = self.folder.join(&part.file);
            let file = File::open(&path).map_err(|error| wrong(&path, error.to_string()))?;
            Ok((path, Box::new(file) as Box<dyn PartBytes>))
        };
        let names = plan.table_inputs().map(|input| input.name.as_str());
        self.manifest.blocks_of(names, &self.folder, open)
    }
}

impl Manifest {
    /// Reads the text of a manifest that came from `path`.
    ///
    /// # Errors
    /// Not of this version, or with names or numbers that no dataset has.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SourceError> {
        let manifest: Self =
            serde_json::from_str(text).map_err(|error| wrong(path, format!("is no manifest: {error}")))?;
        if manifest.version != VERSION {
            let reason = format!(
                "has version {}, this program reads {VERSION}: encrypt the table again with the `hq` that computes",
                manifest.version
            );
            return Err(wrong(path, reason));
        }
        if manifest.blocks == 0 {
            return Err(wrong(path, "says that there are no blocks"));
        }
        if !(1..=MAX_TABLES).contains(&manifest.tables)
            || manifest.blocks.checked_mul(manifest.tables).is_none()
        {
            return Err(wrong(path, format!("says that there are {} tables", manifest.tables)));
        }
        if manifest.tables > 1 && manifest.gates.is_some() {
            return Err(wrong(
                path,
                "has control tables and small counts that stay encrypted, which do not go together",
            ));
        }
        for (part, file) in &manifest.parts {
            if part_file_name(part)? != file.file {
                return Err(wrong(path, format!("part `{part}` has a file of another name")));
            }
        }
        Ok(manifest)
    }

    /// The blocks of some parts, wherever their bytes are kept: `open` gives them, with their place for messages.
    ///
    /// # Errors
    /// A part that the dataset does not hold, or that is not as the manifest says.
    pub fn blocks_of<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        place: &Path,
        open: impl Fn(&PartFile) -> Result<(PathBuf, Box<dyn PartBytes>), SourceError>,
    ) -> Result<DatasetBlocks, SourceError> {
        let part = |name: &str| {
            let missing = || wrong(place, format!("holds no part `{name}` that the plan reads"));
            let part = self.parts.get(name).ok_or_else(missing)?;
            let (path, bytes) = open(part)?;
            blocks::Part::open(path, bytes, &part.digest, self.all_blocks())
        };
        let parts = names.into_iter().map(part).collect::<Result<_, _>>()?;
        Ok(DatasetBlocks::new(parts, self.blocks))
    }

    /// Blocks of all tables.
    #[must_use]
    pub fn all_blocks(&self) -> u64 {
        self.blocks.saturating_mul(self.tables)
    }
}

/// Reads the manifest and checks it against its digest, which is given back with it.
fn read_manifest(folder: &Path) -> Result<(Manifest, String), SourceError> {
    let path = folder.join(MANIFEST);
    let text = read_text(&path)?;
    let digests = read_text(&folder.join(MANIFEST_DIGEST))?;
    let digest = hex_digest(text.as_bytes());
    // The second is there while the manifest is replaced.
    if !digests.lines().take(2).any(|known| known == digest) {
        return Err(wrong(&path, format!("does not match {MANIFEST_DIGEST}: one of them was altered")));
    }
    let manifest = Manifest::parse(&path, &text)?;
    Ok((manifest, digest))
}

fn read_text(path: &Path) -> Result<String, SourceError> {
    let file = File::open(path).map_err(|error| wrong(path, error.to_string()))?;
    let mut text = String::new();
    file.take(MAX_TEXT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| wrong(path, error.to_string()))?;
    if text.len() as u64 > MAX_TEXT_BYTES {
        return Err(wrong(path, format!("is longer than the {MAX_TEXT_BYTES} bytes that it may have")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
