//! What a shared library offers of all that a plugin may have.

use super::{CustodyPlugin, EvaluatorPlugin, FunctionPlugin, Image, LoadError};

/// What a plugin says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Name and version of its backend.
    pub backend: Option<(String, String)>,
    /// Whether its backend has the half that holds keys.
    pub custody: bool,
    /// Names of its functions.
    pub functions: Vec<String>,
}

impl Offer {
    /// Loads a plugin under each symbol that it has.
    ///
    /// # Errors
    /// A half that cannot be used; a library without any.
    pub fn of(image: &Image) -> Result<Self, LoadError> {
        let backend = there(EvaluatorPlugin::load_image(image))?.map(|evaluator| {
            let capabilities = evaluator.capabilities();
            (capabilities.name.clone(), capabilities.version.clone())
        });
        let custody = there(CustodyPlugin::load_image(image))?.is_some();
        let functions = match FunctionPlugin::load_image(image) {
            Ok(plugin) => plugin.functions().iter().map(|function| function.name.clone()).collect(),
            // Of no kind at all: this says what is missing.
            Err(LoadError::SymbolMissing { .. }) if custody || backend.is_some() => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { backend, custody, functions })
    }
}

/// A half that need not be there.
fn there<T>(loaded: Result<T, LoadError>) -> Result<Option<T>, LoadError> {
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(LoadError::SymbolMissing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
