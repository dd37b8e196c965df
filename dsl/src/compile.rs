//! From text to checked queries.

use crate::diagnostic::Diagnostic;
use crate::source::{Loader, Sources};
use crate::typed::{Dataset, Query};

/// What became of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// The queries without errors, in order.
    pub queries: Vec<Query>,
    /// Everything found, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that spans point into.
    pub sources: Sources,
}

/// Compiles a program; `params` are values of its public parameters by name.
#[must_use]
pub fn compile(file_name: &str, text: &str, params: &[(String, String)], loader: &dyn Loader) -> Compiled {
    let _ = (params, loader);
    let mut sources = Sources::default();
    sources.add(file_name, text);
    Compiled { sources, ..Compiled::default() }
}

/// Compiles a schema file alone.
#[must_use]
pub fn dataset(file_name: &str, text: &str) -> (Option<Dataset>, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    sources.add(file_name, text);
    (None, Vec::new(), sources)
}
