//! `plugins.json`: which plugins are accepted, and which are no more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use hq_plugin_sdk::host::file_name;
use serde::{Deserialize, Serialize};

use super::{RegistryError, Result};
use crate::dataset::write_whole;
use crate::signed::from_hex;

/// Its name.
const NAME: &str = "plugins.json";

/// Form of the file.
const VERSION: u32 = 1;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// What stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    version: u32,
    pub(super) plugins: Vec<Entry>,
    pub(super) revoked: Vec<Revoked>,
}

/// A plugin that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its file, in hexadecimal.
    pub blake3: String,
    /// The key that signed it, by the name of the key's file.
    pub key: String,
    /// What it is.
    pub provides: Provides,
    /// When it was accepted, in UTC.
    pub registered: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provides {
    /// ABI that it was built for.
    pub abi: u32,
    /// Name and version of its backend.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backend: Option<(String, String)>,
    /// Whether its backend has the half that holds keys.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub custody: bool,
    /// Names of its functions.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub functions: Vec<String>,
    /// Whether it is a module of WebAssembly, and no shared library.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub module: bool,
}

/// A plugin that is accepted no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Its name.
    pub name: String,
    /// BLAKE3 of its file, in hexadecimal.
    pub blake3: String,
    /// Why.
    pub reason: String,
    /// When, in UTC.
    pub time: String,
}

impl Provides {
    /// Whether it is a plugin of this name.
    pub(super) fn check(&self, name: &str, file: &Path) -> Result<()> {
        let wrong = |reason: String| Err(RegistryError::Capabilities { path: file.to_owned(), reason });
        match &self.backend {
            Some((other, _)) if other != name => {
                wrong(format!("its file is named after `{name}`, but it says that it is backend `{other}`"))
            }
            None if self.functions.is_empty() => wrong("it is no backend and has no functions".to_owned()),
            Some(_) | None => Ok(()),
        }
    }
}

impl Document {
    /// That of a folder; an empty one where there is none yet.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() => {
                return Ok(Self { version: VERSION, plugins: Vec::new(), revoked: Vec::new() });
            }
            Err(source) => return Err(RegistryError::File { path, source }),
        }
        let damaged = |reason: String| RegistryError::Damaged { path: path.clone(), reason };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(damaged(format!("it has more than {MAX_BYTES} bytes")));
        }
        let document: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        document.fault().map_or(Ok(()), |reason| Err(damaged(reason)))?;
        Ok(document)
    }

    fn fault(&self) -> Option<String> {
        if self.version != VERSION {
            return Some(format!("it has version {}, and this program reads {VERSION}", self.version));
        }
        let mut names = BTreeSet::new();
        for entry in &self.plugins {
            if file_name(&entry.name).is_none() || !names.insert(&entry.name) {
                return Some(format!("{:?} is no name of a plugin, or that of two", entry.name));
            }
        }
        let digests = self.plugins.iter().map(|entry| &entry.blake3);
        let mut digests = digests.chain(self.revoked.iter().map(|revoked| &revoked.blake3));
        let bad = digests.find(|digest| from_hex::<32>(digest).is_none())?;
        Some(format!("{bad:?} is no digest"))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| RegistryError::Damaged { path: path.clone(), reason: error.to_string() })?;
        text.push('\n');
        write_whole(&path, text.as_bytes()).map_err(RegistryError::file(&path))
    }
}
