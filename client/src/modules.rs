//! Modules by name or file: the standard library first, then files.

use std::path::{Path, PathBuf};

use hq_dsl::{MODULES, nearest, stdlib};

use crate::error::{ClientError, Result};
use crate::program::read_source;

/// A module's text.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// Its name: that of the module, or of the file without its ending.
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

/// The modules of the standard library.
pub(crate) fn standard() -> impl Iterator<Item = Module> {
    MODULES.iter().filter_map(|name| of_stdlib(name))
}

/// A module of the standard library.
pub(crate) fn of_stdlib(name: &str) -> Option<Module> {
    let text = stdlib(name)?.to_owned();
    Some(Module { name: name.to_owned(), path: PathBuf::from(format!("stdlib/{name}.hq")), text })
}

/// A module of the standard library, or a file.
pub(crate) fn find(name: &str) -> Result<Module> {
    if let Some(module) = of_stdlib(name) {
        return Ok(module);
    }
    let path = Path::new(name);
    if !path.exists() && !name.contains(['/', '\\']) && path.extension().is_none() {
        return Err(unknown(name, MODULES.iter().copied()));
    }
    let text = read_source(path)?;
    let stem = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(Module { name: stem, path: path.to_owned(), text })
}

/// A name that is none of those known.
pub(crate) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> ClientError {
    let help = match nearest(name, known) {
        Some(near) => format!("Did you mean `{near}`?"),
        None => format!("The modules are {}; a file is named with its ending.", MODULES.join(", ")),
    };
    ClientError::UnknownModule { name: name.to_owned(), help }
}
