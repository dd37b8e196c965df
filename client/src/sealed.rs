//! Secret parameters on the command line: encrypted under the public key with the values that are given, and read from a file.

use std::path::Path;

use hq_dsl::Query;
use hq_engine::run::SealedParameters;
use hq_engine::sealed::{self, SealedError, parts};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::frame::KeyId;
use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::error::{ClientError, Result, damaged, mismatch, refused};
use crate::keys::read_bounded;
use crate::program::Program;

/// Largest file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// Encrypts the secret parameters of a query, with the values that the command line gives.
pub(crate) fn seal(
    program: &Program,
    query: &Query,
    evaluator: &EvaluatorPlugin,
    evaluation_key: &[u8],
) -> Result<SealedParameters> {
    let mut sealed = SealedParameters::new();
    for column in &query.secrets {
        let given = program.secret_params.iter().find(|(name, _)| *name == column.name);
        let code = given.and_then(|(_, text)| column.domain.parse_parameter(text));
        let Some(code) = code else {
            return Err(ClientError::NoSecret { query: query.name.clone(), name: column.name.clone() });
        };
        for (name, value) in parts(column, evaluator.capabilities(), code) {
            let frame = evaluator
                .encrypt_parameter(evaluation_key, value)
                .map_err(refused(format!("the secret parameter `{}`", column.name)))?;
            sealed.insert(name, frame);
        }
    }
    Ok(sealed)
}

/// Reads a file of parameters for a query.
pub(crate) fn read(
    path: &Path,
    query: &Query,
    backend: &Capabilities,
    key: KeyId,
) -> Result<SealedParameters> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    sealed::read(&bytes, query, backend, key).map_err(|error| match error {
        SealedError::Damaged(reason) => damaged(path, reason),
        SealedError::Key { .. } | SealedError::Query { .. } => mismatch(path, error.to_string()),
    })
}
