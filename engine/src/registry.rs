//! Plugins that an administrator accepted: files with a signature by one of the keys in a folder, by their digests. Where a
//! registry is set, plugins come from it alone.
//!
//! | in its folder | |
//! |---|---|
//! | `keys/*.pub` | public keys of minisign whose signatures count; whoever administers the registry puts them there |
//! | `plugins/` | the plugins, each with its signature beside it |
//! | `plugins.json` | which of them are accepted, and which were and are no more |
//! | `audit.log` | what was done, as an audit log whose entries are chained |
//!
//! A plugin is read once: the bytes that were checked are those that are loaded.

mod document;
mod error;
mod journal;
mod keys;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use hq_plugin_sdk::host::{EvaluatorPlugin, FunctionPlugin, Image, LoadError, file_name, find, name_of};

use document::Document;
pub use document::{Entry, Provides, Revoked};
pub use error::RegistryError;
use journal::note;
pub use keys::Keys;

/// Environment variable with the registry's folder.
pub const REGISTRY_VARIABLE: &str = "HQ_PLUGIN_REGISTRY";

/// What a plugin's signature adds to the name of its file.
const SIGNATURE: &str = ".minisig";

/// Largest signature or key that is read, in bytes.
const MAX_SMALL_BYTES: u64 = 16 << 10;

type Result<T> = std::result::Result<T, RegistryError>;

/// A folder of accepted plugins.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry in a folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The one that `HQ_PLUGIN_REGISTRY` names.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        let folder = env::var_os(REGISTRY_VARIABLE).filter(|folder| !folder.is_empty())?;
        Some(Self { folder: folder.into() })
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is accepted, by name.
    ///
    /// # Errors
    /// A registry that cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.document()?.plugins)
    }

    /// What was accepted and is no more.
    ///
    /// # Errors
    /// A registry that cannot be read.
    pub fn revoked(&self) -> Result<Vec<Revoked>> {
        Ok(self.document()?.revoked)
    }

    /// The accepted plugin of a name; nothing of it is read yet.
    ///
    /// # Errors
    /// One that is not accepted, or no more.
    pub fn entry(&self, name: &str) -> Result<Entry> {
        let document = self.document()?;
        if let Some(entry) = document.plugins.iter().find(|entry| entry.name == name) {
            return Ok(entry.clone());
        }
        Err(match document.revoked.iter().rev().find(|revoked| revoked.name == name) {
            Some(Revoked { reason, time, .. }) => {
                RegistryError::Revoked { name: name.to_owned(), reason: reason.clone(), time: time.clone() }
            }
            None => RegistryError::NotRegistered {
                name: name.to_owned(),
                registry: self.folder.clone(),
                known: document.plugins.into_iter().map(|entry| entry.name).collect(),
            },
        })
    }

    /// The file of an accepted plugin, with digest and signature checked.
    ///
    /// # Errors
    /// One that is not accepted, or no more; a file that is another; a signature that does not count.
    pub fn admit(&self, name: &str) -> Result<Image> {
        let entry = self.entry(name)?;
        let path = self.place(name)?;
        let image = Image::read(&path)?;
        if image.digest() != entry.blake3 {
            let found = image.digest().to_owned();
            return Err(RegistryError::Replaced { path, found, registered: entry.blake3 });
        }
        self.check(&image, &with_signature(&path))?;
        Ok(image)
    }

    /// The key that signed a file, by its own file's name.
    ///
    /// # Errors
    /// No signature, or one that does not count.
    pub fn check(&self, image: &Image, signature: &Path) -> Result<String> {
        let text = match read_small(signature) {
            Err(RegistryError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Err(RegistryError::Unsigned {
                    path: image.path().to_owned(),
                    signature: signature.to_owned(),
                });
            }
            other => other?,
        };
        Keys::read(&self.folder.join("keys"))?.check(image, signature, &text)
    }

    /// Accepts a file whose signature is beside it, or where `signature` says. `inspect` looks at a copy, apart from this
    /// process, and says what it provides; messages name the file.
    ///
    /// # Errors
    /// A name that is none, a signature that does not count, a digest that was revoked, and those of `inspect`. They
    /// stand in the audit log too.
    pub fn register(
        &self,
        file: &Path,
        signature: Option<&Path>,
        time: &str,
        inspect: impl FnOnce(&Path, &Path) -> Result<Provides>,
    ) -> Result<Entry> {
        fs::create_dir_all(self.folder.join("plugins")).map_err(RegistryError::file(&self.folder))?;
        let _lock = self.lock()?;
        let signature = signature.map_or_else(|| with_signature(file), Path::to_owned);
        let done = self.accept(file, &signature, time, inspect);
        let (outcome, detail) = match &done {
            Ok(entry) => ("done", format!("{} {} signed by {}", entry.name, entry.blake3, entry.key)),
            Err(error) => (error.code(), error.to_string()),
        };
        note(&self.folder, "plugin.registered", outcome, detail, time)?;
        done
    }

    fn accept(
        &self,
        file: &Path,
        signature: &Path,
        time: &str,
        inspect: impl FnOnce(&Path, &Path) -> Result<Provides>,
    ) -> Result<Entry> {
        let name = name_of(file).ok_or_else(|| RegistryError::Name { path: file.to_owned() })?;
        let image = Image::read(file)?;
        let key = self.check(&image, signature)?;
        let mut document = self.document()?;
        if let Some(revoked) = document.revoked.iter().find(|revoked| revoked.blake3 == image.digest()) {
            let Revoked { name, reason, time, .. } = revoked.clone();
            return Err(RegistryError::Revoked { name, reason, time });
        }
        let place = self.place(name)?;
        // What is looked at is what was signed, wherever the file given comes from.
        let incoming = self.folder.join("plugins").join("incoming");
        fs::create_dir_all(&incoming).map_err(RegistryError::file(&incoming))?;
        let copy = incoming.join(place.file_name().unwrap_or_default());
        fs::write(&copy, image.bytes()).map_err(RegistryError::file(&copy))?;
        let provides = inspect(&copy, file).and_then(|provides| {
            provides.check(name, file)?;
            let text = read_small(signature)?;
            fs::write(with_signature(&place), text).map_err(RegistryError::file(&place))?;
            fs::rename(&copy, &place).map_err(RegistryError::file(&place))?;
            Ok(provides)
        });
        fs::remove_dir_all(&incoming).map_err(RegistryError::file(&incoming))?;
        let entry = Entry {
            name: name.to_owned(),
            blake3: image.digest().to_owned(),
            key,
            provides: provides?,
            registered: time.to_owned(),
        };
        document.plugins.retain(|other| other.name != entry.name);
        document.plugins.push(entry.clone());
        document.plugins.sort_by(|a, b| a.name.cmp(&b.name));
        document.write(&self.folder)?;
        Ok(entry)
    }

    /// Takes a plugin's acceptance back: it is loaded no more, and this build of it is never accepted again.
    ///
    /// # Errors
    /// A plugin that is not accepted.
    pub fn revoke(&self, name: &str, reason: &str, time: &str) -> Result<Revoked> {
        let _lock = self.lock()?;
        let entry = self.entry(name)?;
        let mut document = self.document()?;
        let revoked = Revoked {
            name: name.to_owned(),
            blake3: entry.blake3,
            reason: reason.to_owned(),
            time: time.to_owned(),
        };
        document.plugins.retain(|entry| entry.name != name);
        document.revoked.push(revoked.clone());
        document.write(&self.folder)?;
        note(&self.folder, "plugin.revoked", "done", format!("{name} {}: {reason}", revoked.blake3), time)?;
        Ok(revoked)
    }

    fn document(&self) -> Result<Document> {
        Document::read(&self.folder)
    }

    /// Where an accepted plugin is; a name never leads out of the folder.
    fn place(&self, name: &str) -> Result<PathBuf> {
        let file = file_name(name).ok_or_else(|| RegistryError::Name { path: name.into() })?;
        Ok(self.folder.join("plugins").join(file))
    }

    /// One change at a time.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(RegistryError::file(&path))?;
        file.lock().map_err(RegistryError::file(&path))?;
        Ok(file)
    }
}

/// A plugin that may be loaded.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file in a folder of plugins, as it is.
    File(PathBuf),
    /// An accepted one.
    Accepted(Image),
}

impl Source {
    /// The plugin of a name: out of the registry alone, where there is one, else the first in the folders. `None`
    /// where the folders have none.
    ///
    /// # Errors
    /// Those of the registry.
    pub fn find(name: &str, dirs: &[PathBuf], registry: Option<&Registry>) -> Result<Option<Self>> {
        match registry {
            Some(registry) => registry.admit(name).map(Self::Accepted).map(Some),
            None => Ok(find(name, dirs).map(Self::File)),
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Accepted(image) => image.path(),
        }
    }

    /// Loads what computes.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn evaluator(&self) -> std::result::Result<EvaluatorPlugin, LoadError> {
        match self {
            Self::File(path) => EvaluatorPlugin::load(path),
            Self::Accepted(image) => EvaluatorPlugin::load_image(image),
        }
    }

    /// Loads functions.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn functions(&self) -> std::result::Result<FunctionPlugin, LoadError> {
        match self {
            Self::File(path) => FunctionPlugin::load(path),
            Self::Accepted(image) => FunctionPlugin::load_image(image),
        }
    }
}

fn with_signature(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(SIGNATURE);
    file.with_file_name(name)
}

fn read_small(path: &Path) -> Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = File::open(path).map_err(RegistryError::file(path))?;
    file.take(MAX_SMALL_BYTES).read_to_string(&mut text).map_err(RegistryError::file(path))?;
    Ok(text)
}
