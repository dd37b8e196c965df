//! The keys whose signatures count: files of minisign in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use hq_plugin_sdk::host::Image;
use minisign_verify::{Error, PublicKey, Signature};

use super::{RegistryError, Result, read_small};

/// Most keys.
const MAX_KEYS: usize = 1000;

/// Public keys by the names of their files.
#[derive(Clone, Debug)]
pub struct Keys {
    folder: PathBuf,
    keys: Vec<(String, PublicKey)>,
}

impl Keys {
    /// Those of a folder.
    ///
    /// # Errors
    /// None, or a file that is none.
    pub fn read(folder: &Path) -> Result<Self> {
        let listed = fs::read_dir(folder).map(|entries| {
            entries.take(MAX_KEYS).flatten().map(|entry| entry.path()).collect::<Vec<PathBuf>>()
        });
        let mut keys = Vec::new();
        for path in listed.unwrap_or_default() {
            if path.extension().is_none_or(|ending| ending != "pub") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let key = PublicKey::decode(&read_small(&path)?).map_err(|error| RegistryError::Damaged {
                path: path.clone(),
                reason: format!("it is no public key of minisign: {error}"),
            })?;
            keys.push((name, key));
        }
        if keys.is_empty() {
            return Err(RegistryError::NoKeys { folder: folder.to_owned() });
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(name, _)| name.as_str())
    }

    /// The key that signed a file.
    pub(super) fn check(&self, image: &Image, signature: &Path, text: &str) -> Result<String> {
        let path = image.path().to_owned();
        let signed = Signature::decode(text).map_err(|error| RegistryError::Signature {
            path: path.clone(),
            reason: format!("{} is no signature of minisign: {error}", signature.display()),
        })?;
        for (name, key) in &self.keys {
            match key.verify(image.bytes(), &signed, false) {
                Ok(()) => return Ok(name.clone()),
                Err(Error::UnexpectedKeyId) => {}
                Err(error) => return Err(RegistryError::Signature { path, reason: error.to_string() }),
            }
        }
        let known = self.names().map(str::to_owned).collect();
        Err(RegistryError::UnknownKey { path, known, folder: self.folder.clone() })
    }
}
