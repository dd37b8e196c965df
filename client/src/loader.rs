//! Where `use NAME` finds its text. What was used is remembered, so that a result can carry its program.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hq_dsl::Loader;

/// Largest program or schema that is read, in bytes.
pub(crate) const MAX_SOURCE_BYTES: u64 = 4 << 20;

/// Texts by module name: display name and text.
pub(crate) type Modules = BTreeMap<String, (String, String)>;

/// Looks in given texts first, then in folders, for `NAME.hq`.
#[derive(Debug, Default)]
pub(crate) struct FileLoader {
    given: Modules,
    folders: Vec<PathBuf>,
    used: RefCell<Modules>,
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

    /// Knows the given texts only.
    pub(crate) fn of(given: Modules) -> Self {
        Self { given, ..Self::default() }
    }

    /// Puts a text before everything else.
    pub(crate) fn with(mut self, module: &str, name: &str, text: &str) -> Self {
        self.given.insert(module.to_owned(), (name.to_owned(), text.to_owned()));
        self
    }

    /// What was asked for and found.
    pub(crate) fn into_used(self) -> Modules {
        self.used.into_inner()
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
            let small =
                fs::metadata(&path).is_ok_and(|data| data.is_file() && data.len() <= MAX_SOURCE_BYTES);
            let text = if small { fs::read_to_string(&path).ok()? } else { return None };
            Some((path.display().to_string(), text))
        })
    }
}

impl Loader for FileLoader {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let found = self.find(module)?;
        self.used.borrow_mut().insert(module.to_owned(), found.clone());
        Some(found)
    }
}
