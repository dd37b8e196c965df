//! A backend: the plugin's half that computes and its half that holds keys.

use hq_dsl::Dataset;
use hq_engine::gate_keys::DECIDES;
use hq_engine::registry::{Registry, RegistryError, Source};
use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin, default_dirs};

use crate::error::{ClientError, Result};
use crate::program::Program;

/// Both halves of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    /// Its name.
    pub(crate) name: String,
    /// Computes.
    pub(crate) evaluator: EvaluatorPlugin,
    /// Holds keys.
    pub(crate) custody: CustodyPlugin,
    /// What decides on its counts, where they are to stay encrypted.
    gates: Option<Box<Backend>>,
}

impl Backend {
    /// Loads a backend's plugin by name.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let source = source_of(name)?;
        let evaluator = source.evaluator()?;
        let custody = match &source {
            Source::File(path) => CustodyPlugin::load(path)?,
            Source::Accepted(image) => CustodyPlugin::load_image(image)?,
        };
        Ok(Self { name: name.to_owned(), evaluator, custody, gates: None })
    }

    /// The same for datasets: with what decides on counts, where one of them asks for it and the plugin is here.
    pub(crate) fn load_for<'a>(name: &str, datasets: impl IntoIterator<Item = &'a Dataset>) -> Result<Self> {
        let mut backend = Self::load(name)?;
        if takes_gates(&backend.evaluator, datasets)
            && let Some(gates) = if_there(Self::load(DECIDES))?
        {
            backend.evaluator = backend.evaluator.with_gates(gates.evaluator.clone());
            backend.gates = Some(Box::new(gates));
        }
        Ok(backend)
    }

    /// What decides on its counts.
    pub(crate) fn gates(&self) -> Result<&Self> {
        self.gates.as_deref().ok_or_else(|| ClientError::NoGates { backend: self.name.clone() })
    }

    /// Whether what it computes on is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.evaluator.capabilities().encrypted
    }
}

/// Loads only what computes: nothing of it touches a secret key.
pub(crate) fn load_evaluator(name: &str) -> Result<EvaluatorPlugin> {
    Ok(source_of(name)?.evaluator()?)
}

/// The same for datasets, as [`Backend::load_for`].
pub(crate) fn load_evaluator_for<'a>(
    name: &str,
    datasets: impl IntoIterator<Item = &'a Dataset>,
) -> Result<EvaluatorPlugin> {
    let evaluator = load_evaluator(name)?;
    if !takes_gates(&evaluator, datasets) {
        return Ok(evaluator);
    }
    let gates = if_there(load_evaluator(DECIDES))?;
    Ok(gates.map_or_else(|| evaluator.clone(), |gates| evaluator.with_gates(gates)))
}

fn takes_gates<'a>(evaluator: &EvaluatorPlugin, datasets: impl IntoIterator<Item = &'a Dataset>) -> bool {
    evaluator.capabilities().leveled.is_some()
        && datasets.into_iter().any(|dataset| dataset.release.min_cell_encrypted)
}

/// A plugin that need not be there.
fn if_there<T>(loaded: Result<T>) -> Result<Option<T>> {
    match loaded {
        Ok(loaded) => Ok(Some(loaded)),
        Err(error) if error.is_no_plugin() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The datasets of programs' queries.
pub(crate) fn datasets_of(programs: &[Program]) -> impl Iterator<Item = &Dataset> {
    programs.iter().flat_map(|program| &program.queries).map(|query| &query.dataset)
}

fn source_of(name: &str) -> Result<Source> {
    let dirs = default_dirs();
    let found = Source::find(name, &dirs, Registry::of_environment().as_ref())?;
    found.ok_or_else(|| ClientError::NoPlugin {
        name: name.to_owned(),
        dirs: dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", "),
    })
}

impl ClientError {
    /// Whether there is no such plugin, or none that an administrator accepted.
    pub(crate) fn is_no_plugin(&self) -> bool {
        matches!(self, Self::NoPlugin { .. } | Self::Registry(RegistryError::NotRegistered { .. }))
    }
}
