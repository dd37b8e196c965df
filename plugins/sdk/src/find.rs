//! Finds a plugin's file by its name.

use std::env;
use std::path::{Path, PathBuf};

/// Environment variable with the folders that [`default_dirs`] names first.
pub const PLUGIN_DIR_VARIABLE: &str = "HQ_PLUGIN_DIR";

/// How the files of WebAssembly modules end.
const MODULE_SUFFIX: &str = ".wasm";

/// The file of the plugin `name` in the first of `dirs` that has it; `None` also where the name is none, so that
/// it never leads out of the folders.
#[must_use]
pub fn find(name: &str, dirs: &[PathBuf]) -> Option<PathBuf> {
    let file = file_name(name)?;
    dirs.iter().map(|dir| dir.join(&file)).find(|path| path.is_file())
}

/// The file with the functions of the plugin `name` in the first of `dirs` that has one: a shared library, or a module.
#[must_use]
pub fn find_functions(name: &str, dirs: &[PathBuf]) -> Option<PathBuf> {
    let names = [file_name(name)?, module_name(name)?];
    dirs.iter().flat_map(|dir| names.iter().map(|file| dir.join(file))).find(|path| path.is_file())
}

/// The name of the shared library of the plugin `name`; `None` where the name has other signs than `a-z`, `0-9` and `_`.
#[must_use]
pub fn file_name(name: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!name.is_empty() && name.bytes().all(plain))
        .then(|| format!("{}hq_plugin_{name}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
}

/// The name of the WebAssembly module of the plugin `name`, alike on every system.
#[must_use]
pub fn module_name(name: &str) -> Option<String> {
    file_name(name).map(|_| format!("hq_plugin_{name}{MODULE_SUFFIX}"))
}

/// Whether a file is named as a WebAssembly module is.
#[must_use]
pub fn is_module(path: &Path) -> bool {
    path.file_name().and_then(|file| file.to_str()).is_some_and(|file| file.ends_with(MODULE_SUFFIX))
}

/// The name of the plugin in a file, which is [`file_name`] or [`module_name`] of it.
#[must_use]
pub fn name_of(path: &Path) -> Option<&str> {
    let file = path.file_name()?.to_str()?;
    let (prefix, suffix) = if is_module(path) {
        ("", MODULE_SUFFIX)
    } else {
        (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
    };
    let name = file.strip_prefix(prefix)?.strip_prefix("hq_plugin_")?.strip_suffix(suffix)?;
    file_name(name).is_some().then_some(name)
}

/// Names of all plugins in `dirs`, sorted.
#[must_use]
pub fn installed(dirs: &[PathBuf]) -> Vec<String> {
    let entries = dirs.iter().filter_map(|dir| dir.read_dir().ok()).flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = name_of(&path)?;
            find_functions(name, dirs).map(|_| name.to_owned())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Where plugins are looked for: the folders of `HQ_PLUGIN_DIR`, that of the running program, its parent.
#[must_use]
pub fn default_dirs() -> Vec<PathBuf> {
    let listed = env::var_os(PLUGIN_DIR_VARIABLE).unwrap_or_default();
    let listed = env::split_paths(&listed).filter(|dir| dir.is_absolute());
    let program = env::current_exe().ok();
    let beside = program.iter().flat_map(|program| program.ancestors().skip(1).take(2).map(Path::to_owned));
    listed.chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_lead_out_of_the_folders() {
        let dirs = default_dirs();
        for name in ["", "..", "../clear", "/etc/passwd", "Clear", "a b", "no_such_plugin"] {
            assert_eq!(find(name, &dirs), None, "{name}");
        }
        let path = Path::new("folder").join(file_name("risk").unwrap_or_default());
        assert_eq!(name_of(&path), Some("risk"));
        assert_eq!(name_of(Path::new("folder/hq_plugin_risk.wasm")), Some("risk"));
        assert!(
            name_of(Path::new("libhq_plugin_risk.wasm")).is_none() && name_of(Path::new("x.wasm")).is_none()
        );
        assert!(name_of(Path::new("folder/risk")).is_none() && name_of(Path::new("..")).is_none());
    }
}
