//! What tests of the whole way share: random circuits over random tables, where the shared data lies, and the
//! oracle's answers to questions over it.

pub mod oracle;
pub mod random;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hq_dsl::{ExternFunction, FunctionFault, Loader};
use hq_engine::functions::tabulate;
use hq_plugin_risk::Risk;
use hq_plugin_sdk::host::FunctionPlugin;

/// The folder of real tables and oracle answers, if it lies beside the checkout.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    folder.is_dir().then_some(folder)
}

/// The schemas of `tests/schemas`, as what programs use, and the functions of the plugin `risk`.
#[derive(Clone, Copy, Debug)]
pub struct Schemas;

impl Loader for Schemas {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let file = format!("{module}.hq");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(&file);
        fs::read_to_string(path).ok().map(|text| (file, text))
    }

    fn tabulate(&self, function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        let plugin = FunctionPlugin::linked::<Risk>("risk")
            .map_err(|error| FunctionFault::Unusable(error.to_string()))?;
        tabulate(plugin, function, Duration::from_mins(1))
    }
}
