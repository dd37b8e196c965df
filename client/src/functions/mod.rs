//! Functions that plugins supply: the plugins are found where those of backends are, loaded once, and what they gave
//! is kept, in memory and in files. What a program used of them is remembered, so that a result can say it.

mod store;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hq_dsl::{ExternFunction, FunctionFault};
use hq_engine::functions::tabulate;
use hq_engine::registry::{Registry, RegistryError};
use hq_plugin_sdk::abi::FUNCTION_SYMBOL;
use hq_plugin_sdk::host::{FunctionPlugin, default_dirs, find, installed};

/// How long a function may take for all its values.
const LIMIT: Duration = Duration::from_secs(10);

/// Most values that are kept in memory, of all functions.
const MAX_KEPT: usize = 1 << 24;

/// Plugins by their file. A library is never unloaded, so that a file which changes is not loaded again.
static PLUGINS: LazyLock<Mutex<HashMap<PathBuf, FunctionPlugin>>> = LazyLock::new(Mutex::default);

/// Values, or why there are none, by the digest of the plugin and the function. Also failures are kept: an editor
/// checks a program at each key, and one that hangs has left a thread behind.
static KNOWN: LazyLock<Mutex<HashMap<(String, ExternFunction), Known>>> = LazyLock::new(Mutex::default);

/// Whether the file of a plugin has functions.
static SUPPLIERS: LazyLock<Mutex<HashMap<PathBuf, bool>>> = LazyLock::new(Mutex::default);

type Known = Result<Arc<[i64]>, FunctionFault>;

/// Digests of plugins by name.
pub(crate) type Digests = BTreeMap<String, String>;

/// The functions for one program.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// What the plugins must be, where a result says it.
    pinned: Option<Digests>,
    used: RefCell<Digests>,
}

impl Functions {
    /// Of these very plugins.
    pub(crate) fn pinned(digests: Digests) -> Self {
        Self { pinned: Some(digests), used: RefCell::default() }
    }

    /// The plugins whose values were asked for.
    pub(crate) fn into_used(self) -> Digests {
        self.used.into_inner()
    }

    /// See [`Loader::tabulate`](hq_dsl::Loader::tabulate).
    pub(crate) fn tabulate(&self, function: &ExternFunction) -> Known {
        let plugin = load(&function.plugin)?;
        let digest = plugin.digest().to_owned();
        if let Some(pinned) = &self.pinned
            && pinned.get(&function.plugin) != Some(&digest)
        {
            let wanted = pinned.get(&function.plugin).map_or("none", String::as_str);
            return Err(FunctionFault::Unusable(format!(
                "it has the digest {digest}, and the result was computed with {wanted}."
            )));
        }
        self.used.borrow_mut().insert(function.plugin.clone(), digest.clone());
        let key = (digest, function.clone());
        if let Some(known) = lock(&KNOWN).get(&key) {
            return known.clone();
        }
        let values = match store::read(&key.0, function) {
            Some(values) => Ok(values),
            None => {
                let values = tabulate(&plugin, function, LIMIT);
                if let Ok(values) = &values {
                    store::write(&key.0, function, values);
                }
                values
            }
        };
        let mut known = lock(&KNOWN);
        let size = |known: &Known| known.as_ref().map_or(1, |values| values.len());
        if known.values().map(size).sum::<usize>().saturating_add(size(&values)) > MAX_KEPT {
            known.clear();
        }
        known.insert(key, values.clone());
        values
    }
}

fn load(name: &str) -> Result<FunctionPlugin, FunctionFault> {
    if let Some(registry) = Registry::of_environment() {
        return accepted(&registry, name).map_err(|error| FunctionFault::Unusable(format!("{error}.")));
    }
    let dirs = default_dirs();
    let Some(path) = find(name, &dirs) else {
        let searched = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let mut names = installed(&dirs);
        names.retain(|name| find(name, &dirs).is_some_and(|path| has_functions(&path)));
        return Err(FunctionFault::NoPlugin { installed: names, searched });
    };
    let mut plugins = lock(&PLUGINS);
    if let Some(plugin) = plugins.get(&path) {
        return Ok(plugin.clone());
    }
    let plugin = FunctionPlugin::load(&path).map_err(|error| FunctionFault::Unusable(format!("{error}.")))?;
    plugins.insert(path, plugin.clone());
    Ok(plugin)
}

/// The plugin that a registry accepted. It is read again where the registry accepted another build since.
fn accepted(registry: &Registry, name: &str) -> Result<FunctionPlugin, RegistryError> {
    let (entry, key) = (registry.entry(name)?, registry.folder().join(name));
    if let Some(plugin) = lock(&PLUGINS).get(&key).filter(|plugin| plugin.digest() == entry.blake3) {
        return Ok(plugin.clone());
    }
    let plugin = FunctionPlugin::load_image(&registry.admit(name)?)?;
    lock(&PLUGINS).insert(key, plugin.clone());
    Ok(plugin)
}

/// Whether the file of a plugin names the symbol of functions; it is not loaded for that, and read once.
fn has_functions(path: &Path) -> bool {
    let symbol = FUNCTION_SYMBOL.as_bytes();
    let names = |bytes: Vec<u8>| bytes.windows(symbol.len()).any(|window| window == symbol);
    *lock(&SUPPLIERS).entry(path.to_owned()).or_insert_with(|| fs::read(path).is_ok_and(names))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
