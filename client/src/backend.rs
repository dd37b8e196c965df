//! A backend: the plugin's half that computes and its half that holds keys.

use std::path::PathBuf;

use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin, default_dirs, find};

use crate::error::{ClientError, Result};

/// Both halves of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    /// Its name.
    pub(crate) name: String,
    /// Computes.
    pub(crate) evaluator: EvaluatorPlugin,
    /// Holds keys.
    pub(crate) custody: CustodyPlugin,
}

impl Backend {
    /// Loads a backend's plugin by name.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let path = path_of(name)?;
        let evaluator = EvaluatorPlugin::load(&path)?;
        let custody = CustodyPlugin::load(&path)?;
        Ok(Self { name: name.to_owned(), evaluator, custody })
    }

    /// Whether what it computes on is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.evaluator.capabilities().encrypted
    }
}

/// Loads only what computes: nothing of it touches a secret key.
pub(crate) fn load_evaluator(name: &str) -> Result<EvaluatorPlugin> {
    Ok(EvaluatorPlugin::load(&path_of(name)?)?)
}

fn path_of(name: &str) -> Result<PathBuf> {
    let dirs = default_dirs();
    find(name, &dirs).ok_or_else(|| ClientError::NoPlugin {
        name: name.to_owned(),
        dirs: dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", "),
    })
}
