//! Where `use NAME` finds its text. What was used is remembered, so that a result can carry its program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hq_dsl::{ExternFunction, FunctionFault, Loader};
use hq_engine::functions::{Digests, Functions};

use crate::functions::supply;

/// Largest program or schema that is read, in bytes.
pub(crate) const MAX_SOURCE_BYTES: u64 = 4 << 20;

/// Most files of folders that are looked through for names.
const MAX_LISTED: usize = 10_000;

/// Texts by module name: display name and text.
pub(crate) type Modules = BTreeMap<String, (String, String)>;

/// Looks in given texts first, then in folders, for `NAME.hq`.
#[derive(Debug)]
pub(crate) struct FileLoader {
    given: Modules,
    folders: Vec<PathBuf>,
    /// Texts that win over files, by [`place`].
    open: BTreeMap<PathBuf, String>,
    used: RefCell<Modules>,
    functions: Functions<'static>,
}

impl Default for FileLoader {
    fn default() -> Self {
        Self {
            given: Modules::default(),
            folders: Vec::new(),
            open: BTreeMap::new(),
            used: RefCell::default(),
            functions: Functions::of(supply()),
        }
    }
}

impl FileLoader {
    /// For a program in a file: `schemas`, then its folder, the folder above, `schemas/` in each of them,
    /// then the working directory.
    pub(crate) fn beside(program: &Path, schemas: &[PathBuf]) -> Self {
        let folder = program.parent().map_or_else(PathBuf::new, Path::to_owned);
        let above = match folder.parent() {
            Some(above) if folder.ends_with("..") => above.join("../.."),
            Some(above) => above.to_owned(),
            None => folder.join(".."),
        };
        let mut folders = schemas.to_vec();
        folders.extend([folder.join("schemas"), above.join("schemas"), above, PathBuf::new()]);
        folders.insert(schemas.len(), folder);
        Self { folders, ..Self::default() }
    }

    /// Knows the given texts only, and functions of the given plugins.
    pub(crate) fn of(given: Modules, plugins: Digests) -> Self {
        Self { given, functions: Functions::pinned(supply(), plugins), ..Self::default() }
    }

    /// Puts a text before everything else.
    pub(crate) fn with(mut self, module: &str, name: &str, text: &str) -> Self {
        self.given.insert(module.to_owned(), (name.to_owned(), text.to_owned()));
        self
    }

    /// Lets texts that an editor holds win over the files they came from.
    pub(crate) fn over(mut self, open: BTreeMap<PathBuf, String>) -> Self {
        self.open = open;
        self
    }

    /// Names of all files that would be found.
    pub(crate) fn names(&self) -> Vec<String> {
        let here = Path::new(".");
        let folders = self.folders.iter().map(|folder| if folder == Path::new("") { here } else { folder });
        let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let mut names: Vec<String> =
            entries.take(MAX_LISTED).filter_map(|entry| module_name(&entry.path())).collect();
        let in_folders =
            |path: &&PathBuf| self.folders.iter().any(|folder| path.parent() == place(folder).as_deref());
        names.extend(self.open.keys().filter(in_folders).filter_map(|path| module_name(path)));
        names.sort();
        names.dedup();
        names
    }

    /// What was asked for and found: texts, and plugins with functions.
    pub(crate) fn into_used(self) -> (Modules, Digests) {
        (self.used.into_inner(), self.functions.into_used().0)
    }

    fn find(&self, module: &str) -> Option<(String, String)> {
        if let Some(found) = self.given.get(module) {
            return Some(found.clone());
        }
        // A name never leads out of the folders.
        if module.is_empty() || !module.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return None;
        }
        self.folders.iter().find_map(|folder| {
            let path = folder.join(format!("{module}.hq"));
            let text = if self.open.is_empty() { None } else { self.open.get(&place(&path)?) };
            if let Some(text) = text {
                return Some((path.display().to_string(), text.clone()));
            }
            let small =
                fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() <= MAX_SOURCE_BYTES);
            let text = if small { fs::read_to_string(&path).ok()? } else { return None };
            Some((path.display().to_string(), text))
        })
    }
}

/// A path without links and dots; its file need not exist.
pub(crate) fn place(path: &Path) -> Option<PathBuf> {
    if path == Path::new("") {
        return fs::canonicalize(".").ok();
    }
    fs::canonicalize(path).ok().or_else(|| {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).ok()?;
        Some(folder.join(path.file_name()?))
    })
}

/// The name by which `use` finds a file.
fn module_name(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let plain = stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && path.extension()? == "hq").then(|| stem.to_owned())
}

impl Loader for FileLoader {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let found = self.find(module)?;
        self.used.borrow_mut().insert(module.to_owned(), found.clone());
        Some(found)
    }

    fn tabulate(&self, function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        self.functions.tabulate(function)
    }
}
