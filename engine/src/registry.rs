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

use hq_plugin_sdk::host::{
    EvaluatorPlugin, Image, LoadError, file_name, find, is_module, module_name, name_of,
};

use crate::apart::Apart;
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

/// Who changes a registry, and when: for its audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By<'a> {
    /// A name.
    pub who: &'a str,
    /// UTC.
    pub time: &'a str,
}

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

    /// Names of the keys whose signatures count.
    ///
    /// # Errors
    /// A key that cannot be read.
    pub fn keys(&self) -> Result<Vec<String>> {
        match Keys::read(&self.folder.join("keys")) {
            Ok(keys) => Ok(keys.names().map(str::to_owned).collect()),
            Err(RegistryError::NoKeys { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
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
        let path = self.place(&entry)?;
        let image = Image::read(&path)?;
        if image.digest() != entry.blake3 {
            let found = image.digest().to_owned();
            return Err(RegistryError::Replaced { path, found, registered: entry.blake3 });
        }
        let signature = signature_beside(&path);
        self.check(&image, (&signature, read_signature(&signature)?.as_deref()))?;
        Ok(image)
    }

    /// The key that signed a file, by its own file's name.
    fn check(&self, image: &Image, (signature, text): (&Path, Option<&str>)) -> Result<String> {
        let unsigned =
            || RegistryError::Unsigned { path: image.path().to_owned(), signature: signature.to_owned() };
        Keys::read(&self.folder.join("keys"))?.check(image, signature, text.ok_or_else(unsigned)?)
    }

    /// Accepts a plugin. `inspect` looks at a copy of it, apart from this process, and says what it provides; messages name the
    /// file. The same again changes nothing.
    ///
    /// # Errors
    /// Those of the candidate; a signature that does not count, a digest that was revoked, and those of `inspect`. They stand in the
    /// audit log too.
    pub fn register(
        &self,
        candidate: Result<Candidate>,
        by: By<'_>,
        inspect: impl FnOnce(&Path, &Path) -> Result<Provides>,
    ) -> Result<Entry> {
        fs::create_dir_all(self.folder.join("plugins")).map_err(RegistryError::file(&self.folder))?;
        let _lock = self.lock()?;
        let done = candidate.and_then(|candidate| self.accept(&candidate, by.time, inspect));
        let (outcome, detail) = match &done {
            Ok(entry) => ("done", format!("{} {} signed by {}", entry.name, entry.blake3, entry.key)),
            Err(error) => (error.code(), error.to_string()),
        };
        note(&self.folder, "plugin.registered", outcome, detail, by)?;
        done
    }

    fn accept(
        &self,
        candidate: &Candidate,
        time: &str,
        inspect: impl FnOnce(&Path, &Path) -> Result<Provides>,
    ) -> Result<Entry> {
        let Candidate { name, image, signature, signed } = candidate;
        let file = image.path();
        let key = self.check(image, (signature, signed.as_deref()))?;
        let mut document = self.document()?;
        if let Some(revoked) = document.revoked.iter().find(|revoked| revoked.blake3 == image.digest()) {
            let Revoked { name, reason, time, .. } = revoked.clone();
            return Err(RegistryError::Revoked { name, reason, time });
        }
        let place = self.place_of(name, is_module(file))?;
        // What is looked at is what was signed, wherever the file given comes from.
        let incoming = self.folder.join("plugins").join("incoming");
        fs::create_dir_all(&incoming).map_err(RegistryError::file(&incoming))?;
        let copy = incoming.join(place.file_name().unwrap_or_default());
        fs::write(&copy, image.bytes()).map_err(RegistryError::file(&copy))?;
        let provides = inspect(&copy, file).and_then(|provides| {
            provides.check(name, file)?;
            fs::write(signature_beside(&place), signed.as_deref().unwrap_or_default())
                .map_err(RegistryError::file(&place))?;
            fs::rename(&copy, &place).map_err(RegistryError::file(&place))?;
            Ok(provides)
        });
        fs::remove_dir_all(&incoming).map_err(RegistryError::file(&incoming))?;
        let entry = Entry {
            name: name.clone(),
            blake3: image.digest().to_owned(),
            key,
            provides: provides?,
            registered: time.to_owned(),
        };
        let same =
            |other: &&Entry| Entry { registered: entry.registered.clone(), ..(*other).clone() } == entry;
        if let Some(earlier) = document.plugins.iter().find(same) {
            return Ok(earlier.clone());
        }
        document.plugins.retain(|other| other.name != entry.name);
        document.plugins.push(entry.clone());
        document.plugins.sort_by(|a, b| a.name.cmp(&b.name));
        document.write(&self.folder)?;
        Ok(entry)
    }

    /// Whether a plugin is the file that was accepted, and says of itself, in a process apart, what it said then.
    ///
    /// # Errors
    /// Those of [`Self::admit`]; one that says something else.
    pub fn verify(&self, name: &str, apart: &Apart) -> Result<()> {
        let (entry, image) = (self.entry(name)?, self.admit(name)?);
        let provides = apart.inspect(image.path(), image.path())?;
        if provides == entry.provides {
            return Ok(());
        }
        let reason = "it says something else of itself than when it was registered".to_owned();
        Err(RegistryError::Capabilities { path: image.path().to_owned(), reason })
    }

    /// Takes a plugin's acceptance back: it is loaded no more, and this build of it is never accepted again. With a digest, of that
    /// build alone; the same again changes nothing.
    ///
    /// # Errors
    /// A plugin that is not accepted, or in another build. They stand in the audit log too.
    pub fn revoke(&self, name: &str, digest: Option<&str>, reason: &str, by: By<'_>) -> Result<Revoked> {
        let _lock = self.lock()?;
        let done = self.take_back(name, digest, reason, by.time);
        let (outcome, detail) = match &done {
            Ok(revoked) => ("done", format!("{name} {}: {reason}", revoked.blake3)),
            Err(error) => (error.code(), error.to_string()),
        };
        note(&self.folder, "plugin.revoked", outcome, detail, by)?;
        done
    }

    fn take_back(&self, name: &str, digest: Option<&str>, reason: &str, time: &str) -> Result<Revoked> {
        let mut document = self.document()?;
        let same = |revoked: &&Revoked| revoked.name == name && Some(revoked.blake3.as_str()) == digest;
        if let Some(earlier) = document.revoked.iter().find(same) {
            return Ok(earlier.clone());
        }
        let entry = self.entry(name)?;
        if let Some(digest) = digest.filter(|digest| *digest != entry.blake3) {
            let (name, asked, registered) = (entry.name, digest.to_owned(), entry.blake3);
            return Err(RegistryError::OtherBuild { name, asked, registered });
        }
        let revoked = Revoked {
            name: name.to_owned(),
            blake3: entry.blake3,
            reason: reason.to_owned(),
            time: time.to_owned(),
        };
        document.plugins.retain(|entry| entry.name != name);
        document.revoked.push(revoked.clone());
        document.write(&self.folder)?;
        Ok(revoked)
    }

    fn document(&self) -> Result<Document> {
        Document::read(&self.folder)
    }

    /// Where the file of an accepted plugin is.
    ///
    /// # Errors
    /// A name that is none.
    pub fn place(&self, entry: &Entry) -> Result<PathBuf> {
        self.place_of(&entry.name, entry.provides.module)
    }

    /// A name never leads out of the folder.
    fn place_of(&self, name: &str, module: bool) -> Result<PathBuf> {
        let file = if module { module_name(name) } else { file_name(name) };
        let file = file.ok_or_else(|| RegistryError::Name { path: name.into() })?;
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

/// A plugin that somebody wants to have accepted.
#[derive(Clone, Debug)]
pub struct Candidate {
    name: String,
    image: Image,
    /// Where the signature is, or should be.
    signature: PathBuf,
    /// Its text, if there is one.
    signed: Option<String>,
}

impl Candidate {
    /// A file whose signature is beside it, or where `signature` says.
    ///
    /// # Errors
    /// A name that is none; what cannot be read.
    pub fn read(file: &Path, signature: Option<&Path>) -> Result<Self> {
        let name = name_of(file).ok_or_else(|| RegistryError::Name { path: file.to_owned() })?.to_owned();
        let signature = signature.map_or_else(|| signature_beside(file), Path::to_owned);
        let (image, signed) = (Image::read(file)?, read_signature(&signature)?);
        Ok(Self { name, image, signature, signed })
    }

    /// A file that was sent under a name, and lies at `content`.
    ///
    /// # Errors
    /// A name that is none, or more than a name; what cannot be read.
    pub fn sent(file: &str, content: &Path, signed: Option<String>) -> Result<Self> {
        let path = Path::new(file);
        let name = name_of(path).filter(|_| path.file_name().is_some_and(|whole| whole == file));
        let name = name.ok_or_else(|| RegistryError::Name { path: path.to_owned() })?.to_owned();
        let image = Image::read(content)?.named(path);
        Ok(Self { name, image, signature: signature_beside(path), signed })
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

    /// Its bytes, as they are now.
    ///
    /// # Errors
    /// What the system says.
    pub fn image(self) -> std::result::Result<Image, LoadError> {
        match self {
            Self::File(path) => Image::read(&path),
            Self::Accepted(image) => Ok(image),
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
}

/// Where the signature of a file is expected: beside it.
#[must_use]
pub fn signature_beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(SIGNATURE);
    file.with_file_name(name)
}

/// A signature, if there is one.
fn read_signature(path: &Path) -> Result<Option<String>> {
    match read_small(path) {
        Err(RegistryError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn read_small(path: &Path) -> Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = File::open(path).map_err(RegistryError::file(path))?;
    file.take(MAX_SMALL_BYTES).read_to_string(&mut text).map_err(RegistryError::file(path))?;
    Ok(text)
}
