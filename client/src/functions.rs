//! Functions of plugins as this program has them: plugins are found where those of backends are, and values are kept among the
//! user's caches.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use hq_engine::apart::Apart;
use hq_engine::functions::Supply;
use hq_engine::registry::Registry;
use hq_plugin_sdk::host::default_dirs;

/// Names a folder for values instead of the usual one.
const VARIABLE: &str = "HQ_FUNCTION_CACHE";

/// Where this program's functions come from.
pub(crate) fn supply() -> &'static Supply {
    static SUPPLY: LazyLock<Supply> = LazyLock::new(|| {
        // Without its own place, the program is looked for by its name, and messages name it.
        let apart = Apart::by_this_program().unwrap_or_else(|_| Apart::by("hq".into()));
        let supply = match Registry::of_environment() {
            Some(registry) => Supply::of_registry(registry, apart),
            None => Supply::of_folders(default_dirs(), apart),
        };
        supply.keeping(folder())
    });
    &SUPPLY
}

/// `HQ_FUNCTION_CACHE`, or a folder among the user's caches (XDG).
fn folder() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    named(VARIABLE).or_else(|| {
        let caches = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))?;
        Some(caches.join("hq").join("functions"))
    })
}
