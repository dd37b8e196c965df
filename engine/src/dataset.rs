//! An encrypted dataset as a folder: `manifest.json`, the schema as text, and one file of ciphertext
//! frames per part, one frame per block. Parts stand alone, so a column can gain a form later.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hq_plugin_sdk::frame;
use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoding;
use crate::passes::Encodings;
use crate::run::{BlockSource, SourceError};

/// Name of the manifest in the folder.
pub const MANIFEST: &str = "manifest.json";

/// Name of the schema in the folder.
pub const SCHEMA: &str = "schema.hq";

/// Version of the manifest's format.
pub const VERSION: u32 = 1;

/// Largest manifest that is read, in bytes.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

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

impl DatasetFolder {
    /// Reads and checks the manifest and the schema.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn open(folder: &Path) -> Result<Self, SourceError> {
        let manifest_path = folder.join(MANIFEST);
        let text = read_text(&manifest_path)?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| wrong(&manifest_path, format!("is no manifest: {error}")))?;
        if manifest.version != VERSION {
            let reason = format!("has version {}, this program reads {VERSION}", manifest.version);
            return Err(wrong(&manifest_path, reason));
        }
        let schema_path = folder.join(SCHEMA);
        let schema = read_text(&schema_path)?;
        if blake3::hash(schema.as_bytes()).to_hex().as_str() != manifest.schema_digest {
            return Err(wrong(&schema_path, "is not the schema that the manifest names: it was altered"));
        }
        for (part, file) in &manifest.parts {
            if part_file_name(part)? != file.file {
                return Err(wrong(&manifest_path, format!("part `{part}` has a file of another name")));
            }
            let path = folder.join(&file.file);
            let bytes = fs::metadata(&path).map_err(|error| wrong(&path, error.to_string()))?.len();
            if bytes != file.bytes {
                let reason = format!("is {bytes} bytes long, the manifest says {}: it was cut", file.bytes);
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
        self.manifest.columns.iter().map(|(name, &encoding)| (name.clone(), encoding)).collect()
    }

    /// The blocks of the parts that a plan reads.
    ///
    /// # Errors
    /// A part that the dataset does not hold.
    pub fn blocks(&self, plan: &Plan) -> Result<FolderBlocks, SourceError> {
        let mut parts = Vec::with_capacity(plan.inputs.len());
        for input in &plan.inputs {
            let file = self.manifest.parts.get(&input.name).ok_or_else(|| {
                wrong(&self.folder, format!("holds no part `{}` that the plan reads", input.name))
            })?;
            let path = self.folder.join(&file.file);
            let file = File::open(&path).map_err(|error| wrong(&path, error.to_string()))?;
            parts.push(PartReader { path, file: BufReader::new(file), offsets: HashMap::from([(0, 0)]) });
        }
        Ok(FolderBlocks { parts, blocks: self.manifest.blocks })
    }
}

fn read_text(path: &Path) -> Result<String, SourceError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(path, error.to_string()))?;
    file.take(MAX_MANIFEST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| wrong(path, error.to_string()))?;
    Ok(text)
}

/// Reads blocks from a dataset folder, in order.
#[derive(Debug)]
pub struct FolderBlocks {
    parts: Vec<PartReader>,
    blocks: u64,
}

#[derive(Debug)]
struct PartReader {
    path: PathBuf,
    file: BufReader<File>,
    /// Where each block begins, as far as it is known.
    offsets: HashMap<u64, u64>,
}

impl PartReader {
    fn frame(&mut self, index: u64) -> Result<Vec<u8>, SourceError> {
        let io = |error: std::io::Error| wrong(&self.path, format!("block {index}: {error}"));
        let at = self.offsets.get(&index).copied();
        let at = at.ok_or_else(|| wrong(&self.path, format!("block {index} was asked for out of order")))?;
        self.file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut header = vec![0; 32];
        self.file.read_exact(&mut header).map_err(io)?;
        let bytes = frame::frame_bytes(&header)
            .map_err(|error| wrong(&self.path, format!("block {index}: {error}")))?;
        if bytes > MAX_FRAME_BYTES {
            return Err(wrong(&self.path, format!("block {index} claims {bytes} bytes: it was altered")));
        }
        let mut rest = Vec::new();
        let more = bytes.saturating_sub(32);
        (&mut self.file).take(more).read_to_end(&mut rest).map_err(io)?;
        if rest.len() as u64 != more {
            return Err(wrong(&self.path, format!("block {index} is cut short")));
        }
        header.append(&mut rest);
        self.offsets.insert(index + 1, at + bytes);
        Ok(header)
    }
}

impl BlockSource for FolderBlocks {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block(&mut self, index: u64) -> Result<Vec<Vec<u8>>, SourceError> {
        self.parts.iter_mut().map(|part| part.frame(index)).collect()
    }
}
