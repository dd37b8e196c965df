//! An encrypted dataset as a folder: `manifest.json` with its digest in `manifest.b3`, the schema as text,
//! and one file of ciphertext frames per part, one frame per block. Parts stand alone, so a column can gain
//! a form later.
//!
//! The digest of the manifest holds that of every other file. A run reads each file once and knows of any
//! damage before it has a result: of a frame by its checksum, of frames that moved by the file's digest.
//! Digests are no signatures: whoever may write to the folder can make another dataset of it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoding;
use crate::passes::Encodings;
use crate::run::{BlockSource, SourceError};

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";

/// Name of the file with the manifest's digest, BLAKE3 in hexadecimal.
pub const MANIFEST_DIGEST: &str = "manifest.b3";

/// Name of the schema in the folder.
pub const SCHEMA: &str = "schema.hq";

/// Version of the manifest's format.
pub const VERSION: u32 = 1;

/// Largest manifest or schema that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Bytes of a frame that tell its length.
const HEADER_BYTES: u64 = 32;

/// Largest ciphertext frame that is read, in bytes.
const MAX_FRAME_BYTES: u64 = 256 << 20;

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
    /// Blocks of rows.
    pub blocks: u64,
    /// Digest of the schema's text, BLAKE3 in hexadecimal.
    pub schema_digest: String,
    /// The form of each column.
    pub columns: BTreeMap<String, Encoding>,
    /// File of each part, and its digest.
    pub parts: BTreeMap<String, PartFile>,
}

/// One part of a column on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// File name in the folder.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Digest of the file, BLAKE3 in hexadecimal.
    pub digest: String,
}

/// A dataset folder opened for computing.
#[derive(Debug)]
pub struct DatasetFolder {
    folder: PathBuf,
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
    let mut text = serde_json::to_string_pretty(manifest).map_err(|error| wrong(&path, error.to_string()))?;
    text.push('\n');
    let digest = format!("{}\n", hex_digest(text.as_bytes()));
    for (name, text) in [(MANIFEST, text.as_str()), (SCHEMA, schema), (MANIFEST_DIGEST, digest.as_str())] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| wrong(&path, error.to_string()))?;
    }
    Ok(())
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
        let manifest = read_manifest(folder)?;
        let manifest_path = folder.join(MANIFEST);
        let schema_path = folder.join(SCHEMA);
        let schema = read_text(&schema_path)?;
        if hex_digest(schema.as_bytes()) != manifest.schema_digest {
            return Err(wrong(&schema_path, "is not the schema that the manifest names: it was altered"));
        }
        for (part, file) in &manifest.parts {
            if part_file_name(part)? != file.file {
                return Err(wrong(&manifest_path, format!("part `{part}` has a file of another name")));
            }
            let path = folder.join(&file.file);
            let bytes = fs::metadata(&path).map_err(|error| wrong(&path, error.to_string()))?.len();
            if bytes != file.bytes {
                let reason =
                    format!("is {bytes} bytes long, the manifest says {}: it was cut or altered", file.bytes);
                return Err(wrong(&path, reason));
            }
        }
        Ok(Self { folder: folder.to_owned(), manifest, schema })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
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

    /// The blocks of the parts that a plan reads.
    ///
    /// # Errors
    /// A part that the dataset does not hold.
    pub fn blocks(&self, plan: &Plan) -> Result<FolderBlocks, SourceError> {
        let mut parts = Vec::new();
        for input in plan.table_inputs() {
            let part = self.manifest.parts.get(&input.name).ok_or_else(|| {
                wrong(&self.folder, format!("holds no part `{}` that the plan reads", input.name))
            })?;
            let path = self.folder.join(&part.file);
            let file = File::open(&path).map_err(|error| wrong(&path, error.to_string()))?;
            parts.push(PartReader {
                path,
                file: BufReader::new(file),
                hasher: blake3::Hasher::new(),
                digest: part.digest.clone(),
            });
        }
        Ok(FolderBlocks { folder: self.folder.clone(), parts, blocks: self.manifest.blocks, next: 0 })
    }
}

/// Reads the manifest and checks it against its digest.
fn read_manifest(folder: &Path) -> Result<Manifest, SourceError> {
    let path = folder.join(MANIFEST);
    let text = read_text(&path)?;
    let digest = read_text(&folder.join(MANIFEST_DIGEST))?;
    if hex_digest(text.as_bytes()) != digest.trim_end() {
        return Err(wrong(&path, format!("does not match {MANIFEST_DIGEST}: one of them was altered")));
    }
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| wrong(&path, format!("is no manifest: {error}")))?;
    if manifest.version != VERSION {
        let reason = format!("has version {}, this program reads {VERSION}", manifest.version);
        return Err(wrong(&path, reason));
    }
    if manifest.blocks == 0 {
        return Err(wrong(&path, "says that there are no blocks"));
    }
    Ok(manifest)
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

/// Reads blocks from a dataset folder, in order and once.
#[derive(Debug)]
pub struct FolderBlocks {
    folder: PathBuf,
    parts: Vec<PartReader>,
    blocks: u64,
    /// The block that comes next.
    next: u64,
}

#[derive(Debug)]
struct PartReader {
    path: PathBuf,
    file: BufReader<File>,
    /// Of what was read so far.
    hasher: blake3::Hasher,
    /// Of the whole file, as the manifest has it.
    digest: String,
}

impl PartReader {
    /// The frame of the next block.
    fn frame(&mut self, block: u64) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        self.read(HEADER_BYTES, &mut bytes, block)?;
        let length = frame::frame_bytes(&bytes).map_err(|error| self.wrong(block, error.to_string()))?;
        if length > MAX_FRAME_BYTES {
            return Err(self.wrong(block, format!("it claims {length} bytes: it was altered")));
        }
        self.read(length.saturating_sub(HEADER_BYTES), &mut bytes, block)?;
        frame::open(&bytes, Kind::Ciphertext).map_err(|error| self.wrong(block, error.to_string()))?;
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    fn read(&mut self, more: u64, bytes: &mut Vec<u8>, block: u64) -> Result<(), SourceError> {
        let read = (&mut self.file).take(more).read_to_end(bytes);
        match read.map(|read| read as u64) {
            Ok(read) if read == more => Ok(()),
            Ok(_) => Err(self.wrong(block, "it is cut short")),
            Err(error) => Err(self.wrong(block, error.to_string())),
        }
    }

    fn wrong(&self, block: u64, reason: impl fmt::Display) -> SourceError {
        wrong(&self.path, format!("block {block}: {reason}"))
    }

    /// After the last block: nothing follows, and all of it is what the manifest says.
    fn finish(&mut self) -> Result<(), SourceError> {
        let mut byte = [0];
        if self.file.read(&mut byte).map_err(|error| wrong(&self.path, error.to_string()))? != 0 {
            return Err(wrong(&self.path, "goes on after its last block: it was altered"));
        }
        if self.hasher.finalize().to_hex().as_str() != self.digest {
            let reason = "is not the file that the manifest names, though its blocks are sound: files or \
                          blocks were exchanged";
            return Err(wrong(&self.path, reason));
        }
        Ok(())
    }
}

impl BlockSource for FolderBlocks {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block(&mut self, index: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        if index != self.next || index >= self.blocks {
            let reason = format!("block {index} was asked for where block {} is next", self.next);
            return Err(wrong(&self.folder, reason));
        }
        self.next += 1;
        let frames = self.parts.iter_mut().map(|part| part.frame(index)).collect::<Result<_, _>>()?;
        if self.next == self.blocks {
            self.parts.iter_mut().try_for_each(PartReader::finish)?;
        }
        Ok(frames)
    }
}

#[cfg(test)]
mod tests;
