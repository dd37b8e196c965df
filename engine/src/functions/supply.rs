//! Where functions come from: the plugins of a registry, or of folders. Their values are found out apart from this process, once,
//! and kept, in memory and in files. What a program used of them is remembered, so that a result can say it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hq_dsl::{ExternFunction, FunctionFault};
use hq_plugin_sdk::abi::FUNCTION_SYMBOL;
use hq_plugin_sdk::host::{Image, find_functions, installed, is_module};

use super::store;
use crate::apart::Apart;
use crate::registry::{Registry, RegistryError};

/// How long a function may take for all its values.
const LIMIT: Duration = Duration::from_secs(10);

/// Most values that are kept in memory, of all functions.
const MAX_KEPT: usize = 1 << 24;

/// Values, or why there are none, by the digest of the plugin and the function. Also failures are kept: an editor
/// checks a program at each key, and one that hangs takes all its time.
static KNOWN: LazyLock<Mutex<HashMap<(String, ExternFunction), Known>>> = LazyLock::new(Mutex::default);

/// Builds that a registry admitted, by its folder and their digests.
static ADMITTED: LazyLock<Mutex<HashSet<(PathBuf, String)>>> = LazyLock::new(Mutex::default);

type Known = Result<Arc<[i64]>, FunctionFault>;

/// Digests of plugins by name.
pub type Digests = BTreeMap<String, String>;

/// Values of functions, by their [`subject`](super::subject) in hexadecimal.
pub type Values = BTreeMap<String, Arc<[i64]>>;

/// Where plugins come from, how they are called, and where values are kept.
#[derive(Clone, Debug)]
pub struct Supply {
    place: Place,
    apart: Apart,
    kept: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Place {
    Nowhere(String),
    Folders(Vec<PathBuf>),
    Registry(Registry),
}

/// A plugin that was found.
struct Found {
    path: PathBuf,
    digest: String,
}

impl Supply {
    /// Out of the first of some folders that has a plugin.
    #[must_use]
    pub fn of_folders(folders: Vec<PathBuf>, apart: Apart) -> Self {
        Self { place: Place::Folders(folders), apart, kept: None }
    }

    /// Out of a registry alone.
    #[must_use]
    pub fn of_registry(registry: Registry, apart: Apart) -> Self {
        Self { place: Place::Registry(registry), apart, kept: None }
    }

    /// Without any, and why, in a sentence.
    #[must_use]
    pub fn nothing(reason: &str, apart: Apart) -> Self {
        Self { place: Place::Nowhere(reason.to_owned()), apart, kept: None }
    }

    /// Keeps values in a folder.
    #[must_use]
    pub fn keeping(self, folder: Option<PathBuf>) -> Self {
        Self { kept: folder, ..self }
    }

    fn find(&self, name: &str) -> Result<Found, FunctionFault> {
        match &self.place {
            Place::Nowhere(reason) => Err(FunctionFault::Unusable(reason.clone())),
            Place::Registry(registry) => {
                accepted(registry, name).map_err(|error| FunctionFault::Unusable(format!("{error}.")))
            }
            Place::Folders(folders) => {
                let Some(path) = find_functions(name, folders) else {
                    let searched = folders.iter().map(|dir| dir.display().to_string()).collect();
                    let mut names = installed(folders);
                    names.retain(|name| {
                        find_functions(name, folders).is_some_and(|path| has_functions(&path))
                    });
                    return Err(FunctionFault::NoPlugin { installed: names, searched });
                };
                let image =
                    Image::read(&path).map_err(|error| FunctionFault::Unusable(format!("{error}.")))?;
                Ok(Found { path, digest: image.digest().to_owned() })
            }
        }
    }

    fn values(&self, found: &Found, function: &ExternFunction) -> Known {
        if let Some(values) =
            self.kept.as_ref().and_then(|folder| store::read(folder, &found.digest, function))
        {
            return Ok(values);
        }
        let values = self.apart.values(&found.path, &found.digest, function, LIMIT)?;
        if let Some(folder) = &self.kept {
            store::write(folder, &found.digest, function, &values);
        }
        Ok(values)
    }
}

/// The functions for one program.
#[derive(Debug)]
pub struct Functions<'s> {
    supply: &'s Supply,
    /// What the plugins must be, where a result says it.
    pinned: Option<Digests>,
    used: RefCell<(Digests, Values)>,
}

impl<'s> Functions<'s> {
    /// Of whatever plugins there are.
    #[must_use]
    pub fn of(supply: &'s Supply) -> Self {
        Self { supply, pinned: None, used: RefCell::default() }
    }

    /// Of these very plugins.
    #[must_use]
    pub fn pinned(supply: &'s Supply, digests: Digests) -> Self {
        Self { supply, pinned: Some(digests), used: RefCell::default() }
    }

    /// The plugins whose values were asked for, and the values that they gave.
    #[must_use]
    pub fn into_used(self) -> (Digests, Values) {
        self.used.into_inner()
    }

    /// See [`Loader::tabulate`](hq_dsl::Loader::tabulate).
    ///
    /// # Errors
    /// See [`FunctionFault`].
    pub fn tabulate(&self, function: &ExternFunction) -> Known {
        let found = self.supply.find(&function.plugin)?;
        if let Some(pinned) = &self.pinned
            && pinned.get(&function.plugin) != Some(&found.digest)
        {
            let wanted = pinned.get(&function.plugin).map_or("none", String::as_str);
            return Err(FunctionFault::Unusable(format!(
                "it has the digest {}, and the result was computed with {wanted}.",
                found.digest
            )));
        }
        let key = (found.digest.clone(), function.clone());
        let known = lock(&KNOWN).get(&key).cloned();
        let values = known.unwrap_or_else(|| {
            let values = self.supply.values(&found, function);
            remember(key, values.clone());
            values
        });
        let (digests, used) = &mut *self.used.borrow_mut();
        if let Ok(values) = &values {
            used.insert(super::subject(&found.digest, function).to_hex().to_string(), Arc::clone(values));
        }
        digests.insert(function.plugin.clone(), found.digest);
        values
    }
}

fn remember(key: (String, ExternFunction), values: Known) {
    let mut known = lock(&KNOWN);
    let size = |known: &Known| known.as_ref().map_or(1, |values| values.len());
    if known.values().map(size).sum::<usize>().saturating_add(size(&values)) > MAX_KEPT {
        known.clear();
    }
    known.insert(key, values);
}

/// The plugin that a registry accepted. It is read again where the registry accepted another build since.
fn accepted(registry: &Registry, name: &str) -> Result<Found, RegistryError> {
    let entry = registry.entry(name)?;
    let path = registry.place(&entry)?;
    let key = (registry.folder().to_owned(), entry.blake3.clone());
    if !lock(&ADMITTED).contains(&key) {
        registry.admit(name)?;
        lock(&ADMITTED).insert(key);
    }
    Ok(Found { path, digest: entry.blake3 })
}

/// Whether the file of a plugin names the symbol of functions; it is not loaded for that.
fn has_functions(path: &Path) -> bool {
    let symbol = FUNCTION_SYMBOL.as_bytes();
    let names = |bytes: Vec<u8>| bytes.windows(symbol.len()).any(|window| window == symbol);
    is_module(path) || fs::read(path).is_ok_and(names)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
